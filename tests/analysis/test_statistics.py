"""Intervals over seeds against the textbook's formula and its own promise."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t, ttest_1samp

from ffcl_utils.analysis.statistics import (
    mean_interval,
    mean_of_known,
    paired_difference,
    prediction_interval,
)


@pytest.mark.parametrize("values", [[0.6, 0.7], [np.nan, 0.6, 0.8], [np.nan, np.nan], []])
def test_the_mean_of_the_seeds_that_have_a_figure_is_pandas_own(values):
    ours = mean_of_known(np.array(values, dtype=float))
    assert ours == pytest.approx(pd.Series(values, dtype=float).mean(), nan_ok=True)


def test_the_interval_of_a_mean_is_students():
    values = np.array([0.6, 0.63, 0.7, 0.61])
    half = t.ppf(0.975, 3) * values.std(ddof=1) / 2
    assert mean_interval(values) == pytest.approx((values.mean() - half, values.mean() + half))


def test_the_interval_holds_the_true_mean_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(0.5, 0.1, size=(1000, 5))
    hits = sum(low <= 0.5 <= high for low, high in map(mean_interval, draws))
    assert 928 <= hits <= 972  # 95 % of 1,000 is 950; three standard deviations are 21


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5, 0.5]])
def test_without_spread_the_interval_is_the_mean(values):
    assert mean_interval(np.array(values)) == (0.5, 0.5)


def test_figures_that_are_nearly_equal_give_an_interval_without_a_warning():
    """As where all seeds share the same: what a notebook prints as a warning is no result."""
    near = np.array([0.3, np.nextafter(0.3, 1), 0.3])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ends = mean_interval(near)
        difference = paired_difference(near + 1, np.ones(3))
    assert ends == pytest.approx((0.3, 0.3)) and difference == pytest.approx((0.3, 0.3, 0.3))
    oracle = ttest_1samp(np.array([0.6, 0.63, 0.7]), 0).confidence_interval()
    assert mean_interval(np.array([0.6, 0.63, 0.7])) == pytest.approx((oracle.low, oracle.high))


def test_a_paired_difference_is_blind_to_what_seeds_share():
    rng = np.random.default_rng(1)
    one, other, shared = rng.random(4), rng.random(4), 100 * rng.random(4)
    plain, shifted = paired_difference(one, other), paired_difference(one + shared, other + shared)
    assert shifted == pytest.approx(plain)
    assert plain[:2] != pytest.approx(paired_difference(one, other[::-1])[:2])


def test_a_new_value_lies_in_its_prediction_interval_as_often_as_it_says():
    """By simulation, for five and for ten seeds: 95 ± 1 %."""
    rng = np.random.default_rng(0)
    for count in (5, 10):
        drawn = rng.normal(3.0, 0.2, (6000, count + 1))
        inside = 0
        for values in drawn:
            low, high = prediction_interval(values[:-1])
            inside += low <= values[-1] <= high
        assert inside / len(drawn) == pytest.approx(0.95, abs=0.01)
    with pytest.raises(ValueError, match="one value says nothing"):
        prediction_interval(np.array([0.5]))
