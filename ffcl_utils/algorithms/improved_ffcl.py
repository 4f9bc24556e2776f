"""Improved Forward-Forward Contrastive Learning (arXiv 2405.03432).

Two networks of one shape, the twins, with weights of their own. The first sees an image, the
second its partner. Every pair of corresponding layers has one loss of its own: a representation
loss in the hidden layers, a classification loss at the output. Nothing is propagated back.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from ffcl_utils.config import ImprovedFFCLConfig
from ffcl_utils.data import Dataset
from ffcl_utils.history import History
from ffcl_utils.inputs import scale, take
from ffcl_utils.layers import Layers
from ffcl_utils.losses import CLASSIFICATION_LOSSES, cosine_embedding_loss
from ffcl_utils.pairing import PAIRINGS
from ffcl_utils.training import PerSeed, generators_for, train

CHUNK = 10_000  # images evaluated at once: bounds the memory, changes no figure
TEST_PAIRS = 2**32  # added to the seed: test pairs have a generator apart from the training's


class ImprovedFFCL:
    """Twin networks of all seeds. `first` and `second` are the twins, `optimiser` their Adam."""

    def __init__(self, config: ImprovedFFCLConfig):
        self.config = config
        self.generators = generators_for(config.seed_list)
        self.first = Layers(config.sizes, self.generators)
        self.second = Layers(config.sizes, self.generators)
        # Adam works on each weight alone: one optimiser for all layers is one per layer.
        self.optimiser = torch.optim.Adam(self.parameters(), lr=config.learning_rate, fused=True)

    def parameters(self) -> list[Tensor]:
        """Weights and biases of both twins."""
        return self.first.parameters() + self.second.parameters()

    def layers(self) -> dict[str, list[Tensor]]:
        """Parameters of both twins by layer, named as the layers' losses are."""
        names = [f"layer{k}" for k in range(1, len(self.first.weights))] + ["output"]
        stacks = (self.first.weights, self.first.biases, self.second.weights, self.second.biases)
        tensors = zip(*stacks, strict=True)
        return dict(zip(names, map(list, tensors), strict=True))

    def fit(self, data: Dataset) -> History:
        """Train all seeds; local losses per layer, and the accuracy of each twin and their mean."""
        draw_epoch, losses = self.training_functions(data)
        pairs = PAIRINGS[self.config.pairing]
        test_generators = generators_for([s + TEST_PAIRS for s in self.config.seed_list])
        test_pairs = torch.stack([pairs(data.test_labels, g) for g in test_generators])
        return train(
            draw_epoch,
            losses,
            lambda: self._evaluate(data, test_pairs),
            self.optimiser,
            self.config.seed_list,
            self.generators,
            self.config.epochs,
            self.config.batch_size,
            f"improved FFCL, {self.config.pairing} pairs",
        )

    def training_functions(
        self, data: Dataset
    ) -> tuple[Callable[[Generator], PerSeed], Callable[[PerSeed], PerSeed]]:
        """What `train` asks of a learning rule: the visits of an epoch, the losses of a batch."""
        images = self.scaled(data.train_images)
        pairs = PAIRINGS[self.config.pairing]

        def draw_epoch(generator: Generator) -> PerSeed:
            order = torch.randperm(len(images), generator=generator)
            return {"image": order, "partner": pairs(data.train_labels, generator)[order]}

        def losses(batch: PerSeed) -> PerSeed:
            rows = batch["image"], batch["partner"]
            pair = [take(images, row) for row in rows]
            return self.local_losses(*pair, *(take(data.train_labels, row) for row in rows))

        return draw_epoch, losses

    def local_losses(
        self, images: Tensor, partners: Tensor, labels: Tensor, partner_labels: Tensor
    ) -> PerSeed:
        """One loss per layer pair, each (S,), from scaled images and partners (S, B, 784)."""
        first, second = self.first.forward(images), self.second.forward(partners)
        return self._losses_of(first, second, labels, partner_labels)

    def _losses_of(self, first, second, labels, partner_labels) -> PerSeed:
        same = labels == partner_labels
        classification_loss = CLASSIFICATION_LOSSES[self.config.classification_loss]
        losses = {
            f"layer{k}": cosine_embedding_loss(one, other, same, self.config.margin)
            for k, (one, other) in enumerate(zip(first[:-1], second[:-1], strict=True), start=1)
        }
        losses["output"] = classification_loss(first[-1], labels) + classification_loss(
            second[-1], partner_labels
        )
        return losses

    @torch.no_grad()
    def twin_probabilities(self, images: Tensor) -> dict[str, Tensor]:
        """Softmax outputs (S, N, 10) of each twin and their mean, for images (N, 784) uint8."""
        chunks = images.split(CHUNK)
        return _with_mean(
            *(
                torch.cat([twin.forward(self.scaled(chunk))[-1] for chunk in chunks], 1)
                for twin in (self.first, self.second)
            )
        )

    def predict(self, images: Tensor) -> Tensor:
        """Softmax outputs (S, N, 10) of the network that the settings let predict."""
        return self.twin_probabilities(images)[self.config.predictor]

    @torch.no_grad()
    def representations(self, images: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        """Hidden activations (S, N, units) of the network that predicts, layer by layer.

        For `predictor="mean"` the units of both twins side by side. Labels are not used.
        """
        first, second = (twin.forward(self.scaled(images)) for twin in (self.first, self.second))
        both = [torch.cat(pair, -1) for pair in zip(first, second, strict=True)]
        return {"first": first, "second": second, "mean": both}[self.config.predictor][:-1]

    def scaled(self, images: Tensor) -> Tensor:
        """Images (N, 784) uint8 as the networks see them."""
        return scale(images, self.config.input_scaling)

    @torch.no_grad()
    def _evaluate(self, data: Dataset, test_partners: Tensor) -> PerSeed:
        """Test losses on fixed pairs (S, N), and accuracies on all images of both parts."""
        first, second = (
            twin.forward(self.scaled(data.test_images)) for twin in (self.first, self.second)
        )
        partners = [_reorder(layer, test_partners) for layer in second]
        labels = data.test_labels.expand(len(test_partners), -1)
        losses = self._losses_of(first, partners, labels, data.test_labels[test_partners])
        losses["total"] = torch.stack(list(losses.values())).sum(0)
        test = _accuracies(_with_mean(first[-1], second[-1]), data.test_labels)
        train = _accuracies(self.twin_probabilities(data.train_images), data.train_labels)
        return {
            **{f"test_loss/{name}": loss for name, loss in losses.items()},
            **{f"train_accuracy/{twin}": accuracy for twin, accuracy in train.items()},
            **{f"test_accuracy/{twin}": accuracy for twin, accuracy in test.items()},
        }


def _with_mean(first_logits: Tensor, second_logits: Tensor) -> dict[str, Tensor]:
    first, second = first_logits.softmax(-1), second_logits.softmax(-1)
    return {"first": first, "second": second, "mean": (first + second) / 2}


def _accuracies(scores: dict[str, Tensor], labels: Tensor) -> PerSeed:
    return {name: (s.argmax(-1) == labels).double().mean(-1) for name, s in scores.items()}


def _reorder(layer: Tensor, order: Tensor) -> Tensor:
    """layer (S, N, units) with its N images in the order (S, N) of each seed."""
    return layer.gather(1, order.unsqueeze(-1).expand(-1, -1, layer.shape[-1]))
