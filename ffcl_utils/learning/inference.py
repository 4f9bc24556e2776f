"""Inference of predictive coding: activations settle where the errors of all layers balance."""

import torch
from torch import Tensor

from ffcl_utils.learning.relaxation import One, Sweeps, added, of_networks, settled

threshold_backward = torch.ops.aten.threshold_backward  # the gradient of ReLU, in one operation


@torch.no_grad()
def relaxed_activations(
    activations: list[Tensor],
    upward: list[tuple[Tensor, Tensor]],
    downward: list[Tensor],
    mixing: list[Tensor],
    derivative: bool,
    sweeps: Sweeps,
) -> list[Tensor]:
    """Activations μ_l (S, B, units) after sweeps of μ_l −= rate · (ε_l − (ε_{l+1} ⊙ f′) Bᵀ).

    ε_l = μ_l − f(μ_{l−1} W_l + b_l) E_l is recomputed after every sweep. activations: where they
    start, those of the first layer as the images predict them; the last, of the output, stays as it
    is. upward: W and b, and downward: B, of the layers above the first. mixing: E of every hidden
    layer, or none. derivative: whether f′ is used. NaN where a network diverges.
    """

    def relax(one: One) -> list[Tensor]:
        found = [x[one].clone() for x in activations]
        up, mix = [(w[one], b[one]) for w, b in upward], [e[one] for e in mixing]
        down = [w[one].mT.contiguous() for w in downward]
        first = found[0] @ mix[0] if mix else found[0].clone()  # its prediction never changes
        errors, active = [torch.empty_like(x) for x in found], list(found)

        def predict() -> None:
            torch.sub(found[0], first, out=errors[0])
            for k, (weight, bias) in enumerate(up, start=1):
                seen = added(bias, found[k - 1], weight)
                if k < len(up):
                    active[k] = seen.relu_()
                    seen = seen @ mix[k] if mix else seen
                torch.sub(found[k], seen, out=errors[k])

        def sweep() -> None:
            for k, weight in enumerate(down):
                passed = errors[k + 1]
                if derivative and k + 1 < len(down):
                    passed = threshold_backward(passed, active[k + 1], 0)
                found[k].sub_(errors[k], alpha=sweeps.rate)
                added(found[k], passed, weight, alpha=sweeps.rate, out=found[k])
            predict()

        predict()
        return settled(sweep, found, sweeps, errors[-1])

    return of_networks(relax, activations[-1])
