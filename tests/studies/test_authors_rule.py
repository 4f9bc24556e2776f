"""Notebook 04, the authors' rule: by hand, beside untrained networks, and similar garments."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ffcl_utils.rules.base import right
from ffcl_utils.studies import authors_rule as study


def layer(*ensembles, units=100):
    table = np.zeros((10, units), bool)
    for c, members in enumerate(ensembles):
        table[c, list(members)] = True
    return table


def test_an_ensembles_layer_is_described_by_hand():
    # of 100 units: 2, 20, 21 and none of them; the first two share one unit of 21
    table = layer([0, 1], range(1, 21), range(50, 71))
    found = study.describe(table)
    assert found["size"] == pytest.approx((2 + 20 + 21) / 3)
    assert (found["small"], found["empty"]) == (0.2, 0.7)
    assert found["sharing"] == pytest.approx(1 / 21 / 3)
    nothing = study.describe(layer())
    assert np.isnan(nothing["size"]) and np.isnan(nothing["sharing"])
    assert (nothing["small"], nothing["empty"]) == (0.0, 1.0)


def test_an_untrained_network_is_the_trained_one_before_its_training(networks):
    ff = networks["FF"]
    (_, trained), (_, before), (_, bare) = study.states(ff)
    assert trained is ff
    fresh = type(ff)(ff.config).tensors()
    # the last two are one rule, whose biases are gone by now
    assert before is bare
    for name, tensor in bare.tensors().items():
        expected = torch.zeros_like(tensor) if name.startswith("bias") else fresh[name]
        assert torch.equal(tensor, expected)


def test_the_images_are_those_that_the_trained_network_gets_right(networks, few):
    found = study.find({"FF": networks["FF"]}, few)
    correct = right(networks["FF"], few)
    for state in ("trained", "untrained"):
        rule = networks["FF"] if state == "trained" else type(networks["FF"])(networks["FF"].config)
        layers = rule.representations(few.test_images, few.test_labels)
        for seed in range(2):
            for c in range(10):
                rows = correct[seed] & (few.test_labels == c)
                if not rows.any():
                    continue
                mean = layers[0][seed][rows].half().float().mean(0).double()
                others = (mean.sum() - mean) / (len(mean) - 1)
                members = (mean > 2 * others).numpy()
                close = ((mean - 2 * others).abs() < 1e-4).numpy()
                assert (found.first["FF", state][seed, c] == members)[~close].all()


def test_the_rows_are_every_model_network_layer_threshold_and_seed(networks, few):
    found = study.find(networks, few)
    layers = sum(len(rule.hidden_weights()) for rule in networks.values())
    assert len(found.rows) == layers * 3 * 2 * 2
    metrics = study.metrics(found)
    assert all(values.shape == (2,) for values in metrics.values())
    sharing = study.figures(found.rows, "sharing")
    np.testing.assert_array_equal(
        metrics["FF - untrained/ensemble_sharing/layer1"],
        sharing["FF", "trained"][0] - sharing["FF", "untrained"][0],
    )
    np.testing.assert_array_equal(
        metrics["BP - FF/ensemble_sharing/layer1"],
        sharing["BP", "trained"][0] - sharing["FF", "trained"][0],
    )
    assert len(study.differences_table(found.rows)) == len(study.PAIRS)
    assert study.sizes(found, few).shape == (10, 4)
    clothes = study.sizes(found, replace(few, name="fashion_mnist"))
    assert clothes["FF, printed"].tolist() == [53, 22, 43, 57, 65, 91, 39, 84, 87, 84]
    assert len(study.table(found.rows)) == layers * 3


def test_similar_garments_are_held_against_all_other_pairs():
    # T-shirt and Shirt share half, Trouser and Bag a third; Dress and Coat are empty.
    table = np.stack([layer([0, 1], [5, 6], [8], [], [], [10], [0, 2, 1, 3], [12], [5, 7], [14])])
    overlap = study.overlaps(table)
    similar, others = study.similar_and_others(overlap)
    assert similar.shape == (1, 4) and others.shape == (1, 41)
    assert sorted(similar[0][np.isfinite(similar[0])]) == [0.0, 0.5]
    known = others[0][np.isfinite(others[0])]
    assert known.max() == pytest.approx(1 / 3)
    assert len(known) == 8 * 7 / 2 - 2
    found = study.Found(None, {("FF", s): table for s in ("trained", "untrained")})
    means = study.mean_overlaps(found, "FF")["trained"]
    assert means[0, 6] == 0.5 and np.isnan(means[3, 0])
    units = study.shared_units(found, tuple("abcdefghij"))
    assert units.loc["a", "g"] == units.loc["g", "a"] == 2 and units.loc["b", "i"] == 1
    assert np.diag(units).tolist() == [2, 2, 1, 0, 0, 1, 4, 1, 2, 1]
