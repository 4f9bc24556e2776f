"""Mirror contrast: twin networks each of which learns from the whole batch of the other.

The idea of improved FFCL (arXiv 2405.03432) taken further: two networks of one shape, each the
other's guide, one local loss per layer pair, nothing propagated back. What differs: every image of
one twin's batch is set against all of the other's, by the means of its classes or pair by pair,
layers see activations of one length, a share of the pixels is dropped, and the learning rate rises
and falls.
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
from ffcl_utils.learning.losses import (
    class_mean_loss,
    cosine_embedding_loss,
    cross_entropy_loss,
    mirror_contrast_loss,
)
from ffcl_utils.learning.pairing import balanced_partners
from ffcl_utils.learning.training import PerSeed, Phase
from ffcl_utils.learning.twins import Twins
from ffcl_utils.rules._twins import TwinRule

CONTRASTS = {"class_means": class_mean_loss, "every_pair": mirror_contrast_loss}


class Config(RuleConfig):
    """Settings of mirror contrast, which goes beyond the papers; the rest is improved FFCL's.

    Defaults were chosen on held-out training images (benchmarks/validation_twins.py).
    contrast: every image of one batch against the class means of the other, against every image of
    it, or against one partner (half of them of its class, cosine embedding loss with `margin`).
    guide: the twin, or each network itself (one half of its batch against the other). schedule: of
    the learning rate.
    """

    layers: LayerSizes = (784, 64, 64, 10)
    epochs: PositiveInt = 30
    learning_rate: PositiveFloat = 6e-3
    batch_size: PositiveInt = 256
    contrast: Literal["class_means", "every_pair", "one_partner"] = "class_means"
    guide: Literal["twin", "itself"] = "twin"
    temperature: PositiveFloat = 0.035
    margin: float = Field(default=0.5, ge=-1, le=1)
    normalised: bool = True
    input_dropout: float = Field(default=0.2, ge=0, lt=1)
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    input_scaling: InputScaling = "standardised"
    predictor: Literal["first", "second", "mean"] = "mean"


class MirrorContrast(TwinRule):
    """Twin networks of all seeds."""

    Config = Config
    title = "mirror contrast"
    local = True
    backward_pass = False
    presets = {
        "smoke": {"seeds": 2, "epochs": 4, "batch_size": 128},
        "short": {"seeds": 10},
        "paper": {"seeds": 10},
    }

    def build(self) -> None:
        """Make both twins; a seed's first twin is drawn before its second."""
        self.twins = Twins(self.config.layers, self.generators, self.config.normalised)

    def check(self, data: Dataset) -> None:
        """Refuse a batch of one image to a network that is its own guide: it has no other half."""
        settings, count = self.config, len(data.train_labels)
        smallest = count % settings.batch_size or settings.batch_size
        if settings.guide == "itself" and settings.contrast != "one_partner" and smallest == 1:
            raise settings.refused(
                "batch_size",
                f"{count} training images leave a batch of one, of which guide='itself' cannot "
                "compare the halves; choose another size",
            )

    def phases(self, data: Dataset) -> Iterator[Phase]:
        """One: all layers learn at once. Evaluated: the test accuracy of each twin and the mean."""
        images = self.scaled(data.train_images)
        masks = pixel_masks(MASKS, images.shape[1], self.config.input_dropout).to(images.device)
        labels = data.train_labels.to(images.device)

        def draw_epoch(generator: Generator) -> PerSeed:
            first = torch.randperm(len(images), generator=generator)
            if self.config.contrast == "one_partner":
                second = balanced_partners(data.train_labels, generator)[first]
            else:
                second = torch.randperm(len(images), generator=generator)
            first_mask, second_mask = torch.randint(MASKS, (2, len(images)), generator=generator)
            return {
                "first": first,
                "second": second,
                "first_mask": first_mask,
                "second_mask": second_mask,
            }

        def losses(batch: PerSeed) -> PerSeed:
            rows = torch.cat([batch["first"], batch["second"]])
            seen = take(images, rows)
            seen *= take(masks, torch.cat([batch["first_mask"], batch["second_mask"]]))
            return self.losses_of_pairs(self.twins.both.forward(seen), take(labels, rows))

        parameters = self.twins.both.parameters()
        evaluate = partial(self.test_accuracies, data)
        yield Phase(draw_epoch, len(images), losses, parameters, evaluate)

    def losses_of_pairs(self, seen: list[Tensor], labels: Tensor) -> PerSeed:
        """One loss (S,) per layer pair; arguments as TwinRule's."""
        halves = labels.chunk(2)
        losses = {
            f"layer{k}": self._representation_loss(*layer.chunk(2), *halves)
            for k, layer in enumerate(seen[:-1], start=1)
        }
        output = cross_entropy_loss(seen[-1], labels)
        losses["output"] = output.unflatten(0, (2, -1)).sum(0)
        return losses

    def _representation_loss(self, one, other, labels, other_labels) -> Tensor:
        settings = self.config
        if settings.contrast == "one_partner":
            return cosine_embedding_loss(one, other, labels, other_labels, settings.margin)
        contrast = partial(CONTRASTS[settings.contrast], temperature=settings.temperature)
        if settings.guide == "twin":
            return contrast(one, other, labels, other_labels)
        half = labels.shape[1] // 2
        alone = [
            contrast(own[:, :half], own[:, half:], seen[:, :half], seen[:, half:])
            for own, seen in ((one, labels), (other, other_labels))
        ]
        return (alone[0] + alone[1]) / 2


RULE = MirrorContrast
