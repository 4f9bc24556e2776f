"""Frozen, validated settings of every learning rule, and the presets smoke, paper and full."""

import hashlib
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
)

from ffcl_utils.errors import UserError

Preset = Literal["smoke", "paper", "full"]
Products = Literal["auto", "float32"]
LayerSizes = Annotated[tuple[PositiveInt, ...], Field(strict=False, min_length=2)]


class ConfigError(UserError, ValueError):
    """A setting is unknown, of the wrong type or out of range; the message names each."""


class Config(BaseModel):
    """What every training has in common. Strict: a string is never taken for a number.

    products: of matrices, while training (ffcl_utils/learning/precision.py).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    preset: Preset = "paper"
    dataset: Literal["mnist", "fashion_mnist", "mnist_5k", "fashion_mnist_1k"] = "mnist"
    seeds: PositiveInt = 10
    first_seed: NonNegativeInt = 0
    epochs: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    products: Products = "float32"

    @property
    def seed_list(self) -> list[int]:
        """The seeds to train, one after the other from `first_seed`."""
        return list(range(self.first_seed, self.first_seed + self.seeds))

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that change with any setting."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


class ImprovedFFCLConfig(Config):
    """Settings of improved FFCL (arXiv 2405.03432). Defaults are the paper's.

    Where the paper is silent they are the original FFCL's (arXiv 2305.02927): random partner,
    margin 0, batch 64, inputs in [0, 1]; and, where both are silent, the plainest choice.
    """

    layers: LayerSizes = (784, 64, 64, 10)
    epochs: PositiveInt = 30
    learning_rate: PositiveFloat = 1e-4
    batch_size: PositiveInt = 64
    pairing: Literal["random", "balanced", "same_image"] = "random"
    representation_loss: str = "cosine_embedding"
    margin: float = Field(default=0.0, ge=-1, le=1)
    input_scaling: Literal["unit", "standardised"] = "unit"
    trainable_input_layer: bool = False
    classification_loss: Literal["bce", "cross_entropy"] = "bce"
    predictor: Literal["first", "second", "mean"] = "first"

    @field_validator("representation_loss")
    @classmethod
    def _known_loss(cls, name: str) -> str:
        # Here, as torch takes seconds to import, and most who check settings train nothing.
        from ffcl_utils.learning.losses import REPRESENTATION_LOSSES

        if name not in REPRESENTATION_LOSSES:
            raise ValueError(f"choose one of {', '.join(REPRESENTATION_LOSSES)}")
        return name

    @property
    def sizes(self) -> tuple[int, ...]:
        """Layer sizes with the trainable input layer, where there is one, as a layer of its own."""
        return (self.layers[0],) * self.trainable_input_layer + self.layers


class MirrorContrastConfig(Config):
    """Settings of mirror contrast, which goes beyond the papers; the rest is improved FFCL's.

    Defaults were chosen on held-out training images (benchmarks/validation_twins.py).
    contrast: every image of one batch against the class means of the other, against every image of
    it, or against one partner (half of them of its class, cosine embedding loss with `margin`).
    guide: the twin, or each network itself (one half of its batch against the other). schedule: of
    the learning rate.
    """

    layers: LayerSizes = (784, 64, 64, 10)
    epochs: PositiveInt = 30
    learning_rate: PositiveFloat = 6e-3
    batch_size: PositiveInt = 256
    contrast: Literal["class_means", "every_pair", "one_partner"] = "class_means"
    guide: Literal["twin", "itself"] = "twin"
    temperature: PositiveFloat = 0.035
    margin: float = Field(default=0.5, ge=-1, le=1)
    normalised: bool = True
    input_dropout: float = Field(default=0.2, ge=0, lt=1)
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    input_scaling: Literal["unit", "standardised"] = "standardised"
    predictor: Literal["first", "second", "mean"] = "mean"


class GoodnessConfig(Config):
    """What FF and BP on the FF objective share. Defaults are those of arXiv 2305.18353 for MNIST.

    `layers` is the input and the hidden layers: there is no output layer.
    """

    layers: LayerSizes = (784, 784, 784, 784)
    batch_size: PositiveInt = 1024
    threshold: PositiveFloat = 3.0
    input_scaling: Literal["unit", "standardised"] = "standardised"
    negatives: Literal["fixed", "redrawn"] = "fixed"
    prediction: Literal["softmax", "sum"] = "softmax"


class ForwardForwardConfig(GoodnessConfig):
    """Settings of the Forward-Forward algorithm; `epochs` is what each layer gets."""

    epochs: PositiveInt = 1200
    learning_rate: PositiveFloat = 0.01
    training: Literal["sequential", "simultaneous"] = "sequential"


class BPFFConfig(GoodnessConfig):
    """Settings of backpropagation on the FF objective, the goodness summed over layers."""

    epochs: PositiveInt = 300
    learning_rate: PositiveFloat = 1e-4


class BackpropConfig(Config):
    """Settings of plain backpropagation: a linear head, cross-entropy."""

    layers: LayerSizes = (784, 784, 784, 784, 10)
    epochs: PositiveInt = 80
    batch_size: PositiveInt = 1024
    learning_rate: PositiveFloat = 1e-4
    input_dropout: float = Field(default=0.0, ge=0, lt=1)
    schedule: Literal["one_cycle", "constant"] = "constant"
    input_scaling: Literal["unit", "standardised"] = "standardised"


SYSTEMS: dict[str, type[Config]] = {
    "improved_ffcl": ImprovedFFCLConfig,
    "mirror_contrast": MirrorContrastConfig,
    "forward_forward": ForwardForwardConfig,
    "bp_ff": BPFFConfig,
    "backprop": BackpropConfig,
}

_SMOKE = {"dataset": "mnist_5k", "seeds": 2}
_PAPER = {"dataset": "mnist", "seeds": 5}
_FULL = {"dataset": "mnist", "seeds": 10}
# Where layers are wide, products are most of the work.
_WIDE = {"products": "auto"}
PRESETS: dict[str, dict[str, dict]] = {
    "smoke": {
        "improved_ffcl": _SMOKE | {"epochs": 8},
        "mirror_contrast": _SMOKE | {"epochs": 4, "batch_size": 128},
        "forward_forward": _SMOKE | {"epochs": 3, "batch_size": 128},
        "bp_ff": _SMOKE | {"epochs": 3, "batch_size": 128, "learning_rate": 1e-3},
        "backprop": _SMOKE | {"epochs": 3, "batch_size": 128, "learning_rate": 1e-3},
    },
    "paper": {
        "improved_ffcl": _PAPER | {"seeds": 10, "epochs": 30},
        "mirror_contrast": _PAPER | {"seeds": 10},
        # Chosen on 10,000 training images held out for validation, to fit two CPU cores.
        "forward_forward": _PAPER | _WIDE | {"epochs": 12, "batch_size": 512},
        "bp_ff": _PAPER | _WIDE | {"epochs": 12, "learning_rate": 1e-3},
        "backprop": _PAPER | _WIDE | {"epochs": 12},
    },
    "full": {
        "improved_ffcl": _FULL | {"seeds": 20, "epochs": 30},
        "mirror_contrast": _FULL | {"seeds": 20},
        "forward_forward": _FULL | _WIDE,
        "bp_ff": _FULL | _WIDE,
        "backprop": _FULL | _WIDE,
    },
}


def configure(system: str, preset: str, **overrides) -> Config:
    """The settings of `system` at `preset`; an override of None means "as the preset says".

    Raises ConfigError, one line, naming every unknown or invalid setting.
    """
    if preset not in PRESETS:
        raise ConfigError(f"unknown preset {preset!r}: choose one of {', '.join(PRESETS)}")
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return SYSTEMS[system](preset=preset, **(PRESETS[preset][system] | given))
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, problem['loc']))}={problem['input']!r}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise ConfigError("; ".join(problems)) from None
