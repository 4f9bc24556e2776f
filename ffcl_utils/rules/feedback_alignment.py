"""Backpropagation with fixed random backward weights: feedback alignment, layerwise or direct.

Lillicrap et al. 2016 (Nature Communications 7, 13276) and Nøkland 2016 (arXiv 1609.01596). What the
forward weights learn makes them fit the random ones, so that the error comes to point where
backpropagation's does.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from ffcl_utils.data.datasets import Dataset
from ffcl_utils.learning.feedback import (
    direct_errors,
    layerwise_errors,
    output_error,
    pulled,
    random_feedback,
)
from ffcl_utils.learning.losses import cross_entropy_loss
from ffcl_utils.learning.training import PerSeed, Phase
from ffcl_utils.rules._classifier import ClassifierLayers
from ffcl_utils.rules.backprop import Backprop
from ffcl_utils.rules.backprop import Config as BackpropConfig

WATCHED = 2000  # test images on which the errors are compared with backpropagation's


class Config(BackpropConfig):
    """Settings of feedback alignment: those of plain backpropagation, and what carries the error.

    The networks, units and steps of the two papers are not used: everything but the way back is
    as in `backprop`, so that nothing else explains a difference (but for a learning rate of its own
    at the short preset, and the network and its training at smoke). feedback: "layerwise", down
    through one random matrix a layer; "direct", from the output to each hidden layer. Adam divides
    by the size of a layer's gradient, so the size of the random weights hardly matters.
    """

    layers: ClassifierLayers = (784, 784, 784, 784, 10)
    feedback: Literal["layerwise", "direct"] = "layerwise"


class FeedbackAlignment(Backprop):
    """Multi-layer perceptrons of all seeds, with fixed random backward weights.

    Each layer has a loss of its own, whose gradient is the wanted update; so no gradient of a loss
    crosses a layer, although the error of the output reaches all of them.
    """

    Config = Config
    title = "feedback alignment"
    local = True
    backward_pass = True
    presets = {
        "smoke": {
            "seeds": 2,
            "epochs": 5,
            "batch_size": 64,
            "learning_rate": 1e-3,
            "layers": (784, 128, 64, 10),
        },
        # The learning rate: of three, by one seed on 10,000 held-out training images.
        "short": {"seeds": 5, "epochs": 12, "learning_rate": 3e-4, "products": "auto"},
        "paper": {"seeds": 10, "batch_size": 2048, "products": "auto"},
    }

    def build(self) -> None:
        """Make the networks, then the backward weights: drawn again wherever a seed is made."""
        super().build()
        self.direct = self.config.feedback == "direct"
        # Of direct feedback nothing goes through the layers: each hears of the output alone.
        self.backward_pass = not self.direct
        self.feedback = random_feedback(self.config.layers, self.generators, self.direct)

    def phases(self, data: Dataset) -> Iterator[Phase]:
        """One. Evaluated: test accuracy, and the cosine with backpropagation's errors by layer.

        The values of "train_loss/layer<k>" mean nothing, so they have no total.
        """
        for phase in super().phases(data):
            evaluate = partial(self._watch, data, phase.evaluate)
            yield replace(phase, evaluate=evaluate, total=False)

    def fixed(self) -> list[Tensor]:
        """The backward weights."""
        return self.feedback

    def losses(self, images: Tensor, labels: Tensor) -> PerSeed:
        """A loss (S,) a layer from scaled images (S, B, 784) and labels (S, B)."""
        *hidden, logits = self.network.forward(images)
        errors = self.errors(hidden, logits, labels)
        losses = {
            f"layer{k}": pulled(*pair)
            for k, pair in enumerate(zip(hidden, errors, strict=True), start=1)
        }
        return losses | {"output": cross_entropy_loss(logits, labels)}

    @torch.no_grad()
    def errors(self, hidden: list[Tensor], logits: Tensor, labels: Tensor) -> list[Tensor]:
        """Errors (S, B, units) of every hidden layer's activations, by the fixed weights."""
        error = output_error(logits, labels)
        if self.direct:
            return direct_errors(error, self.feedback)
        return layerwise_errors(error, hidden, self.feedback)

    @torch.no_grad()
    def _watch(self, data: Dataset, accuracy) -> PerSeed:
        """Accuracy, and the mean cosine (S,) of each layer's error with backpropagation's."""
        labels = data.test_labels[:WATCHED].to(self.network.device).expand(self.config.seeds, -1)
        *hidden, logits = self.network.forward(self.scaled(data.test_images[:WATCHED]))
        transposed = [weight.transpose(1, 2) for weight in self.network.weights[1:]]
        true = layerwise_errors(output_error(logits, labels), hidden, transposed)
        found = accuracy()
        both = zip(hidden, self.errors(hidden, logits, labels), true, strict=True)
        for k, (activations, ours, theirs) in enumerate(both, start=1):
            active = activations > 0  # no error passes a silent unit
            cosine = cosine_similarity(ours * active, theirs * active, dim=-1)
            found[f"cosine_with_backprop/layer{k}"] = cosine.double().mean(-1)
        return found


RULE = FeedbackAlignment
