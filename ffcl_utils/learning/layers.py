"""Stacks of fully connected layers with a leading seed axis; the only place that detaches."""

from copy import copy
from itertools import pairwise

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from ffcl_utils.learning.device import device

LANES = 32  # numbers that kernels take at once: two vectors of the widest that processors have
WIDE = 256 * 256  # weights from which a CPU is faster with the seeds' products one by one


class Layers:
    """The fully connected layers of S networks, one per generator, with ReLU between them.

    sizes: units of every layer, input first. weights[k]: (S, sizes[k], sizes[k+1]);
    biases[k]: (S, 1, sizes[k+1]). Drawn uniformly within ±1/√fan-in, as torch.nn.Linear does,
    each network from its own generator, on the CPU, and moved to `device.device()`. Where
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
        return aligned(torch.stack(drawn).to(self.device)).requires_grad_()

    def parameters(self) -> list[Tensor]:
        """Weight and bias of every layer, from the input up."""
        pairs = zip(self.weights, self.biases, strict=True)
        return [tensor for pair in pairs for tensor in pair]

    def by_layer(self) -> dict[str, list[Tensor]]:
        """Weight and bias of each layer: "layer1", "layer2", …, and "output" for the last."""
        names = [f"layer{k}" for k in range(1, len(self.weights))] + ["output"]
        pairs = zip(self.weights, self.biases, strict=True)
        return dict(zip(names, map(list, pairs), strict=True))

    def tensors(self) -> dict[str, Tensor]:
        """Every parameter (S, …) by name: "weight1", "bias1", "weight2", …"""
        kinds = (("weight", self.weights), ("bias", self.biases))
        return {
            f"{kind}{k}": tensor for kind, stack in kinds for k, tensor in enumerate(stack, start=1)
        }

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
        tensors = [aligned(torch.cat(pair).detach()).requires_grad_() for pair in pairs]
        setattr(both, name, tensors)
        for stack, half in ((first, 0), (second, 1)):
            setattr(stack, name, [tensor.detach().chunk(2)[half] for tensor in tensors])
    return both


def aligned(tensor: Tensor) -> Tensor:
    """The same values, each network's (S, …) at a multiple of LANES numbers from the first's.

    Kernels that update a tensor treat what is left over at its end by other instructions, which
    round differently: where a network stands among others must not decide its last bit.
    """
    count = tensor[0].numel()
    padded = tensor.new_zeros(len(tensor), _padded(count))
    padded[:, :count] = tensor.flatten(1)
    return padded[:, :count].unflatten(1, tensor.shape[1:])


def whole(tensor: Tensor) -> Tensor:
    """A view (S, n) of a tensor that `aligned` made, with the unused numbers of every network.

    Of any other contiguous tensor, every network's numbers as they are.
    """
    count = tensor[0].numel()
    step = _padded(count)
    room = tensor.untyped_storage().nbytes() // tensor.element_size() - tensor.storage_offset()
    if room < step * len(tensor) or (len(tensor) > 1 and tensor.stride(0) != step):
        step = count
    return tensor.detach().as_strided((len(tensor), step), (step, 1))


def _padded(count: int) -> int:
    return -(-count // LANES) * LANES


def linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """inputs (S, B, in) @ weight (S, in, out) + bias (S, 1, out), each seed with its own."""
    if weight[0].numel() >= WIDE and weight.device.type == "cpu":
        return _OneByOne.apply(inputs, weight, bias)
    if len(weight) == 1 and weight.device.type == "cpu":
        return _Alone.apply(inputs, weight, bias)
    return torch.baddbmm(bias, inputs, weight)


class _Alone(torch.autograd.Function):
    """`linear` of a lone network, computed as in a batch of two.

    A lone product sums in another order than a batch of products. A seed has to come out the same
    whichever seeds train beside it.
    """

    @staticmethod
    def forward(ctx, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        return torch.baddbmm(*map(_twice, (bias, inputs, weight)))[:1]

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        inputs, weight = map(_twice, ctx.saved_tensors)
        gradient = _twice(gradient)
        by_inputs = None
        if ctx.needs_input_grad[0]:
            by_inputs = torch.bmm(gradient, weight.transpose(1, 2))[:1]
        by_weight = torch.bmm(inputs.transpose(1, 2), gradient)[:1]
        return by_inputs, by_weight, gradient.sum(1, keepdim=True)[:1]


def _twice(tensor: Tensor) -> Tensor:
    return tensor.expand(2, -1, -1)


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
