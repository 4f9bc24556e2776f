"""How the losses of trained twins decay: the fits of every seed and their tables, notebook 02."""

import numpy as np
import pandas as pd

from ffcl_utils.analysis.decay import MIN_EPOCHS, Decay, Fit, can_be_fitted, fit_decay
from ffcl_utils.learning.history import History

DIVERGED, TOO_SHORT = "diverged", "too few epochs"  # verdicts on what is not fitted
PARTS = {"train": "Training", "test": "Test"}
Decays = dict[str, dict[str, list[Decay | None]]]


def fit_history(history: History) -> Decays:
    """The decays of all losses: by part (train, test), by layer and total, one per seed.

    None for a seed whose loss is not finite, and where there are too few epochs.
    """
    return {
        part: {
            layer: [fit_decay(loss) if can_be_fitted(loss) else None for loss in losses.T]
            for layer, losses in history.starting_with(f"{part}_loss/").items()
        }
        for part in PARTS
    }


def decay_table(decays: Decays, history: History) -> pd.DataFrame:
    """One row per part, layer and seed of `fit_history`, with the figures of every fit.

    history: that was fitted. verdict: in words; DIVERGED or TOO_SHORT where there is no fit.
    exponential: 1 or 0, NaN without a fit. tau is in epochs; beta is the exponent of the stretched
    exponential, 1 where it adds nothing; _low and _high are the ends of the 95 % interval.
    """
    return pd.DataFrame(
        {"part": part, "layer": layer, "seed": seed} | _row(decay, loss)
        for part, layers in decays.items()
        for layer, of_seeds in layers.items()
        for seed, decay, loss in zip(
            history.seeds, of_seeds, history[f"{part}_loss/{layer}"].T, strict=True
        )
    )


def _row(decay: Decay | None, loss: np.ndarray) -> dict:
    if decay is None:
        columns = ("exponential", "r_squared", "tau", "tau_low", "tau_high", "beta", "beta_low",
                   "beta_high", "aicc_exponential", "aicc_power_law", "aicc_linear",
                   "aicc_stretched")  # fmt: skip
        verdict = TOO_SHORT if np.isfinite(loss).all() else DIVERGED
        return {"verdict": verdict} | dict.fromkeys(columns, np.nan)
    return {
        "verdict": decay.verdict,
        "exponential": float(decay.exponential),
        "r_squared": decay.fits["exponential"].r_squared,
        **_with_interval(decay.fits["exponential"], "tau"),
        **_with_interval(decay.fits["stretched"], "beta"),
        **{f"aicc_{name.replace(' ', '_')}": fit.aicc for name, fit in decay.fits.items()},
    }


def _with_interval(fit: Fit, name: str) -> dict[str, float]:
    low, high = fit.intervals.get(name, (np.nan, np.nan))
    return {name: fit.parameters.get(name, np.nan), f"{name}_low": low, f"{name}_high": high}


def decay_summary(table: pd.DataFrame) -> pd.DataFrame:
    """`decay_table` over seeds: share exponential, medians, and how often each verdict came out."""
    groups = table.groupby(["part", "layer"], sort=False)
    return pd.DataFrame(
        {
            "exponential": groups.exponential.mean(),
            "median R²": groups.r_squared.median(),
            "median τ (epochs)": groups.tau.median(),
            "τ from": groups.tau.min(),
            "τ to": groups.tau.max(),
            "median β": groups.beta.median(),
            "β interval holds 1": groups[["beta_low", "beta_high"]].apply(
                lambda g: ((g.beta_low <= 1) & (g.beta_high >= 1))[g.beta_low.notna()].mean()
            ),
            "verdicts": groups.verdict.agg(
                lambda v: ", ".join(f"{n} {name}" for name, n in v.value_counts().items())
            ),
        }
    )


def every_seed(networks: dict, decays: dict[str, Decays]) -> pd.DataFrame:
    """`decay_table` of every reading, with the reading as index."""
    tables = {
        reading: decay_table(decays[reading], rule.history) for reading, rule in networks.items()
    }
    return pd.concat(tables, names=["reading", "row"]).reset_index("row", drop=True)


def summaries(table: pd.DataFrame) -> pd.DataFrame:
    """`decay_summary` of every reading of `every_seed`."""
    by_reading = {r: decay_summary(rows) for r, rows in table.groupby("reading", sort=False)}
    return pd.concat(by_reading, names=["reading"])


def totals(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `every_seed` that are about the total loss."""
    rows = table[table.layer == "total"].drop(columns="layer")
    return rows.set_index(["part", "seed"], append=True)


def in_words(table: pd.DataFrame) -> str:
    """How many curves were fitted, for the reader of a run that is short or has diverged."""
    fitted = table.exponential.notna().sum()
    if fitted == len(table):
        return f"All {fitted} loss curves could be fitted."
    return (
        f"{fitted} of {len(table)} loss curves could be fitted: a fit needs at least {MIN_EPOCHS} "
        "epochs of finite losses."
    )


def metrics(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Metrics of notebook 02: exponential (1, 0; NaN: no fit) and R² of every loss, (S,) each."""
    found = {}
    for (reading, part, layer), rows in table.groupby(["reading", "part", "layer"], sort=False):
        name = f"{reading}/{part}_loss" + ("" if layer == "total" else f"/{layer}")
        found[f"{name}_exponential"] = rows.exponential.to_numpy()
        found[f"{name}_r_squared"] = rows.r_squared.to_numpy()
    return found
