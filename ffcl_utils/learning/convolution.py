"""Convolutional blocks of S networks: convolution 3 × 3, ReLU, max-pooling 2 × 2, batch norm.

The block of the Cascaded Forward algorithm (arXiv 2303.09728). Convolutions of several networks are
computed one network after the other: a seed's last bit is then its own.
"""

from itertools import pairwise

import torch
from torch import Generator, Tensor
from torch.nn.functional import conv2d, max_pool2d

from ffcl_utils.learning.layers import Layers, aligned

TAPS = 9  # of a kernel of 3 × 3
EPSILON = 1e-5  # added to a variance, as torch.nn.BatchNorm2d does
CHUNK = 500  # images computed at once where no gradient is wanted: bounds the memory


class ConvBlocks(Layers):
    """The blocks of S networks for images of one channel, one network per generator.

    channels: of every block. weights[k]: (S, 9 · channels below, channels), a row for each tap of
    each channel below; biases[k]: (S, 1, channels). Drawn as torch.nn.Conv2d does. means[k] and
    variances[k], (S, 1, channels), are what batch norm is frozen at: 0 and 1 until `measure`. It
    has no scale and no shift to learn.
    """

    def __init__(self, channels: tuple[int, ...], generators: list[Generator]):
        super().__init__((TAPS, channels[0]), generators)
        for below, own in pairwise(channels):
            fan_in = TAPS * below
            self.weights.append(self._uniform((fan_in, own), fan_in, generators))
            self.biases.append(self._uniform((1, own), fan_in, generators))
        # They ask for gradients as all parameters do, although no loss depends on them.
        self.means, self.variances = (
            [aligned(torch.full_like(b, value)).requires_grad_() for b in self.biases]
            for value in (0.0, 1.0)
        )

    def by_layer(self) -> dict[str, list[Tensor]]:
        """Weight, bias, means and variances of each block: "layer1", "layer2", …"""
        kinds = zip(self.weights, self.biases, self.means, self.variances, strict=True)
        return {f"layer{k}": list(tensors) for k, tensors in enumerate(kinds, start=1)}

    def tensors(self) -> dict[str, Tensor]:
        """As Layers has it, and "mean1", "variance1", …"""
        kinds = (("mean", self.means), ("variance", self.variances))
        return super().tensors() | {
            f"{kind}{k}": t for kind, stack in kinds for k, t in enumerate(stack, start=1)
        }

    def activations(self, k: int, seed: int, inputs: Tensor) -> Tensor:
        """What block k, from 0, of one network has before batch norm: (N, channels, H/2, W/2).

        inputs: (N, channels below, H, W). A row or column that is left over by pooling is lost.
        """
        return convolved(inputs, self.weights[k][seed], self.biases[k][seed])

    @torch.no_grad()
    def cascade(self, seed: int, images: Tensor, blocks: int) -> list[tuple[Tensor, Tensor]]:
        """Activations and features of each of the first blocks of one network, batch norm frozen.

        images: (N, 1, H, W). Both are (N, channels, height, width); features, which the next block
        sees, are the activations after batch norm. An image's do not depend on the other images.
        """
        found: list[tuple[Tensor, Tensor]] = []
        for k in range(blocks):
            active = self.activations(k, seed, found[-1][1] if found else images)
            mean, variance = self.means[k][seed, 0], self.variances[k][seed, 0]
            found.append((active, normalised(active, mean, variance)))
        return found

    def features(self, seed: int, images: Tensor, blocks: int) -> Tensor:
        """Features of the last of the first `blocks` of one network; of none the images (N, …)."""
        if blocks == 0:
            return images
        kept = None
        for start in range(0, len(images), CHUNK):
            part = slice(start, start + CHUNK)
            found = self.cascade(seed, images[part], blocks)[-1][1]
            if kept is None:  # filled part by part: joining the parts would take twice the room
                kept = found.new_empty(len(images), *found.shape[1:])
            kept[part] = found
        return kept

    def representations(self, images: Tensor) -> list[Tensor]:
        """Activations (S, N, units) of every block for images (N, 1, H, W)."""
        found = []
        for seed in range(len(self.weights[0])):
            parts = [self.cascade(seed, p, len(self.weights)) for p in images.split(CHUNK)]
            blocks = zip(*parts, strict=True)
            found.append([torch.cat([active for active, _ in part]).flatten(1) for part in blocks])
        return [torch.stack(block) for block in zip(*found, strict=True)]

    @torch.no_grad()
    def measure(self, k: int, images: Tensor) -> None:
        """Freeze batch norm of block k of every network at the mean and variance over all images.

        images: (N, 1, H, W); the blocks below are frozen already. The variance is the mean squared
        deviation, by which batch norm divides in training.
        """
        for seed in range(len(self.weights[k])):
            count, total, squares = 0, 0, 0
            for part in images.split(CHUNK):
                active = self.activations(k, seed, self.features(seed, part, k)).double()
                count += active[:, 0].numel()
                total = total + active.sum((0, 2, 3))
                squares = squares + active.square().sum((0, 2, 3))
            mean = total / count
            self.means[k][seed, 0] = mean.float()
            self.variances[k][seed, 0] = (squares / count - mean.square()).clamp(min=0).float()


def convolved(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolution, ReLU and max-pooling of one network: (N, channels, H/2, W/2).

    inputs: (N, channels below, H, W), with a frame of one pixel of 0. weight: (9 · channels below,
    channels). bias: (1, channels).
    """
    kernel = weight.T.unflatten(1, (-1, 3, 3))
    # ReLU keeps the order of numbers, so that after pooling it gives the same with less work.
    return max_pool2d(conv2d(inputs, kernel, bias[0], padding=1), 2).relu()


def normalised(active: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Batch norm of activations (N, channels, H, W) with given statistics (channels,)."""
    scale = (variance + EPSILON).rsqrt()
    return (active - mean[:, None, None]) * scale[:, None, None]


def statistics(active: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (channels,) of activations (N, channels, H, W) over all but the channels.

    The variance is the mean squared deviation, as batch norm has it in training.
    """
    variance, mean = torch.var_mean(active, (0, 2, 3), correction=0)
    return mean, variance


def units_of(channels: tuple[int, ...], side: int) -> list[int]:
    """Units of every block for images of side × side pixels: channels · height · width."""
    return [own * (side >> k) ** 2 for k, own in enumerate(channels, start=1)]
