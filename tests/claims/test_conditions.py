"""Conditions on several figures: every test by hand, sets of them, and the sentence of the rule."""

import numpy as np
import pytest
from pydantic import ValidationError

from ffcl_utils.claims.conditions import Condition, Conditions
from ffcl_utils.claims.judges import NOT, PARTLY, REPRODUCED
from ffcl_utils.claims.ledger import claim

# Student's 95 % interval of these three is 0.3 ± 4.302653 · 0.1/√3 = 0.0516 to 0.5484.
THREE = np.array([0.2, 0.3, 0.4])


@pytest.mark.parametrize(
    ("test", "bound", "holds"),
    [
        ("mean_at_least", 0.3, True), ("mean_at_least", 0.31, False),
        ("mean_at_most", 0.3, True), ("mean_at_most", 0.29, False),
        ("mean_above", 0.29, True), ("mean_above", 0.3, False),
        ("size_at_least", 0.3, True), ("size_at_least", 0.31, False),
        ("interval_above", 0.051, True), ("interval_above", 0.052, False),
        ("interval_below", 0.549, True), ("interval_below", 0.548, False),
        ("interval_without", 0.0, True), ("interval_without", 0.4, False),
        ("interval_without", 0.6, True),
    ],
)  # fmt: skip
def test_a_condition_holds_as_its_name_says(test, bound, holds):
    condition = Condition(metric="m", says="figure", test=test, bound=bound)
    assert condition.holds(THREE) == holds
    if test == "size_at_least":
        assert condition.holds(-THREE) == holds


def test_one_seed_has_no_interval_and_no_seed_meets_nothing():
    for test in ("interval_above", "interval_below", "interval_without"):
        one = Condition(metric="m", says="figure", test=test, bound=0.0)
        assert not one.holds(np.array([5.0])) and not one.holds(np.array([-5.0]))
    low = Condition(metric="m", says="figure", test="mean_at_most", bound=1.0)
    assert not low.holds(np.array([np.nan]))


def both():
    return Conditions.model_validate(
        {
            "named": {
                "large": {"metric": "a", "says": "size", "test": "mean_at_least", "bound": 0.2},
                "sure": {"metric": "b", "says": "change:", "test": "interval_above", "bound": 0.0},
            },
            "reproduced": [["large", "sure"]],
            "partly": [["large"]],
        }
    )


def test_a_verdict_is_the_first_set_that_holds():
    small, sure, unsure = 0.1 * THREE, THREE, np.array([-1.0, 0.0, 1.0])
    assert both().verdict({"a": THREE, "b": sure}) == REPRODUCED
    assert both().verdict({"a": THREE, "b": unsure}) == PARTLY
    assert both().verdict({"a": small, "b": sure}) == NOT
    assert both().metrics == ["a", "b"]


def test_a_seed_without_a_figure_makes_the_verdict_one_step_lower():
    gap = np.array([0.2, 0.3, np.nan, 0.4])
    assert both().verdict({"a": THREE, "b": gap}) == PARTLY
    assert both().verdict({"a": gap, "b": -THREE}) == NOT


def test_the_rule_says_all_of_it():
    assert both().rule("supported") == (
        "size at least 0.2, and change: 95 % interval above 0: supported; size at least 0.2: "
        "partly; otherwise not"
    )


@pytest.mark.parametrize("wrong", [[["large"]], [["large", "sure"], []], [["large", "sure", "x"]]])
def test_conditions_that_no_verdict_asks_for_or_that_do_not_exist_are_refused(wrong):
    content = both().model_dump() | {"reproduced": wrong, "partly": []}
    with pytest.raises(ValidationError, match=r"every condition must be named|empty set"):
        Conditions.model_validate(content)


def test_b9_is_partly_reproduced_at_most():
    figures = {"FF - BP/balance/layer1": np.array([0.5, 0.51, 0.52])}
    assert claim("B9").verdict(figures) == PARTLY
    assert claim("B9").verdict({"FF - BP/balance/layer1": np.array([0.04, 0.041])}) == NOT


def test_b5_is_reproduced_where_bp_shares_more_or_has_none():
    more, name = np.array([0.2, 0.21]), "BP - FF/ensemble_sharing/layer1"
    empty = "BP/ensemble_empty/layer1"
    assert claim("B5").verdict({name: more, empty: np.zeros(2)}) == REPRODUCED
    assert claim("B5").verdict({name: -more, empty: np.full(2, 0.6)}) == REPRODUCED
    assert claim("B5").verdict({name: 0.1 * more, empty: np.full(2, 0.5)}) == PARTLY
    assert claim("B5").verdict({name: -more, empty: np.full(2, 0.5)}) == NOT
