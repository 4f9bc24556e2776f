"""Bayesian recurrent units: Bayes's theorem as a recurrence, and the way back (arXiv 2207.10486).

A unit is a hidden Markov chain of two states, 0 and 1. Its output is how much it believes in state
1. The published recursions are known from code of the authors' group, as far as the functions say.
Time is the first axis of every array; all other axes are units, sequences or both.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

MOST = 10.0  # of the logarithm of a likelihood ratio, as published
LEAST = 1e-6  # distance of a learnt probability from 0 and from 1; float32 still resolves it


class Chain(NamedTuple):
    """The probabilities of state 1, each of a shape that fits the units': before the first step
    (p0), and at a step after state 1 (p1) and after state 0 (p2)."""

    p0: Tensor
    p1: Tensor
    p2: Tensor


class Emissions(NamedTuple):
    """Gaussian observations of D numbers: their means in state 0 and in state 1, (2, D), and the
    standard deviation that all of them share, a scalar."""

    means: Tensor
    deviation: Tensor


def probability(logit: Tensor) -> Tensor:
    """A free parameter as a probability: its sigmoid, kept LEAST away from 0 and from 1.

    The way back divides by p and by 1 − p; p lies between p1 and p2. The distance is ours.
    """
    return torch.sigmoid(logit).clamp(LEAST, 1 - LEAST)


def ratio(x: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """r, the likelihood of x in state 0 over that in state 1: exp(min(x W + b, MOST)).

    x: (T, …, D). weights: (D, U). bias: (U,). Returns (T, …, U). That the published unit has a bias
    is not known.
    """
    return torch.exp((x @ weights + bias).clamp(max=MOST))


def gaussian_weights(emissions: Emissions) -> tuple[Tensor, Tensor]:
    """Weights (D, 1) and bias (1,) with which `ratio` is that of the emissions, up to the limit.

    log N(x; μ₀, σ²) − log N(x; μ₁, σ²) = (μ₀ − μ₁)·x/σ² + (|μ₁|² − |μ₀|²)/(2σ²).
    """
    (zero, one), variance = emissions.means, emissions.deviation**2
    bias = (one.square().sum() - zero.square().sum()) / (2 * variance)
    return ((zero - one) / variance)[:, None], bias[None]


def filtered(ratios: Tensor, chain: Chain) -> tuple[Tensor, Tensor]:
    """p and α: the belief in state 1 just before and just after each observation.

    p_t = p1 α_{t−1} + p2 (1 − α_{t−1}) and α_t = p_t / (p_t + r_t (1 − p_t)), from α_0 = p0.
    ratios: (T, …), as returned, twice.
    """
    belief, one = chain.p0, torch.ones_like(chain.p0)
    before, after = [], []
    for r in ratios:  # lerp(a, b, w) is a (1 − w) + b w
        p = torch.lerp(chain.p2, chain.p1, belief)
        belief = p / torch.lerp(r, one, p)
        before.append(p.expand_as(belief))
        after.append(belief)
    return torch.stack(before), torch.stack(after)


def smoothed(before: Tensor, after: Tensor, chain: Chain) -> Tensor:
    """γ: the belief in state 1 given all observations, from what `filtered` returns, (T, …).

    γ_t = α_t (p1 γ_{t+1} / p_{t+1} + (1 − p1)(1 − γ_{t+1}) / (1 − p_{t+1})), from γ_T = α_T. No
    observation is looked at again.
    """
    # P(state 1 now | the next state is 1, or 0; the observations so far).
    from_one = after[:-1] * chain.p1 / before[1:]
    from_zero = after[:-1] * (1 - chain.p1) / (1 - before[1:])
    found = [after[-1]]
    for zero, one in zip(from_zero.flip(0), from_one.flip(0), strict=True):
        found.append(torch.lerp(zero, one, found[-1]))
    return torch.stack(found[::-1])


def log_likelihood(x: Tensor, chain: Chain, emissions: Emissions) -> Tensor:
    """log P(x) of sequences x (T, N, D) under the chain and its emissions, summed over all, ().

    P(x_t | x_1 … x_{t−1}) = N(x_t; μ₁, σ²) (p_t + r_t (1 − p_t)): what the filter divides by.
    """
    ratios = ratio(x, *gaussian_weights(emissions))[..., 0]
    before, _ = filtered(ratios, chain)
    distance = ((x - emissions.means[1]) / emissions.deviation).square().sum()
    constant = torch.log(emissions.deviation) + 0.5 * np.log(2 * np.pi)
    evidence = torch.log(before + ratios * (1 - before)).sum()
    return evidence - 0.5 * distance - x.numel() * constant


def relabelled(chain: Chain, emissions: Emissions) -> tuple[Chain, Emissions]:
    """The same model with the names of the states exchanged: the likelihood stays what it is."""
    swapped = Chain(1 - chain.p0, 1 - chain.p2, 1 - chain.p1)
    return swapped, Emissions(emissions.means.flip(0), emissions.deviation)


def simulated(
    generator: np.random.Generator, steps: int, sequences: int, chain: Chain, emissions: Emissions
) -> tuple[np.ndarray, np.ndarray]:
    """States (T, N), 0 or 1, and observations (T, N, D) of the chain, drawn from the generator."""
    p0, p1, p2 = (float(p) for p in chain)
    states = np.zeros((steps, sequences), dtype=int)
    last = generator.random(sequences) < p0  # the state before the first observation
    for t in range(steps):
        last = generator.random(sequences) < np.where(last, p1, p2)
        states[t] = last
    means, deviation = emissions.means.numpy(), float(emissions.deviation)
    noise = generator.standard_normal((steps, sequences, means.shape[1]))
    return states, means[states] + deviation * noise


def forward_backward(
    densities: np.ndarray, start: np.ndarray, transitions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The textbook's recursions for any number K of states: what the units are held against.

    densities: of each observation in each state, up to a factor per observation, (T, N, K). start:
    of the state of the first observation, (K,). transitions: (K, K), from rows to columns. Returns
    the probabilities of the states given the observations so far, and given all, (T, N, K).
    """
    forward, backward = np.empty_like(densities), np.ones_like(densities)
    for t, density in enumerate(densities):
        joint = (start if t == 0 else forward[t - 1] @ transitions) * density
        forward[t] = joint / joint.sum(-1, keepdims=True)
    for t in range(len(densities) - 2, -1, -1):
        message = (densities[t + 1] * backward[t + 1]) @ transitions.T
        backward[t] = message / message.sum(-1, keepdims=True)  # only its direction matters
    both = forward * backward
    return forward, both / both.sum(-1, keepdims=True)
