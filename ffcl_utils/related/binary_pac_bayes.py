"""Aggregated binary-activated networks and their PAC-Bayes bound (arXiv 2110.15137, 1905.10259).

A unit says +1 or −1, the sign of its sum. Weights are drawn from N(W, I), and the prediction is the
sign of the expected output F(x). W is a list of (units, inputs + 1), the last column for a constant
input of 1, the last layer with one unit. Inputs are `directions`: a sign knows no length.
"""

import math
from collections.abc import Callable
from functools import cache
from itertools import accumulate, pairwise

import torch
from torch import Generator, Tensor

Weights = list[Tensor]
Output = Callable[[Weights, Tensor], Tensor]
SPREAD = 0.5  # of first weights: much smaller, and deep networks start, and stay, at an output of 0


def directions(rows: Tensor) -> Tensor:
    """Rows (N, d) with a constant 1 behind them, (N, d + 1), at length 1."""
    rows = torch.cat([rows, rows.new_ones(len(rows), 1)], 1)
    return rows / rows.norm(dim=1, keepdim=True)


@cache
def signs(units: int) -> Tensor:
    """All binary representations of a layer, (2^units, units), −1 before +1, the last fastest."""
    return torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * units).reshape(-1, units)


def initial(sizes: tuple[int, ...], generator: Generator) -> Weights:
    """Weights for layers of these sizes, input first, output last: each from N(0, SPREAD²)."""
    shapes = [(above, below + 1) for below, above in pairwise(sizes)]
    return [SPREAD * torch.randn(shape, generator=generator) for shape in shapes]


def expected_signs(inputs: Tensor, weight: Tensor) -> Tensor:
    """E[sign] (N, units) of units whose weights are N(weight, I), for inputs (N, d + 1)."""
    return torch.erf(inputs @ weight.T / math.sqrt(2))


def joint(expected: Tensor) -> Tensor:
    """The law (N, 2^d) over `signs(d)` of independent units with these expectations (N, d)."""
    if expected.shape[1] == 1:
        return torch.cat([1 - expected, 1 + expected], 1) / 2
    first, others = (joint(half) for half in expected.tensor_split(2, 1))
    return (first.unsqueeze(2) * others.unsqueeze(1)).flatten(1)


def _from_below(weight: Tensor) -> Tensor:
    """E[sign] (2^d, units) of a layer for each representation of the layer below."""
    return expected_signs(directions(signs(weight.shape[1] - 1)), weight)


def laws(weights: Weights, inputs: Tensor) -> list[Tensor]:
    """The joint law (N, 2^d) of every hidden layer: P_l(s|x) = Σ_s′ P(s|s′) P_{l−1}(s′|x)."""
    first = joint(expected_signs(inputs, weights[0]))
    between = (joint(_from_below(weight)) for weight in weights[1:-1])
    return list(accumulate(between, torch.matmul, initial=first))


def exact(weights: Weights, inputs: Tensor) -> Tensor:
    """The expected output F(x), (N,), of the network: `laws`, summed from the output down.

    What a representation is worth depends on no image: 2^(d + d′) terms a layer, not one an image.
    """
    worth = _from_below(weights[-1])[:, 0]
    for weight in reversed(weights[1:-1]):
        worth = joint(_from_below(weight)) @ worth
    return joint(expected_signs(inputs, weights[0])) @ worth


def independent(weights: Weights, inputs: Tensor) -> Tensor:
    """The output (N,) where only each unit's expectation is carried up (arXiv 1905.10259).

    Exact for a tree in which every unit has the layers below for itself.
    """
    expected = expected_signs(inputs, weights[0])
    for weight in weights[1:]:
        expected = joint(expected) @ _from_below(weight)
    return expected[:, 0]


def copies(hidden: tuple[int, ...]) -> list[int]:
    """How often the weights of every layer stand in the tree of `independent`, output last."""
    return [math.prod(hidden[k + 1 :]) for k in range(len(hidden))] + [1]


def divergence(weights: Weights, prior: Weights, times: list[int]) -> Tensor:
    """KL of N(weights, I) from N(prior, I), ½‖W − W⁰‖², every layer counted so many times."""
    layers = zip(times, weights, prior, strict=True)
    return sum(count * (w - p).square().sum() for count, w, p in layers) / 2


def linear_loss(output: Tensor, targets: Tensor) -> Tensor:
    """Mean of (1 − yF)/2: the share of errors of networks that are drawn anew for each image."""
    return (1 - targets * output).mean() / 2


def kl(q: float, p: float) -> float:
    """kl(q ‖ p) of two coins, for p strictly between 0 and 1."""
    return sum(a * math.log(a / b) for a, b in ((q, p), (1 - q, 1 - p)) if a > 0)


def inverse_kl(q: float, c: float) -> float:
    """The largest p ≥ q with kl(q ‖ p) ≤ c, by bisection, rounded up; NaN for NaN."""
    if not (math.isfinite(q) and math.isfinite(c)):
        return math.nan
    low, high = q, 1.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if kl(q, middle) <= c else (low, middle)
    return high if c > 0 else q


def bound(risk: float, divergence: float, n: int, delta: float, choices: int = 1) -> float:
    """Seeger's: with probability 1 − delta, kl(L̂ ‖ L) ≤ (KL + ln(2√n · choices/δ)) / n; risk: L̂ of
    n examples that the prior has not seen; choices: how many priors this one was picked from."""
    return inverse_kl(risk, (divergence + math.log(2 * math.sqrt(n) * choices / delta)) / n)


def with_gradient_of_bound(risk: Tensor, divergence: Tensor, n: int, delta: float) -> Tensor:
    """A number whose gradient is that of `bound`, which is implicit: kl(L̂ ‖ B) is what it is."""
    q = min(max(risk.item(), 1e-9), 1 - 1e-6)  # and p above it, whatever diverges
    p = min(bound(q, divergence.item(), n, delta), 1 - 1e-9)
    steepness = (p - q) / (p * (1 - p))  # of kl in p
    by_risk = math.log(p * (1 - q) / (q * (1 - p))) / steepness
    return by_risk * risk + divergence / (n * steepness)


def learnt(
    start: Weights, output: Output, inputs: Tensor, targets: Tensor, generator: Generator, *,
    epochs: int, batch_size: int, learning_rate: float, times: list[int] | None, delta: float,
) -> Weights:  # fmt: skip
    """Weights that Adam finds from `start`: a prior by the linear loss, where times is None, else
    the posterior of the prior `start` by the bound, `times` as in `divergence`."""
    weights = [weight.clone().requires_grad_() for weight in start]
    adam = torch.optim.Adam(weights, lr=learning_rate, fused=True)
    for _ in range(epochs):
        for rows in torch.randperm(len(targets), generator=generator).split(batch_size):
            loss = linear_loss(output(weights, inputs[rows]), targets[rows])
            if times is not None:
                moved = divergence(weights, start, times)
                loss = with_gradient_of_bound(loss, moved, len(targets), delta)
            adam.zero_grad()
            loss.backward()
            adam.step()
    return [weight.detach() for weight in weights]
