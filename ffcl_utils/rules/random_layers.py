"""A control: hidden layers that never learn, under a linear classifier that does.

What a rule's hidden layers have learnt shows in how far it gets above this. Random layers alone
carry a classifier far on MNIST, as is known of extreme learning machines (Huang et al. 2006).
"""

from collections.abc import Iterator
from dataclasses import replace

from pydantic import PositiveFloat
from torch import Tensor

from ffcl_utils.data.datasets import Dataset
from ffcl_utils.learning.losses import cross_entropy_loss
from ffcl_utils.learning.training import PerSeed, Phase
from ffcl_utils.rules._classifier import ClassifierLayers
from ffcl_utils.rules.backprop import Backprop
from ffcl_utils.rules.backprop import Config as BackpropConfig


class Config(BackpropConfig):
    """Settings of the control: those of plain backpropagation, with a learning rate of its own.

    Only the output learns, from units that random layers have made small (about .07 of the
    pixels' size after three): a convex problem, and steps that are much longer. Of three rates this
    one was the best on held-out images (benchmarks/validation.py).
    """

    layers: ClassifierLayers = (784, 784, 784, 784, 10)
    learning_rate: PositiveFloat = 0.1


class RandomLayers(Backprop):
    """Multi-layer perceptrons of all seeds, of which the output layer alone learns.

    Prediction and evaluation are those of plain backpropagation.
    """

    Config = Config
    title = "random layers"
    local = True
    backward_pass = False
    presets = {
        "smoke": {"seeds": 2, "epochs": 4, "batch_size": 64, "layers": (784, 128, 64, 10)},
        "short": {"seeds": 5, "epochs": 12, "products": "auto"},
        "paper": {"seeds": 10, "products": "auto"},
    }

    def phases(self, data: Dataset) -> Iterator[Phase]:
        """One, in which the output layer alone moves."""
        output = [self.network.weights[-1], self.network.biases[-1]]
        for phase in super().phases(data):
            yield replace(phase, parameters=output)

    def losses(self, images: Tensor, labels: Tensor) -> PerSeed:
        """The cross-entropy (S,) of the output layer, from scaled images and labels (S, B)."""
        return {"output": cross_entropy_loss(self.network.forward(images)[-1], labels)}


RULE = RandomLayers
