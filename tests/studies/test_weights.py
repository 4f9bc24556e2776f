"""Notebook 06: balance of the hidden layers' weights, by model and seed."""

import numpy as np
import pytest

from ffcl_utils.analysis.weights import excitation_and_inhibition
from ffcl_utils.studies import weights
from ffcl_utils.studies.models import one_by_one


def test_balance_of_weights_is_summed_by_sign(networks, few):
    stacks = weights.weights_of(networks)
    balance = weights.balances(stacks)
    layer = stacks["BP"][1][0]
    excitation, inhibition = layer[layer > 0].sum(), -layer[layer < 0].sum()
    expected = (excitation - inhibition) / (excitation + inhibition)
    assert balance["BP"][1][0] == pytest.approx(expected, abs=1e-6)
    metrics = weights.metrics(balance, stacks, weights.inputs_by_sign(networks, few))
    np.testing.assert_allclose(
        metrics["FF - BP/balance/layer1"], balance["FF"][0] - balance["BP"][0]
    )
    assert "untrained/balance/layer3" in metrics
    assert all(values.shape == (2,) for values in metrics.values())


def test_the_table_says_what_the_weights_are(networks):
    stacks = weights.weights_of(networks)
    table = weights.table(stacks)
    assert len(table) == sum(map(len, stacks.values()))
    layer = stacks["FF"][2]
    row = table.loc[("FF", "layer 3")]
    assert row["share of negative weights"] == pytest.approx((layer < 0).mean(), abs=5e-4)
    assert row["units with more inhibition"] == pytest.approx((layer.sum(1) < 0).mean(), abs=5e-4)
    assert row["root mean square"] == pytest.approx((layer**2).mean() ** 0.5, abs=5e-4)


def test_excitation_minus_inhibition_is_what_the_unit_sees(networks, few):
    """With the bias, it is the activation after ReLU, in FF and in BP, layer by layer."""
    images, labels = few.test_images[:50], few.test_labels[:50]
    for name in ("FF", "BP"):
        one = next(one_by_one(networks[name]))
        seen = weights.layer_inputs(one, images, labels)
        found = one.representations(images, labels)
        stack = one.predicting()
        for k, inputs in enumerate(seen):
            up, down = excitation_and_inhibition(inputs, stack.weights[k][0].numpy(force=True))
            assert (up >= -1e-5).all() and (down >= -1e-5).all()
            drive = up - down + stack.biases[k][0].numpy(force=True)
            np.testing.assert_allclose(np.maximum(drive, 0), found[k][0], atol=1e-3, rtol=1e-3)


def test_inputs_are_summed_by_sign_and_by_activity():
    inputs, w = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[1.0, -1.0], [2.0, 0.5]])
    up, down = excitation_and_inhibition(inputs, w)
    assert up.tolist() == [[5.0, 1.0], [3.0, 0.0]]
    assert down.tolist() == [[0.0, 1.0], [2.0, 3.5]]
    found = weights._inputs(inputs, w, np.array([[True, False], [True, False]]))
    assert list(found.values()) == [4.0, 1.0, 0.5, 2.25]
    silent = weights._inputs(inputs, w, np.zeros((2, 2), bool))
    assert np.isnan(silent["excitation of active units"])
