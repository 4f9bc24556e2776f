"""The simulators, and their posteriors: by calibration, by a grid and by the likelihood."""

import numpy as np
import pytest
from scipy.stats import chisquare, multivariate_normal, norm

from ffcl_utils.related.simulation_tasks import TASKS
from ffcl_utils.related.two_samples import c2st

STATISTICS = {
    "two moons": [lambda t: t[..., 0], lambda t: t[..., 1], lambda t: abs(t[..., 0] + t[..., 1])],
    "Gaussian mixture": [lambda t: t[..., 0], lambda t: abs(t).max(-1)],
    "SLCP": [
        lambda t: t[..., 0],
        lambda t: t[..., 2],
        lambda t: abs(t[..., 3]),
        lambda t: t[..., 4],
        lambda t: t[..., 0] * abs(t[..., 2]) * t[..., 4],
    ],
}


@pytest.mark.parametrize("name", TASKS)
def test_truths_rank_anywhere_among_draws_of_their_posterior(name):
    """Where (θ, x) is simulated, θ is one more draw of the posterior of x: its rank is uniform."""
    task, rng, draws, runs = TASKS[name], np.random.default_rng(3), 9, 200
    theta = task.prior(runs, rng)
    x = task.simulate(theta, rng)
    assert theta.shape == (runs, task.dimensions) and np.abs(theta).max() <= task.bound
    made = np.array([task.posterior(of_one, draws, rng) for of_one in x])
    assert np.abs(made).max() <= task.bound
    for statistic in STATISTICS[name]:
        ranks = (statistic(made) < statistic(theta)[:, None]).sum(1)
        assert chisquare(np.bincount(ranks, minlength=draws + 1)).pvalue > 1e-3


def test_two_moons_is_a_crescent_that_the_parameters_move():
    rng = np.random.default_rng(0)
    theta = np.tile([0.3, -0.7], (20_000, 1))
    points = TASKS["two moons"].simulate(theta, rng) - [-0.4 / 2**0.5, -1.0 / 2**0.5]
    radius = np.hypot(points[:, 0] - 0.25, points[:, 1])
    assert radius.mean() == pytest.approx(0.1, abs=4 * 0.01 / 20_000**0.5)
    assert radius.std() == pytest.approx(0.01, rel=0.03)
    assert (points[:, 0] >= 0.25).all()
    angle = np.arctan2(points[:, 1], points[:, 0] - 0.25)
    assert chisquare(np.histogram(angle, 10, (-np.pi / 2, np.pi / 2))[0]).pvalue > 1e-3
    mirrored = TASKS["two moons"].posterior(np.array([0.0, 0.0]), 4000, rng)
    assert abs((mirrored.sum(1) > 0).mean() - 0.5) < 4 * 0.5 / 4000**0.5


def test_every_draw_of_two_moons_puts_the_observation_on_the_crescent():
    """Also where parts of the crescent would need a sum of negative size."""
    x, rng = np.array([0.3, 0.04]), np.random.default_rng(5)
    theta = TASKS["two moons"].posterior(x, 2000, rng)
    moved = np.stack([-np.abs(theta.sum(1)), theta[:, 1] - theta[:, 0]], 1) / 2**0.5
    offset = x - moved - [0.25, 0]
    radius = np.hypot(*offset.T)
    assert radius.mean() == pytest.approx(0.1, abs=0.002)
    assert radius.std() == pytest.approx(0.01, rel=0.1)


def test_the_mixtures_posterior_is_that_of_a_grid():
    x, rng = np.array([9.5, 2.0]), np.random.default_rng(1)  # the prior cuts it off at 10
    made = TASKS["Gaussian mixture"].posterior(x, 20_000, rng)
    axis = np.linspace(-10, 10, 1001)
    theta = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
    density = sum(multivariate_normal.pdf(x - theta, np.zeros(2), s**2) for s in (1, 0.1))
    density /= density.sum()
    for statistic in (lambda t: t[..., 0], lambda t: np.hypot(*(t - x).T).T < 0.2):
        expected = (density * statistic(theta)).sum()
        got = statistic(made)
        assert abs(got.mean() - expected) < 4 * got.std() / 20_000**0.5 + 2e-3


def test_slcps_posterior_is_the_prior_weighted_by_the_likelihood():
    task, rng = TASKS["SLCP"], np.random.default_rng(2)
    x = task.simulate(np.array([[0.7, -1.0, 1.6, -1.4, 0.9]]), rng)[0]
    theta = task.prior(150_000, rng)
    s, rho = theta[:, 2:4] ** 2, np.tanh(theta[:, 4])
    residuals = (x.reshape(4, 1, 2) - theta[:, :2]) / s
    first, second = residuals[..., 0], residuals[..., 1]
    squares = (first**2 - 2 * rho * first * second + second**2) / (1 - rho**2)
    logs = -0.5 * squares.sum(0) - 4 * np.log(s.prod(1)) - 2 * np.log(1 - rho**2)
    one = multivariate_normal.logpdf(
        x.reshape(4, 2), theta[0, :2], np.outer(s[0], s[0]) * [[1, rho[0]], [rho[0], 1]]
    ).sum()
    assert logs[0] - 4 * np.log(2 * np.pi) == pytest.approx(one)  # the likelihood is scipy's
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    made = task.posterior(x, 20_000, rng)
    for k in range(5):
        for power in (1, 2):
            values, got = np.abs(theta[:, k]) ** power, np.abs(made[:, k]) ** power
            expected = weights @ values
            error = np.hypot(
                (weights**2 @ (values - expected) ** 2) ** 0.5, got.std() / 20_000**0.5
            )
            assert abs(got.mean() - expected) < 4 * error, (k, power)
    signs = np.sign(made[:, 2]) + 2 * np.sign(made[:, 3])
    assert chisquare(np.unique(signs, return_counts=True)[1]).pvalue > 1e-3


def test_slcp_has_the_moments_that_its_parameters_say():
    rng = np.random.default_rng(4)
    theta = np.tile([1.0, -2.0, 0.9, -1.2, 0.7], (20_000, 1))
    points = TASKS["SLCP"].simulate(theta, rng).reshape(-1, 2)
    assert points.mean(0) == pytest.approx([1, -2], abs=0.03)
    assert points.std(0) == pytest.approx([0.81, 1.44], rel=0.02)
    assert np.corrcoef(points.T)[0, 1] == pytest.approx(np.tanh(0.7), abs=0.01)


def test_an_observation_that_cannot_be_is_named(monkeypatch):
    monkeypatch.setattr("ffcl_utils.related.simulation_tasks.ROUNDS", 3)
    with pytest.raises(ValueError, match="0 of 6000 proposals fit"):
        TASKS["two moons"].posterior(np.array([5.0, 0.0]), 10, np.random.default_rng(0))


def test_c2st_comes_near_the_best_that_any_classifier_can_do():
    """Of two normal samples whose means are δ apart: Φ(δ/2), and never much more."""
    rng = np.random.default_rng(0)
    for shift, scale in ((0.0, 1.0), (2.0, 0.01)):
        one, other = scale * rng.normal(size=(2, 300, 2))
        other[:, 0] += scale * shift
        assert c2st(one, other) == pytest.approx(norm.cdf(shift / 2), abs=0.06)
    other[3, 1] = np.nan
    assert np.isnan(c2st(one, other))
