"""Improved Forward-Forward Contrastive Learning (arXiv 2405.03432).

Two networks of one shape, the twins, with weights of their own. The first sees an image, the
second its partner. Every pair of corresponding layers has one loss of its own: a representation
loss in the hidden layers, a classification loss at the output. Nothing is propagated back.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Generator, Tensor

from ffcl_utils.config import ConfigError, ImprovedFFCLConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.pixels import take
from ffcl_utils.learning.history import History
from ffcl_utils.learning.losses import CLASSIFICATION_LOSSES, REPRESENTATION_LOSSES
from ffcl_utils.learning.pairing import PAIRINGS
from ffcl_utils.learning.training import PerSeed, generators_for, train
from ffcl_utils.learning.twins import Twins, accuracies, with_mean

GROUP = 1000  # test pairs whose losses are computed together
TEST_PAIRS = 2**32  # added to the seed: test pairs have a generator apart from the training's


class ImprovedFFCL(Twins):
    """Twin networks of all seeds, `representation_loss`, and `optimiser`, their Adam.

    Of several configs that differ in pairing and margin alone all networks train at once, config
    by config and seed by seed; `config` is then the first of them.
    """

    def __init__(self, config: ImprovedFFCLConfig, *others: ImprovedFFCLConfig):
        free = dict.fromkeys(("pairing", "margin", "seeds", "first_seed"))
        if any(config.model_copy(update=free) != other.model_copy(update=free) for other in others):
            raise ConfigError("only readings that differ in pairing and margin train together")
        self.config = config
        self.networks = [(c, seed) for c in (config, *others) for seed in c.seed_list]
        self.generators = generators_for([seed for _, seed in self.networks])
        self.representation_loss = REPRESENTATION_LOSSES[config.representation_loss]
        self.margin = torch.tensor([[c.margin] for c, _ in self.networks])
        super().__init__(config.sizes, self.generators, config.input_scaling, config.predictor)
        self.margin = self.margin.to(self.first.device)
        # Adam works on each weight alone: one optimiser for all layers is one per layer.
        self.optimiser = torch.optim.Adam(self.parameters(), lr=config.learning_rate, fused=True)

    def fit(self, data: Dataset, watch: Callable[[], PerSeed] | None = None) -> History:
        """Train all seeds; local losses per layer, and the accuracy of each twin and their mean.

        watch: what else to look at after every epoch, named (S,) figures; None: the accuracy on all
        training images, which is a third of the whole effort.
        """
        draws, losses = self.training_functions(data)
        test_pairs = torch.stack(
            [
                PAIRINGS[config.pairing](data.test_labels, *generators_for([seed + TEST_PAIRS]))
                for config, seed in self.networks
            ]
        )
        return train(
            draws,
            losses,
            lambda: (
                self._test_figures(data, test_pairs)
                | (watch() if watch else self._training_accuracy(data))
            ),
            self.optimiser,
            [seed for _, seed in self.networks],
            self.config,
            f"improved FFCL, {', '.join({c.pairing: c for c, _ in self.networks})} pairs",
        )

    def training_functions(
        self, data: Dataset
    ) -> tuple[list[Callable[[], PerSeed]], Callable[[PerSeed], PerSeed]]:
        """What `train` asks of a learning rule: the visits of an epoch, the losses of a batch."""
        images = self.scaled(data.train_images)
        labels = data.train_labels.to(images.device)

        def draw_epoch(pairing: str, generator: Generator) -> PerSeed:
            order = torch.randperm(len(images), generator=generator)
            return {
                "image": order,
                "partner": PAIRINGS[pairing](data.train_labels, generator)[order],
            }

        def losses(batch: PerSeed) -> PerSeed:
            rows = torch.cat([batch["image"], batch["partner"]])
            return self._losses_of(self.both.forward(take(images, rows)), take(labels, rows))

        draws = [
            partial(draw_epoch, config.pairing, generator)
            for (config, _), generator in zip(self.networks, self.generators, strict=True)
        ]
        return draws, losses

    def local_losses(
        self, images: Tensor, partners: Tensor, labels: Tensor, partner_labels: Tensor
    ) -> PerSeed:
        """One loss per layer pair, each (S,), from scaled images and partners (S, B, 784)."""
        activations = self.both.forward(torch.cat([images, partners]))
        return self._losses_of(activations, torch.cat([labels, partner_labels]))

    def _losses_of(self, activations: list[Tensor], labels: Tensor) -> PerSeed:
        """From the layers of `both`, (2S, B, units) each, and the classes they saw, (2S, B)."""
        halves = labels.chunk(2)
        losses = {
            f"layer{k}": self.representation_loss(*layer.chunk(2), *halves, self.margin)
            for k, layer in enumerate(activations[:-1], start=1)
        }
        classification_loss = CLASSIFICATION_LOSSES[self.config.classification_loss]
        losses["output"] = classification_loss(activations[-1], labels).unflatten(0, (2, -1)).sum(0)
        return losses

    @torch.no_grad()
    def _test_figures(self, data: Dataset, test_partners: Tensor) -> PerSeed:
        """Test losses on fixed pairs (S, N), and test accuracies."""
        activations = self.both.forward(self.scaled(data.test_images))
        labels, pairs = (t.to(self.first.device) for t in (data.test_labels, test_partners))
        first, second = zip(*(layer.chunk(2) for layer in activations), strict=True)
        seen = [torch.cat([a, _reorder(b, pairs)]) for a, b in zip(first, second, strict=True)]
        losses = self._test_losses(seen, torch.cat([labels.expand(len(pairs), -1), labels[pairs]]))
        losses["total"] = torch.stack(list(losses.values())).sum(0)
        test = accuracies(with_mean(first[-1], second[-1]), labels)
        return {
            **{f"test_loss/{name}": loss for name, loss in losses.items()},
            **{f"test_accuracy/{twin}": accuracy for twin, accuracy in test.items()},
        }

    def _training_accuracy(self, data: Dataset) -> PerSeed:
        found = accuracies(self.twin_probabilities(data.train_images), data.train_labels)
        return {f"train_accuracy/{twin}": accuracy for twin, accuracy in found.items()}

    def _test_losses(self, activations: list[Tensor], labels: Tensor) -> PerSeed:
        """Mean losses over groups of pairs: a loss may set every image against every other."""
        sums: PerSeed = {}
        for rows in torch.arange(labels.shape[1]).split(GROUP):
            found = self._losses_of([layer[:, rows] for layer in activations], labels[:, rows])
            for name, loss in found.items():
                sums[name] = sums.get(name, 0) + loss * (len(rows) / labels.shape[1])
        return sums


def _reorder(layer: Tensor, order: Tensor) -> Tensor:
    """layer (S, N, units) with its N images in the order (S, N) of each seed."""
    return layer.gather(1, order.unsqueeze(-1).expand(-1, -1, layer.shape[-1]))
