"""Notebook 06: balance of the hidden layers' weights, by model and seed."""

import numpy as np
import pytest

from ffcl_utils.studies import weights


def test_balance_of_weights_is_summed_by_sign(networks):
    stacks = weights.weights_of(networks)
    balance = weights.balances(stacks)
    layer = stacks["BP"][1][0]
    excitation, inhibition = layer[layer > 0].sum(), -layer[layer < 0].sum()
    expected = (excitation - inhibition) / (excitation + inhibition)
    assert balance["BP"][1][0] == pytest.approx(expected, abs=1e-6)
    metrics = weights.metrics(balance)
    np.testing.assert_allclose(
        metrics["FF - BP/balance/layer1"], balance["FF"][0] - balance["BP"][0]
    )
    assert "untrained/balance/layer3" in metrics
    assert weights.table(stacks).loc[("FF", "layer 1"), "share of positive weights"] <= 1


def test_the_table_says_what_the_weights_are(networks):
    stacks = weights.weights_of(networks)
    table = weights.table(stacks)
    assert len(table) == sum(map(len, stacks.values()))
    layer = stacks["FF"][2]
    row = table.loc[("FF", "layer 3")]
    assert row["share of positive weights"] == pytest.approx((layer > 0).mean(), abs=5e-4)
    assert row["units with more inhibition"] == pytest.approx((layer.sum(1) < 0).mean(), abs=5e-4)
    assert row["root mean square"] == pytest.approx((layer**2).mean() ** 0.5, abs=5e-4)
