"""Do twin networks become mirrors of each other? What notebook 09 shows.

Beside the twins of one seed stand two controls: the same twins before training, and the first twin
of a seed with the second twin of another, which learnt the same task without ever meeting.
"""

from functools import partial

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import Tensor

from ffcl_utils.analysis.ensembles import effect_size
from ffcl_utils.analysis.similarity import linear_cka, match_units
from ffcl_utils.config import Config, ConfigError, configure
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.rules.improved_ffcl import ImprovedFFCL
from ffcl_utils.studies.models import UNTRAINED, Representation

TWINS, STRANGERS = "twins", "strangers"
# Of the readings of notebook 07, the two of the claims and the one that learns best.
READINGS = {
    "literal": {"pairing": "random"},
    "balanced": {"pairing": "balanced"},
    "balanced, margin 0.5": {"pairing": "balanced", "margin": 0.5},
}
PROBES = 2000  # test images on which the networks are compared


def configure_twins(preset: str, **overrides) -> dict[str, Config]:
    """The settings of every reading; raises ConfigError as `configure` does."""
    return {
        name: configure("improved_ffcl", preset, **(overrides | settings))
        for name, settings in READINGS.items()
    }


def train_and_compare(
    configs: dict[str, Config], data: Dataset
) -> tuple[dict[str, ImprovedFFCL], dict[str, dict[str, np.ndarray]]]:
    """Trained twins by reading, and the figures of `compare`, (1 + E, S): before, and per epoch.

    Raises ConfigError for a single seed: there would be no strangers.
    """
    rules = {name: ImprovedFFCL(config) for name, config in configs.items()}
    curves = {}
    for name, rule in rules.items():
        if rule.config.seeds < 2:
            raise ConfigError("seeds: two or more are needed, to compare twins with strangers")
        look = partial(compare, rule, data.test_images[:PROBES])
        before = look()
        history = rule.fit(data, watch=look)
        curves[name] = {
            figure: np.concatenate([values.numpy()[None], history[figure]])
            for figure, values in before.items()
        }
    return rules, curves


@torch.no_grad()
def compare(rule: ImprovedFFCL, images: Tensor) -> dict[str, Tensor]:
    """How alike the twins, and strangers, are in every hidden layer; by name, (S,) each.

    "cka/<who>/layer<k>": linear CKA. "matched/<who>/layer<k>": mean correlation of the units
    matched one to one. Strangers need two seeds or more.
    """
    first, second = hidden_layers(rule, images)
    figures = {}
    for k, (one, other) in enumerate(zip(first, second, strict=True), start=1):
        for who, partner in ((TWINS, other), (STRANGERS, np.roll(other, 1, axis=0))):
            pairs = list(zip(one, partner, strict=True))
            matched = [match_units(*pair)[1].mean() for pair in pairs]
            figures[f"cka/{who}/layer{k}"] = torch.tensor([linear_cka(*p) for p in pairs])
            figures[f"matched/{who}/layer{k}"] = torch.tensor(np.array(matched))
    return figures


@torch.no_grad()
def hidden_layers(rule: ImprovedFFCL, images: Tensor) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Hidden activations (S, N, units) of both twins, layer by layer."""
    return tuple(
        [layer.numpy(force=True) for layer in twin.forward(rule.scaled(images))[:-1]]
        for twin in (rule.first, rule.second)
    )


def represent_first(rules: dict[str, ImprovedFFCL], data: Dataset) -> dict[str, Representation]:
    """What the first twins make of all test images, trained and not, for ensemble_study."""
    labels = data.test_labels
    found = {}
    for name, rule in (
        rules | {UNTRAINED: ImprovedFFCL(next(iter(rules.values())).config)}
    ).items():
        layers = hidden_layers(rule, data.test_images)[0]
        weights = [w.numpy(force=True) for w in rule.first.weights[:-1]]
        scores = rule.twin_probabilities(data.test_images)["first"]
        correct = (scores.argmax(-1) == labels).numpy()
        found[name] = Representation(layers, weights, correct, labels.numpy())
    return found


def mirroring_and_selectivity(rule: ImprovedFFCL, data: Dataset, layer: int = 0) -> pd.DataFrame:
    """One row a unit of the first twins' layer (from 0): is a mirrored unit a specific one?

    Columns: seed, unit; mirrored, its correlation with the unit of the second twin that it is
    matched to; effect, its largest effect size for any class. Dead units are left out.
    """
    first, second = hidden_layers(rule, data.test_images[:PROBES])
    labels = data.test_labels[:PROBES].numpy()
    rows = []
    for seed, one, other in zip(rule.config.seed_list, first[layer], second[layer], strict=True):
        alive = one.max(0) > 0
        rows.append(
            pd.DataFrame(
                {
                    "seed": seed,
                    "unit": np.flatnonzero(alive),
                    "mirrored": match_units(one, other)[1][alive],
                    "effect": effect_size(one, labels).max(0)[alive],
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def rank_correlation(units: pd.DataFrame) -> np.ndarray:
    """Spearman's correlation of `mirrored` and `effect` over the units of each seed, (S,)."""
    return np.array(
        [
            spearmanr(rows["mirrored"], rows["effect"]).statistic
            for _, rows in units.groupby("seed", sort=False)
        ]
    )
