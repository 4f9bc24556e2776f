"""Every hidden layer learns from heads of its own: Nøkland and Eidnes 2019 (arXiv 1901.06656).

A linear read-out says how well a layer tells the classes ("pred"); similarity matching says how
well it brings images of one class together ("sim"). Nothing is propagated back across layers.
"""

from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Generator, Tensor

from ffcl_utils.config import InputScaling, RuleConfig
from ffcl_utils.data.datasets import PIXELS, Dataset
from ffcl_utils.data.pixels import MASKS, pixel_masks, take
from ffcl_utils.learning.heads import LayersWithHeads, similarity_matching_loss
from ffcl_utils.learning.layers import linear
from ffcl_utils.learning.losses import cross_entropy_loss
from ffcl_utils.learning.shifts import framed, moved, windows
from ffcl_utils.learning.training import PerSeed, Phase
from ffcl_utils.rules._classifier import ClassifierLayers
from ffcl_utils.rules.backprop import Backprop


class Config(RuleConfig):
    """Settings of local losses; the preset "paper" has the authors' for a perceptron on MNIST.

    local_loss: "pred", the cross-entropy of a read-out; "sim", similarity matching; "predsim",
    (1 − sim_weight) · pred + sim_weight · sim; "none", with `across` alone: the output's
    cross-entropy teaches all layers, which is plain backpropagation on the same network.
    projection: what "sim" compares, a linear map of the activations or these themselves. norm:
    "batch", batch norm between the linear map and the ReLU of every hidden layer, as the authors
    have it; "length", of what a layer passes on, image by image. dropout: of what a hidden layer
    passes on. shift: by how many pixels at most an image is moved in training. across: a control,
    in which gradients of the same losses do cross the layers.

    What deviates: batch norm has no scale and shift to learn, where the authors' has; all units are
    ReLU, where the authors' are leaky with "sim" and "predsim"; one cycle of the learning rate
    stands for their four steps down; and read-outs start from random weights, not from zero. With
    norm="length" there is no batch norm, and with shift=0 images stay where they are.
    """

    layers: ClassifierLayers = (784, 1024, 1024, 1024, 10)
    epochs: PositiveInt = 100
    batch_size: PositiveInt = 128
    learning_rate: PositiveFloat = 5e-4
    local_loss: Literal["pred", "sim", "predsim", "none"] = "predsim"
    sim_weight: float = Field(default=0.99, ge=0, le=1)
    projection: Literal["linear", "none"] = "linear"
    norm: Literal["length", "batch"] = "length"
    dropout: float = Field(default=0.1, ge=0, lt=1)
    shift: int = Field(default=0, ge=0, le=8)
    across: bool = False
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    input_scaling: InputScaling = "standardised"

    @model_validator(mode="after")
    def _possible(self) -> "Config":
        if self.local_loss == "none" and not self.across:
            raise ValueError(
                'local_loss="none" needs across=True: hidden layers would have nothing to learn'
            )
        if self.norm == "batch" and self.batch_size < 2:
            raise ValueError('norm="batch" needs a batch of two or more')
        return self


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
            "norm": "batch",
            "products": "auto",
        },
        "paper": {"seeds": 10, "norm": "batch", "shift": 2, "products": "auto"},
    }

    def build(self) -> None:
        """Make the networks, each with the heads that its local loss needs."""
        settings, loss = self.config, self.config.local_loss
        self.network = LayersWithHeads(
            settings.layers,
            self.generators,
            readouts=loss in ("pred", "predsim"),
            projections=loss in ("sim", "predsim") and settings.projection == "linear",
            norm=settings.norm,
        )
        self.local, self.backward_pass = not settings.across, settings.across

    def check(self, data: Dataset) -> None:
        """Refuse a batch of one image to batch norm: it has no variance."""
        settings, count = self.config, len(data.train_labels)
        smallest = count % settings.batch_size or settings.batch_size
        if settings.norm == "batch" and smallest == 1:
            raise settings.refused(
                "batch_size",
                f"{count} training images leave a batch of one, of which norm='batch' has no "
                "variance; choose another size",
            )

    def phases(self, data: Dataset) -> Iterator[Phase]:
        """One: all layers learn at once. Evaluated: the accuracy on all test images."""
        settings, count = self.config, len(data.train_labels)
        frames = self.scaled(framed(data.train_images, settings.shift))
        places = windows(PIXELS, settings.shift).to(frames.device)
        labels = data.train_labels.to(frames.device)
        hidden, dropout = settings.layers[1:-1], settings.dropout
        masks = [pixel_masks(MASKS, units, dropout).to(frames.device) for units in hidden]

        def draw_epoch(generator: Generator) -> PerSeed:
            drawn = {"image": torch.randperm(count, generator=generator)}
            met = torch.randint(MASKS, (len(hidden), count), generator=generator)
            drawn |= {f"mask{k}": mask for k, mask in enumerate(met)}
            if settings.shift:
                drawn["shift"] = torch.randint(len(places), (count,), generator=generator)
            return drawn

        def losses(batch: PerSeed) -> PerSeed:
            rows = batch["image"]
            if settings.shift:
                seen = moved(frames, places, rows, batch["shift"])
            else:
                seen = take(frames, rows)
            met = [take(mask, batch[f"mask{k}"]) for k, mask in enumerate(masks)]
            return self.losses(seen, take(labels, rows), met, learn=True)

        evaluate = partial(self._test_accuracy, data)
        yield Phase(draw_epoch, count, losses, self.network.parameters(), evaluate)

    def losses(
        self,
        images: Tensor,
        labels: Tensor,
        masks: list[Tensor] | None = None,
        learn: bool = False,
    ) -> PerSeed:
        """A loss (S,) a layer from scaled images (S, B, 784) or (B, 784) and labels (S, B).

        masks, learn: as LayersWithHeads.forward has them; without masks nothing is dropped. Of
        local_loss="none" only the output has a loss.
        """
        *hidden, logits = self.network.forward(images, self.local, masks, learn)
        losses = {}
        if self.config.local_loss != "none":
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
