"""Geometry of a layer against brute force and closed forms."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from ffcl_utils.analysis.geometry import class_cosines, effective_dimension, silent_share


def some(seed, *shape):
    return np.maximum(np.random.default_rng(seed).normal(size=shape), 0)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_cosines_are_those_of_all_pairs(seed):
    layers, labels = some(seed, 2, 12, 5), np.arange(12) % 3
    layers[0, 3] = 0.0  # a silent image
    same, other = class_cosines(layers, labels)
    for s, layer in enumerate(layers):
        within, between = [], []
        for i in range(12):
            for j in range(12):
                length = np.linalg.norm(layer[i]) * np.linalg.norm(layer[j])
                cosine = layer[i] @ layer[j] / length if length else 0.0
                if i != j:
                    (within if labels[i] == labels[j] else between).append(cosine)
        assert same[s] == pytest.approx(np.mean(within))
        assert other[s] == pytest.approx(np.mean(between))


def test_effective_dimension_of_lines_balls_and_nothing():
    line = np.outer(np.arange(10.0), np.ones(4))
    ball = np.concatenate([np.eye(4), -np.eye(4)])
    assert effective_dimension(line) == pytest.approx(1)
    assert effective_dimension(ball) == pytest.approx(4)
    assert effective_dimension(np.ones((5, 4))) == 0
    assert effective_dimension(np.stack([ball, 3 * ball])) == pytest.approx([4, 4])


def test_silent_images_are_counted():
    layer = np.array([[[0.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 2.0]]])
    assert silent_share(layer).tolist() == [0.5, 0.0]
    assert np.isnan(silent_share(np.zeros((2, 0, 3)))).all()


def test_a_diverged_network_has_no_geometry():
    layers = np.stack([some(0, 10, 4), np.full((10, 4), np.nan)])
    same, other = class_cosines(layers, np.arange(10) % 2)
    for figures in (silent_share(layers), effective_dimension(layers), same, other):
        assert np.isnan(figures).tolist() == [False, True]
