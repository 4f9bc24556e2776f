"""Mirror contrast: twin networks each of which learns from the whole batch of the other.

The idea of improved FFCL (arXiv 2405.03432) taken further: two networks of one shape, each the
other's guide, one local loss per layer pair, nothing propagated back. What differs: every image of
one twin's batch is set against all of the other's, by the means of its classes or pair by pair,
layers see activations of one length, a share of the pixels is dropped, and the learning rate rises
and falls.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Generator, Tensor

from ffcl_utils.config import MirrorContrastConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.pixels import MASKS, pixel_masks, take
from ffcl_utils.learning.history import History
from ffcl_utils.learning.losses import (
    class_mean_loss,
    cosine_embedding_loss,
    cross_entropy_loss,
    mirror_contrast_loss,
)
from ffcl_utils.learning.pairing import balanced_partners
from ffcl_utils.learning.training import PerSeed, generators_for, optimiser_for, train
from ffcl_utils.learning.twins import Twins, accuracies

CONTRASTS = {"class_means": class_mean_loss, "every_pair": mirror_contrast_loss}


class MirrorContrast(Twins):
    """Twin networks of all seeds."""

    def __init__(self, config: MirrorContrastConfig):
        self.config = config
        self.generators = generators_for(config.seed_list)
        super().__init__(
            config.layers,
            self.generators,
            config.input_scaling,
            config.predictor,
            config.normalised,
        )

    def fit(self, data: Dataset) -> History:
        """Train all seeds; local losses per layer, test accuracy of each twin and their mean."""
        draws, losses = self.training_functions(data)
        optimiser, after_step = optimiser_for(self.parameters(), self.config, data)

        def evaluate() -> PerSeed:
            found = accuracies(self.twin_probabilities(data.test_images), data.test_labels)
            return {f"test_accuracy/{twin}": accuracy for twin, accuracy in found.items()}

        return train(
            draws,
            losses,
            evaluate,
            optimiser,
            self.config.seed_list,
            self.config,
            "mirror contrast",
            after_step,
        )

    def training_functions(
        self, data: Dataset
    ) -> tuple[list[Callable[[], PerSeed]], Callable[[PerSeed], PerSeed]]:
        """What `train` asks of a learning rule: the visits of an epoch, the losses of a batch."""
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
            return self._losses_of(self.both.forward(seen), take(labels, rows))

        return [partial(draw_epoch, generator) for generator in self.generators], losses

    def local_losses(
        self, images: Tensor, others: Tensor, labels: Tensor, other_labels: Tensor
    ) -> PerSeed:
        """One loss per layer pair, each (S,), from what the twins see, (S, B, 784) each."""
        activations = self.both.forward(torch.cat([images, others]))
        return self._losses_of(activations, torch.cat([labels, other_labels]))

    def _losses_of(self, activations: list[Tensor], labels: Tensor) -> PerSeed:
        """From the layers of `both`, (2S, B, units) each, and the classes they saw, (2S, B)."""
        halves = labels.chunk(2)
        losses = {
            f"layer{k}": self._representation_loss(*layer.chunk(2), *halves)
            for k, layer in enumerate(activations[:-1], start=1)
        }
        output = cross_entropy_loss(activations[-1], labels)
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
