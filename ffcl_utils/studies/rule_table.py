"""Learning rules side by side, the reader's own beside those of the package: notebook 22."""

import time

import numpy as np
import pandas as pd

from ffcl_utils import rules
from ffcl_utils.analysis.ensembles import tested_ensembles
from ffcl_utils.analysis.sparsity import mean_hoyer
from ffcl_utils.config import RuleConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.rules.base import Rule, right

PERMUTATIONS = 200  # of the labels: enough for a look
# Of a rule whose plain settings are not the ones to compare with.
OWN_SETTINGS = {"improved_ffcl": {"pairing": "balanced"}}


def configure(preset: str, **settings) -> dict[str, RuleConfig]:
    """The settings of every rule in the folder, by its name, each with those that it has.

    Raises ConfigError as `rules.configure` does.
    """
    configs = {}
    for name in rules.names():
        fields = rules.rule(name).Config.model_fields
        known = {key: value for key, value in settings.items() if key in fields}
        configs[name] = rules.configure(name, preset, **(OWN_SETTINGS.get(name, {}) | known))
    return configs


def fit(rule: Rule, data: Dataset) -> float:
    """Train a rule in this process; returns the seconds that it took."""
    started = time.perf_counter()
    rule.check(data)
    rule.fit(data)
    return time.perf_counter() - started


def seconds_of(rule: Rule) -> float:
    """The seconds that a stored rule's seeds took: each its share of the job that trained it."""
    return sum(origin["seconds"] / origin["seeds"] for origin in rule.origins)


def side_by_side(
    stored: dict[str, Rule], own: dict[str, Rule], data: Dataset, seconds: dict[str, float]
) -> pd.DataFrame:
    """What trained rules make of the test images; one row a rule, the reader's own last.

    stored: rules from the store; a row has the rule's title. own: the reader's rules, by the names
    of their rows. seconds: how long each of these trained. Columns: seeds; test accuracy, % (mean
    and std over seeds); Hoyer sparsity of layer 1; units of layer 1 that are in an ensemble (effect
    size and permutation test), %; seconds of training; whether a gradient stays within its layer,
    by the rule's own word.
    """
    names = [rule.title for rule in stored.values()] + list(own)
    took = [seconds_of(rule) for rule in stored.values()] + [seconds[name] for name in own]
    rows = [
        _row(rule, data) | {"seconds": round(spent, 1), "local": rule.local}
        for rule, spent in zip([*stored.values(), *own.values()], took, strict=True)
    ]
    return pd.DataFrame(rows, index=names)


def _row(rule: Rule, data: Dataset) -> dict:
    correct = right(rule, data).numpy()
    layer = rule.representations(data.test_images, data.test_labels)[0].numpy()
    labels = data.test_labels.numpy()
    members = [tested_ensembles(a, labels, permutations=PERMUTATIONS).any(0) for a in layer]
    accuracy = 100 * correct.mean(1)
    return {
        "seeds": len(accuracy),
        "accuracy, %": accuracy.mean().round(1),
        "std": accuracy.std(ddof=1).round(1) if len(accuracy) > 1 else np.nan,
        "Hoyer, layer 1": mean_hoyer(layer, correct).mean().round(3),
        "in an ensemble, %": (100 * np.mean(members)).round(1),
    }
