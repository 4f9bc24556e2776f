"""Improved Forward-Forward Contrastive Learning (arXiv 2405.03432).

Two networks of one shape, the twins, with weights of their own. The first sees an image, the
second its partner. Every pair of corresponding layers has one loss of its own: a representation
loss in the hidden layers, a classification loss at the output. Nothing is propagated back.
"""

from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt, field_validator
from torch import Generator, Tensor

from ffcl_utils.config import InputScaling, LayerSizes, RuleConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.pixels import take
from ffcl_utils.learning.apart import generator_apart
from ffcl_utils.learning.losses import CLASSIFICATION_LOSSES, REPRESENTATION_LOSSES
from ffcl_utils.learning.pairing import PAIRINGS
from ffcl_utils.learning.training import PerSeed, Phase
from ffcl_utils.learning.twins import Twins, accuracies, with_mean
from ffcl_utils.rules._twins import TwinRule

GROUP = 1000  # test pairs whose losses are computed together


class Config(RuleConfig):
    """Settings of improved FFCL (arXiv 2405.03432). Defaults are the paper's.

    Where the paper is silent, partner and margin are those of the original FFCL's public code
    (arXiv 2305.02927), random and 0; where both are silent they are the plainest choice: batch 64,
    inputs in [0, 1], the first network predicts.
    """

    layers: LayerSizes = (784, 64, 64, 10)
    epochs: PositiveInt = 30
    learning_rate: PositiveFloat = 1e-4
    batch_size: PositiveInt = 64
    pairing: Literal["random", "balanced", "same_image"] = "random"
    representation_loss: str = "cosine_embedding"
    margin: float = Field(default=0.0, ge=-1, le=1)
    input_scaling: InputScaling = "unit"
    trainable_input_layer: bool = False
    classification_loss: Literal["bce", "cross_entropy"] = "bce"
    predictor: Literal["first", "second", "mean"] = "first"

    @field_validator("representation_loss")
    @classmethod
    def _known_loss(cls, name: str) -> str:
        if name not in REPRESENTATION_LOSSES:
            raise ValueError(f"choose one of {', '.join(REPRESENTATION_LOSSES)}")
        return name

    @property
    def sizes(self) -> tuple[int, ...]:
        """Layer sizes with the trainable input layer, where there is one, as a layer of its own."""
        return (self.layers[0],) * self.trainable_input_layer + self.layers


class ImprovedFFCL(TwinRule):
    """Twin networks of all seeds, and `representation_loss`, which a reader may exchange."""

    Config = Config
    title = "improved FFCL"
    local = True
    backward_pass = False
    presets = {
        # Ten times the paper's rate: at 1e-4 so few images and epochs teach nothing.
        "smoke": {"seeds": 2, "epochs": 12, "learning_rate": 1e-3},
        "short": {"seeds": 10},
        "paper": {"seeds": 10},
    }

    def build(self) -> None:
        """Make both twins; a seed's first twin is drawn before its second."""
        self.twins = Twins(self.config.sizes, self.generators)
        self.representation_loss = REPRESENTATION_LOSSES[self.config.representation_loss]

    def phases(self, data: Dataset) -> Iterator[Phase]:
        """One: all layers learn at once. Evaluated: test losses and accuracies."""
        images = self.scaled(data.train_images)
        labels = data.train_labels.to(images.device)
        partners = PAIRINGS[self.config.pairing]
        test_pairs = torch.stack(
            [partners(data.test_labels, generator_apart(s)) for s in self.config.seed_list]
        )

        def draw_epoch(generator: Generator) -> PerSeed:
            order = torch.randperm(len(images), generator=generator)
            return {"image": order, "partner": partners(data.train_labels, generator)[order]}

        def losses(batch: PerSeed) -> PerSeed:
            rows = torch.cat([batch["image"], batch["partner"]])
            seen = self.twins.both.forward(take(images, rows))
            return self.losses_of_pairs(seen, take(labels, rows))

        yield Phase(
            draw_epoch,
            len(images),
            losses,
            self.twins.both.parameters(),
            partial(self._test_figures, data, test_pairs),
        )

    def losses_of_pairs(self, seen: list[Tensor], labels: Tensor) -> PerSeed:
        """One loss (S,) per layer pair; arguments as TwinRule's."""
        halves = labels.chunk(2)
        losses = {
            f"layer{k}": self.representation_loss(*layer.chunk(2), *halves, self.config.margin)
            for k, layer in enumerate(seen[:-1], start=1)
        }
        classification_loss = CLASSIFICATION_LOSSES[self.config.classification_loss]
        losses["output"] = classification_loss(seen[-1], labels).unflatten(0, (2, -1)).sum(0)
        return losses

    @torch.no_grad()
    def _test_figures(self, data: Dataset, test_partners: Tensor) -> PerSeed:
        """Test losses on fixed pairs (S, N), and test accuracies."""
        activations = self.twins.both.forward(self.scaled(data.test_images))
        labels, pairs = (t.to(self.twins.first.device) for t in (data.test_labels, test_partners))
        first, second = zip(*(layer.chunk(2) for layer in activations), strict=True)
        seen = [torch.cat([a, _reorder(b, pairs)]) for a, b in zip(first, second, strict=True)]
        losses = self._test_losses(seen, torch.cat([labels.expand(len(pairs), -1), labels[pairs]]))
        losses["total"] = torch.stack(list(losses.values())).sum(0)
        test = accuracies(with_mean(first[-1], second[-1]), labels)
        return {
            **{f"test_loss/{name}": loss for name, loss in losses.items()},
            **{f"test_accuracy/{twin}": accuracy for twin, accuracy in test.items()},
        }

    def _test_losses(self, activations: list[Tensor], labels: Tensor) -> PerSeed:
        """Mean losses over groups of pairs: a loss may set every image against every other."""
        sums: PerSeed = {}
        for rows in torch.arange(labels.shape[1]).split(GROUP):
            group = [layer[:, rows] for layer in activations]
            for name, loss in self.losses_of_pairs(group, labels[:, rows]).items():
                sums[name] = sums.get(name, 0) + loss * (len(rows) / labels.shape[1])
        return sums


def _reorder(layer: Tensor, order: Tensor) -> Tensor:
    """layer (S, N, units) with its N images in the order (S, N) of each seed."""
    return layer.gather(1, order.unsqueeze(-1).expand(-1, -1, layer.shape[-1]))


RULE = ImprovedFFCL
