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
    trained = {}
    for name in ("improved_ffcl", "backprop"):
        trained[name] = rules.rule(name)(small_config(name, epochs=1))
        seconds = study.fit(trained[name], data)
    assert seconds > 0
    # Two of the three seeds of a job, and one of its own that ended at the same time.
    three, single = ({"finished": "now", "seconds": 4.5, "seeds": seeds} for seeds in (3, 1))
    trained["improved_ffcl"].origins = [three, three, single]
    own = {"mine": trained["backprop"]}
    stored = {"improved_ffcl": trained["improved_ffcl"]}
    table = study.side_by_side(stored, own, data, {"mine": seconds})
    assert table.index.tolist() == ["improved FFCL", "mine"]
    right = own["mine"].predict(data.test_images).argmax(-1) == data.test_labels
    expected = 100 * right.double().mean().item()
    assert table.loc["mine", "accuracy, %"] == pytest.approx(expected, abs=0.06)
    assert (table["seeds"] == 2).all()
    assert table["local"].tolist() == [True, False]
    assert table["seconds"].tolist() == [7.5, round(seconds, 1)]


def test_two_rules_of_one_title_keep_a_row_each(digits):
    """A reader who copies a file of rules/ may forget to change the title."""
    rule = rules.rule("backprop")(small_config("backprop", seeds=1))
    rule.origins = [{"finished": "1", "seconds": 1.0, "seeds": 1}]
    table = study.side_by_side({"backprop": rule, "copy": rule}, {}, small(digits, 200), {})
    assert table.index.tolist() == ["BP", "BP"]
    assert table["std"].isna().all()


def test_a_loss_of_ones_own_trains_the_twins(digits):
    """Handed over directly, as notebook 22 does: zero leaves the hidden layers as they were."""
    rule = rules.rule("improved_ffcl")(rules.configure("improved_ffcl", "smoke", **ONE))
    rule.representation_loss = lambda first, *_: 0 * first.sum((1, 2))
    weights = rule.twins.first.weights
    before = [w.detach().clone() for w in weights]
    rule.fit(small(digits, 200))
    moved = [not torch.equal(a, b) for a, b in zip(before, weights, strict=True)]
    assert moved == [False, False, True]
