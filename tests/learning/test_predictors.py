"""Losses of predictors against scipy, autograd and slow searches; least squares against numpy."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy.linalg import lstsq, solve
from scipy.optimize import brentq, minimize
from torch import nn

from ffcl_utils.learning.predictors import least_squares, sparsemax, sparsemax_loss, squared_loss


def drawn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def nearest(scores):
    """The nearest point of the simplex: the one shift at which the positive parts add up to 1."""
    z = scores.numpy()
    shift = brentq(lambda t: np.maximum(z - t, 0).sum() - 1, z.min() - 2, z.max(), xtol=1e-13)
    return np.maximum(z - shift, 0)


@given(st.integers(1, 12), st.sampled_from([0.1, 1.0, 10.0]), st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_sparsemax_is_the_nearest_point_of_the_simplex(classes, size, seed):
    scores = size * drawn(classes, seed=seed)
    p = sparsemax(scores)
    np.testing.assert_allclose(p.numpy(), nearest(scores), atol=1e-9)
    assert p.sum().item() == pytest.approx(1)
    torch.testing.assert_close(sparsemax(scores + 1234.5), p, rtol=0, atol=1e-9)
    order = torch.randperm(classes, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(sparsemax(scores[order]), p[order])


@pytest.mark.parametrize("seed", range(4))
def test_no_search_within_the_simplex_finds_a_nearer_point(seed):
    scores = drawn(5, seed=seed)
    found = minimize(
        lambda p: ((p - scores.numpy()) ** 2).sum(),
        np.full(5, 0.2),
        bounds=[(0, 1)] * 5,
        constraints={"type": "eq", "fun": lambda p: p.sum() - 1},
        options={"ftol": 1e-14},
    )
    np.testing.assert_allclose(sparsemax(scores).numpy(), found.x, atol=1e-5)


def test_sparsemax_is_known_for_two_classes_and_for_ties():
    for t in (-3.0, -0.4, 0.0, 0.7, 2.0):
        expected = min(max((t + 1) / 2, 0), 1)
        assert sparsemax(torch.tensor([t, 0.0]))[0].item() == pytest.approx(expected)
    ties = sparsemax(torch.tensor([5.0, 5.0, 5.0, -9.0]))
    torch.testing.assert_close(ties, torch.tensor([1 / 3, 1 / 3, 1 / 3, 0]))


def published_loss(scores, label):
    """Equation 12 of Martins and Astudillo for one image, by a loop, from the slow projection."""
    z = scores.numpy()
    p = nearest(scores)
    support = [k for k in range(len(z)) if p[k] > 1e-9]
    tau = (sum(z[k] for k in support) - 1) / len(support)
    return -z[label] + 0.5 * sum(z[k] ** 2 - tau**2 for k in support) + 0.5


@given(st.sampled_from([0.2, 1.0, 5.0]), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_sparsemax_loss_is_the_published_one_with_gradient_p_minus_y(size, seed):
    scores = (size * drawn(2, 7, 10, seed=seed)).requires_grad_()
    labels = torch.randint(10, (2, 7), generator=torch.Generator().manual_seed(seed))
    loss = sparsemax_loss(scores, labels)
    assert loss.shape == (2,)
    plain = scores.detach()
    for s in range(2):
        each = [published_loss(plain[s, b], labels[s, b]) for b in range(7)]
        assert loss[s].item() == pytest.approx(np.mean(each), abs=1e-8)
        assert min(each) > -1e-9
    (gradient,) = torch.autograd.grad(loss.sum(), scores)
    expected = np.stack([[nearest(row) for row in own] for own in plain])
    expected -= np.eye(10)[labels.numpy()]
    np.testing.assert_allclose(gradient.numpy(), expected / 7, atol=1e-9)


def test_sparsemax_loss_has_the_gradient_of_small_differences():
    labels = torch.randint(10, (2, 3), generator=torch.Generator().manual_seed(0))
    scores = drawn(2, 3, 10).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: sparsemax_loss(z, labels), [scores])


def test_sparsemax_loss_is_0_from_a_lead_of_1_on_also_for_large_scores():
    scores = torch.full((1, 1, 10), 40000.0)
    scores[0, 0, 3] += 1
    assert sparsemax_loss(scores, torch.tensor([[3]])).item() == 0
    assert sparsemax_loss(scores, torch.tensor([[4]])).item() == pytest.approx(1)


def test_scores_that_are_no_numbers_disturb_no_other_seed():
    scores = drawn(2, 4, 10)
    labels = torch.zeros(2, 4, dtype=torch.long)
    other = sparsemax_loss(scores, labels)[1]
    scores[0] = torch.nan
    loss = sparsemax_loss(scores, labels)
    assert loss[0].isnan()
    assert loss[1] == other


def test_squared_loss_is_torchs():
    scores = drawn(2, 6, 10)
    labels = torch.randint(10, (2, 6), generator=torch.Generator().manual_seed(1))
    for s, loss in enumerate(squared_loss(scores, labels)):
        expected = nn.functional.mse_loss(scores[s], torch.eye(10).double()[labels[s]])
        torch.testing.assert_close(loss, expected)


def in_parts(features, labels, size):
    return zip(features.split(size), labels.split(size), strict=True)


@given(st.integers(1, 40), st.integers(1, 15), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_least_squares_is_scipys_also_where_there_are_too_few_images(images, units, part, seed):
    features = drawn(images, units, seed=seed)
    labels = torch.randint(10, (images,), generator=torch.Generator().manual_seed(seed))
    targets = np.eye(10)[labels.numpy()]
    weight, loss = least_squares(in_parts(features, labels, part), 0.0)
    expected = lstsq(features.numpy(), targets)[0]
    np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-4, atol=1e-5)
    error = ((features.numpy() @ expected - targets) ** 2).mean()
    assert loss.item() == pytest.approx(error, abs=1e-6)


@given(st.floats(1e-3, 1e4), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_with_a_ridge_it_is_the_solution_of_the_equations(ridge, seed):
    features = drawn(50, 8, seed=seed)
    labels = torch.randint(10, (50,), generator=torch.Generator().manual_seed(seed))
    x, y = features.numpy(), np.eye(10)[labels.numpy()]
    weight, loss = least_squares(in_parts(features, labels, 16), ridge)
    expected = solve(x.T @ x + ridge * np.eye(8), x.T @ y)
    np.testing.assert_allclose(weight.numpy(), expected, atol=1e-9)
    assert loss.item() == pytest.approx(((x @ expected - y) ** 2).mean(), abs=1e-9)


def test_silent_and_equal_units_get_the_shortest_solution():
    features = drawn(200, 6, dtype=torch.float32)
    features[:, 2] = 0
    features[:, 4] = 4 * features[:, 1]  # without rounding
    labels = torch.randint(10, (200,), generator=torch.Generator().manual_seed(0))
    weight, _ = least_squares(in_parts(features, labels, 50), 0.0)
    expected = np.linalg.lstsq(features.double().numpy(), np.eye(10)[labels.numpy()])[0]
    np.testing.assert_allclose(weight.numpy(), expected, atol=1e-9)
    assert not weight[2].abs().max() > 1e-9
