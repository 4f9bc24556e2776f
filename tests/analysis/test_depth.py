"""What blocks know, how alike they are and what they show: by hand, and by another library."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from ffcl_utils.analysis import depth


def test_a_read_out_is_ridge_regression_of_the_labels():
    rng = np.random.default_rng(0)
    labels, theirs = rng.integers(0, 10, 300), rng.integers(0, 10, 200)
    means = rng.normal(size=(10, 6))
    learnt, asked = (means[y] + rng.normal(size=(len(y), 6)) for y in (labels, theirs))
    mean, deviation = learnt.mean(0), learnt.std(0)
    targets = 2.0 * np.eye(10)[labels] - 1
    model = Ridge(alpha=depth.RIDGE).fit((learnt - mean) / deviation, targets)
    expected = model.predict((asked - mean) / deviation).argmax(1) == theirs
    assert depth.read_out(learnt, asked, labels, theirs) == pytest.approx(expected.mean())


def test_a_block_that_is_the_same_for_all_is_like_none():
    """In the precision of the networks, and with the noise of their rounding."""
    rng = np.random.default_rng(1)
    noise = 1 + 1e-7 * rng.normal(size=(1000, 5))
    layers = [rng.random((1000, 4)), 0.1 * noise, rng.random((1000, 3))]
    layers = [layer.astype(np.float32) for layer in layers]
    found = depth.likeness(layers)
    assert np.isnan(found[1]).all() and np.isnan(found[:, 1]).all()
    np.testing.assert_allclose(np.diag(found)[[0, 2]], 1)


def test_how_far_images_differ_is_by_hand():
    same = np.tile([3.0, 4.0], (5, 1))
    assert depth.spread_of(same) == (pytest.approx(5), 0)
    apart = np.array([[3.0, 0.0], [1.0, 0.0]])  # mean 2; 1 away from it; mean square 5
    assert depth.spread_of(apart) == (pytest.approx(5**0.5), pytest.approx(1 / 5**0.5))
    length, varies = depth.spread_of(np.zeros((3, 2)))
    assert length == 0 and np.isnan(varies)
