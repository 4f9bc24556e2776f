"""Plain backpropagation: a linear head and cross-entropy, as in arXiv 2305.18353.

Dropped pixels and a schedule are there for a fair comparison with mirror contrast.
"""

from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Generator, Tensor

from ffcl_utils.config import InputScaling, LayerSizes, RuleConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.pixels import MASKS, pixel_masks, take
from ffcl_utils.learning.layers import Layers
from ffcl_utils.learning.losses import cross_entropy_loss
from ffcl_utils.learning.training import PerSeed, Phase
from ffcl_utils.rules.base import Rule, right

CHUNK = 2000  # images evaluated at once: bounds the memory, changes no figure


class Config(RuleConfig):
    """Settings of plain backpropagation: a linear head, cross-entropy."""

    layers: LayerSizes = (784, 784, 784, 784, 10)
    epochs: PositiveInt = 80
    batch_size: PositiveInt = 1024
    learning_rate: PositiveFloat = 1e-4
    input_dropout: float = Field(default=0.0, ge=0, lt=1)
    schedule: Literal["one_cycle", "constant"] = "constant"
    input_scaling: InputScaling = "standardised"


class Backprop(Rule):
    """Multi-layer perceptrons of all seeds."""

    Config = Config
    title = "BP"
    local = False
    backward_pass = True
    presets = {
        "smoke": {"seeds": 2, "epochs": 3, "batch_size": 128, "learning_rate": 3e-4},
        # Chosen on 10,000 training images held out for validation, to fit two CPU cores.
        "short": {"seeds": 5, "epochs": 12, "products": "auto"},
        # The authors' configuration says 1024, but their loader is made with 2048.
        "paper": {"seeds": 10, "batch_size": 2048, "products": "auto"},
    }

    def build(self) -> None:
        """Make the networks."""
        self.network = Layers(self.config.layers, self.generators)

    def stacks(self) -> dict[str, Layers]:
        """The one stack."""
        return {"": self.network}

    def hidden_weights(self) -> list[Tensor]:
        """Weights (S, in, out) of every layer but the head."""
        return self.network.weights[:-1]

    def phases(self, data: Dataset) -> Iterator[Phase]:
        """One. Evaluated: the accuracy on all test images."""
        images = self.scaled(data.train_images)
        labels = data.train_labels.to(images.device)
        dropout = self.config.input_dropout
        masks = None
        if dropout:
            masks = pixel_masks(MASKS, images.shape[1], dropout).to(images.device)

        def draw_epoch(generator: Generator) -> PerSeed:
            drawn = {"image": torch.randperm(len(images), generator=generator)}
            if masks is not None:
                drawn["mask"] = torch.randint(MASKS, (len(images),), generator=generator)
            return drawn

        def losses(batch: PerSeed) -> PerSeed:
            seen = take(images, batch["image"])
            if masks is not None:
                seen *= take(masks, batch["mask"])
            return self.losses(seen, take(labels, batch["image"]))

        evaluate = partial(self._test_accuracy, data)
        yield Phase(draw_epoch, len(images), losses, self.network.parameters(), evaluate)

    def losses(self, images: Tensor, labels: Tensor) -> PerSeed:
        """The one loss (S,) from scaled images (S, B, 784) and labels (S, B)."""
        logits = self.network.forward(images, local=False)[-1]
        return {"cross_entropy": cross_entropy_loss(logits, labels)}

    def example_losses(self, data: Dataset, images: int = 256) -> PerSeed:
        """On the first training images."""
        labels = data.train_labels[:images].to(self.network.device)
        seen = self.scaled(data.train_images[:images])
        return self.losses(seen, labels.expand(self.config.seeds, -1))

    def _test_accuracy(self, data: Dataset) -> PerSeed:
        return {"test_accuracy/all": right(self, data).double().mean(-1)}

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        """Logits (S, N, 10) for images (N, 784) uint8."""
        chunks = self.scaled(images).split(CHUNK)
        return torch.cat([self.network.forward(chunk)[-1].cpu() for chunk in chunks], 1)

    @torch.no_grad()
    def representations(self, images: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        """Activations (S, N, units) of every hidden layer. Labels are not used."""
        return [layer.cpu() for layer in self.network.forward(self.scaled(images))[:-1]]


RULE = Backprop
