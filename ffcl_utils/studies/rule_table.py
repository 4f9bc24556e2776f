"""Learning rules side by side: accuracy, sparsity and ensembles of yours beside ours."""

import time

import numpy as np
import pandas as pd

from ffcl_utils.analysis.ensembles import tested_ensembles
from ffcl_utils.analysis.sparsity import mean_hoyer
from ffcl_utils.config import configure
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.rules.improved_ffcl import ImprovedFFCL
from ffcl_utils.studies.models import MODELS, RULES

PERMUTATIONS = 200  # of the labels: enough for a look


def our_rules(preset: str, **overrides) -> dict[str, object]:
    """Untrained: FF, BP/FF, BP and improved FFCL (balanced) at a preset, each with the same seeds.

    Raises ConfigError as `configure` does.
    """
    found = {}
    for name in ("FF", "BP/FF", "BP"):
        system, settings = MODELS[name]
        found[name] = RULES[system](configure(system, preset, **(settings | overrides)))
    balanced = configure("improved_ffcl", preset, pairing="balanced", **overrides)
    return found | {"improved FFCL": ImprovedFFCL(balanced)}


def side_by_side(rules: dict[str, object], data: Dataset) -> pd.DataFrame:
    """Train every rule and look at it on the test images; one row a rule.

    A rule has `fit(data)`, `predict(images) -> (S, N, 10)` and `representations(images, labels) ->
    [(S, N, units), …]`. Columns: test accuracy, % (mean and std over seeds); Hoyer sparsity of
    layer 1; units of layer 1 that are in an ensemble (effect size and permutation test), %; seconds
    of training.
    """
    rows = {}
    for name, rule in rules.items():
        started = time.perf_counter()
        rule.fit(data)
        seconds = time.perf_counter() - started
        right = (rule.predict(data.test_images).argmax(-1) == data.test_labels).numpy()
        layer = rule.representations(data.test_images, data.test_labels)[0].numpy()
        members = [
            tested_ensembles(seed, data.test_labels.numpy(), permutations=PERMUTATIONS).any(0)
            for seed in layer
        ]
        accuracy = 100 * right.mean(1)
        rows[name] = {
            "seeds": len(accuracy),
            "accuracy, %": accuracy.mean().round(1),
            "std": accuracy.std(ddof=1).round(1) if len(accuracy) > 1 else np.nan,
            "Hoyer, layer 1": mean_hoyer(layer, right).mean().round(3),
            "in an ensemble, %": (100 * np.mean(members)).round(1),
            "seconds": round(seconds, 1),
        }
    return pd.DataFrame(rows).T
