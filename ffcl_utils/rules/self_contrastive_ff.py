"""Self-contrastive Forward-Forward (SCFF): hidden layers that learn by goodness without labels.

Positive data are an image joined with itself, negative data an image joined with another one. A
layer raises its goodness Σh² for the first and lowers it for the second, by itself; a linear
read-out of all layers learns the classes, and teaches the layers nothing.

How the joined image of 2 × 784 pixels is read here: both halves meet the same weights, because a
pair has no first and second image, and a pair's pre-activation is thus the sum of the halves'. Each
half has length 1. Only the first layer joins; the layers above see the pair's activations below,
at length 1. An image is evaluated joined with itself.

Published are 2 × 2000 units, the read-out and shifts of 2 pixels, read as up to 2. All else is not
known: threshold, learning rate and its schedule were chosen on held-out training images; epochs,
batch size, scaling and the read-out that learns along with the layers are plain choices.
"""

from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt, field_validator
from torch import Generator, Tensor
from torch.nn.functional import normalize

from ffcl_utils.config import ConfigError, InputScaling, LayerSizes, RuleConfig
from ffcl_utils.data.datasets import PIXELS, Dataset
from ffcl_utils.data.pixels import take
from ffcl_utils.learning.goodness import goodness_loss, relu_goodness
from ffcl_utils.learning.layers import Layers, linear
from ffcl_utils.learning.losses import cross_entropy_loss
from ffcl_utils.learning.read_out import ReadOut
from ffcl_utils.learning.self_contrast import joined_pairs
from ffcl_utils.learning.shifts import framed, moved, windows
from ffcl_utils.learning.training import PerSeed, Phase
from ffcl_utils.rules.base import Rule, right

CHUNK = 2000  # images evaluated at once: bounds the memory, changes no figure


class Config(RuleConfig):
    """Settings of SCFF: `layers` is the input and the hidden layers, which the read-out reads.

    schedule: of the learning rate. shift: by how many pixels at most an image is moved in training,
    each visit anew.
    """

    layers: LayerSizes = (PIXELS, 2000, 2000)
    epochs: PositiveInt = 60
    batch_size: int = Field(default=100, ge=2)
    learning_rate: PositiveFloat = 3e-3
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    threshold: PositiveFloat = 5.0
    shift: int = Field(default=2, ge=0, le=8)
    input_scaling: InputScaling = "standardised"

    @field_validator("layers")
    @classmethod
    def _layers_that_see_images(cls, layers: tuple[int, ...]) -> tuple[int, ...]:
        if layers[0] != PIXELS:
            raise ValueError(f"begin with {PIXELS}, the pixels of one image")
        return layers


class SelfContrastiveFF(Rule):
    """SCFF networks of all seeds, each with its read-out."""

    Config = Config
    title = "SCFF"
    local = True
    backward_pass = False
    presets = {
        "smoke": {
            "seeds": 2,
            "epochs": 10,
            "batch_size": 50,
            "learning_rate": 0.01,
            "shift": 1,
            "layers": (PIXELS, 200, 200),
        },
        # Shifts of 2 pixels cost a network as narrow as this more than they give (on held-out
        # training images).
        "short": {
            "seeds": 3,
            "epochs": 20,
            "shift": 0,
            "layers": (PIXELS, 500, 500),
            "products": "auto",
        },
        "paper": {"seeds": 5, "products": "auto"},
    }

    def build(self) -> None:
        """Make the networks; a seed's read-out is drawn after its layers."""
        self.network = Layers(self.config.layers, self.generators)
        self.read_out = ReadOut(self.config.layers[1:], self.generators)

    def stacks(self) -> dict[str, Layers]:
        """The hidden layers and the read-out."""
        return {"": self.network, "read_out": self.read_out.stack}

    def layers(self) -> dict[str, list[Tensor]]:
        """Parameters by layer, named as the layers' losses."""
        pairs = zip(self.network.weights, self.network.biases, strict=True)
        hidden = {f"layer{k}": list(pair) for k, pair in enumerate(pairs, start=1)}
        return hidden | {"read_out": self.read_out.stack.parameters()}

    def hidden_weights(self) -> list[Tensor]:
        """Weights (S, in, out) of every hidden layer."""
        return self.network.weights

    def phases(self, data: Dataset) -> Iterator[Phase]:
        """One: all layers and the read-out learn at once. Evaluated: the test accuracy."""
        count, most = len(data.train_images), self.config.shift
        if count % self.config.batch_size == 1:
            raise ConfigError(
                f"batch_size={self.config.batch_size}: of {count} images one would be alone in the "
                "last batch, and needs another to be joined with"
            )
        frames = self.scaled(framed(data.train_images, most))
        places = windows(PIXELS, most).to(frames.device)
        labels = data.train_labels.to(frames.device)

        def draw_epoch(generator: Generator) -> PerSeed:
            order = torch.randperm(count, generator=generator)
            shift = torch.randint(len(places), (count,), generator=generator)
            return {"image": order, "shift": shift}

        def losses(batch: PerSeed) -> PerSeed:
            seen = moved(frames, places, batch["image"], batch["shift"])
            return self.losses(seen, take(labels, batch["image"]))

        parameters = [tensor for layer in self.layers().values() for tensor in layer]
        yield Phase(draw_epoch, count, losses, parameters, partial(self._test_accuracy, data))

    def losses(self, images: Tensor, labels: Tensor) -> PerSeed:
        """The loss (S,) of every layer and of the read-out, which alone sees the labels (S, B).

        images: (S, B, 784), scaled; each is joined with itself and with the one before it.
        """
        found, own = {}, []
        for k, (directions, lengths) in enumerate(self.forward(images, joined_pairs), start=1):
            positive, negative = lengths.square().chunk(2, -1)
            found[f"layer{k}"] = 2 * goodness_loss(positive, negative, self.config.threshold)
            own.append(directions[:, : images.shape[1]])
        return found | {"read_out": cross_entropy_loss(self.read_out.logits(own), labels)}

    def forward(self, images: Tensor, joined=lambda halves: 2 * halves):
        """Directions (S, M, units) and lengths (S, M) of the activations of every layer, in turn.

        images: (S, B, 784), scaled. joined: from the halves of joined images (S, B, units) to
        their sums (S, M, units); each image with itself where nothing is said. Local.
        """
        weights, biases = self.network.weights, self.network.biases
        halves = linear(normalize(images, dim=-1), weights[0], biases[0] / 2)
        output = relu_goodness(joined(halves))
        yield output
        for weight, bias in zip(weights[1:], biases[1:], strict=True):
            output = relu_goodness(linear(output[0].detach(), weight, bias))
            yield output

    def example_losses(self, data: Dataset, images: int = 256) -> PerSeed:
        """On the first training images."""
        seen = self.scaled(data.train_images[:images]).expand(self.config.seeds, -1, -1)
        labels = data.train_labels[:images].to(seen.device)
        return self.losses(seen, labels.expand(self.config.seeds, -1))

    def _test_accuracy(self, data: Dataset) -> PerSeed:
        return {"test_accuracy/all": right(self, data).double().mean(-1)}

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        """Logits (S, N, 10) of the read-out for images (N, 784) uint8."""
        found = []
        for chunk in self.scaled(images).split(CHUNK):
            layers = self.forward(chunk.expand(self.config.seeds, -1, -1))
            logits = self.read_out.logits([directions for directions, _ in layers])
            found.append(logits.cpu())
        return torch.cat(found, 1)

    @torch.no_grad()
    def representations(self, images: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        """Activations (S, N, units) of each image joined with itself. Labels are not used."""
        layers = self.forward(self.scaled(images).expand(self.config.seeds, -1, -1))
        return [(d * length.unsqueeze(-1)).cpu() for d, length in layers]


RULE = SelfContrastiveFF
