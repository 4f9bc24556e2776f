"""Three simulators whose posterior can be drawn from exactly: what inference is tried on.

Our definition of the tasks, after the public benchmark of simulation-based inference (arXiv
2101.04653). All priors are uniform on [−bound, bound]^d. A simulator takes θ (N, d) to data (N, p).
A posterior gives independent draws (count, d) of θ for one x (p,): proposals of a density that,
times a constant, is nowhere below the posterior's are kept with the right probability, so that
there is no chain to wait for. A posterior raises ValueError where (nearly) no proposal can be kept.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from scipy.stats import invwishart

Array = np.ndarray
POINTS = 4  # observed by SLCP, each of two numbers
SCALES = (1.0, 0.1)  # of the two parts of the Gaussian mixture
PROPOSALS, ROUNDS = 2000, 2000  # proposals in a round, and rounds before a posterior gives up


class Task(NamedTuple):
    """A task: the bound of its prior, its dimensions, its simulator and its posterior."""

    bound: float
    dimensions: int
    simulate: Callable[[Array, Generator], Array]
    posterior: Callable[[Array, int, Generator], Array]

    def prior(self, count: int, rng: Generator) -> Array:
        """Draws of θ (count, d)."""
        return rng.uniform(-self.bound, self.bound, (count, self.dimensions))


def _crescent(count: int, rng: Generator) -> Array:
    """Points (count, 2) on a half circle of radius .1, blurred by .01, about (.25, 0)."""
    angle = rng.uniform(-np.pi / 2, np.pi / 2, count)
    radius = rng.normal(0.1, 0.01, count)
    return np.stack([radius * np.cos(angle) + 0.25, radius * np.sin(angle)], 1)


def two_moons(theta: Array, rng: Generator) -> Array:
    """A crescent moved by −|θ₁ + θ₂|/√2 and (θ₂ − θ₁)/√2: both signs of θ₁ + θ₂ fit the same x."""
    total, difference = theta.sum(1), theta[:, 1] - theta[:, 0]
    return _crescent(len(theta), rng) + np.stack([-np.abs(total), difference], 1) / np.sqrt(2)


def two_moons_posterior(x: Array, count: int, rng: Generator) -> Array:
    """Two crescents: x and a point of the crescent give the size of θ₁ + θ₂, and θ₂ − θ₁.

    θ ↦ (size of the sum, difference)/√2 keeps areas for each sign of the sum, and so θ has the
    density of the point. Points that would need a negative size, or a θ out of the prior, are left.
    """

    def propose() -> Array:
        size, difference = ((_crescent(PROPOSALS, rng) - x) * [1, -1]).T
        total = size * rng.choice([-1, 1], PROPOSALS)
        theta = np.stack([total - difference, total + difference], 1) / np.sqrt(2)
        return theta[(size >= 0) & (np.abs(theta) <= 1).all(1)]

    return _collect(propose, count)


def gaussian_mixture(theta: Array, rng: Generator) -> Array:
    """θ plus noise in two dimensions, whose standard deviation is 1 or .1 with equal chances."""
    scale = rng.choice(SCALES, (len(theta), 1))
    return theta + scale * rng.standard_normal(theta.shape)


def gaussian_mixture_posterior(x: Array, count: int, rng: Generator) -> Array:
    """The same mixture about x, within the prior: a normal density is the same in θ and in x."""

    def propose() -> Array:
        theta = gaussian_mixture(np.tile(x, (PROPOSALS, 1)), rng)
        return theta[(np.abs(theta) <= 10).all(1)]

    return _collect(propose, count)


def slcp(theta: Array, rng: Generator) -> Array:
    """Four points from a normal distribution in two dimensions, (N, 8): simple likelihood, complex
    posterior. Mean (θ₁, θ₂), standard deviations θ₃² and θ₄², correlation tanh θ₅."""
    first, second = rng.standard_normal((2, len(theta), POINTS))
    correlation = np.tanh(theta[:, [4]])
    second = correlation * first + np.sqrt(1 - correlation**2) * second
    points = theta[:, None, :2] + theta[:, None, 2:4] ** 2 * np.stack([first, second], -1)
    return points.reshape(len(theta), 2 * POINTS)


def slcp_posterior(x: Array, count: int, rng: Generator) -> Array:
    """Draws of the covariance Σ, then of the mean given Σ, then of two signs that do not matter.

    For Σ the likelihood, integrated over the mean, is |Σ|^(−3/2) exp(−tr(S Σ⁻¹)/2), with S the
    scatter matrix of the four points. A uniform θ gives Σ the density |Σ|⁻¹ (Σ₁₁ Σ₂₂)^(−1/4). The
    product is an inverse Wishart density of 2.5 degrees of freedom times (1 − ρ²)^(1/4), which is
    at most 1: the chance to keep a proposal. The mean is then normal about that of the points,
    with covariance Σ/4. What is out of the prior is left.
    """
    points = x.reshape(POINTS, 2)
    centre = points.mean(0)
    scatter = (points - centre).T @ (points - centre)

    def propose() -> Array:
        sigma = invwishart.rvs(2.5, scatter, PROPOSALS, random_state=rng)
        deviations = np.sqrt(sigma[:, [0, 1], [0, 1]])
        rho = np.clip(sigma[:, 0, 1] / deviations.prod(1), -1 + 1e-15, 1 - 1e-15)
        first, second = rng.standard_normal((2, PROPOSALS))
        noise = np.stack([first, rho * first + np.sqrt(1 - rho**2) * second], 1)
        mean = centre + deviations * noise / np.sqrt(POINTS)
        roots = np.sqrt(deviations) * rng.choice([-1, 1], (PROPOSALS, 2))
        theta = np.concatenate([mean, roots, np.arctanh(rho)[:, None]], 1)
        kept = rng.random(PROPOSALS) < (1 - rho**2) ** 0.25
        return theta[kept & (np.abs(theta) <= 3).all(1)]

    return _collect(propose, count)


def _collect(propose: Callable[[], Array], count: int) -> Array:
    """The first `count` proposals that were kept; raises ValueError where there are too few."""
    found, total = [], 0
    for _ in range(ROUNDS):
        found.append(propose())
        total += len(found[-1])
        if total >= count:
            return np.concatenate(found)[:count]
    raise ValueError(
        f"{total} of {ROUNDS * PROPOSALS} proposals fit: this x is next to impossible under the "
        "prior"
    )


TASKS = {
    "two moons": Task(1.0, 2, two_moons, two_moons_posterior),
    "Gaussian mixture": Task(10.0, 2, gaussian_mixture, gaussian_mixture_posterior),
    "SLCP": Task(3.0, 5, slcp, slcp_posterior),
}
