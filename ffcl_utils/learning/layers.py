"""Stacks of fully connected layers with a leading seed axis; the only place that detaches."""

from copy import copy
from itertools import pairwise

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from ffcl_utils.learning.device import device

WIDE = 256 * 256  # weights from which a CPU is faster with the seeds' products one by one


class Layers:
    """The fully connected layers of S networks, one per generator, with ReLU between them.

    sizes: units of every layer, input first. weights[k]: (S, sizes[k], sizes[k+1]);
    biases[k]: (S, 1, sizes[k+1]). Drawn uniformly within ±1/√fan-in, as torch.nn.Linear does,
    each network from its own generator, on the CPU, and moved to `devices.device()`. Where
    `normalised`, every layer but the first sees its
    input at a root mean square of 1, whatever the activations' length in the layer below.
    """

    def __init__(
        self, sizes: tuple[int, ...], generators: list[Generator], normalised: bool = False
    ):
        self.normalised, self.device = normalised, device()
        self.weights, self.biases = [], []
        for fan_in, fan_out in pairwise(sizes):
            self.weights.append(self._uniform((fan_in, fan_out), fan_in, generators))
            self.biases.append(self._uniform((1, fan_out), fan_in, generators))

    def _uniform(self, shape: tuple[int, ...], fan_in: int, generators: list[Generator]) -> Tensor:
        bound = fan_in**-0.5
        drawn = [torch.empty(shape).uniform_(-bound, bound, generator=g) for g in generators]
        return torch.stack(drawn).to(self.device).requires_grad_()

    def parameters(self) -> list[Tensor]:
        """Weight and bias of every layer, from the input up."""
        pairs = zip(self.weights, self.biases, strict=True)
        return [tensor for pair in pairs for tensor in pair]

    def forward(self, images: Tensor, local: bool = True) -> list[Tensor]:
        """Activations of every layer: ReLU in the hidden layers, logits in the last.

        images: (S, B, inputs), or (B, inputs) for the same images in every network. Returns one
        (S, B, units) per layer. Where `local`, each layer takes its input as given: no gradient
        crosses from a layer into the one below.
        """
        outputs = []
        inputs = images.expand(self.weights[0].shape[0], -1, -1) if images.ndim == 2 else images
        for weight, bias in zip(self.weights, self.biases, strict=True):
            outputs.append(linear(inputs, weight, bias))
            if len(outputs) < len(self.weights):
                outputs[-1] = outputs[-1].relu()
            inputs = outputs[-1].detach() if local else outputs[-1]
            if self.normalised:
                inputs = normalize(inputs, dim=-1) * inputs.shape[-1] ** 0.5
        return outputs


def joined(first: Layers, second: Layers) -> Layers:
    """One stack with the networks of both, those of `second` last; theirs become views of it."""
    both = copy(first)
    for name in ("weights", "biases"):
        pairs = zip(getattr(first, name), getattr(second, name), strict=True)
        tensors = [torch.cat(pair).detach().requires_grad_() for pair in pairs]
        setattr(both, name, tensors)
        for stack, half in ((first, 0), (second, 1)):
            setattr(stack, name, [tensor.detach().chunk(2)[half] for tensor in tensors])
    return both


def linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """inputs (S, B, in) @ weight (S, in, out) + bias (S, 1, out), each seed with its own."""
    if weight[0].numel() >= WIDE and weight.device.type == "cpu":
        return _OneByOne.apply(inputs, weight, bias)
    if len(weight) == 1 and weight.device.type == "cpu":
        # A lone product may be shared out among the cores, which sums in another order than in a
        # batch of products. A seed has to come out the same whichever seeds train beside it.
        return torch.baddbmm(*(t.expand(2, -1, -1) for t in (bias, inputs, weight)))[:1]
    return torch.baddbmm(bias, inputs, weight)


class _OneByOne(torch.autograd.Function):
    """`linear`, one product after the other: for wide layers a fifth faster than a batched one."""

    @staticmethod
    def forward(ctx, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        outputs = inputs.new_empty(*inputs.shape[:2], weight.shape[2])
        for seed, output in enumerate(outputs):
            torch.addmm(bias[seed], inputs[seed], weight[seed], out=output)
        return outputs

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        inputs, weight = ctx.saved_tensors
        by_inputs = torch.empty_like(inputs) if ctx.needs_input_grad[0] else None
        by_weight = torch.empty_like(weight)
        for seed, own in enumerate(gradient):
            torch.mm(inputs[seed].T, own, out=by_weight[seed])
            if by_inputs is not None:
                torch.mm(own, weight[seed].T, out=by_inputs[seed])
        return by_inputs, by_weight, gradient.sum(1, keepdim=True)
