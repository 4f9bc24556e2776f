"""What the settings of every experiment have in common, and the names of the presets."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from ffcl_utils.data.changes import check_change
from ffcl_utils.errors import UserError

Preset = Literal["smoke", "short", "paper"]
Products = Literal["auto", "float32"]
Images = Literal["mnist", "fashion_mnist", "mnist_5k", "fashion_mnist_1k"]
InputScaling = Literal["unit", "standardised"]
LayerSizes = Annotated[tuple[PositiveInt, ...], Field(strict=False, min_length=2)]
PRESETS = ("smoke", "short", "paper")
SYNTHETIC = "synthetic"  # the dataset of an experiment that makes its own data
# Of each preset: the data of its trainings, where nothing else is said.
DATASETS_OF_PRESETS = {"smoke": "mnist_5k", "short": "mnist", "paper": "mnist"}
MOST_SEEDS = 1000  # of one training, in one process; a study splits more over jobs
# A random generator on the CPU takes the low 32 bits of a seed. Seeds lie below 2**31; what a seed
# draws apart from its training has the generator of a number 2**31 above it.
SEEDS_END = 2**31
NOT_LEARNT = {"preset", "seeds", "first_seed"}  # settings that change nothing that a seed learns


class ConfigError(UserError, ValueError):
    """A setting is unknown, of the wrong type or out of range; the message names each."""


def check_preset(name: str) -> None:
    """Raise ConfigError for a name that is no preset; the old name `full` is told its new one."""
    if name not in PRESETS:
        renamed = ": it is now called 'paper' (and the old 'paper' is now 'short')"
        raise ConfigError(
            f"preset={name!r}{renamed if name == 'full' else ''}: "
            f"choose one of {', '.join(PRESETS)}"
        )


class ExperimentConfig(BaseModel):
    """What everything that is repeated over seeds has in common. Strict: no string is a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    preset: Preset = "paper"
    dataset: Images | Literal["synthetic"]
    seeds: Annotated[int, Field(gt=0, le=MOST_SEEDS)] = 10
    first_seed: Annotated[int, Field(ge=0, lt=SEEDS_END)] = 0

    @field_validator("first_seed")
    @classmethod
    def _all_seeds_have_streams(cls, first: int, info: ValidationInfo) -> int:
        most = SEEDS_END - info.data.get("seeds", 1)
        if first > most:
            raise ValueError(f"at most {most}, so that every seed has random numbers of its own")
        return first

    @property
    def seed_list(self) -> list[int]:
        """The seeds to run, one after the other from `first_seed`."""
        return list(range(self.first_seed, self.first_seed + self.seeds))

    def settings(self) -> dict:
        """Everything that decides what a seed gives, ready for JSON."""
        return self.model_dump(mode="json", exclude=NOT_LEARNT)

    def of_seeds(self, first: int, count: int) -> "ExperimentConfig":
        """The same settings for other seeds."""
        return self.model_copy(update={"first_seed": first, "seeds": count})


class RuleConfig(ExperimentConfig):
    """What every training of a learning rule has in common.

    change: of the training data, by name (data/changes.py). products: of matrices, while training
    (learning/precision.py).
    """

    dataset: Images = "mnist"
    change: str = ""
    epochs: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    products: Products = "float32"

    @field_validator("change")
    @classmethod
    def _known_change(cls, change: str) -> str:
        check_change(change)
        return change

    @property
    def rule(self) -> str:
        """The name of the rule: that of the file in which its settings are defined."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def keeps_bfloat16(self) -> bool:
        """Whether the rule keeps what its layers see in bfloat16, where the CPU multiplies that."""
        return False

    @property
    def weights(self) -> int:
        """How many weights lie between fully connected layers of the sizes `layers`."""
        return sum(a * b for a, b in pairwise(self.layers))

    def refused(self, setting: str, why: str) -> ConfigError:
        """The error to raise for a setting that is valid, but does not work with these data."""
        return ConfigError(f"{setting}={getattr(self, setting)!r}: {why}")


def of_rules(configs: dict[str, ExperimentConfig]) -> dict[str, RuleConfig]:
    """Those of some settings that a learning rule is trained with, and whose networks are kept."""
    return {name: config for name, config in configs.items() if isinstance(config, RuleConfig)}


def validated(config: type[ExperimentConfig], **settings) -> ExperimentConfig:
    """The settings as a config; raises ConfigError, one line, naming every invalid one."""
    try:
        return config(**settings)
    except ValidationError as error:
        problems = []
        for problem in error.errors():
            name = ".".join(map(str, problem["loc"]))
            if problem["type"] == "missing":  # its input would be all that is there
                problems.append(f"{name}: no value, and no default")
            else:
                problems.append(f"{name}={problem['input']!r}: {problem['msg']}")
        raise ConfigError("; ".join(problems)) from None


def at_preset(
    config: type[ExperimentConfig], presets: dict[str, dict], preset: str, **settings
) -> ExperimentConfig:
    """The settings of an experiment at a preset; a setting of None means "as the preset says".

    presets: by name, what differs from the defaults of `config`. Images are those of the preset,
    unless the experiment makes its own data. Raises ConfigError, one line, naming every unknown or
    invalid setting.
    """
    check_preset(preset)
    makes_its_own = config.model_fields["dataset"].default == SYNTHETIC
    images = {} if makes_its_own else {"dataset": DATASETS_OF_PRESETS[preset]}
    given = {name: value for name, value in settings.items() if value is not None}
    return validated(config, preset=preset, **(images | presets[preset] | given))
