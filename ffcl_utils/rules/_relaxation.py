"""What activation relaxation and predictive coding share: networks, settings, how they start."""

from copy import copy
from typing import Literal

import torch
from pydantic import (
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)
from torch import Generator, Tensor

from ffcl_utils.config import InputScaling
from ffcl_utils.learning.layers import Layers, aligned
from ffcl_utils.rules import backprop

SPREAD = 0.05  # standard deviation of untrained weights, in both papers
BackwardWeights = Literal["transposed", "learned", "random"]


class RelaxationConfig(backprop.Config):
    """What both have in common; dropped pixels and a schedule are as backpropagation has them.

    backward_weights: by which errors go down: the transposed weights; weights of their own, which
    learn by the weights' own update; or such that never change. derivative: whether f′ is used on
    the way down; the update of the weights always uses it. sweeps: the most; a network stops before
    where a sweep changes nothing by more than `tolerance` of its largest output error. errors: a
    control, "backpropagated", has the same networks, images, loss and optimiser, and its errors
    come from backpropagation; it has no sweeps, so that their settings have no meaning.
    """

    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 5e-4
    input_scaling: InputScaling = "unit"
    backward_weights: BackwardWeights = "transposed"
    derivative: bool = True
    sweeps: PositiveInt
    tolerance: NonNegativeFloat = 1e-6
    errors: Literal["settled", "backpropagated"] = "settled"

    @field_validator("layers")
    @classmethod
    def _from_pixels_to_classes(cls, layers: tuple[int, ...]) -> tuple[int, ...]:
        if len(layers) < 3 or (layers[0], layers[-1]) != (784, 10):
            raise ValueError("layers begin with 784 pixels and end with 10 classes, others between")
        return layers

    @model_validator(mode="after")
    def _backpropagation_is_not_relaxed(self) -> "RelaxationConfig":
        relaxed = self.backward_weights != "transposed" or not self.derivative
        if self.errors == "backpropagated" and relaxed:
            raise ValueError(
                'errors="backpropagated" needs backward_weights="transposed" and derivative=True: '
                "there is nothing else that it could relax"
            )
        return self


class RelaxationRule(backprop.Backprop):
    """Networks of all seeds that predict as those of backpropagation do."""

    Config = RelaxationConfig
    local = True
    backward_pass = True

    def build(self) -> None:
        """Make the networks."""
        settings = self.config
        mixing = getattr(settings, "error_weights", "identity")
        ways = settings.backward_weights, mixing
        self.network = RelaxedLayers(settings.layers, self.generators, *ways)
        self.local = settings.errors == "settled"

    @classmethod
    def work(cls, config: RelaxationConfig) -> float:
        """Each sweep as a twentieth of a step: it leaves out the widest product, and may stop."""
        sweeps = config.sweeps if config.errors == "settled" else 0
        return super().work(config) * (1 + sweeps / 20)


class RelaxedLayers(Layers):
    """Layers with weights of their own for errors; drawn from N(0, 0.05²), without biases at first.

    backward: (S, units, units above) for every layer above the first, unless transposed. mixing:
    (S, units, units) for every hidden layer, above 0 at first, unless `mixing_weights` is
    "identity": E of predictive coding. The networks store what never learns too.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        generators: list[Generator],
        backward_weights: BackwardWeights,
        mixing_weights: Literal["identity", "learned", "random"] = "identity",
    ):
        super().__init__(sizes, generators)
        self.backward_learns = backward_weights == "learned"
        self.mixing_learns = mixing_weights == "learned"
        with torch.no_grad():
            for weight, bias in zip(self.weights, self.biases, strict=True):
                weight.copy_(self._normal(weight.shape[1:], generators))
                bias.zero_()
        upper = [] if backward_weights == "transposed" else self.weights[1:]
        self.backward = [self._normal(w.shape[1:], generators) for w in upper]
        hidden = [] if mixing_weights == "identity" else sizes[1:-1]
        self.mixing = [self._normal((n, n), generators, positive=True) for n in hidden]

    def _normal(self, shape, generators: list[Generator], positive: bool = False) -> Tensor:
        drawn = (torch.empty(shape).normal_(0, SPREAD, generator=g) for g in generators)
        stacked = torch.stack([d.abs() if positive else d for d in drawn])
        return aligned(stacked.to(self.device)).requires_grad_()

    def parameters(self) -> list[Tensor]:
        """All that learns."""
        backward = self.backward if self.backward_learns else []
        return super().parameters() + backward + (self.mixing if self.mixing_learns else [])

    def by_layer(self) -> dict[str, list[Tensor]]:
        """As Layers has it; the errors' weights are in the layer whose errors they carry."""
        found = super().by_layer()
        for stack, layers in ((self.backward, list(found)[1:]), (self.mixing, found)):
            for name, tensor in zip(layers, stack, strict=False):
                found[name].append(tensor)
        return found

    def tensors(self) -> dict[str, Tensor]:
        """As Layers has it, with "backward2", … and "mixing1", …"""
        own = {f"backward{k}": tensor for k, tensor in enumerate(self.backward, start=2)}
        own |= {f"mixing{k}": tensor for k, tensor in enumerate(self.mixing, start=1)}
        return super().tensors() | own

    def downward(self) -> list[Tensor]:
        """The weights, backward or the layers' own, of every layer above the first."""
        return self.backward or self.weights[1:]

    def shared(self) -> list[Tensor]:
        """The weights; where backward weights learn, these are given the same gradient."""
        if not self.backward_learns:
            return self.weights
        pairs = zip(self.weights[1:], self.backward, strict=True)
        return [self.weights[0], *(_Shared.apply(*pair) for pair in pairs)]

    def forward(self, images: Tensor, local: bool = True) -> list[Tensor]:
        """As Layers has it."""
        seen = copy(self)
        seen.weights = self.shared()
        return Layers.forward(seen, images, local)


class _Shared(torch.autograd.Function):
    """The first of two tensors; both are given the gradient."""

    @staticmethod
    def forward(ctx, weight: Tensor, backward: Tensor) -> Tensor:
        return weight.view_as(weight)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return gradient, gradient
