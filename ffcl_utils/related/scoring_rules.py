"""A generative network trained by the energy score, as arXiv 2205.15784 proposes for inference.

A simulator draws data x from parameters θ. The network turns x and noise into draws of θ; the
energy score says how well a set of draws foretells the θ that x came from. It needs draws alone:
no density, no likelihood and no second network.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import norm
from torch import Generator, Tensor
from torch.nn.functional import leaky_relu

WIDTH, SLOPE = 128, 0.1  # of the four hidden layers
BETAS = (0.9, 0.99)  # of Adam


def energy_score(draws: Tensor, truth: Tensor, spread: bool = True) -> Tensor:
    """How badly draws (..., m, d) foretell a truth (..., d): (...), in the units of the truth.

    (2/m) Σ_j ‖truth − draw_j‖ − 1/(m(m−1)) Σ_{j≠k} ‖draw_j − draw_k‖: the estimate, without bias,
    of the energy score with β = 1. Its mean over truths is lowest where the draws have their
    distribution (it is strictly proper). spread: without it the second sum is left out, and the
    mean is lowest where all draws fall on one point. Raises ValueError for fewer than two draws.
    """
    m = draws.shape[-2]
    if m < 2:
        raise ValueError(f"{m} draws have no distance between them: the energy score needs two")
    error = (draws - truth.unsqueeze(-2)).norm(dim=-1).mean(-1)
    if not spread:
        return 2 * error
    # Not by matrix products, which lose the digits of small distances.
    apart = torch.cdist(draws, draws, compute_mode="donot_use_mm_for_euclid_dist")
    return 2 * error - apart.sum((-2, -1)) / (m * (m - 1))


def gaussian_energy_score(mean: float, scale: float, spread: bool = True) -> float:
    """The mean of `energy_score` in closed form: draws from N(mean, scale²), truths from N(0, 1).

    A difference of the two is normal; the mean of its size is that of a folded normal variable, and
    two draws lie 2·scale/√π apart on average.
    """
    both = np.hypot(scale, 1)
    ratio = mean / both
    error = both * (2 * norm.pdf(ratio) + ratio * (1 - 2 * norm.cdf(-ratio)))
    return float(2 * error - spread * 2 * scale / np.sqrt(np.pi))


def new_network(inputs: int, noise: int, outputs: int, rng: Generator) -> list[Tensor]:
    """Parameters of a network from x (inputs) and noise to θ (outputs), drawn from a generator.

    Weights of three hidden layers; the fourth one's weights of the third layer and of the noise;
    weights of the linear output; then the biases of these five layers.
    """
    shapes = [(inputs, WIDTH)] + 3 * [(WIDTH, WIDTH)] + [(noise, WIDTH), (WIDTH, outputs)]
    fan_in = [inputs, WIDTH, WIDTH, WIDTH + noise, WIDTH + noise, WIDTH]
    # Uniform weights with which a leaky ReLU keeps the size of what comes in.
    bounds = [(6 / ((1 + SLOPE**2) * count)) ** 0.5 for count in fan_in]
    weights = [
        bound * (2 * torch.rand(shape, generator=rng) - 1)
        for shape, bound in zip(shapes, bounds, strict=True)
    ]
    return weights + [torch.zeros(units) for units in (*4 * [WIDTH], outputs)]


def generate(parameters: list[Tensor], x: Tensor, noise: Tensor) -> Tensor:
    """Draws of θ (B, m, outputs) for x (B, inputs), one for each noise vector (B, m, noise).

    The noise comes in after the third layer, so that the first three see each x once only.
    """
    weights, biases = parameters[:6], parameters[6:]
    for weight, bias in zip(weights[:3], biases[:3], strict=True):
        x = leaky_relu(x @ weight + bias, SLOPE)
    mixed = (x @ weights[3]).unsqueeze(1) + noise @ weights[4] + biases[3]
    return leaky_relu(mixed, SLOPE) @ weights[5] + biases[4]


class Trained(NamedTuple):
    """A trained network: its parameters where the held-out score was lowest.

    score, step: what it was there, and after how many steps; a score that is NaN or infinite where
    the first one was.
    """

    parameters: list[Tensor]
    score: float
    step: int


def train(
    pairs: tuple[Tensor, Tensor],
    held_out: tuple[Tensor, Tensor],
    rng: Generator,
    *,
    draws: int,
    noise: int,
    batch_size: int,
    steps: int,
    every: int,
    patience: int,
    learning_rate: float,
) -> Trained:
    """Lower the mean energy score of `draws` draws for batches of pairs, θ (N, d) and x (N, p).

    The score of the held-out pairs, with noise drawn once, is taken every `every` steps. The
    training ends after `steps` steps, after `patience` of these scores in a row without a new
    lowest one, or with the first score that is not finite.
    """
    theta, x = pairs
    parameters = new_network(x.shape[1], noise, theta.shape[1], rng)
    for parameter in parameters:
        parameter.requires_grad_()
    optimiser = torch.optim.Adam(parameters, learning_rate, BETAS, fused=True)
    held_noise = torch.randn(len(held_out[0]), draws, noise, generator=rng)
    best, waited = Trained(parameters, float("nan"), 0), 0
    for step in range(1, steps + 1):
        batch = torch.randint(len(theta), (batch_size,), generator=rng)
        fresh = torch.randn(batch_size, draws, noise, generator=rng)
        loss = energy_score(generate(parameters, x[batch], fresh), theta[batch]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % every and step != steps:
            continue
        with torch.no_grad():
            made = generate(parameters, held_out[1], held_noise)
            score = energy_score(made, held_out[0]).mean().item()
        waited += 1
        if not best.step or score < best.score:
            best, waited = Trained([p.detach().clone() for p in parameters], score, step), 0
        if not np.isfinite(score) or waited >= patience:
            break
    return best
