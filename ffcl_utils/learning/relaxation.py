"""Relaxation: the errors of all layers settle, sweep by sweep, until they change no more.

Lists run over the layers above the input. S networks, B images. On a CPU each network is relaxed by
itself: it stops when it has settled itself, and its last bit does not depend on the others.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

LOOK = 20  # sweeps from one look at what still changes to the next: a look costs time
# Where the last change is the largest and this many times the first, a relaxation diverges.
GROWTH = 10
One = int | slice  # a network, or all


class Sweeps(NamedTuple):
    """How far a sweep goes, how many there are at most, and when a network has settled.

    tolerance: the largest change in a sweep, as a share of the largest error of the output.
    """

    rate: float
    most: int
    tolerance: float


@torch.no_grad()
def relaxed_errors(
    errors: list[Tensor],
    active: list[Tensor] | None,
    weights: list[Tensor],
    sweeps: Sweeps,
    downwards: bool,
) -> list[Tensor]:
    """Errors x_l (S, B, units) after sweeps of x_l += rate · ((x_{l+1} ⊙ f′) Wᵀ − x_l).

    errors: where they start; the last, of the output, stays as it is. active: the activations,
    which are above 0 where f′ is 1 (ReLU; the output is linear); None leaves f′ out. weights
    (S, units, units above): from each layer to the next. downwards: whether a sweep goes from the
    top down, each layer seeing the new errors above it, or all layers see the old ones. At the
    fixed point the errors are those of backpropagation. NaN where a network diverges.
    """

    def relax(one: One) -> list[Tensor]:
        found = [x[one].clone() for x in errors]
        down = [w[one].mT.contiguous() for w in weights]
        gates = None if active is None else [(h[one] > 0).to(h.dtype) for h in active[:-1]]
        above = [torch.empty_like(x) for x in found]
        from_output = found[-1] @ down[-1]  # the same in every sweep
        layers = range(len(down))

        def sweep() -> None:
            for k in reversed(layers) if downwards else layers:
                if k == layers[-1]:
                    found[k].lerp_(from_output, sweeps.rate)
                    continue
                passed = found[k + 1]
                if gates is not None:
                    passed = torch.mul(passed, gates[k + 1], out=above[k + 1])
                added(found[k], passed, down[k], 1 - sweeps.rate, sweeps.rate, out=found[k])

        return settled(sweep, found, sweeps, errors[-1][one])

    return of_networks(relax, errors[-1])


def of_networks(relax: Callable[[One], list[Tensor]], output: Tensor) -> list[Tensor]:
    """What `relax` makes of every network by itself on a CPU, of all at once elsewhere."""
    if output.device.type != "cpu":
        return relax(slice(None))
    return [torch.stack(layer) for layer in zip(*map(relax, range(len(output))), strict=True)]


def added(start: Tensor, inputs: Tensor, weight: Tensor, beta=1.0, alpha=1.0, out=None) -> Tensor:
    """beta · start + alpha · inputs @ weight, of one network or of all."""
    product = torch.addmm if inputs.ndim == 2 else torch.baddbmm
    return product(start, inputs, weight, beta=beta, alpha=alpha, out=out)


def settled(
    sweep: Callable[[], None], found: list[Tensor], sweeps: Sweeps, error: Tensor
) -> list[Tensor]:
    """`found` after the sweeps; NaN, but for the output, in networks that diverge.

    error: of the output, before. It stops early on a CPU alone: a GPU would have to be waited for.
    """
    changes, least = [], sweeps.tolerance * error.abs().amax()
    for k in range(sweeps.most):
        if k % LOOK and k < sweeps.most - 1:
            sweep()
            continue
        before = [x.clone() for x in found[:-1]]
        sweep()
        moved = [(x - b).flatten(-2).abs().amax(-1) for x, b in zip(found, before, strict=False)]
        changes.append(torch.stack(moved).amax(0))
        if error.device.type == "cpu" and bool((changes[-1] <= least).all()):
            break
    seen = torch.stack(changes)
    diverged = ~seen[-1].isfinite() | (seen[-1] == seen.amax(0)) & (seen[-1] > GROWTH * seen[0])
    return [x.masked_fill(diverged[..., None, None], torch.nan) for x in found[:-1]] + found[-1:]
