"""What FF and BP/FF have in common: positive and negative data, prediction, what is watched."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Generator, Tensor

from ffcl_utils.config import InputScaling, LayerSizes, RuleConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.negatives import wrong_pairs
from ffcl_utils.data.pixels import take, wrong_labels
from ffcl_utils.learning.apart import generator_apart
from ffcl_utils.learning.goodness import GoodnessNetwork
from ffcl_utils.learning.layers import Layers
from ffcl_utils.learning.training import PerSeed, Phase
from ffcl_utils.rules.base import Rule

WATCHED = 2000  # test images followed during the training; all are used after it


class GoodnessConfig(RuleConfig):
    """What FF and BP on the FF objective share. Defaults are those of arXiv 2305.18353 for MNIST.

    `layers` is the input and the hidden layers: there is no output layer. `negatives`: "unpaired",
    as many as there are images, drawn once from every image with every wrong label, so that the
    positive and the negative data in one place of a batch are different images; "paired", every
    image with one wrong label, drawn once; "redrawn", the same, drawn for every epoch.
    """

    layers: LayerSizes = (784, 784, 784, 784)
    batch_size: PositiveInt = 1024
    threshold: PositiveFloat = 3.0
    input_scaling: InputScaling = "standardised"
    negatives: Literal["unpaired", "paired", "redrawn"] = "unpaired"
    prediction: Literal["softmax", "sum"] = "softmax"


class GoodnessRule(Rule):
    """Networks of all seeds that learn by goodness; subclasses say what is minimised, and when."""

    def build(self) -> None:
        """Make the networks."""
        layers = Layers(self.config.layers, self.generators)
        self.network = GoodnessNetwork(layers, self.config.input_scaling)

    def stacks(self) -> dict[str, Layers]:
        """The one stack."""
        return {"": self.network.layers}

    def layers(self) -> dict[str, list[Tensor]]:
        """Parameters by layer; there is no output layer."""
        stack = self.network.layers
        pairs = zip(stack.weights, stack.biases, strict=True)
        return {f"layer{k}": list(pair) for k, pair in enumerate(pairs, start=1)}

    def hidden_weights(self) -> list[Tensor]:
        """Weights (S, in, out) of every layer."""
        return self.network.layers.weights

    def predict(self, images: Tensor) -> Tensor:
        """Class scores (S, N, 10) for images (N, 784) uint8."""
        return self.network.predict(images, self.config.prediction)

    def probabilities(self, images: Tensor) -> Tensor:
        """The softmax of the goodness over the labels, averaged over layers, (S, N, 10)."""
        return self.network.label_goodness(images).softmax(-1).mean(1)

    def representations(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """Activations (S, N, units) of every layer, the label (N,) in the image; −1 writes none."""
        return self.network.representations(images, labels)

    def losses(self, inputs: Tensor, lengths: Tensor, labels: Tensor) -> PerSeed:
        """Named losses (S,) from inputs (S, B, 784), lengths (S, B, 1) and labels (S, K, B).

        Either the same images with the right and with a wrong label (K = 2), or positive data and
        then as many negative data (K = 1, B even).
        """
        raise NotImplementedError

    def example_losses(self, data: Dataset, images: int = 256) -> PerSeed:
        """On the first training images with their label and the one after it."""
        seeds = self.config.seeds
        prepared = self.network.prepare(data.train_images[:images])
        inputs, lengths = (part.expand(seeds, -1, -1) for part in prepared)
        right = data.train_labels[:images].to(inputs.device)
        labels = torch.stack([right, (right + 1) % 10]).expand(seeds, -1, -1)
        return self.losses(inputs, lengths, labels)

    def phase(
        self,
        data: Dataset,
        losses: Callable[[Tensor, Tensor, Tensor], PerSeed],
        parameters: list[Tensor],
        watch: bool = True,
        total: bool = True,
    ) -> Phase:
        """A phase in which images are visited with a right and with a wrong label.

        losses: as `losses`. watch: whether to evaluate after every epoch. total: as Phase has it.
        """
        inputs, lengths = self.network.prepare(data.train_images)
        all_labels = data.train_labels.to(inputs.device)

        def draw_epoch(generator: Generator) -> PerSeed:
            order = torch.randperm(len(inputs), generator=generator)
            if self.config.negatives == "redrawn":
                return {"image": order, "wrong": wrong_labels(data.train_labels, generator)[order]}
            images, wrong = self.kept_negatives(data, generator)
            drawn = {"image": order, "wrong": wrong[order]}
            return drawn if self.paired else drawn | {"negative": images[order]}

        def losses_of(batch: PerSeed) -> PerSeed:
            rows = batch["image"]
            labels = take(all_labels, rows), batch["wrong"]
            if "negative" in batch:
                rows = torch.cat([rows, batch["negative"]], 1)
                labels = torch.cat(labels, 1).unsqueeze(1)
            else:
                labels = torch.stack(labels, 1)
            return losses(take(inputs, rows), take(lengths, rows), labels)

        evaluate = self.evaluation(data) if watch else dict
        return Phase(draw_epoch, len(inputs), losses_of, parameters, evaluate, total)

    @property
    def paired(self) -> bool:
        """Whether the negative data in a place of a batch are of the same image as the positive."""
        return self.config.negatives != "unpaired"

    def kept_negatives(self, data: Dataset, generator: Generator) -> tuple[Tensor, Tensor]:
        """Images and wrong labels (N,) of the negative data that a seed keeps for the training.

        From a generator apart, made of the seed of the given one. Not of redrawn ones.
        """
        apart = generator_apart(generator.initial_seed())
        if self.paired:
            return torch.arange(len(data.train_labels)), wrong_labels(data.train_labels, apart)
        return wrong_pairs(data.train_labels, apart)

    def evaluation(self, data: Dataset) -> Callable[[], PerSeed]:
        """What is watched after every epoch, as a function of nothing."""
        return partial(self._watch, data)

    @torch.no_grad()
    def _watch(self, data: Dataset) -> PerSeed:
        """Accuracy on the first test images, and the mean goodness of every layer for their
        positive data and for negative data (the label after the right one)."""
        labels = data.test_labels[:WATCHED]
        goodness = self.network.label_goodness(data.test_images[:WATCHED])
        scores = self.network.scores(goodness, self.config.prediction)
        figures = {"test_accuracy/watched": (scores.argmax(-1) == labels).double().mean(-1)}
        for name, given in (("positive", labels), ("negative", (labels + 1) % 10)):
            # Contiguous: a seed's sum has one order, however many seeds there are.
            of_label = goodness[:, :, torch.arange(len(labels)), given].double().contiguous()
            for k, layer in enumerate(of_label.mean(-1).unbind(1), start=1):
                figures[f"{name}_goodness/layer{k}"] = layer
        return figures
