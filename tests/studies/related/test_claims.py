"""At every preset a related run has the figures that its claims need, by their names."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from ffcl_utils.claims.ledger import ledger
from ffcl_utils.config import PRESETS
from ffcl_utils.studies.related import proper_scores, pruning, pruning_tables
from ffcl_utils.studies.related import scoring_rules as scores


def asked(notebook):
    return {name for claim in ledger() if claim.notebook == notebook for name in claim.metrics}


@pytest.mark.parametrize("preset", PRESETS)
def test_of_scoring_rules(preset):
    (config,) = scores.configure(preset, seeds=2).values()
    result = scores.Result(0.7, 0.1, 100, np.zeros((3, 5)))
    results = {
        (name, count): [result, result] for name, count in product(scores.TASKS, config.simulations)
    }
    proper = proper_scores.metrics(proper_scores.estimates([0, 1], 100, 3))
    assert asked("33_scoring_rules") <= (scores.metrics(results) | proper).keys()


@pytest.mark.parametrize(("preset", "checked"), [*product(PRESETS, [0.95]), ("short", 0.9)])
def test_of_pruning(preset, checked):
    config = pruning.configure(preset, seeds=2, checked=checked)["pruning"]
    rows = [
        {"seed": seed, "method": method, "masks": masks, "removed": removed, "accuracy": 0.5}
        for seed, method, removed in product((0, 1), pruning.METHODS, config.levels)
        for masks in (pruning.AS_FOUND, pruning.SHUFFLED, pruning.FRESH)
        if masks == pruning.AS_FOUND or (removed == checked and method != pruning.RANDOM)
    ]
    dense = {"method": pruning.DENSE, "masks": pruning.AS_FOUND, "removed": 0.0, "accuracy": 0.9}
    runs = pd.DataFrame([*({"seed": seed} | dense for seed in (0, 1)), *rows])
    found = pruning_tables.metrics(runs, config)
    assert {name for name in asked("31_pruning") if not name.startswith("FF")} <= found.keys()
    assert np.isnan(found["SNIP, shuffled - as found/test_error/95"]).all() == (checked != 0.95)
