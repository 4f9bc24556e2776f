"""Every hidden layer learns from heads of its own: Nøkland and Eidnes 2019 (arXiv 1901.06656).

A linear read-out says how well a layer tells the classes ("pred"); similarity matching says how
well it brings images of one class together ("sim"). Nothing is propagated back across layers.
"""

from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Generator, Tensor

from ffcl_utils.config import InputScaling, RuleConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.pixels import MASKS, pixel_masks, take
from ffcl_utils.learning.heads import LayersWithHeads, similarity_matching_loss
from ffcl_utils.learning.layers import linear
from ffcl_utils.learning.losses import cross_entropy_loss
from ffcl_utils.learning.training import PerSeed, Phase
from ffcl_utils.rules._classifier import ClassifierLayers
from ffcl_utils.rules.backprop import Backprop


class Config(RuleConfig):
    """Settings of local losses; defaults are the authors' for a perceptron on MNIST.

    local_loss: "pred", the cross-entropy of a read-out; "sim", similarity matching; "predsim",
    (1 − sim_weight) · pred + sim_weight · sim. projection: what "sim" compares, a linear map of the
    activations or these themselves. dropout: of what a hidden layer passes on. across: a control,
    in which gradients of the same losses do cross the layers.

    What deviates: activations are normalised image by image between layers, where the authors have
    batch norm within them; images are not shifted; all units are ReLU, where the authors' are leaky
    with "sim" and "predsim"; one cycle of the learning rate stands for their four steps down; and
    read-outs start from random weights, not from zero.
    """

    layers: ClassifierLayers = (784, 1024, 1024, 1024, 10)
    epochs: PositiveInt = 100
    batch_size: PositiveInt = 128
    learning_rate: PositiveFloat = 5e-4
    local_loss: Literal["pred", "sim", "predsim"] = "predsim"
    sim_weight: float = Field(default=0.99, ge=0, le=1)
    projection: Literal["linear", "none"] = "linear"
    dropout: float = Field(default=0.1, ge=0, lt=1)
    across: bool = False
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    input_scaling: InputScaling = "standardised"


class LocalLosses(Backprop):
    """Multi-layer perceptrons of all seeds, whose hidden layers have local heads.

    The linear classifier at the top learns by cross-entropy from what the last hidden layer passes
    on, and alone predicts. Prediction and evaluation are those of plain backpropagation.
    """

    Config = Config
    title = "local losses"
    local = True
    backward_pass = False
    presets = {
        "smoke": {
            "seeds": 2,
            "epochs": 4,
            "batch_size": 64,
            "learning_rate": 3e-3,
            "layers": (784, 128, 64, 10),
        },
        "short": {
            "seeds": 3,
            "epochs": 12,
            "layers": (784, 512, 512, 512, 10),
            "products": "auto",
        },
        "paper": {"seeds": 10, "products": "auto"},
    }

    def build(self) -> None:
        """Make the networks, each with the heads that its local loss needs."""
        settings = self.config
        self.network = LayersWithHeads(
            settings.layers,
            self.generators,
            readouts=settings.local_loss != "sim",
            projections=settings.local_loss != "pred" and settings.projection == "linear",
        )
        self.local, self.backward_pass = not settings.across, settings.across

    def phases(self, data: Dataset) -> Iterator[Phase]:
        """One: all layers learn at once. Evaluated: the accuracy on all test images."""
        images = self.scaled(data.train_images)
        labels = data.train_labels.to(images.device)
        hidden, dropout = self.config.layers[1:-1], self.config.dropout
        masks = [pixel_masks(MASKS, units, dropout).to(images.device) for units in hidden]

        def draw_epoch(generator: Generator) -> PerSeed:
            order = torch.randperm(len(images), generator=generator)
            drawn = torch.randint(MASKS, (len(hidden), len(images)), generator=generator)
            return {"image": order} | {f"mask{k}": mask for k, mask in enumerate(drawn)}

        def losses(batch: PerSeed) -> PerSeed:
            rows = batch["image"]
            met = [take(mask, batch[f"mask{k}"]) for k, mask in enumerate(masks)]
            return self.losses(take(images, rows), take(labels, rows), met)

        evaluate = partial(self._test_accuracy, data)
        yield Phase(draw_epoch, len(images), losses, self.network.parameters(), evaluate)

    def losses(self, images: Tensor, labels: Tensor, masks: list[Tensor] | None = None) -> PerSeed:
        """A loss (S,) a layer from scaled images (S, B, 784) or (B, 784) and labels (S, B).

        masks: of dropout, as LayersWithHeads.forward has them; None drops nothing.
        """
        *hidden, logits = self.network.forward(images, self.local, masks)
        heads = zip(hidden, self.network.heads, strict=True)
        losses = {
            f"layer{k}": self._local_loss(layer, head, labels)
            for k, (layer, head) in enumerate(heads, start=1)
        }
        return losses | {"output": cross_entropy_loss(logits, labels)}

    def _local_loss(self, layer: Tensor, head: dict[str, Tensor], labels: Tensor) -> Tensor:
        """The loss (S,) of one hidden layer (S, B, units)."""
        settings, loss = self.config, 0
        share = {"pred": 0, "sim": 1, "predsim": settings.sim_weight}[settings.local_loss]
        if settings.local_loss != "sim":
            logits = linear(layer, head["readout"], head["readout_bias"])
            loss = (1 - share) * cross_entropy_loss(logits, labels)
        if settings.local_loss != "pred":
            if settings.projection == "linear":
                weight = head["projection"]
                layer = linear(layer, weight, torch.zeros_like(weight[:, :1]))
            loss = loss + share * similarity_matching_loss(layer, labels)
        return loss


RULE = LocalLosses
