"""Matching of units and linear CKA: numpy, kernels, a shuffle undone."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from ffcl_utils.analysis import similarity


def test_correlations_are_numpys_and_matching_undoes_a_shuffle():
    rng = np.random.default_rng(0)
    one = rng.random((50, 6))
    order = rng.permutation(6)
    found = similarity.correlations(one, one[:, order])
    expected = np.corrcoef(one.T, one[:, order].T)[:6, 6:]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    partners, correlation = similarity.match_units(one, one[:, order])
    assert np.array_equal(order[partners], np.arange(6))
    np.testing.assert_allclose(correlation, 1)
    assert (similarity.correlations(np.ones((50, 1)), one) == 0).all()


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_linear_cka_is_the_one_of_kernels(seed):
    rng = np.random.default_rng(seed)
    one, other = rng.normal(size=(20, 4)), rng.normal(size=(20, 6))
    centre = np.eye(20) - 1 / 20
    k, m = centre @ (one @ one.T) @ centre, centre @ (other @ other.T) @ centre
    expected = (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())
    assert similarity.linear_cka(one, other) == pytest.approx(expected)
    turned = one @ np.linalg.qr(rng.normal(size=(4, 4)))[0] * 3 + 1
    assert similarity.linear_cka(one, turned) == pytest.approx(1)
    assert similarity.linear_cka(one, np.ones((20, 2))) == 0
