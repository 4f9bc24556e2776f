"""Forward-Forward Contrastive Learning, the original (arXiv 2305.02927), in three stages.

Twins see pairs of images. (1) "local": every hidden layer pair learns by a contrastive loss of its
own. (2) "global": the contrastive loss of the last pair goes back through all layers of both twins.
(3) "final": the cross-entropy of a new linear head goes back through the first twin.
"""

from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Generator, Tensor

from ffcl_utils.config import InputScaling, RuleConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.pixels import take
from ffcl_utils.learning.layers import Layers
from ffcl_utils.learning.losses import cross_entropy_loss
from ffcl_utils.learning.pairing import random_partners
from ffcl_utils.learning.stages import STAGES, TwinsWithHeads, contrastive_losses, hidden_layers
from ffcl_utils.learning.training import PerSeed, Phase
from ffcl_utils.learning.twins import accuracies
from ffcl_utils.rules._classifier import ClassifierLayers
from ffcl_utils.rules.base import Rule


class Config(RuleConfig):
    """Settings of the original FFCL; `epochs` is what each of its stages gets.

    stages: how far the training goes. "local" leaves out stage 2, and only "all" lets stage 3 train
    hidden layers: otherwise its head reads a frozen network.

    A uniformly random other image as the partner, margin 0, Adam's learning rate and 50 epochs a
    stage are those of the authors' public code. What deviates: the paper has chest X-rays and a
    ResNet, here are digits and improved FFCL's perceptron; there is no weight decay (theirs is
    1e-5). What is not known, and is a plain choice here: that the twins have weights of their own,
    that the head is on the first of them, the batch size and the scaling of the images.
    """

    layers: ClassifierLayers = (784, 64, 64, 10)
    epochs: PositiveInt = 50
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 1e-4
    margin: float = Field(default=0.0, ge=-1, le=1)
    stages: Literal["local", "global", "all"] = "all"
    input_scaling: InputScaling = "unit"


class FFCL(Rule):
    """Twin networks of all seeds, and a linear head for each stage; the first twin predicts.

    Stages 2 and 3 propagate back through the layers; with `stages="local"` nothing does. The heads
    of stages 1 and 2 are not the paper's: they teach the layers nothing, and show in the history
    ("test_accuracy/local", "…/global"; "…/all" at last) what each stage makes of these.
    """

    Config = Config
    title = "FFCL"
    local = False
    backward_pass = True
    presets = {
        # With the published margin, 0, the twins' cosine is soon 0 for nearly every pair, as suits
        # nine of ten. The learning rate is ten times the published one. Neither was tuned.
        "smoke": {"seeds": 2, "epochs": 10, "learning_rate": 1e-3, "margin": 0.5},
        "short": {"seeds": 3, "epochs": 10, "learning_rate": 1e-3, "margin": 0.5},
        "paper": {"seeds": 10},
    }

    def build(self) -> None:
        """Make the twins and the heads of all stages."""
        self.twins = TwinsWithHeads(self.config.layers, self.generators)
        across = self.config.stages != "local"
        self.local, self.backward_pass = not across, across
        self.stages = STAGES if across else ("local", "final")

    def stacks(self) -> dict[str, Layers]:
        """Both twins and the heads."""
        return self.twins.stacks()

    def layers(self) -> dict[str, list[Tensor]]:
        """Parameters (2S, …) of both twins by hidden layer, and (S, …) of the heads."""
        return self.twins.layers()

    def hidden_weights(self) -> list[Tensor]:
        """Weights (S, in, out) of the hidden layers of the first twin."""
        return self.twins.first.weights

    def phases(self, data: Dataset) -> Iterator[Phase]:
        """One a stage. Evaluated: the first twin's test accuracy with the head of that stage."""
        images = self.scaled(data.train_images)
        labels = data.train_labels.to(images.device)

        def draw_epoch(stage: str, generator: Generator) -> PerSeed:
            drawn = {"image": torch.randperm(len(images), generator=generator)}
            if stage != "final":
                drawn["partner"] = random_partners(data.train_labels, generator)[drawn["image"]]
            return drawn

        def losses(stage: str, batch: PerSeed) -> PerSeed:
            rows = torch.cat(list(batch.values()))
            stack = self.twins.of_stage(stage)
            return self.losses(stage, stack, take(images, rows), take(labels, rows))

        for stage in self.stages:
            parameters = self.twins.heads[stage].parameters()
            if stage != "final" or self.config.stages == "all":
                parameters += self.twins.of_stage(stage).parameters()
            draw, learn = partial(draw_epoch, stage), partial(losses, stage)
            evaluate = partial(self._test_accuracy, data, stage)
            yield Phase(draw, len(images), learn, parameters, evaluate, total=False)

    def losses(self, stage: str, stack: Layers, images: Tensor, labels: Tensor) -> PerSeed:
        """The losses (S,) of a stage: its contrastive ones, and the cross-entropy of its head.

        stack: both twins, with scaled images (2S, B, 784) and labels (2S, B); in the last stage
        the first twin may be alone, with (S, B, 784) and (S, B).
        """
        seen = hidden_layers(stack, images, local=stage == "local")
        found = contrastive_losses(stage, seen, labels, self.config.margin)
        top, own = seen[-1][: self.config.seeds], labels[: self.config.seeds]
        teaches = stage == "final" and self.config.stages == "all"
        logits = self.twins.heads[stage].forward(top if teaches else top.detach())[-1]
        return found | {f"head_{stage}": cross_entropy_loss(logits, own)}

    def example_losses(self, data: Dataset, images: int = 256) -> PerSeed:
        """Of all stages, on pairs of the first training images, each with the one after it."""
        seen, found = self.scaled(data.train_images[: images + 1]), {}
        twin = torch.arange(2).repeat_interleave(self.config.seeds)
        rows = (torch.arange(images) + twin.unsqueeze(1)).to(seen.device)
        labels = take(data.train_labels.to(seen.device), rows)
        for stage in self.stages:
            found |= self.losses(stage, self.twins.both, take(seen, rows), labels)
        return found

    def _test_accuracy(self, data: Dataset, stage: str) -> PerSeed:
        name = "test_accuracy/" + ("all" if stage == "final" else stage)
        logits = self.twins.logits(stage, self.scaled(data.test_images))
        return accuracies({name: logits}, data.test_labels)

    def predict(self, images: Tensor) -> Tensor:
        """Logits (S, N, 10) of the head of the last stage for images (N, 784) uint8."""
        return self.twins.logits("final", self.scaled(images))

    @torch.no_grad()
    def representations(self, images: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        """Activations (S, N, units) of the first twin's hidden layers. Labels are not used."""
        return [layer.cpu() for layer in hidden_layers(self.twins.first, self.scaled(images))]

    @classmethod
    def epochs_in_all(cls, config: Config) -> int:
        """Those of every stage."""
        return config.epochs * (2 if config.stages == "local" else len(STAGES))

    @classmethod
    def work(cls, config: Config) -> float:
        """As Rule has it, in every stage."""
        return super().work(config) * cls.epochs_in_all(config) / config.epochs


RULE = FFCL
