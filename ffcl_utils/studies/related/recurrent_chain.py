"""A known hidden Markov chain: what Bayesian recurrent units believe, and what they learn of it.

Two states, Gaussian observations in the plane; for notebook 32. Everything is in float64.
"""

import numpy as np
import torch
from torch import Tensor

from ffcl_utils.related import bayesian_recurrence as units
from ffcl_utils.related.bayesian_recurrence import Chain, Emissions

# The known chain. The means are at 0 and in this direction, so that the units need a bias.
TRUTH = Chain(*torch.tensor([0.5, 0.9, 0.2], dtype=torch.float64))
DIRECTION = torch.tensor([0.8, 0.6], dtype=torch.float64)
NAMES = ("p0", "p1", "p2", "W1", "W2", "b")  # of `named`, which is what is compared
FIT_STEPS = 200  # of L-BFGS at most


def emissions_of(separation: float) -> Emissions:
    """Two Gaussians in the plane with standard deviation 1, so far apart."""
    means = torch.stack([torch.zeros_like(DIRECTION), separation * DIRECTION])
    return Emissions(means, torch.ones((), dtype=torch.float64))


def simulated(
    seed: int, steps: int, sequences: int, separation: float
) -> tuple[np.ndarray, Tensor]:
    """States (T, N) and observations (T, N, 2) of one seed."""
    generator = np.random.default_rng(seed)
    states, x = units.simulated(generator, steps, sequences, TRUTH, emissions_of(separation))
    return states, torch.from_numpy(x)


def beliefs(x: Tensor, chain: Chain, emissions: Emissions) -> tuple[np.ndarray, np.ndarray]:
    """The units' belief in state 1, (T, N) each: filtered and smoothed."""
    ratios = units.ratio(x, *units.gaussian_weights(emissions))[..., 0]
    before, after = units.filtered(ratios, chain)
    return after.numpy(), units.smoothed(before, after, chain).numpy()


def exact(x: Tensor, chain: Chain, emissions: Emissions) -> tuple[np.ndarray, np.ndarray]:
    """What `beliefs` should equal, by the textbook's forward-backward recursions."""
    p0, p1, p2 = (float(p) for p in chain)
    transitions = np.array([[1 - p2, p2], [1 - p1, p1]])
    distances = (x[..., None, :] - emissions.means).square().sum(-1).numpy()
    exponents = -distances / (2 * float(emissions.deviation) ** 2)
    densities = np.exp(exponents - exponents.max(-1, keepdims=True))
    found = units.forward_backward(densities, np.array([1 - p0, p0]) @ transitions, transitions)
    return found[0][..., 1], found[1][..., 1]


def model_of(values: Tensor) -> tuple[Chain, Emissions]:
    """From p0, p1, p2, both means and the deviation, one after the other, (3 + 2 D + 1,)."""
    return Chain(*values[:3]), Emissions(values[3:-1].reshape(2, -1), values[-1])


def values_of(chain: Chain, emissions: Emissions) -> Tensor:
    """What `model_of` takes."""
    return torch.cat([torch.stack(chain), emissions.means.flatten(), emissions.deviation[None]])


def named(chain: Chain, emissions: Emissions) -> Tensor:
    """p0, p1, p2, the unit's weights and its bias, in the order of NAMES; differentiable."""
    weights, bias = units.gaussian_weights(emissions)
    return torch.cat([torch.stack(chain), weights[:, 0], bias])


def learnt(x: Tensor, seed: int) -> tuple[Chain, Emissions]:
    """Chain and emissions of largest likelihood, by L-BFGS from two observations as means.

    x: (T, N, D). seed: decides the two observations. State 1 is the one whose mean has the larger
    first coordinate; without such a rule the names of the states are arbitrary. NaN where it fails.
    """
    rows = x.flatten(0, 1)
    # A stream apart from that of the data: [seed, 0] would be the same as seed.
    chosen = np.random.default_rng([seed, 1]).choice(len(rows), 2, replace=False)
    spread = rows.std(0).mean().log()
    logits = torch.logit(torch.tensor([0.5, 0.7, 0.3], dtype=x.dtype))
    free = torch.cat([logits, rows[chosen].flatten(), spread[None]]).requires_grad_()
    optimiser = torch.optim.LBFGS([free], max_iter=FIT_STEPS, line_search_fn="strong_wolfe")

    def model() -> tuple[Chain, Emissions]:
        return model_of(torch.cat([units.probability(free[:3]), free[3:-1], free[-1:].exp()]))

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = -units.log_likelihood(x, *model()) / len(rows)
        loss.backward()
        return loss

    optimiser.step(closure)
    with torch.no_grad():
        chain, emissions = model()
    named_right = emissions.means[1, 0] >= emissions.means[0, 0]
    return (chain, emissions) if named_right else units.relabelled(chain, emissions)


def standard_errors(x: Tensor, chain: Chain, emissions: Emissions) -> np.ndarray:
    """Of p0, p1, p2, weights and bias: what the information in observations x (T, N, D) allows.

    chain, emissions: that made them. The root of the inverse of minus the second derivative of
    log P(x), carried over to the weights by their first derivatives. NaN where that is no square.
    """
    truth = values_of(chain, emissions)
    function = torch.autograd.functional
    bent = function.hessian(lambda v: units.log_likelihood(x, *model_of(v)), truth)
    slopes = function.jacobian(lambda v: named(*model_of(v)), truth)
    variances = (slopes @ torch.linalg.pinv(-bent) @ slopes.T).diagonal().numpy()
    return np.sqrt(np.where(variances > 0, variances, np.nan))
