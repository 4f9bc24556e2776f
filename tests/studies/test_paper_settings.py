"""Claim A5: what the paper gives is recognised in trained networks, and any change is noticed."""

import pytest

from ffcl_utils import rules
from ffcl_utils.studies.paper_settings import paper_settings
from tests.small import small


def trained_like_the_paper(few, **change):
    settings = {"dataset": "mnist_5k", "seeds": 2} | change
    rule = rules.rule("improved_ffcl")(rules.configure("improved_ffcl", "paper", **settings))
    rule.fit(small(few, 20))
    return rule


def test_paper_settings_are_read_from_what_was_trained(few):
    assert paper_settings(trained_like_the_paper(few), 20).all(axis=None)


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 29},
        {"learning_rate": 1e-3},
        {"layers": (784, 64, 10)},
        {"layers": (784, 64, 32, 10)},
        {"batch_size": 10},
        {"trainable_input_layer": True},
    ],
)
def test_paper_settings_notice_a_change(few, change):
    assert not paper_settings(trained_like_the_paper(few, seeds=1, **change), 20).all(axis=None)


def test_paper_settings_notice_equal_twins(few):
    rule = trained_like_the_paper(few, seeds=1)
    rule.twins.second = rule.twins.first
    assert not paper_settings(rule, 20).loc["the twins' weights differ in every layer"].any()
