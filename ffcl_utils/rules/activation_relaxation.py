"""Activation relaxation (Millidge et al. 2020, arXiv 2009.05359).

A second set of activations settles at the gradient of the loss, each layer looking only at the one
above it; weights then learn by what lies at their two ends. Where the weights down are not the
transposed ones, or f′ is left out, what they settle at is not the gradient, and the networks learn.
"""

from collections.abc import Iterator
from dataclasses import replace

from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn.functional import one_hot

from ffcl_utils.config import LayerSizes
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.learning.losses import cross_entropy_loss
from ffcl_utils.learning.relaxation import Sweeps, relaxed_errors
from ffcl_utils.learning.training import PerSeed, Phase
from ffcl_utils.rules._relaxation import RelaxationConfig, RelaxationRule


class Config(RelaxationConfig):
    """Settings of activation relaxation; the defaults are the published ones.

    What differs from the publication: Adam instead of plain steps by the sum over the batch, and
    that a relaxation may stop when it has settled. The scaling of the images is a choice of ours; x
    starts at the activations, as in the public code. A sweep multiplies a layer's deviation from
    its target by 1 − step: from 2 on it diverges. The published 100 sweeps of 0.1 leave
    0.9^100 of where x started in the last hidden layer, and more in each layer below, some per cent
    in the first one of a trained network.
    """

    layers: LayerSizes = (784, 300, 300, 100, 10)
    epochs: PositiveInt = 50
    step: float = Field(default=0.1, gt=0, lt=2)
    sweeps: PositiveInt = 100


class ActivationRelaxation(RelaxationRule):
    """Networks of all seeds that predict as those of backpropagation do."""

    Config = Config
    title = "activation relaxation"
    presets = {
        "smoke": {"seeds": 2, "epochs": 5, "batch_size": 32, "sweeps": 40, "step": 0.5},
        # Steps twice as long as published: the relaxation settles within its sweeps.
        "short": {"seeds": 5, "epochs": 10, "step": 0.2},
        "paper": {"seeds": 5},
    }

    def phases(self, data: Dataset) -> Iterator[Phase]:
        """One. The hidden layers' losses have no meaning but their gradient: there is no total."""
        return (replace(phase, total=False) for phase in super().phases(data))

    def losses(self, images: Tensor, labels: Tensor) -> PerSeed:
        """Local losses (S,) whose gradients are the rule's updates; arguments as Backprop's.

        Of a hidden layer Σ h ⊙ x, with x taken as given, whose gradient is hᵀ₋₁ (x ⊙ f′); of the
        output the cross-entropy. Backpropagation has the cross-entropy alone.
        """
        if self.config.errors == "backpropagated":
            return super().losses(images, labels)
        outputs = self.network.forward(images)
        pairs = zip(outputs[:-1], self.relaxed(outputs, labels), strict=False)
        found = {f"layer{k}": (h * x).sum(-1).mean(-1) for k, (h, x) in enumerate(pairs, start=1)}
        return found | {"output": cross_entropy_loss(outputs[-1], labels)}

    def relaxed(self, outputs: list[Tensor], labels: Tensor) -> list[Tensor]:
        """What the second activations x (S, B, units) settle at; they start as the first ones.

        The output's are softmax − label, the gradient of the cross-entropy by the logits.
        """
        settings, logits = self.config, outputs[-1].detach()
        error = logits.softmax(-1) - one_hot(labels, logits.shape[-1])
        return relaxed_errors(
            [*(h.detach() for h in outputs[:-1]), error],
            outputs if settings.derivative else None,
            self.network.downward(),
            Sweeps(settings.step, settings.sweeps, settings.tolerance),
            downwards=True,
        )


RULE = ActivationRelaxation
