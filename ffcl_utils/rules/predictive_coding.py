"""Predictive coding and its relaxations (Millidge et al. 2020, arXiv 2010.01047).

The label is clamped to the output, activations settle where the errors of the layers' predictions
balance, and every layer then learns to predict better. With predictions that are held fixed, the
errors settle at the gradients of backpropagation.
"""

from typing import Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor
from torch.nn.functional import one_hot

from ffcl_utils.config import LayerSizes
from ffcl_utils.learning.inference import relaxed_activations
from ffcl_utils.learning.layers import linear
from ffcl_utils.learning.relaxation import Sweeps, relaxed_errors
from ffcl_utils.learning.training import PerSeed
from ffcl_utils.rules._relaxation import RelaxationConfig, RelaxationRule


class Config(RelaxationConfig):
    """Settings of predictive coding; the defaults are the published ones, without a relaxation.

    predictions: held as they were before the sweeps, or recomputed from the activations in each.
    Where they are recomputed, units near 0 go on and off, so that no sweep is saved. The energy of
    a network that has learnt is steep in some directions and flat in others: in the published 500
    sweeps of 0.01 its activations do not settle. Longer steps diverge, from a length on that gets
    shorter as the weights grow; activations that swing without growing are not detected.
    error_weights: E in ε = μ − f(μ₋₁ W) E of the hidden layers: the identity, or dense, above 0 at
    first, and learned or not. What differs from the publication: Adam instead of plain steps,
    biases, that a relaxation may stop when it has settled, and how E learns: down the squared
    errors, where the public code clips the step and takes it with the other sign. The scaling of
    the images is a choice of ours. With predictions held fixed a sweep multiplies every deviation
    from the fixed point by 1 − 2 · step: from 1 on it diverges.
    """

    layers: LayerSizes = (784, 300, 100, 100, 10)
    epochs: PositiveInt = 30
    step: float = Field(default=0.01, gt=0, lt=1)
    sweeps: PositiveInt = 500
    predictions: Literal["fixed", "recomputed"] = "fixed"
    error_weights: Literal["identity", "learned", "random"] = "identity"

    @model_validator(mode="after")
    def _backpropagation_has_no_energy(self) -> "Config":
        plain = self.predictions == "fixed" and self.error_weights == "identity"
        if self.errors == "backpropagated" and not plain:
            raise ValueError(
                'errors="backpropagated" needs predictions="fixed" and error_weights="identity": '
                "backpropagation has no errors of hidden predictions"
            )
        return self


class PredictiveCoding(RelaxationRule):
    """Networks of all seeds that predict by one pass upwards, as those of backpropagation do."""

    Config = Config
    title = "predictive coding"
    presets = {
        "smoke": {"seeds": 2, "epochs": 5, "batch_size": 32, "sweeps": 60, "step": 0.1},
        # Fewer and longer steps: with predictions held they end nearer to the fixed point.
        "short": {"seeds": 5, "epochs": 10, "sweeps": 200, "step": 0.05},
        "paper": {"seeds": 5},
    }

    def losses(self, images: Tensor, labels: Tensor) -> PerSeed:
        """The energy (S,) of every layer, its squared errors; arguments as Backprop's.

        Its gradient, with all activations taken as given, is −2 μ₋₁ᵀ (ε ⊙ f′) by W, as published
        not through E, and −2 f(μ₋₁ W)ᵀ ε by E where that learns. With fixed predictions μ₋₁ is what
        the layer below said in the pass upwards, before the sweeps. Backpropagation has that of the
        output alone, with plain predictions.
        """
        if self.config.errors == "backpropagated":
            logits = self.network.forward(images, local=False)[-1]
            return {"output": self.loss_of_output(logits, labels)}
        outputs = self.network.forward(images)
        outputs, errors = self.inferred(outputs, labels)
        mixing = self.network.mixing if self.network.mixing_learns else []
        found = [(e + h.detach() - h) for e, h in zip(errors, outputs, strict=True)]
        for k, weight in enumerate(mixing):
            mixed = _mixed(outputs[k].detach(), weight)
            found[k] = found[k] + mixed.detach() - mixed
        names = [f"layer{k}" for k in range(1, len(found))] + ["output"]
        return {n: e.square().sum(-1).mean(-1) for n, e in zip(names, found, strict=True)}

    @staticmethod
    def loss_of_output(logits: Tensor, labels: Tensor) -> Tensor:
        """What backpropagation lowers in this rule's place, (S,), from (S, B, 10) and (S, B)."""
        target = one_hot(labels, logits.shape[-1]).to(logits.dtype)
        return (logits - target).square().sum(-1).mean(-1)

    def inferred(self, outputs: list[Tensor], labels: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Outputs f(μ₋₁ W) and errors ε (S, B, units) of all layers after the sweeps.

        outputs: those of a pass upwards, where the activations start, the output at the label.
        """
        settings, network = self.config, self.network
        target = one_hot(labels, outputs[-1].shape[-1]).to(outputs[-1].dtype)
        start = [h.detach() for h in outputs[:-1]] + [target]
        sweeps = Sweeps(2 * settings.step, settings.sweeps, settings.tolerance)
        if settings.predictions == "fixed":
            active = outputs if settings.derivative else None
            errors = self._errors(start, outputs)
            return outputs, relaxed_errors(errors, active, network.downward(), sweeps, False)
        upward = list(zip(network.weights[1:], network.biases[1:], strict=True))
        activations = relaxed_activations(
            start, upward, network.downward(), network.mixing, settings.derivative, sweeps
        )
        layers = zip(activations, network.shared()[1:], network.biases[1:], strict=False)
        *hidden, logits = (linear(*layer) for layer in layers)
        outputs = [outputs[0], *(z.relu() for z in hidden), logits]
        return outputs, self._errors(activations, outputs)

    @torch.no_grad()
    def _errors(self, activations: list[Tensor], outputs: list[Tensor]) -> list[Tensor]:
        """ε = μ − f(μ₋₁ W) E of every layer; at the output E is the identity."""
        predicted = list(outputs)
        for k, weight in enumerate(self.network.mixing):
            predicted[k] = _mixed(outputs[k], weight)
        return [mu - p for mu, p in zip(activations, predicted, strict=True)]


def _mixed(outputs: Tensor, weight: Tensor) -> Tensor:
    return linear(outputs, weight, outputs.new_zeros(len(outputs), 1, weight.shape[2]))


RULE = PredictiveCoding
