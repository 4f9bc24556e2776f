"""Auto-encoders, the cells of unsupervised FF (arXiv 2404.14664): each rebuilds its own input.

S networks, B images in the batch. What a cell sees and rebuilds is layer-normalised.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Generator, Tensor
from torch.nn.functional import conv2d, conv_transpose2d, layer_norm

from ffcl_utils.learning.layers import Layers, linear
from ffcl_utils.learning.read_out import ReadOut

KERNEL, STRIDE, PADDING = 3, 2, 1  # of a convolution that halves the side of an image


class AutoEncoder:
    """A fully connected cell: a ReLU layer makes latents, a linear layer the input from these.

    encoder: weight (S, units, latents) and bias; decoder: weight (S, latents, units) and bias. Each
    is drawn as `Layers` draws it, the encoder's first.
    """

    def __init__(self, units: int, latents: int, generators: list[Generator]):
        self.encoder = Layers((units, latents), generators)
        self.decoder = Layers((latents, units), generators)

    def encode(self, inputs: Tensor) -> Tensor:
        """Latents (S, B, latents) of inputs (S, B, units)."""
        return linear(inputs, self.encoder.weights[0], self.encoder.biases[0]).relu()

    def decode(self, latents: Tensor) -> Tensor:
        """What the inputs (S, B, units) are taken to be from their latents (S, B, latents)."""
        return linear(latents, self.decoder.weights[0], self.decoder.biases[0])

    def parameters(self) -> list[Tensor]:
        """Weight and bias of the encoder, then of the decoder."""
        return self.encoder.parameters() + self.decoder.parameters()


class ConvolutionalAutoEncoder(AutoEncoder):
    """A convolutional cell: kernels of 3 × 3 at every second place, and their transposes back.

    grid: channels and side of the square images that the cell sees. Its latents are `channels`
    images of half that side, rounded up. Inputs and latents are flat, channel after channel, as
    `AutoEncoder` has them. encoder: weight (S, 9 · channels seen, channels), row by row the kernels
    as torch.nn.Conv2d orders them; decoder: weight (S, 9 · channels, channels seen).
    """

    def __init__(self, grid: tuple[int, int], channels: int, generators: list[Generator]):
        self.seen, self.side = grid
        self.channels, self.latent_side = channels, halved(self.side)
        self.encoder = Layers((self.seen * KERNEL**2, channels), generators)
        self.decoder = Layers((channels * KERNEL**2, self.seen), generators)

    # One seed after the other in both: a convolution of several networks sums in another order.
    def encode(self, inputs: Tensor) -> Tensor:
        """As `AutoEncoder.encode`; latents are channels · side² of their own images."""
        images = inputs.unflatten(-1, (self.seen, self.side, self.side))
        found = []
        for image, weight, bias in zip(images, *_each(self.encoder), strict=True):
            kernels = weight.T.unflatten(1, (self.seen, KERNEL, KERNEL))
            found.append(conv2d(image, kernels, bias[0], STRIDE, PADDING))
        return torch.stack(found).flatten(2).relu()

    def decode(self, latents: Tensor) -> Tensor:
        """As `AutoEncoder.decode`."""
        images = latents.unflatten(-1, (self.channels, self.latent_side, self.latent_side))
        # Two sides have the same half: an even one needs a row and a column more on the way back.
        more = 1 - self.side % 2
        found = []
        for image, weight, bias in zip(images, *_each(self.decoder), strict=True):
            kernels = weight.unflatten(0, (self.channels, KERNEL, KERNEL)).permute(0, 3, 1, 2)
            found.append(conv_transpose2d(image, kernels, bias[0], STRIDE, PADDING, more))
        return torch.stack(found).flatten(2)


def _each(layer: Layers) -> tuple[Tensor, Tensor]:
    return layer.weights[0], layer.biases[0]


class Cells:
    """Cells of S networks, one above the other, and a linear read-out of all their latents.

    units: of the input, then the latents of each cell. side: of the input's images, where the cells
    are convolutional. Raises ValueError as `grids` does. The read-out is drawn after the cells.
    """

    def __init__(
        self, units: tuple[int, ...], generators: list[Generator], side: int | None = None
    ):
        if side is None:
            self.cells = [AutoEncoder(*pair, generators) for pair in pairwise(units)]
        else:
            self.cells = [
                ConvolutionalAutoEncoder(below, channels, generators)
                for below, (channels, _) in pairwise(grids(units, side))
            ]
        self.read_out = ReadOut(units[1:], generators)
        self.device = self.read_out.stack.device

    def stacks(self) -> dict[str, Layers]:
        """ "encoder1", "decoder1", "encoder2", …, and "read_out"."""
        found = {}
        for k, cell in enumerate(self.cells, start=1):
            found |= {f"encoder{k}": cell.encoder, f"decoder{k}": cell.decoder}
        return found | {"read_out": self.read_out.stack}

    def by_layer(self) -> dict[str, list[Tensor]]:
        """Parameters of each cell, "layer1", "layer2", …, and of the "read_out"."""
        cells = {f"layer{k}": cell.parameters() for k, cell in enumerate(self.cells, start=1)}
        return cells | {"read_out": self.read_out.stack.parameters()}

    def steps(self, images: Tensor) -> Iterator[tuple[AutoEncoder, Tensor, Tensor]]:
        """Every cell in turn, its input and its latents (S, B, units).

        images: (S, B, units), or (B, units) for the same ones in every network; layer-normalised.
        So is what a cell is given of the latents below it, to which no gradient goes back.
        """
        seen = images.expand(len(self.read_out.stack.weights[0]), -1, -1)
        for cell in self.cells:
            latents = cell.encode(seen)
            yield cell, seen, latents
            seen = layer_normalised(latents.detach())

    def logits(self, latents: list[Tensor]) -> Tensor:
        """Logits (S, B, 10) of the read-out, which sees the latents of each cell normalised.

        No gradient goes back to the cells, as `ReadOut` has it.
        """
        # Layer-normalised units have a root mean square of 1; the read-out asks for a length of 1.
        passed = [layer_normalised(layer) / layer.shape[-1] ** 0.5 for layer in latents]
        return self.read_out.logits(passed)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Latents (S, B, units) of every cell, then the logits; images as `steps` has them."""
        latents = [made for _, _, made in self.steps(images)]
        return [*latents, self.logits(latents)]


def halved(side: int) -> int:
    """The side of the images that a convolutional cell makes of images of this side."""
    return -(-side // STRIDE)


def grids(units: tuple[int, ...], side: int) -> list[tuple[int, int]]:
    """Channels and side of the images that each of these layers is, by its units; input first.

    side: of the input's images. Raises ValueError where units are no whole number of images.
    """
    found = []
    for count in units:
        if count % side**2:
            raise ValueError(f"{count} is no multiple of {side**2}, an image of {side} × {side}")
        found.append((count // side**2, side))
        side = halved(side)
    return found


def layer_normalised(units: Tensor) -> Tensor:
    """Units (…, U) of each image less their mean, over their standard deviation.

    torch.nn.LayerNorm over all units, without a scale and a shift that are learnt; 1e-5 is added to
    the variance, so that units that are all equal give 0.
    """
    return layer_norm(units, units.shape[-1:])


def reconstruction_loss(rebuilt: Tensor, inputs: Tensor) -> Tensor:
    """Squared error of rebuilt (S, B, units), averaged over units and images, (S,)."""
    return (rebuilt - inputs).square().mean((-2, -1))


def noise_rows(count: int, units: int, noise: float) -> Tensor:
    """Gaussian noise (count, units) of this standard deviation.

    The same rows in every run: what is random is which of them an image meets.
    """
    return noise * torch.randn(count, units, generator=torch.Generator().manual_seed(0))
