"""A layer's goodness from inputs that are kept in bfloat16: what `relu_goodness` gives, quicker.

For layers that learn one after the other: what a layer sees does not change, so it is rounded once.
Weights and biases are rounded once a step, and stay float32 where they are kept and updated.
Products add up in float32. What comes out of each is rounded to bfloat16 once, the gradient by the
weights too, and so is the factor of each image on the way back.
"""

import torch
from torch import Tensor

from ffcl_utils.learning.goodness import SMALLEST


class _RoundedGoodness(torch.autograd.Function):
    """Network by network, so that a network's last bit does not depend on the others.

    With a = relu(x W + b) and g = |a|: ∂g/∂z = a / g, and so ∂/∂W = xᵀ (a ⊙ d / g), with d the
    gradient by g. x takes none.
    """

    @staticmethod
    def forward(ctx, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        found = weight.new_empty(inputs.shape[:2])
        active = inputs.new_empty(*inputs.shape[:2], weight.shape[2])
        for seed, out in enumerate(active):
            own = weight[seed].bfloat16(), bias[seed].bfloat16()
            torch.addmm(own[1], inputs[seed], own[0], out=out).relu_()
            found[seed] = torch.linalg.vector_norm(out, dim=-1, dtype=torch.float32)
        ctx.save_for_backward(inputs, active, found)
        return found

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[None, Tensor, Tensor]:
        inputs, active, found = ctx.saved_tensors
        scales = (gradient / found.clamp_min(SMALLEST)).bfloat16().unsqueeze(-1)
        by_weight, by_bias = [], []
        for seen, units, scale in zip(inputs, active, scales, strict=True):
            by_sums = units * scale
            by_weight.append(torch.mm(seen.T, by_sums).float())
            by_bias.append(by_sums.sum(0, keepdim=True, dtype=torch.float32))
        return None, torch.stack(by_weight), torch.stack(by_bias)


def rounded_goodness(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Goodness (S, B) of a layer, the L2 norm of ReLU(inputs @ weight + bias).

    inputs: (S, B, in), bfloat16. weight: (S, in, out) and bias: (S, 1, out), float32, which are
    given their gradients.
    """
    return _RoundedGoodness.apply(inputs, weight, bias)
