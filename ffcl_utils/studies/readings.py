"""Every reading of the improved-FFCL paper, trained side by side: what notebook 07 shows.

A reading is a choice of what the paper leaves open: how pairs are drawn, the margin, the batch
size, whether there is a trainable input layer, and which network predicts.
"""

from itertools import groupby, product

import numpy as np
import pandas as pd
import torch

from ffcl_utils.analysis.decay import fit_decay
from ffcl_utils.analysis.geometry import class_cosines, effective_dimension, silent_share
from ffcl_utils.analysis.statistics import paired_difference
from ffcl_utils.claims.assess import A1_BAND, REPRODUCED, best_seed_within, share_of_seeds
from ffcl_utils.config import Config, ConfigError, configure
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.rules.improved_ffcl import ImprovedFFCL

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
TOGETHER = 40  # networks in one training: more no longer fit the processor's cache


def configure_readings(
    preset: str, compare_loss: str | None = None, **overrides
) -> dict[str, Config]:
    """The settings of every reading, by its name; raises ConfigError as `configure` does.

    compare_loss: a name in losses.REPRESENTATION_LOSSES, which adds readings with that loss.
    """
    readings = [dict(zip(GRID, values, strict=True)) for values in product(*GRID.values())]
    readings += EXTRA
    if compare_loss is not None:
        readings += [
            {"representation_loss": compare_loss, "batch_size": size} for size in GRID["batch_size"]
        ]
    clash = sorted({name for name in SETTINGS if overrides.get(name) is not None})
    if clash:
        raise ConfigError(f"{', '.join(clash)}: this study goes through all of them itself")
    configs = [configure("improved_ffcl", preset, **(overrides | r)) for r in readings]
    return {reading_name(config): config for config in configs}


def reading_name(config: Config) -> str:
    """Such as "balanced, margin 0.2, batch 64"."""
    more = ", input layer" if config.trainable_input_layer else ""
    if config.representation_loss != "cosine_embedding":
        more += f", {config.representation_loss}"
    return f"{config.pairing}, margin {config.margin:g}, batch {config.batch_size}{more}"


def train_readings(configs: dict[str, Config], data: Dataset) -> pd.DataFrame:
    """Train all readings, those of one shape at once. One row a run: reading and seed.

    Columns: the settings, seed; first, second, mean (test accuracy of each predictor after the last
    epoch); train and test (whether the total loss decays exponentially, as claims A2 and A3 ask);
    and what the first network's last hidden layer makes of test images: silent (share of images
    without any active unit), same and other (mean cosine of two images of one class and of two),
    dimension (participation ratio), length (mean norm of what enters the output layer).
    """
    rows = []
    by_shape = sorted(configs.values(), key=_shape)
    for _, group in groupby(by_shape, key=_shape):
        group = list(group)
        size = max(1, TOGETHER // group[0].seeds)
        for start in range(0, len(group), size):
            rows += _train_together(group[start : start + size], data)
    return pd.DataFrame(rows)


def _shape(config: Config) -> tuple:
    return config.batch_size, config.trainable_input_layer, config.representation_loss


def _train_together(configs: list[Config], data: Dataset) -> list[dict]:
    twins = ImprovedFFCL(*configs)
    history = twins.fit(data, watch=dict)
    with torch.no_grad():
        hidden = twins.first.forward(twins.scaled(data.test_images[:PROBES]))[-2].numpy(force=True)
    same, other = class_cosines(hidden, data.test_labels[:PROBES].numpy())
    figures = {
        **{twin: history[f"test_accuracy/{twin}"][-1] for twin in PREDICTORS},
        **{
            part: [fit_decay(loss).exponential for loss in history[f"{part}_loss/total"].T]
            for part in ("train", "test")
        },
        "silent": silent_share(hidden),
        "same": same,
        "other": other,
        "dimension": effective_dimension(hidden),
        "length": np.linalg.norm(hidden, axis=-1).mean(-1),
    }
    return [
        {
            "reading": reading_name(config),
            **{name: getattr(config, name) for name in SETTINGS},
            "seed": seed,
            **{name: values[k] for name, values in figures.items()},
        }
        for k, (config, seed) in enumerate(twins.networks)
    ]


def cells(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per reading and predictor: accuracy over seeds, and what of the paper it agrees with.

    Columns: accuracy (mean), std, best; 63 % (best seed within the band of claim A1, which is how
    "up to 63 %" is read); train and test (exponential for 80 % of the seeds or more, as A2 and A3).
    """
    exponential = share_of_seeds(0.8, 0.5)
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
                    "std": accuracy.std(ddof=1) if len(accuracy) > 1 else 0.0,
                    "best": accuracy.max(),
                    "63 %": best_seed_within(*A1_BAND)(accuracy) == REPRODUCED,
                    "train": exponential(of_reading["train"].to_numpy()) == REPRODUCED,
                    "test": exponential(of_reading["test"].to_numpy()) == REPRODUCED,
                }
            )
    return pd.DataFrame(rows)


def main_effects(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy at each level of a setting minus at its other levels, with its 95 % interval.

    Over the factorial part of the study, where every setting is balanced against all others; the
    interval is over seeds, each compared with itself. Needs two seeds or more.
    """
    grid = _factorial(runs).melt(
        [*SETTINGS, "seed"], PREDICTORS, var_name="predictor", value_name="accuracy"
    )
    rows = []
    for setting in (*GRID, "predictor"):
        by_level = grid.groupby(["seed", setting], sort=False)["accuracy"].mean().unstack()
        for level in by_level:
            effect = paired_difference(by_level[level], by_level.drop(columns=level).mean(axis=1))
            rows.append({"setting": setting, "level": level, **effect._asdict()})
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
    low, high = (f"{100 * bound:g}" for bound in A1_BAND)
    agree = found[found["63 %"]]
    curves = agree[agree["train"] & agree["test"]]
    above = found[found["best"] > A1_BAND[1]]
    below = found[found["best"] < A1_BAND[0]]
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
    starved (activations shorter than half the median of the readings that are not weak).
    """
    by_reading = runs.groupby("reading", sort=False)[
        ["first", "silent", "dimension", "length"]
    ].mean()
    weak = by_reading[by_reading["first"] < A1_BAND[0]]
    strong = by_reading[by_reading["first"] >= A1_BAND[0]]
    found = {
        "have silent images": weak["silent"] > 0,
        f"collapse to fewer than {COLLAPSED} directions": weak["dimension"] < COLLAPSED,
        "starve the output layer": weak["length"] < strong["length"].median() / 2,
    }
    told = pd.concat(found, axis=1)
    sentences = [f"{len(weak)} readings stay below {100 * A1_BAND[0]:g} % on average."]
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
