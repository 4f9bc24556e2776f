"""Unsupervised Forward-Forward (arXiv 2404.14664): each layer is a cell that rebuilds its input.

A cell is a small auto-encoder with a loss of its own. Its latents, layer-normalised, are the input
of the next cell; a linear classifier reads the latents of all cells, and teaches them nothing. What
is local is a cell: its gradient passes one layer, from the decoder to the encoder, and reaches no
other cell.

The kinds of cells, the loss of each, layer norm, the latents as the next input and the classifier
that reads all latents are published, and so are cells that are GANs, which are left out here, and
AdamW, for which Adam stands here, without weight decay. All else is not known: layers in a cell,
their sizes and activations, the noise, whether layer norm learns a scale (here not: a cell could
shrink its own target), epochs, batch size and learning rate. That all cells and the classifier
learn at once is a plain choice, and so is that a denoising cell passes on latents without noise.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from math import isqrt
from typing import Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt, ValidationInfo, field_validator
from torch import Generator, Tensor

from ffcl_utils.config import LayerSizes, RuleConfig
from ffcl_utils.data.datasets import PIXELS, Dataset
from ffcl_utils.data.pixels import MASKS, scale, take
from ffcl_utils.learning.autoencoders import (
    Cells,
    grids,
    layer_normalised,
    noise_rows,
    reconstruction_loss,
)
from ffcl_utils.learning.layers import Layers
from ffcl_utils.learning.losses import cross_entropy_loss
from ffcl_utils.learning.training import PerSeed, Phase
from ffcl_utils.rules.backprop import Backprop

SIDE = isqrt(PIXELS)


class Config(RuleConfig):
    """Settings of unsupervised FF; every default is a plain choice, as the published are not known.

    cell: "ae", fully connected; "denoising", the same with noise on its input; "convolutional", the
    paper's best. layers: the pixels, then the latents of each cell; those of a convolutional cell
    are channels of 14 × 14, then 7 × 7, 4 × 4, … noise: the standard deviation of Gaussian noise on
    the input of every "denoising" cell; that of the input itself is 1. The target stays the input
    without noise. The other cells have none, whatever is set here.
    """

    cell: Literal["ae", "denoising", "convolutional"] = "convolutional"
    layers: LayerSizes = (PIXELS, 1568, 784)
    noise: float = Field(default=0.5, ge=0)
    epochs: PositiveInt = 30
    batch_size: PositiveInt = 100
    learning_rate: PositiveFloat = 1e-3

    @field_validator("layers")
    @classmethod
    def _latents_of_cells(cls, layers: tuple[int, ...], others: ValidationInfo) -> tuple[int, ...]:
        if layers[0] != PIXELS:
            raise ValueError(f"begin with {PIXELS}, the pixels of one image")
        if others.data.get("cell") == "convolutional":
            grids(layers, SIDE)
        return layers


class UnsupervisedFF(Backprop):
    """Stacks of cells of all seeds, each with its read-out, which alone predicts.

    Prediction and evaluation are those of plain backpropagation.
    """

    Config = Config
    title = "unsupervised FF"
    local = True
    backward_pass = False  # none from cell to cell
    presets = {
        "smoke": {"seeds": 2, "epochs": 5, "batch_size": 50, "layers": (PIXELS, 784, 392)},
        "short": {"seeds": 3, "epochs": 10, "layers": (PIXELS, 784, 392), "products": "auto"},
        "paper": {"seeds": 5, "products": "auto"},
    }

    def build(self) -> None:
        """Make the cells from the input up, then the read-out."""
        side = SIDE if self.config.cell == "convolutional" else None
        self.network = Cells(self.config.layers, self.generators, side)

    def stacks(self) -> dict[str, Layers]:
        """Encoder and decoder of every cell, and the read-out."""
        return self.network.stacks()

    def layers(self) -> dict[str, list[Tensor]]:
        """Parameters by layer, named as the layers' losses; a layer is a cell."""
        return self.network.by_layer()

    def hidden_weights(self) -> list[Tensor]:
        """Weights (S, in, out) of every encoder; of a convolutional one its kernels."""
        return [cell.encoder.weights[0] for cell in self.network.cells]

    def scaled(self, images: Tensor) -> Tensor:
        """Images (N, 784) uint8 as the first cells see them: layer-normalised, on their device."""
        return layer_normalised(scale(images.to(self.network.device), "unit"))

    def phases(self, data: Dataset) -> Iterator[Phase]:
        """One: all cells and the read-out learn at once. Evaluated: the test accuracy."""
        images, noise = self.scaled(data.train_images), self.config.noise
        labels, rows = data.train_labels.to(images.device), []
        if self.config.cell == "denoising" and noise > 0:
            seen = self.config.layers[:-1]
            rows = [noise_rows(MASKS, units, noise).to(images.device) for units in seen]

        def draw_epoch(generator: Generator) -> PerSeed:
            order = torch.randperm(len(images), generator=generator)
            drawn = torch.randint(MASKS, (len(rows), len(images)), generator=generator)
            return {"image": order} | {f"noise{k}": row for k, row in enumerate(drawn)}

        def losses(batch: PerSeed) -> PerSeed:
            noises = [take(row, batch[f"noise{k}"]) for k, row in enumerate(rows)]
            seen = take(images, batch["image"])
            return self.losses(seen, take(labels, batch["image"]), noises)

        parameters = [tensor for layer in self.layers().values() for tensor in layer]
        evaluate = partial(self._test_accuracy, data)
        yield Phase(draw_epoch, len(images), losses, parameters, evaluate)

    def losses(self, images: Tensor, labels: Tensor, noises: Sequence[Tensor] = ()) -> PerSeed:
        """The loss (S,) of every cell and of the read-out, which alone sees the labels (S, B).

        images: (S, B, 784) or (B, 784), scaled. noises: (S, B, units) for every cell, or none.
        """
        found, read = {}, []
        for k, (cell, seen, latents) in enumerate(self.network.steps(images)):
            read.append(latents)
            if noises:
                latents = cell.encode(seen + noises[k])
            found[f"layer{k + 1}"] = reconstruction_loss(cell.decode(latents), seen)
        return found | {"read_out": cross_entropy_loss(self.network.logits(read), labels)}


RULE = UnsupervisedFF
