"""The judges at their edges, over many values, and with seeds that have no figure."""

import re
from math import isclose, nan

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import ttest_1samp

from ffcl_utils.claims.judges import (
    BestOfSubsetWithin,
    BestSeedWithin,
    Exactly,
    IntervalAbove,
    Judge,
    MeanAtLeast,
    MeanNear,
    MeanWithin,
    ShareOfSeeds,
)
from ffcl_utils.claims.ledger import ledger

JUDGED = [claim for claim in ledger() if claim.judge]
RANK = {"not reproduced": 0, "partly": 1, "reproduced": 2}
SHARE = ShareOfSeeds(reproduced=0.8, partly=0.5, criterion="it passes")
BAND = MeanWithin(low=0.93, high=0.958, margin=0.01)
EVERY_JUDGE = [
    BestSeedWithin(low=0.58, high=0.68),
    BAND,
    MeanAtLeast(reproduced=0.8, partly=0.5),
    SHARE,
    Exactly(expected=0),
    IntervalAbove(bound=0.1),
    BestOfSubsetWithin(low=0.58, high=0.68, runs=1),
    MeanNear(figure=0.9316, near=0.005, margin=0.01),
]
# The test process may flush subnormal numbers to zero, as training does.
figure = st.floats(-2, 2, allow_subnormal=False)
figures = st.lists(figure, min_size=1, max_size=8)
over_many_values = settings(max_examples=150, deadline=None)


@pytest.mark.parametrize(
    ("accuracies", "verdict"),
    [
        ([0.30, 0.40], "not reproduced"),
        ([0.30, 0.579], "not reproduced"),
        ([0.30, 0.58], "reproduced"),
        ([0.63, 0.68], "reproduced"),
        ([0.63, 0.681], "partly"),
        ([0.90, 0.95], "partly"),
    ],
)
def test_up_to_63_percent_is_about_the_best_seed(accuracies, verdict):
    assert BestSeedWithin(low=0.58, high=0.68).verdict(np.array(accuracies)) == verdict


@pytest.mark.parametrize(
    ("passes", "verdict"),
    [(10, "reproduced"), (8, "reproduced"), (7, "partly"), (5, "partly"), (4, "not reproduced")],
)
def test_exponential_for_a_share_of_seeds(passes, verdict):
    values = np.array([1.0] * passes + [0.0] * (10 - passes))
    assert SHARE.verdict(values) == verdict
    assert MeanAtLeast(reproduced=0.8, partly=0.5).verdict(values) == verdict


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.93, 0.95], "reproduced"),
        ([0.91, 0.96], "reproduced"),  # the mean is within
        ([0.92, 0.925], "partly"),
        ([0.92, 0.92], "partly"),  # though 0.93 - 0.92 > 0.01 in floats
        ([0.968, 0.968], "partly"),
        ([0.96, 0.97], "partly"),
        ([0.90, 0.91], "not reproduced"),
        ([0.98, 0.99], "not reproduced"),
        ([0.9681, 0.9681], "not reproduced"),
    ],
)
def test_mean_within_the_printed_range(values, verdict):
    assert BAND.verdict(np.array(values)) == verdict


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.93, 0.94], "reproduced"),
        ([0.936, 0.9372], "reproduced"),  # 0.005 away, though not in floats
        ([0.9266, 0.9266], "reproduced"),
        ([0.9367, 0.9367], "partly"),
        ([0.9417, 0.9217, 0.9417, 0.9417], "partly"),
        ([0.9216, 0.9216], "partly"),
        ([0.9417, 0.9417], "not reproduced"),
        ([0.90, 0.93], "not reproduced"),
    ],
)
def test_mean_near_one_printed_run(values, verdict):
    assert MeanNear(figure=0.9316, near=0.005, margin=0.01).verdict(np.array(values)) == verdict


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.30, 0.31, 0.32], "reproduced"),
        ([0.05, 0.06, 0.07], "partly"),
        ([0.1, 0.1, 0.1], "partly"),  # on the bound is not above it
        ([0.30, 0.01, 0.02], "not reproduced"),  # a wide interval shows nothing
        ([-0.1, -0.11, -0.12], "not reproduced"),
        ([0.0, 0.0], "not reproduced"),
        ([0.5], "not reproduced"),  # one seed has no interval
    ],
)
def test_difference_with_its_interval_above_a_bound(values, verdict):
    assert IntervalAbove(bound=0.1).verdict(np.array(values)) == verdict


def test_the_best_of_a_few_of_many_runs():
    five = BestOfSubsetWithin(low=0.58, high=0.68, runs=5)
    # Of ten runs, exactly half of the 252 sets of five hold the highest: the median of the best is
    # halfway between the highest and the second highest.
    runs = np.array([0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.56, 0.7])
    assert five.verdict(runs) == "reproduced"
    assert five.verdict(np.where(runs == 0.7, 0.81, runs)) == "not reproduced"
    assert five.verdict(np.where(runs == 0.7, 0.59, runs)) == "not reproduced"
    assert five.verdict(runs[-4:]) == "not reproduced"  # too few to say
    assert BestOfSubsetWithin(low=0, high=0.5, runs=2).verdict([0.4, 0.6, 0.3]) == "not reproduced"


def test_exactly_zero_is_exact():
    assert Exactly(expected=0).verdict(np.zeros(3)) == "reproduced"
    assert Exactly(expected=0).verdict(np.array([0.0, 1e-30])) == "not reproduced"


@pytest.mark.parametrize(
    ("judge", "values", "verdict"),
    [
        (BestSeedWithin(low=0.58, high=0.68), [0.6, nan], "partly"),
        (BestSeedWithin(low=0.58, high=0.68), [0.9, nan], "not reproduced"),
        (BAND, [0.94, 0.95, nan], "partly"),
        (BAND, [0.925, nan], "not reproduced"),
        (MeanAtLeast(reproduced=0.8, partly=0.5), [0.9, 0.9, nan], "partly"),
        (IntervalAbove(bound=0.1), [0.3, 0.31, nan], "partly"),
        (IntervalAbove(bound=0.1), [0.3, nan], "not reproduced"),
        (Exactly(expected=0), [0.0, 0.0, nan], "not reproduced"),
        # A seed without a figure has failed: 9 of 10, 7 of 10 and 4 of 10 pass.
        (SHARE, [1.0] * 9 + [nan], "partly"),
        (SHARE, [1.0] * 7 + [nan] * 3, "partly"),
        (SHARE, [1.0] * 4 + [nan] * 6, "not reproduced"),
    ],
)
def test_a_seed_without_a_figure_costs_a_step(judge, values, verdict):
    assert judge.verdict(values) == verdict


@pytest.mark.parametrize("judge", EVERY_JUDGE, ids=lambda judge: judge.name)
def test_no_figures_at_all_reproduce_nothing(judge):
    assert judge.verdict([nan, nan]) == "not reproduced"
    assert judge.verdict([]) == "not reproduced"


@pytest.mark.parametrize("judge", EVERY_JUDGE, ids=lambda judge: judge.name)
@over_many_values
@given(
    values=st.lists(st.one_of(figure, st.sampled_from([0.0, 0.6, 0.94, 1.0])), max_size=8),
    place=st.integers(0, 8),
)
def test_missing_figures_never_lead_to_reproduced(judge, values, place):
    with_gap = [*values[:place], nan, *values[place:]]
    assert judge.verdict(with_gap) != "reproduced"


@pytest.mark.parametrize("judge", EVERY_JUDGE, ids=lambda judge: judge.name)
@over_many_values
@given(values=figures)
def test_a_gap_is_never_better_than_no_such_seed(judge, values):
    assert RANK[judge.verdict([*values, nan])] <= RANK[judge.verdict(values)]


@pytest.mark.parametrize("judge", EVERY_JUDGE, ids=lambda judge: judge.name)
@over_many_values
@given(values=figures, data=st.data())
def test_the_order_of_seeds_does_not_matter(judge, values, data):
    assert judge.verdict(data.draw(st.permutations(values))) == judge.verdict(values)


@over_many_values
@given(values=figures, step=st.floats(0, 1, allow_subnormal=False))
def test_mean_within_is_monotone(values, step):
    """A mean that moves away from the band never gets a better verdict."""
    values = np.array(values)
    centre = (BAND.low + BAND.high) / 2
    away = step if values.mean() >= centre else -step
    assert RANK[BAND.verdict(values + away)] <= RANK[BAND.verdict(values)]


@over_many_values
@given(values=figures, step=st.floats(0, 1, allow_subnormal=False))
@pytest.mark.parametrize(
    "judge", [SHARE, MeanAtLeast(reproduced=0.8, partly=0.5), IntervalAbove(bound=0.1)]
)
def test_more_is_never_worse(judge, values, step):
    values = np.array(values)
    assert RANK[judge.verdict(values)] <= RANK[judge.verdict(values + step)]


@over_many_values
@given(values=st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=2, max_size=8))
def test_intervals_are_those_of_a_t_test(values):
    """A mean of 0 lies outside the interval exactly where scipy's t test gives p < 0.05."""
    assume(np.std(values) > 1e-6)
    p = ttest_1samp(values, 0).pvalue
    assume(not isclose(p, 0.05, rel_tol=1e-6))
    above = IntervalAbove(bound=0).verdict(values) == "reproduced"
    assert above == (p < 0.05 and np.mean(values) > 0)


@pytest.mark.parametrize("claim", JUDGED, ids=lambda claim: claim.id)
def test_every_number_of_a_judge_is_in_its_rule(claim):
    """And in the unit of the claim, so that nothing has to be written beside the judge."""
    said = {float(number) for number in re.findall(r"\d+(?:\.\d+)?", claim.rule)}
    scale = 100 if claim.unit in ("%", "points") or claim.judge.name == "share_of_seeds" else 1
    numbers = {
        name: value for name, value in claim.judge.model_dump().items() if isinstance(value, float)
    }
    assert numbers
    for name, value in numbers.items():
        assert any(isclose(scale * value, number) for number in said), (name, claim.rule)


@pytest.mark.parametrize("claim", JUDGED, ids=lambda claim: claim.id)
def test_a_rule_says_every_verdict_that_its_judge_can_give(claim):
    """Tried on constant figures: where none of them gives "partly", the rule does not say so."""
    tried = {
        claim.verdict({claim.metric: np.full(5, value)}) for value in np.arange(-50, 1500) / 1000
    }
    word = "supported" if claim.ours else "reproduced"
    assert word in tried
    assert f": {word};" in claim.rule
    assert ("partly" in tried) == (": partly;" in claim.rule)
    assert claim.rule.endswith("otherwise not")


def test_rules_as_sentences():
    assert BestSeedWithin(low=0.58, high=0.68).rule("%") == (
        "best seed within 58–68 %: reproduced; above: partly; otherwise not"
    )
    assert BAND.rule("%", "supported") == (
        "mean over the seeds within 93–95.8 %: supported; off by up to 1 point: partly; "
        "otherwise not"
    )
    assert SHARE.rule() == (
        "at least 80 % of the seeds pass (it passes): reproduced; at least 50 %: partly; "
        "otherwise not"
    )
    assert MeanNear(figure=0.9316, near=0.005, margin=0.01).rule("%") == (
        "mean over the seeds at most 0.5 points from 93.16 %: reproduced; at most 1 point: partly; "
        "otherwise not"
    )
    assert IntervalAbove(bound=0.003).rule("%") == (
        "95 % interval of the difference over seeds above 0.3 points: reproduced; above 0: partly; "
        "otherwise not"
    )


@pytest.mark.parametrize(
    ("judge", "numbers"),
    [
        (BestSeedWithin, {"low": 0.7, "high": 0.6}),
        (BestSeedWithin, {"low": 0.5}),
        (MeanWithin, {"low": 0.5, "high": 0.6, "margin": -0.1}),
        (MeanWithin, {"low": nan, "high": 0.6, "margin": 0.1}),
        (MeanAtLeast, {"reproduced": 0.5, "partly": 0.8}),
        (ShareOfSeeds, {"reproduced": 1.5, "partly": 0.8, "criterion": "it passes"}),
        (ShareOfSeeds, {"reproduced": 0.8, "partly": 0.5}),
        (MeanNear, {"figure": 0.9, "near": 0.1, "margin": 0.1}),
        (MeanNear, {"figure": 0.9, "near": -0.1, "margin": 0.1}),
        (Exactly, {"expected": "0"}),
        (IntervalAbove, {"bound": -0.1}),
        (BestOfSubsetWithin, {"low": 0.5, "high": 0.6, "runs": 0}),
    ],
)
def test_numbers_that_make_no_rule_are_refused(judge: type[Judge], numbers):
    with pytest.raises(ValidationError):
        judge(**numbers)
