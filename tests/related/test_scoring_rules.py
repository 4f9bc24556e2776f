"""The energy score, and the network that it trains."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import gamma
from scipy.stats import norm

from ffcl_utils.related.scoring_rules import (
    energy_score,
    gaussian_energy_score,
    generate,
    new_network,
    train,
)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(1, 4), st.integers(0, 2**31))
def test_the_energy_score_is_the_two_sums(m, d, seed):
    rng = np.random.default_rng(seed)
    draws, truth = rng.normal(size=(3, m, d)), rng.normal(size=(3, d))
    got = energy_score(torch.tensor(draws), torch.tensor(truth))
    for of_draws, of_truth, score in zip(draws, truth, got.tolist(), strict=True):
        error = sum(np.sqrt(((of_truth - draw) ** 2).sum()) for draw in of_draws)
        apart = sum(np.sqrt(((a - b) ** 2).sum()) for a, b in permutations(of_draws, 2))
        assert score == pytest.approx(2 / m * error - apart / (m * (m - 1)), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 1000), st.integers(0, 2**31))
def test_it_moves_with_the_units_and_not_with_the_origin(scale, seed):
    scale = scale / 100
    rng = torch.Generator().manual_seed(seed)
    draws = torch.randn(5, 3, generator=rng, dtype=torch.float64)
    truth, shift = torch.randn(2, 3, generator=rng, dtype=torch.float64)
    moved = energy_score(scale * draws + shift, scale * truth + shift)
    assert moved.item() == pytest.approx(scale * energy_score(draws, truth).item(), rel=1e-9)


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_its_mean_is_the_closed_form_of_two_gaussians(d, scale):
    """E‖N(0, s² I)‖ = s √2 Γ((d + 1)/2)/Γ(d/2)."""
    rng = torch.Generator().manual_seed(d)
    draws = scale * torch.randn(20_000, 4, d, generator=rng)
    scores = energy_score(draws, torch.randn(20_000, d, generator=rng))
    size = np.sqrt(2) * gamma((d + 1) / 2) / gamma(d / 2)
    expected = size * (2 * np.hypot(scale, 1) - scale * np.sqrt(2))
    assert abs(scores.mean() - expected) < 4 * scores.std() / len(scores) ** 0.5
    if d == 1:
        assert gaussian_energy_score(0, scale) == pytest.approx(expected)


@pytest.mark.parametrize(("mean", "scale"), [(0.7, 0.6), (-1.5, 2.0)])
def test_the_closed_form_is_the_integral(mean, scale):
    """E|X − Y| = ∫ F(1 − G) + G(1 − F), for any two distribution functions."""

    def apart(t):
        one, other = norm.cdf(t, mean, scale), norm.cdf(t)
        return one * (1 - other) + other * (1 - one)

    error = quad(apart, -20, 20, epsabs=1e-10, limit=200)[0]
    assert gaussian_energy_score(mean, scale, spread=False) == pytest.approx(2 * error, rel=1e-7)
    spread = 2 * scale / np.sqrt(np.pi)
    assert gaussian_energy_score(mean, scale) == pytest.approx(2 * error - spread, rel=1e-7)


@settings(max_examples=50, deadline=None)
@given(st.integers(-300, 300), st.integers(5, 500))
def test_no_candidate_beats_the_truth(mean, scale):
    mean, scale = mean / 100, scale / 100
    assert gaussian_energy_score(mean, scale) >= gaussian_energy_score(0, 1) - 1e-12


def test_draws_on_one_point_have_a_gradient_and_one_draw_has_no_score():
    draws = torch.ones(4, 2, requires_grad=True)
    energy_score(draws, torch.zeros(2)).backward()
    assert torch.allclose(draws.grad, torch.full((4, 2), 0.5 / 2**0.5))
    with pytest.raises(ValueError, match="1 draws"):
        energy_score(torch.ones(1, 2), torch.zeros(2))


def test_the_network_is_a_plain_one_with_noise_after_the_third_layer():
    rng = torch.Generator().manual_seed(1)
    parameters = new_network(3, 2, 5, rng)
    weights = parameters[:6]
    biases = [torch.randn(bias.shape, generator=rng) for bias in parameters[6:]]
    x, noise = torch.randn(4, 3, generator=rng), torch.randn(4, 7, 2, generator=rng)
    got = generate([*weights, *biases], x, noise)
    hidden = [*weights[:3], torch.cat([weights[3], weights[4]])]
    for b in range(4):
        for j in range(7):
            h = x[b]
            for k, (weight, bias) in enumerate(zip(hidden, biases[:4], strict=True)):
                h = torch.cat([h, noise[b, j]]) if k == 3 else h
                sums = h @ weight + bias
                h = torch.where(sums > 0, sums, 0.1 * sums)
            assert torch.allclose(got[b, j], h @ weights[5] + biases[4], atol=1e-4)


def test_the_first_layers_keep_the_size_of_their_input():
    """The uniform weights have the variance 2/((1 + .1²) fan-in), as torch's own start has."""
    parameters = new_network(128, 64, 128, torch.Generator().manual_seed(0))
    expected = torch.nn.init.kaiming_uniform_(torch.empty(128, 128), a=0.1)
    assert parameters[1].std().item() == pytest.approx(expected.std().item(), rel=0.03)
    assert parameters[1].max().item() == pytest.approx(expected.max().item(), rel=0.01)
    assert parameters[4].std().item() == pytest.approx((2 / (1.01 * 192)) ** 0.5, rel=0.03)


SETTINGS = {"draws": 8, "noise": 1, "batch_size": 32, "every": 25, "patience": 4}


def pairs(count, seed=0):
    """θ ~ N(0, 1) and x = θ + N(0, 1): the posterior is N(x/2, 1/2)."""
    rng = torch.Generator().manual_seed(seed)
    theta = torch.randn(count, 1, generator=rng)
    return theta, theta + torch.randn(count, 1, generator=rng)


def trained(seed=0, count=2000, steps=300, learning_rate=3e-3):
    rng = torch.Generator().manual_seed(seed)
    options = SETTINGS | {"steps": steps, "learning_rate": learning_rate}
    return train(pairs(count), pairs(500, 1), rng, **options)


def test_it_learns_a_posterior_that_is_known():
    found = trained()
    x = torch.tensor([[-1.0], [1.0]])
    noise = torch.randn(2, 4000, 1, generator=torch.Generator().manual_seed(5))
    draws = generate(found.parameters, x, noise)[..., 0]
    assert draws.mean(1).tolist() == pytest.approx([-0.5, 0.5], abs=0.2)
    assert draws.std(1).tolist() == pytest.approx(2 * [0.5**0.5], abs=0.2)
    best = 2 * 0.5**0.5 / np.pi**0.5  # of the posterior itself
    assert best - 0.1 < found.score < best + 0.1


def test_the_same_seed_gives_the_same_network():
    one, again, other = trained(steps=50), trained(steps=50), trained(seed=1, steps=50)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters, again.parameters, strict=True))
    assert one.score == again.score != other.score


def test_what_is_kept_has_the_lowest_held_out_score():
    """Twenty pairs are learnt by heart: the held-out score rises again, and the training ends."""
    options = {"count": 20, "learning_rate": 1e-2}
    found = trained(**options, steps=2000)
    assert 0 < found.step < 2000
    for steps in (found.step - 25, found.step + 25, found.step + 100):
        if steps > 0:
            assert trained(**options, steps=steps).score >= found.score
    assert trained(**options, steps=found.step).score == found.score


def test_a_training_that_diverges_is_no_error():
    found = trained(learning_rate=1e30, steps=100)
    assert not np.isfinite(found.score)
    assert found.step == 25
