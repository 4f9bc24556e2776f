"""What FF and BP/FF have in common: positive and negative data, prediction, what is watched."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Generator, Tensor

from ffcl_utils.config import GoodnessConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.overlay import wrong_labels
from ffcl_utils.data.pixels import take
from ffcl_utils.learning.goodness import GoodnessNetwork
from ffcl_utils.learning.history import History
from ffcl_utils.learning.layers import Layers
from ffcl_utils.learning.training import PerSeed, generators_for, train

WATCHED = 2000  # test images followed during the training; all are used after it
FIXED_NEGATIVES = 2**33  # added to the seed: negatives drawn once have a generator apart


class GoodnessRule:
    """Networks of all seeds that learn by goodness; subclasses say what is minimised, and when."""

    def __init__(self, config: GoodnessConfig):
        self.config = config
        self.generators = generators_for(config.seed_list)
        self.network = GoodnessNetwork(Layers(config.layers, self.generators), config.input_scaling)

    def predict(self, images: Tensor) -> Tensor:
        """Class scores (S, N, 10) for images (N, 784) uint8."""
        return self.network.predict(images, self.config.prediction)

    def representations(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """Activations (S, N, units) of every layer, the label (N,) in the image."""
        return self.network.representations(images, labels)

    def train(
        self,
        data: Dataset,
        losses: Callable[[Tensor, Tensor, Tensor], PerSeed],
        parameters: list[Tensor],
        title: str,
        watch: bool = True,
    ) -> History:
        """Minimise losses by Adam on these parameters.

        losses: from inputs (S, B, 784), lengths (S, B, 1) and labels (S, 2, B), the right and a
        wrong one, to named (S,). watch: whether to evaluate after every epoch.
        """
        inputs, lengths = self.network.prepare(data.train_images)
        all_labels = data.train_labels.to(inputs.device)

        def draw_epoch(generator: Generator) -> PerSeed:
            order = torch.randperm(len(inputs), generator=generator)
            if self.config.negatives == "fixed":
                return {"image": order, "wrong": self.fixed_negatives(data, generator)[order]}
            return {"image": order, "wrong": wrong_labels(data.train_labels, generator)[order]}

        def losses_of(batch: PerSeed) -> PerSeed:
            rows = batch["image"]
            labels = torch.stack([take(all_labels, rows), batch["wrong"]], 1)
            return losses(take(inputs, rows), take(lengths, rows), labels)

        return self.minimise(draw_epoch, losses_of, data, parameters, title, watch)

    def minimise(
        self,
        draw_epoch: Callable[[Generator], PerSeed],
        losses: Callable[[PerSeed], PerSeed],
        data: Dataset,
        parameters: list[Tensor],
        title: str,
        watch: bool,
    ) -> History:
        """`ffcl_utils.learning.training.train` with this rule's settings; arguments as there and above.

        draw_epoch: from a seed's generator, what it visits in one epoch.
        """
        return train(
            [partial(draw_epoch, generator) for generator in self.generators],
            losses,
            (lambda: self._watch(data)) if watch else dict,
            torch.optim.Adam(parameters, lr=self.config.learning_rate, fused=True),
            self.config.seed_list,
            self.config,
            title,
        )

    @staticmethod
    def fixed_negatives(data: Dataset, generator: Generator) -> Tensor:
        """The wrong labels (N,) that a seed keeps for the whole run, from its generator's seed."""
        (apart,) = generators_for([generator.initial_seed() + FIXED_NEGATIVES])
        return wrong_labels(data.train_labels, apart)

    @torch.no_grad()
    def _watch(self, data: Dataset) -> PerSeed:
        """Accuracy on the first test images, and the mean goodness of every layer for their
        positive data and for negative data (the label after the right one)."""
        labels = data.test_labels[:WATCHED]
        found = self.network.label_goodness(data.test_images[:WATCHED])
        scores = self.network.scores(found, self.config.prediction)
        figures = {"test_accuracy/watched": (scores.argmax(-1) == labels).double().mean(-1)}
        for name, given in (("positive", labels), ("negative", (labels + 1) % 10)):
            of_label = found[:, :, torch.arange(len(labels)), given].double().mean(-1)
            for k, layer in enumerate(of_label.unbind(1), start=1):
                figures[f"{name}_goodness/layer{k}"] = layer
        return figures
