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
)

Preset = Literal["smoke", "paper", "full"]
LayerSizes = Annotated[tuple[PositiveInt, ...], Field(strict=False, min_length=2)]


class ConfigError(ValueError):
    """A setting is unknown, of the wrong type or out of range; the message names each."""


class Config(BaseModel):
    """What every training has in common. Strict: a string is never taken for a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    preset: Preset = "paper"
    dataset: Literal["mnist", "fashion_mnist", "mnist_5k", "fashion_mnist_1k"] = "mnist"
    seeds: PositiveInt = 10
    first_seed: NonNegativeInt = 0
    epochs: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat

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
    pairing: Literal["random", "balanced"] = "random"
    margin: float = Field(default=0.0, ge=-1, le=1)
    input_scaling: Literal["unit", "standardised"] = "unit"
    trainable_input_layer: bool = False
    classification_loss: Literal["bce", "cross_entropy"] = "bce"
    predictor: Literal["first", "second", "mean"] = "first"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Layer sizes with the trainable input layer, where there is one, as a layer of its own."""
        return (self.layers[0],) * self.trainable_input_layer + self.layers


SYSTEMS: dict[str, type[Config]] = {"improved_ffcl": ImprovedFFCLConfig}

PRESETS: dict[str, dict[str, dict]] = {
    "smoke": {
        "improved_ffcl": {"dataset": "mnist_5k", "seeds": 2, "epochs": 8},
    },
    "paper": {
        "improved_ffcl": {"dataset": "mnist", "seeds": 10, "epochs": 30},
    },
    "full": {
        "improved_ffcl": {"dataset": "mnist", "seeds": 20, "epochs": 30},
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
