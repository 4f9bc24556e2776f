"""Excitation and inhibition by hand and by brute force."""

import numpy as np
import pytest

from ffcl_utils.analysis import weights


def test_excitation_and_inhibition_by_hand():
    w = np.array([[[1.0, -1], [2, -2]]])
    assert weights.inhibitory_share(w).tolist() == [0.5]
    assert weights.excitation_balance(w).tolist() == [0.0]
    assert weights.unit_balance(w).tolist() == [[1.0, -1.0]]


def test_balance_is_of_every_seed_and_unit():
    w = np.random.default_rng(0).normal(0.1, 1, (2, 5, 4))
    excitation, inhibition = w.clip(min=0), (-w).clip(min=0)
    for axes, found in (((1, 2), weights.excitation_balance(w)), ((1,), weights.unit_balance(w))):
        total_e, total_i = excitation.sum(axes), inhibition.sum(axes)
        np.testing.assert_allclose(found, (total_e - total_i) / (total_e + total_i))
    assert weights.inhibitory_share(w)[1] == pytest.approx(np.mean(w[1] < 0))
