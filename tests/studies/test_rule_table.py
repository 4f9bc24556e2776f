"""Notebook 22: every rule side by side, and a loss of one's own."""

import pytest
import torch

from ffcl_utils import rules
from ffcl_utils.studies import rule_table as study
from tests.small import small, small_config

ONE = {"seeds": 1, "epochs": 1, "batch_size": 64}


def test_every_rule_has_its_row_with_the_settings_that_it_has():
    configs = study.configure("smoke", seeds=3, margin=0.4)
    assert list(configs) == rules.names()
    assert all(config.seeds == 3 for config in configs.values())
    assert configs["improved_ffcl"].pairing == "balanced"
    assert configs["improved_ffcl"].margin == 0.4


def test_rules_side_by_side_have_the_figures_of_each_alone(digits):
    data = small(digits, 200)
    networks, seconds = {}, {}
    for name in ("improved_ffcl", "backprop"):
        networks[name] = rules.rule(name)(small_config(name, epochs=1))
        seconds[name] = study.fit(networks[name], data)
    table = study.side_by_side(networks, seconds, data)
    right = networks["backprop"].predict(data.test_images).argmax(-1) == data.test_labels
    expected = 100 * right.double().mean().item()
    assert table.loc["backprop", "accuracy, %"] == pytest.approx(expected, abs=0.06)
    assert (table["seeds"] == 2).all()
    assert table["local"].tolist() == [True, False]
    assert all(value > 0 for value in seconds.values())
    assert table["seconds"].tolist() == [round(value, 1) for value in seconds.values()]


def test_a_loss_of_ones_own_trains_the_twins(digits):
    """Handed over directly, as notebook 22 does: zero leaves the hidden layers as they were."""
    rule = rules.rule("improved_ffcl")(rules.configure("improved_ffcl", "smoke", **ONE))
    rule.representation_loss = lambda first, *_: 0 * first.sum((1, 2))
    weights = rule.twins.first.weights
    before = [w.detach().clone() for w in weights]
    rule.fit(small(digits, 200))
    moved = [not torch.equal(a, b) for a, b in zip(before, weights, strict=True)]
    assert moved == [False, False, True]
