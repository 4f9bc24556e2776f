"""Every reading of the improved-FFCL paper, trained side by side: what notebook 07 shows.

A reading is a choice of what the paper leaves open: how pairs are drawn, the margin, the batch
size, whether there is a trainable input layer, and which network predicts.
"""

from itertools import product

import numpy as np
import pandas as pd

from ffcl_utils import rules
from ffcl_utils.analysis.decay import MIN_EPOCHS, can_be_fitted, fit_decay
from ffcl_utils.analysis.geometry import class_cosines, effective_dimension, silent_share
from ffcl_utils.analysis.statistics import paired_difference
from ffcl_utils.claims.judges import REPRODUCED
from ffcl_utils.claims.ledger import claim
from ffcl_utils.config import ConfigError, RuleConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.rules.base import Rule

SETTINGS = ["pairing", "margin", "batch_size", "trainable_input_layer", "representation_loss"]
PREDICTORS = ["first", "second", "mean"]
# The factorial part, where every setting is combined with every other …
GRID = {"pairing": ("random", "balanced"), "margin": (0.0, 0.2, 0.5), "batch_size": (64, 512)}
INPUT_LAYER = {"trainable_input_layer": True, "products": "auto"}
# … and readings beside it. The input layer of 784 x 784 weights is slow: large batches only.
EXTRA = (
    {"pairing": "same_image", "margin": 0.0, "batch_size": 64},
    {"pairing": "same_image", "margin": 0.0, "batch_size": 512},
    {"pairing": "random", "margin": 0.0, "batch_size": 512} | INPUT_LAYER,
    {"pairing": "balanced", "margin": 0.0, "batch_size": 512} | INPUT_LAYER,
)
COLLAPSED = 3  # of ten classes, less than a third as many directions
PROBES = 2000  # test images on which the representations are looked at
SMOKE_EPOCHS = MIN_EPOCHS  # few, so that smoke takes seconds; fewer have no fit of the losses


def configure(preset: str, compare_loss: str | None = None, **settings) -> dict[str, RuleConfig]:
    """The settings of every reading, by its name; raises ConfigError as `rules.configure` does.

    compare_loss: a name in losses.REPRESENTATION_LOSSES, which adds readings with that loss. At
    smoke there is no reading with an input layer: those two take nearly as long as all others.
    """
    readings = [dict(zip(GRID, values, strict=True)) for values in product(*GRID.values())]
    readings += [r for r in EXTRA if preset != "smoke" or "trainable_input_layer" not in r]
    if compare_loss is not None:
        readings += [
            {"representation_loss": compare_loss, "batch_size": size} for size in GRID["batch_size"]
        ]
    clash = sorted({name for name in SETTINGS if settings.get(name) is not None})
    if clash:
        raise ConfigError(f"{', '.join(clash)}: this study goes through all of them itself")
    if preset == "smoke" and settings.get("epochs") is None:
        settings = settings | {"epochs": SMOKE_EPOCHS}
    configs = [rules.configure("improved_ffcl", preset, **(settings | r)) for r in readings]
    return {reading_name(config): config for config in configs}


def reading_name(config: RuleConfig) -> str:
    """Such as "balanced, margin 0.2, batch 64"."""
    more = ", input layer" if config.trainable_input_layer else ""
    if config.representation_loss != "cosine_embedding":
        more += f", {config.representation_loss}"
    return f"{config.pairing}, margin {config.margin:g}, batch {config.batch_size}{more}"


def band() -> tuple[float, float]:
    """Shares of images between which the best seed agrees with "up to 63 %": claim A1."""
    judge = claim("A1").judge
    return judge.low, judge.high


def run_table(networks: dict[str, Rule], data: Dataset) -> pd.DataFrame:
    """What every trained reading came to: one row a run, a reading and seed.

    Columns: the settings, seed; first, second, mean (test accuracy of each predictor after the last
    epoch); train and test (whether the total loss decays exponentially, as claims A2 and A3 ask;
    not where it cannot be fitted); and what the first network's last hidden layer makes of test
    images: silent (share of images without any active unit), same and other (mean cosine of two
    images of one class and of two), dimension (participation ratio), length (mean norm of what
    enters the output layer).
    """
    return pd.concat([_runs_of(rule, data) for rule in networks.values()], ignore_index=True)


def _runs_of(rule: Rule, data: Dataset) -> pd.DataFrame:
    config, history = rule.config, rule.history
    hidden = rule.hidden_layers(data.test_images[:PROBES])[0][-1].numpy()
    same, other = class_cosines(hidden, data.test_labels[:PROBES].numpy())
    return pd.DataFrame(
        {
            "reading": reading_name(config),
            **{name: getattr(config, name) for name in SETTINGS},
            "seed": config.seed_list,
            **{twin: history[f"test_accuracy/{twin}"][-1] for twin in PREDICTORS},
            **{
                part: [is_exponential(loss) for loss in history[f"{part}_loss/total"].T]
                for part in ("train", "test")
            },
            "silent": silent_share(hidden),
            "same": same,
            "other": other,
            "dimension": effective_dimension(hidden),
            "length": np.linalg.norm(hidden, axis=-1).mean(-1),
        }
    )


def is_exponential(loss: np.ndarray) -> bool:
    """Whether a loss (E,) decays exponentially; not where it cannot be fitted."""
    return can_be_fitted(loss) and fit_decay(loss).exponential


def cells(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per reading and predictor: accuracy over seeds, and what of the paper it agrees with.

    Columns: accuracy (mean), std, best; 63 % (best seed within the band of claim A1, which is how
    "up to 63 %" is read); train and test (exponential for 80 % of the seeds or more, as A2 and A3).
    """
    up_to, exponential = claim("A1").judge, claim("A2").judge
    rows = []
    for reading, of_reading in runs.groupby("reading", sort=False):
        for predictor in PREDICTORS:
            accuracy = of_reading[predictor].to_numpy()
            rows.append(
                {
                    "reading": reading,
                    **of_reading[SETTINGS].iloc[0],
                    "predictor": predictor,
                    "accuracy": accuracy.mean(),
                    "std": accuracy.std(ddof=1) if len(accuracy) > 1 else np.nan,
                    "best": accuracy.max(),
                    "63 %": up_to.verdict(accuracy) == REPRODUCED,
                    "train": exponential.verdict(of_reading["train"]) == REPRODUCED,
                    "test": exponential.verdict(of_reading["test"]) == REPRODUCED,
                }
            )
    return pd.DataFrame(rows)


def main_effects(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy at each level of a setting minus at its other levels, with its 95 % interval.

    Over the factorial part of the study, where every setting is balanced against all others; the
    interval is over seeds, each compared with itself; of one seed alone there is none.
    """
    grid = _factorial(runs).melt(
        [*SETTINGS, "seed"], PREDICTORS, var_name="predictor", value_name="accuracy"
    )
    rows = []
    for setting in (*GRID, "predictor"):
        by_level = grid.groupby(["seed", setting], sort=False)["accuracy"].mean().unstack()
        for level in by_level:
            others = by_level.drop(columns=level).mean(axis=1)
            effect = {"mean": (by_level[level] - others).mean(), "low": np.nan, "high": np.nan}
            if len(by_level) > 1:
                effect = paired_difference(by_level[level], others)._asdict()
            rows.append({"setting": setting, "level": level, **effect})
    return pd.DataFrame(rows)


def margin_effect(runs: pd.DataFrame) -> np.ndarray:
    """Accuracy at the largest margin minus at margin 0, mean over the factorial part, (S,)."""
    by_margin = _factorial(runs).groupby(["seed", "margin"])[PREDICTORS].mean().mean(axis=1)
    by_margin = by_margin.unstack()
    return (by_margin.iloc[:, -1] - by_margin.iloc[:, 0]).to_numpy()


def _factorial(runs: pd.DataFrame) -> pd.DataFrame:
    in_grid = [runs[name].isin(levels) for name, levels in GRID.items()]
    usual = runs["representation_loss"] == "cosine_embedding"
    return runs[np.logical_and.reduce(in_grid) & usual & ~runs["trainable_input_layer"]]


def answer(found: pd.DataFrame) -> str:
    """In words, from the table of `cells`: which readings agree with the paper, which do not."""
    low, high = (f"{100 * bound:g}" for bound in band())
    agree = found[found["63 %"]]
    curves = agree[agree["train"] & agree["test"]]
    above = found[found["best"] > band()[1]]
    below = found[found["best"] < band()[0]]
    either = found[found["train"] & found["test"]]
    return (
        f"Of {len(found)} cells, {len(agree)} have a best seed within {low}–{high} %, and so agree "
        f"with “up to 63 %”{_listed(agree)}. {len(curves)} of these also have training and test "
        f"losses that decay exponentially{_listed(curves)}. {len(below)} cells stay below the "
        f"band{_listed(below)}, {len(above)} lie above it{_listed(above)}. Exponential training "
        f"and test losses are found in {len(either)} cells{_listed(either)}."
    )


def why_weak(runs: pd.DataFrame) -> str:
    """In words: what is wrong in the last hidden layer of the readings below the band of claim A1.

    By rule: silent (any image without an active unit); collapsed (fewer than COLLAPSED directions);
    starved (activations shorter than half the median of the readings that are not weak). A reading
    all of whose seeds have diverged has none of these figures, and is named as such.
    """
    by_reading = runs.groupby("reading", sort=False)[
        ["first", "silent", "dimension", "length"]
    ].mean()
    weak = by_reading[by_reading["first"] < band()[0]]
    strong = by_reading[by_reading["first"] >= band()[0]]
    found = {
        "have silent images": weak["silent"] > 0,
        f"collapse to fewer than {COLLAPSED} directions": weak["dimension"] < COLLAPSED,
        "starve the output layer": weak["length"] < strong["length"].median() / 2,
    }
    diverged = weak["length"].isna()
    if diverged.any():
        found["have diverged"] = diverged
    told = pd.concat(found, axis=1)
    sentences = [f"{len(weak)} readings stay below {100 * band()[0]:g} % on average."]
    for reason, holds in told.items():
        names = f" ({'; '.join(holds.index[holds])})" if holds.any() else ""
        sentences.append(f"{holds.sum()} of them {reason}{names}.")
    unexplained = told.index[~told.any(axis=1)]
    if len(unexplained):
        sentences.append(f"None of this is true of {'; '.join(unexplained)}.")
    return " ".join(sentences)


def _listed(rows: pd.DataFrame) -> str:
    """The readings in rows, each with the predictors that it has there; empty for no rows."""
    if rows.empty:
        return ""
    names = [
        f"{reading}" + ("" if len(own) == len(PREDICTORS) else f" ({', '.join(own['predictor'])})")
        for reading, own in rows.groupby("reading", sort=False)
    ]
    return f" ({'; '.join(names)})"


def about_intervals(seeds: int) -> str:
    """In words: how the intervals of `main_effects` are to be read, or why there are none."""
    if seeds < 2:
        return "A single seed has no interval: it does not say whether another would agree."
    return "An interval that does not hold zero is an effect that these seeds agree on."


def effects_in_points(effects: pd.DataFrame) -> pd.DataFrame:
    """`main_effects` in percentage points, with a name a row, for the figure."""
    points = effects[["mean", "low", "high"]].mul(100)
    return points.assign(name=effects["setting"] + " " + effects["level"].astype(str))


def geometry(runs: pd.DataFrame) -> pd.DataFrame:
    """What the last hidden layer of each reading looks like, the least accurate first."""
    columns = ["mean", "silent", "same", "other", "dimension", "length"]
    table = runs.groupby("reading")[columns].mean().rename(columns={"mean": "accuracy"})
    return table.sort_values("accuracy").round(3)


def geometry_panels(runs: pd.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For the figure: by what is shown, its value and the accuracy in % of every run."""
    accuracy = 100 * runs["mean"].to_numpy()
    shown = {
        "cosine of two classes minus of one": runs["other"] - runs["same"],
        "share of silent images": runs["silent"],
        "directions filled (participation ratio)": runs["dimension"],
        "length of what enters the output": runs["length"],
    }
    return {name: (values.to_numpy(), accuracy) for name, values in shown.items()}


def settings_of_runs(runs: pd.DataFrame) -> np.ndarray:
    """Pairing and margin of every run, by which the figure's points are grouped."""
    return (runs["pairing"] + ", margin " + runs["margin"].astype(str)).to_numpy()


def metrics(runs: pd.DataFrame) -> dict[str, np.ndarray]:
    """The metrics of notebook 07, one figure per seed each."""
    return {"margin_effect": margin_effect(runs)}
