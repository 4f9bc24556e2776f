"""Intervals against their closed forms, gaps, and figures in words."""

import json
from math import nan

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from ffcl_utils.claims.summary import in_words, missing_in_words, summary


def test_interval_of_a_mean_is_students():
    values = np.array([0.3, 0.5, 0.4, 0.45])
    expected = ttest_1samp(values, 0).confidence_interval()
    assert summary(values, "%")["ci95"] == pytest.approx([expected.low, expected.high])
    assert summary(values[:1], "%")["ci95"] is None


def test_interval_of_a_share_is_wilsons():
    # Brown, Cai and DasGupta 2001 for 10 of 10: 1 / (1 + z²/n) to 1
    low, high = summary(np.ones(10), "seeds")["ci95"]
    assert (low, high) == (pytest.approx(1 / (1 + 1.959964**2 / 10), rel=1e-5), pytest.approx(1))


@pytest.mark.parametrize("unit", ["%", "number"])
def test_a_seed_without_a_figure_is_left_out_and_counted(unit):
    whole, gaps = summary(np.array([0.3, 0.5, 0.4]), unit), summary([0.3, nan, 0.5, nan, 0.4], unit)
    assert gaps == whole | {"n_seeds": 5, "n_missing": 2}
    assert whole["n_missing"] == 0


def test_of_a_share_of_seeds_it_has_failed():
    assert summary([1.0, 1.0, nan, 0.0], "seeds") == (
        summary(np.array([1.0, 1.0, 0.0, 0.0]), "seeds") | {"n_missing": 1}
    )


def test_no_figures_at_all():
    found = summary([nan, nan], "number")
    assert (found["mean"], found["ci95"], found["n_seeds"], found["n_missing"]) == (
        None,
        None,
        2,
        2,
    )
    assert in_words(found, "number") == "2 of 2 seeds have no figure"
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("values", "unit", "words"),
    [
        ([0.6, 0.61], "%", "60.5 ± 0.7 %, best 61.0 % (2 seeds)"),
        ([0.981, 0.9812], "%", "98.11 ± 0.01 %, best 98.12 % (2 seeds)"),
        ([0.6], "%", "60.00 % (1 seed)"),
        ([0.5], "number", "0.5 (1 seed)"),
        ([-0.011], "points", "-1.10 points (1 seed)"),
        ([0.6, 0.61, nan], "%", "60.5 ± 0.7 %, best 61.0 % (2 seeds; 1 of 3 seeds has no figure)"),
        ([1.0, 0.0, 1.0], "seeds", "2 of 3 seeds"),
        ([1.0, nan, nan], "seeds", "1 of 3 seeds (2 of 3 seeds have no figure)"),
        ([0.25, 0.75], "number", "0.5 ± 0.35 (2 seeds)"),
        ([-0.011, -0.013], "points", "-1.20 ± 0.14 points (2 seeds)"),
    ],
)
def test_figures_in_words(values, unit, words):
    assert in_words(summary(values, unit), unit) == words


def test_nothing_is_a_dash_and_no_gap_needs_no_words():
    assert in_words(None, "%") == "–"
    assert missing_in_words(summary([1.0], "number")) == ""
