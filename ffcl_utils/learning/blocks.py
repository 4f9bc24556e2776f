"""Hidden blocks of S networks in any depth, dense or convolutional, with a head each.

A block is a layer and what stands around it: batch norm, a leaky ReLU, a skip connection, pooling.
Its head, a linear classifier, and its batch statistics belong to it. S networks, B images in the
batch.
"""

from copy import copy
from itertools import pairwise
from math import isqrt
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn.functional import (
    adaptive_avg_pool2d,
    batch_norm,
    conv2d,
    leaky_relu,
    max_pool2d,
    normalize,
)

from ffcl_utils.learning.layers import Layers, aligned, linear
from ffcl_utils.learning.losses import CLASSES
from ffcl_utils.learning.twins import Twins

TAPS = 9  # of a kernel of 3 × 3
FEATURES = 1024  # at most that are compared of a convolutional block, and seen by its head


class Shape(NamedTuple):
    """What a network looks like.

    sizes: the pixels, then the units, or channels, of every hidden block. pools: numbers, from 1,
    of the convolutional blocks that end with max-pooling 2 × 2. skip: a block adds what it sees to
    its activations, where both have one shape. norm: "batch", of a block's sums; "length", what it
    passes on has a root mean square of 1; "none". slope: of the ReLU below 0. heads: whether blocks
    have them. across: a control, in which gradients cross the blocks.
    """

    sizes: tuple[int, ...]
    convolutional: bool = False
    pools: tuple[int, ...] = ()
    skip: bool = False
    norm: str = "none"
    slope: float = 0.0
    heads: bool = False
    across: bool = False

    def sides(self) -> list[int]:
        """Of the images that each block hands on, in pixels; 1 where blocks are dense."""
        side, found = isqrt(self.sizes[0]), []
        for k in range(1, len(self.sizes)):
            side //= 1 + (k in self.pools)
            found.append(side if self.convolutional else 1)
        return found

    def compared(self) -> list[int]:
        """How many numbers of each block are compared, and seen by its head."""
        sides = zip(self.sizes[1:], self.sides(), strict=True)
        return [units * min(side, compared_side(units)) ** 2 for units, side in sides]


def compared_side(channels: int) -> int:
    """Side of the image to which a block of so many channels is averaged, to be compared."""
    return max(1, isqrt(FEATURES // channels))


class Blocks(Layers):
    """Hidden blocks and a linear output layer of S networks, one network per generator.

    weights, biases: of each block, (S, inputs, units) and (S, 1, units), of a convolution (S, 9 ·
    channels below, channels); the last are the output's, (S, features, 10). heads: weight (S,
    features, 10) and bias of each block, if there are any. means, variances: (S, 1, units) of each
    block with batch norm, at which it is frozen where nothing is learnt.
    """

    def __init__(self, shape: Shape, generators: list[Generator]):
        self.shape, features = shape, shape.compared()
        super().__init__((features[-1], CLASSES), generators)
        first, taps = (1, TAPS) if shape.convolutional else (shape.sizes[0], 1)
        for k, (below, units) in enumerate(pairwise((first, *shape.sizes[1:]))):
            self.weights.insert(k, self._uniform((taps * below, units), taps * below, generators))
            self.biases.insert(k, self._uniform((1, units), taps * below, generators))
        self.heads = [
            [self._uniform((rows, CLASSES), count, generators) for rows in (count, 1)]
            for count in (features if shape.heads else [])
        ]
        batch = self.biases[:-1] if shape.norm == "batch" else []
        # They ask for gradients as all parameters do, although no loss depends on them.
        self.means, self.variances = (
            [aligned(torch.full_like(bias, value)).requires_grad_() for bias in batch]
            for value in (0.0, 1.0)
        )

    def parameters(self) -> list[Tensor]:
        """All that learns: weights and biases, then the heads'."""
        return super().parameters() + [tensor for pair in self.heads for tensor in pair]

    def by_layer(self) -> dict[str, list[Tensor]]:
        """As Layers has it; a block's head and statistics belong to it."""
        found = super().by_layer()
        for k in range(1, len(self.weights)):
            for own in (self.heads, self.means, self.variances):
                tensors = own[k - 1] if own else []
                found[f"layer{k}"] += tensors if isinstance(tensors, list) else [tensors]
        return found

    def tensors(self) -> dict[str, Tensor]:
        """As Layers has it, and "head1", "head_bias1", "mean1", "variance1", …"""
        kinds = {"mean": self.means, "variance": self.variances}
        kinds["head"] = [weight for weight, _ in self.heads]
        kinds["head_bias"] = [bias for _, bias in self.heads]
        return super().tensors() | {
            f"{kind}{k}": tensor
            for kind, stack in kinds.items()
            for k, tensor in enumerate(stack, start=1)
        }

    def half(self, second: bool) -> "Blocks":
        """The first or the second half of the networks, as views of these."""
        part = copy(self)

        def view(tensor: Tensor) -> Tensor:
            return tensor.detach().chunk(2)[second]

        for name in ("weights", "biases", "means", "variances"):
            setattr(part, name, [view(tensor) for tensor in getattr(self, name)])
        part.heads = [[view(tensor) for tensor in pair] for pair in self.heads]
        return part

    def forward(
        self,
        images: Tensor,
        local: bool = True,
        masks: list[Tensor] | None = None,
        learn: bool = False,
    ) -> list[Tensor]:
        """Activations of each block, (S, B, units) or (S, B, channels, height, width), and logits.

        images: (S, B, pixels), or (B, pixels) for all networks. Where `local`, no gradient crosses
        from a block into the one below, unless the shape is `across`. masks: (S, B, units or
        channels) for each block, factors of what is seen of it above. learn: batch norm takes the
        statistics of the batch, and remembers them.
        """
        local = local and not self.shape.across
        inputs, found = images.expand(self.weights[0].shape[0], -1, -1), []
        if self.shape.convolutional:
            side = isqrt(inputs.shape[-1])
            inputs = inputs.unflatten(-1, (1, side, side))
        for k in range(len(self.weights) - 1):
            active = leaky_relu(self._sums(k, inputs, learn), self.shape.slope)
            if self.shape.skip:
                if active.shape == inputs.shape:
                    active = active + inputs
                if k + 1 in self.shape.pools:
                    active = max_pool2d(active.flatten(0, 1), 2).unflatten(0, active.shape[:2])
            found.append(active)
            inputs = active.detach() if local else active
            if self.shape.norm == "length":
                units = inputs.flatten(2)
                inputs = (normalize(units, dim=-1) * units.shape[-1] ** 0.5).view_as(inputs)
            if masks is not None:
                inputs = inputs * masks[k].unflatten(-1, (-1, *[1] * (inputs.ndim - 3)))
        return [*found, linear(self.features(inputs), self.weights[-1], self.biases[-1])]

    def _sums(self, k: int, inputs: Tensor, learn: bool) -> Tensor:
        """What the ReLU of block k sees: its sums, normalised, and pooled where no skip follows."""
        weight, bias = self.weights[k], self.biases[k]
        if not self.shape.convolutional:
            sums = linear(inputs, weight, bias)
            if self.means:
                sums = torch.stack([self._normalised(k, *one, learn) for one in enumerate(sums)])
            return sums
        # One network after the other, so that a seed's last bit is its own. Channels come last in
        # memory: pooling and batch norm are two to three times as fast. A maximum commutes with
        # the ReLU, and is cheaper before it.
        found = []
        kernels = weight.transpose(1, 2).unflatten(2, (-1, 3, 3))
        for network, (images, kernel) in enumerate(zip(inputs, kernels, strict=True)):
            images = images.contiguous(memory_format=torch.channels_last)
            kernel = kernel.contiguous(memory_format=torch.channels_last)
            sums = conv2d(images, kernel, bias[network, 0], padding=1)
            if self.means:
                sums = self._normalised(k, network, sums, learn)
            if k + 1 in self.shape.pools and not self.shape.skip:
                sums = max_pool2d(sums, 2)
            found.append(sums.permute(0, 2, 3, 1))
        return torch.stack(found).permute(0, 1, 4, 2, 3)

    def _normalised(self, k: int, network: int, sums: Tensor, learn: bool) -> Tensor:
        """Batch norm of the sums (B, units, …) of one network, without factors to learn."""
        mean, variance = (part[k].detach()[network, 0] for part in (self.means, self.variances))
        return batch_norm(sums, mean, variance, training=learn)

    def features(self, block: Tensor) -> Tensor:
        """What is compared of a block, (S, B, features): of a convolution means over its images."""
        if not self.shape.convolutional:
            return block
        side, compared = block.shape[-1], compared_side(block.shape[2])
        if side <= compared:
            return block.flatten(2)
        # Which pixels each mean is of. A product with it is faster than pooling, and its gradient.
        pixels = torch.eye(side * side, device=block.device).unflatten(-1, (1, side, side))
        means = adaptive_avg_pool2d(pixels, compared).flatten(1)
        return (means.T @ block.flatten(3).mT).mT.flatten(2)

    def classify(self, k: int, features: Tensor) -> Tensor:
        """Logits (S, B, 10) of the head of block k, from 0."""
        return linear(features, *self.heads[k])


class TwinBlocks(Twins):
    """Twins that are blocks: `both` trains, and `first` and `second` are its halves."""

    def __init__(self, shape: Shape, generators: list[Generator]):
        self.both = Blocks(shape, generators * 2)
        self.first, self.second = self.both.half(False), self.both.half(True)
