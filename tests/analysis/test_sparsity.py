"""Hoyer sparsity, active and dead units: closed forms."""

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from ffcl_utils.analysis import sparsity

vectors = hnp.arrays(
    np.float64, 8, elements=st.floats(0, 100, allow_subnormal=False).map(lambda x: round(x, 3))
)


@pytest.mark.parametrize(("active", "expected"), [(1, 1.0), (16, 0.0), (4, 2 / 3)])
def test_hoyer_sparsity_of_k_equal_units(active, expected):
    # (4 − √k)/(4 − 1) for k equal units of 16
    assert sparsity.hoyer_sparsity(np.array([2.5] * active + [0] * (16 - active))) == pytest.approx(
        expected
    )


@given(vectors, st.floats(0.1, 10))
@settings(max_examples=50)
def test_hoyer_sparsity_is_between_0_and_1_whatever_the_scale(h, factor):
    found = sparsity.hoyer_sparsity(h)
    if not h.any():
        assert np.isnan(found)
    else:
        assert -1e-9 <= found <= 1 + 1e-9
        assert sparsity.hoyer_sparsity(factor * h) == pytest.approx(found)


def test_active_and_dead_units():
    activations = np.array([[1.0, 0, 0, 2], [0, 0, 3, 1]])
    assert sparsity.active_fraction(activations).tolist() == [0.5, 0.5]
    assert sparsity.dead_units(activations).tolist() == [False, True, False, False]


def test_the_mean_hoyer_sparsity_is_over_correct_images_that_are_not_silent():
    layer = np.array([[[1.0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]] * 3)
    correct = np.array([[True, True, True], [True, False, True], [False, False, True]])
    found = sparsity.mean_hoyer(layer, correct)
    np.testing.assert_allclose(found, [0.5, 1.0, np.nan])
