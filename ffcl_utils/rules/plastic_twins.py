"""Improved FFCL with plasticity and neuromodulation, which its paper (arXiv 2405.03432) asks for.

Three additions, each of them local: Oja's term beside a hidden layer's loss; weights that are
pruned and grown again while the twins learn; a neuromodulator, one number a pair, that scales its
local losses. And a second task, the same images with their pixels in another order.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, model_validator
from torch import Generator, Tensor

from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.pixels import take
from ffcl_utils.learning.losses import REPRESENTATION_LOSSES
from ffcl_utils.learning.plasticity import cosine_embedding_losses, modulation, oja_loss
from ffcl_utils.learning.rewiring import SparseTwins
from ffcl_utils.learning.training import PerSeed, Phase
from ffcl_utils.learning.twins import accuracies, with_mean
from ffcl_utils.rules import improved_ffcl
from ffcl_utils.rules.improved_ffcl import ImprovedFFCL

TASKS = ("A", "B")  # A: images as they are; B: with their pixels in another order
STRETCHES = {"A": "A", "B": "B", "A again": "A"}  # of a training there and back, and their tasks
CHUNK = 1000  # test images shown at once, to each seed in its own order
ORDER = 1  # beside the seed: the order of the pixels is drawn apart from the training


class Config(improved_ffcl.Config):
    """Settings of plastic twins; with every addition off these are improved FFCL's.

    The pairing and the margin are of a reading with which improved FFCL learns well (notebook 07).
    hebbian: weight of Oja's term. absent: share of the hidden weights that are not there. rewired:
    share of those present that is pruned, and grown elsewhere, before every epoch. modulator: by
    what each pair's representation losses are scaled. tasks: one; or A, then B, then A again, each
    for `epochs`.
    """

    pairing: Literal["random", "balanced", "same_image"] = "balanced"
    margin: float = Field(default=0.5, ge=-1, le=1)
    hebbian: NonNegativeFloat = 0.0
    absent: float = Field(default=0.0, ge=0, le=0.99)
    rewired: float = Field(default=0.0, ge=0, lt=1)
    modulator: Literal["none", "reward", "surprise"] = "none"
    tasks: Literal["one", "there_and_back"] = "one"

    @model_validator(mode="after")
    def _possible_together(self):
        if self.rewired and not self.absent:
            raise ValueError("rewired needs absent above 0: a full layer has no place to grow in")
        if self.modulator != "none" and self.representation_loss != "cosine_embedding":
            raise ValueError("a modulator needs representation_loss='cosine_embedding'")
        return self


class PlasticTwins(ImprovedFFCL):
    """Twin networks of all seeds; what is absent of them is stored with their weights."""

    Config = Config
    title = "plastic twins"
    local = True
    backward_pass = False
    presets = {
        "smoke": {"seeds": 2, "epochs": 3, "batch_size": 100, "learning_rate": 3e-3},
        # Ten times the paper's rate and a third of its epochs, three times over.
        "short": {"seeds": 5, "epochs": 10, "learning_rate": 1e-3},
        "paper": {"seeds": 10},
    }

    def build(self) -> None:
        """Make both twins; a seed's first twin is drawn before its second."""
        self.twins = SparseTwins(self.config.sizes, self.generators, self.config.absent)
        self.representation_loss = REPRESENTATION_LOSSES[self.config.representation_loss]
        self.orders = pixel_orders(self.config.seed_list).to(self.twins.first.device)

    def hidden_weights(self) -> list[Tensor]:
        """Weights (S, in, out) of the hidden layers of the twin that predicts, 0 where absent."""
        return self.predicting().present()[:-1]

    def phases(self, data: Dataset) -> Iterator[Phase]:
        """One, as improved FFCL has it; there and back: one a stretch.

        Evaluated there: the test accuracy on both tasks, of the network that predicts, as
        "test_accuracy/<stretch>/<task>".
        """
        phase = next(super().phases(data))
        draw = partial(self._rewire_and_draw, phase.draw_epoch)
        if self.config.tasks == "one":
            yield replace(phase, draw_epoch=draw)
            return
        images = self.scaled(data.train_images)
        labels = data.train_labels.to(images.device)

        def losses(stretch: str, batch: PerSeed) -> PerSeed:
            rows = torch.cat([batch["image"], batch["partner"]])
            shown = self.shown(STRETCHES[stretch], take(images, rows))
            found = self.losses_of_pairs(self.twins.both.forward(shown), take(labels, rows))
            return {f"{stretch}/{name}": loss for name, loss in found.items()}

        for stretch in STRETCHES:
            evaluate = partial(self._accuracies, data, stretch)
            learn = partial(losses, stretch)
            yield Phase(draw, phase.visits, learn, phase.parameters, evaluate, total=False)

    def _rewire_and_draw(self, draw: Callable, generator: Generator) -> PerSeed:
        if self.config.rewired:
            seed = next(k for k, own in enumerate(self.generators) if own is generator)
            self.twins.rewire(seed, self.config.rewired, generator)
        return draw(generator)

    def losses_of_pairs(self, seen: list[Tensor], labels: Tensor) -> PerSeed:
        """As ImprovedFFCL has it, modulated in the hidden layers, and with Oja's term there."""
        losses = super().losses_of_pairs(seen, labels)
        stack, settings = self.twins.both, self.config
        weights = stack.present() if settings.hebbian else stack.weights
        for k, (layer, weight, bias) in enumerate(
            zip(seen[:-1], weights, stack.biases, strict=False), start=1
        ):
            if settings.modulator != "none":
                pairs = *layer.chunk(2), *labels.chunk(2), settings.margin
                factor = modulation(seen[-1], labels, settings.modulator)
                losses[f"layer{k}"] = (cosine_embedding_losses(*pairs) * factor).mean(-1)
            if settings.hebbian:
                term = oja_loss(layer, weight, bias).unflatten(0, (2, -1)).sum(0)
                losses[f"layer{k}"] = losses[f"layer{k}"] + settings.hebbian * term
        return losses

    def shown(self, task: str, images: Tensor) -> Tensor:
        """Images (S, B, 784), or (2S, …) of twins, as each seed's networks see them in a task."""
        if task == "A":
            return images
        orders = self.orders.repeat(len(images) // len(self.orders), 1)
        return images.gather(-1, orders.unsqueeze(1).expand(images.shape))

    @torch.no_grad()
    def accuracy_on(self, task: str, data: Dataset) -> Tensor:
        """Test accuracy (S,) in a task, of the network that predicts."""
        logits = []
        for images in data.test_images.split(CHUNK):
            shown = self.shown(task, self.scaled(images).expand(self.config.seeds, -1, -1))
            twins = (self.twins.first, self.twins.second)
            logits.append(torch.stack([twin.forward(shown)[-1].cpu() for twin in twins]))
        scores = with_mean(*torch.cat(logits, 2))[self.config.predictor]
        return accuracies({task: scores}, data.test_labels)[task]

    def _accuracies(self, data: Dataset, stretch: str) -> PerSeed:
        return {f"test_accuracy/{stretch}/{task}": self.accuracy_on(task, data) for task in TASKS}

    @classmethod
    def epochs_in_all(cls, config: Config) -> int:
        """Those of every stretch."""
        return config.epochs * (1 if config.tasks == "one" else len(STRETCHES))

    @classmethod
    def work(cls, config: Config) -> float:
        """As Rule has it, in every stretch."""
        return super().work(config) * cls.epochs_in_all(config) / config.epochs


def pixel_orders(seeds: list[int], pixels: int = 784) -> Tensor:
    """The order (S, pixels) of the pixels in task B, one for each seed, the same in every run."""
    drawn = [np.random.default_rng([seed, ORDER]).permutation(pixels) for seed in seeds]
    return torch.from_numpy(np.stack(drawn))


RULE = PlasticTwins
