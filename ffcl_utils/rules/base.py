"""The contract of a learning rule: what storage, analysis, notebooks and tests ask of it."""

from collections.abc import Callable, Iterator
from typing import ClassVar

import torch
from torch import Tensor

from ffcl_utils.config import RuleConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.pixels import scale
from ffcl_utils.learning.history import History
from ffcl_utils.learning.layers import Layers
from ffcl_utils.learning.training import PerSeed, Phase, State, generators_for, train

NARROW = (
    256  # units up to which the networks of several seeds train faster together than one by one
)


class Rule:
    """Networks of all seeds of a config, and how they learn.

    A rule is one file in this folder: settings, presets, `build`, `phases` and what it predicts. It
    names itself by its file. title: for figures and tables. local: no gradient of a layer's loss
    reaches another layer's parameters. backward_pass: the rule propagates something back through
    the layers.
    """

    Config: ClassVar[type[RuleConfig]]
    presets: ClassVar[dict[str, dict]]
    title: ClassVar[str]
    local: ClassVar[bool]
    backward_pass: ClassVar[bool]

    def __init__(self, config: RuleConfig):
        self.config = config
        self.generators = generators_for(config.seed_list)
        self.history: History | None = None  # of the training, once there was one
        self.build()

    def build(self) -> None:
        """Make the untrained networks, each seed's from its own generator."""
        raise NotImplementedError

    def stacks(self) -> dict[str, Layers]:
        """The rule's stacks of layers by name; "" for the only one."""
        raise NotImplementedError

    def check(self, data: Dataset) -> None:
        """Raise ConfigError where the settings cannot learn from so many images."""

    def phases(self, data: Dataset) -> Iterator[Phase]:
        """The stretches of training, in order; each is made when the one before it has ended."""
        raise NotImplementedError

    def example_losses(self, data: Dataset, images: int = 256) -> PerSeed:
        """The local losses (S,) on the first training images, for the test of locality."""
        raise NotImplementedError

    def predict(self, images: Tensor) -> Tensor:
        """Class scores (S, N, 10) for images (N, 784) uint8, on the CPU."""
        raise NotImplementedError

    def probabilities(self, images: Tensor) -> Tensor:
        """Scores (S, N, 10) that add up to 1 over the classes."""
        return self.predict(images).softmax(-1)

    def representations(self, images: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        """Activations (S, N, units) of each hidden layer of the network that predicts, on the CPU.

        images: (N, 784) uint8. labels: (N,), where the rule writes one into the image.
        """
        raise NotImplementedError

    def fit(
        self,
        data: Dataset,
        after_epoch: Callable[[State], None] = lambda _: None,
        start: State | None = None,
    ) -> History:
        """Train all seeds, and keep the history; arguments as those of learning.training.train."""
        phases = self.phases(data)
        self.history = train(phases, self.config, self.generators, after_epoch, start)
        return self.history

    def layers(self) -> dict[str, list[Tensor]]:
        """Parameters (S, …) by layer, named as the layers' losses; of twins (2S, …)."""
        (stack,) = self.stacks().values()
        return stack.by_layer()

    def tensors(self) -> dict[str, Tensor]:
        """Every parameter (S, …) by a name of its own; what is stored of a network."""
        return {
            f"{name}/{tensor}" if name else tensor: value
            for name, stack in self.stacks().items()
            for tensor, value in stack.tensors().items()
        }

    def fixed(self) -> list[Tensor]:
        """Weights (S, …) that never learn, and are drawn again instead of being stored."""
        return []

    def predicting(self) -> Layers:
        """The stack whose activations `representations` gives."""
        return next(iter(self.stacks().values()))

    def hidden_weights(self) -> list[Tensor]:
        """Weights (S, in, out) of each hidden layer of the network that predicts."""
        raise NotImplementedError

    def scaled(self, images: Tensor) -> Tensor:
        """Images (N, 784) uint8 as the networks see them, on their device."""
        return scale(images.to(self.predicting().device), self.config.input_scaling)

    @classmethod
    def epochs_in_all(cls, config: RuleConfig) -> int:
        """Epochs of all phases together; of layers that learn in sequence each has its own."""
        sequential = getattr(config, "training", "") == "sequential"
        return config.epochs * (len(config.layers) - 1 if sequential else 1)

    @classmethod
    def work(cls, config: RuleConfig) -> float:
        """Roughly what a plan reckons with for one image and one seed: weights × epochs.

        A rule that does more with an image says as many weights as would take equally long.
        """
        return config.epochs * config.weights

    @classmethod
    def seeds_of_a_job(cls, config: RuleConfig) -> int:
        """How many seeds train well in one process: several narrow networks, or a single wide."""
        return 5 if max(config.layers[1:]) <= NARROW else 1


@torch.no_grad()
def right(rule: Rule, data: Dataset) -> Tensor:
    """Which test images (S, N) bool the networks of a rule classify rightly."""
    return rule.predict(data.test_images).argmax(-1) == data.test_labels
