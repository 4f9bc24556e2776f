"""metrics.json, the record of what a run measured: its format, and how it is read."""

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ffcl_utils.config import check_preset
from ffcl_utils.errors import UserError


class RecordError(UserError):
    """A metrics.json cannot be read; the message names the file and what is wrong in it."""


class Record(BaseModel):
    """What a run measured, and whether its settings are those of its preset.

    run: its name in the table of runs. changed: settings that are not the preset's, by name, each
    with its value and the expected one. metrics: by name, one figure per seed; None for a seed that
    has none because it diverged.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    run: str
    dataset: str
    preset: str
    changed: dict[str, list[Any]]
    seeds: list[int] = Field(min_length=1)
    metrics: dict[str, list[float | None]]

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, name: str) -> str:
        check_preset(name)
        return name

    @field_validator("changed")
    @classmethod
    def _pairs(cls, changed: dict[str, list[Any]]) -> dict[str, list[Any]]:
        for name, pair in changed.items():
            if len(pair) != 2:
                raise ValueError(f"{name} is {pair}, not a pair of its value and the expected one")
        return changed

    @model_validator(mode="after")
    def _one_figure_per_seed(self):
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"a seed stands twice in seeds = {self.seeds}")
        for name, values in self.metrics.items():
            if len(values) != len(self.seeds):
                raise ValueError(
                    f"metric {name} has {len(values)} figures for {len(self.seeds)} seeds"
                )
        return self

    def values(self, metric: str) -> np.ndarray:
        """The figures of a metric (S,), NaN where a seed has none."""
        return np.array(self.metrics[metric], dtype=float)


def read_record(path: Path) -> Record:
    """The record in a metrics.json; raises RecordError naming the file and what is wrong."""
    try:
        return Record.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from None
    except ValidationError as error:
        raise RecordError(
            f"{path} is not the record of a run: {in_one_line(error)}. Make it again with its run"
        ) from None


def in_one_line(error: ValidationError) -> str:
    """The first three mistakes that pydantic names, each with its place."""
    found = error.errors(include_url=False)
    lines = []
    for mistake in found[:3]:
        place = ".".join(str(part) for part in mistake["loc"])
        message = mistake["msg"].removeprefix("Value error, ")
        lines.append(f"{place}: {message}" if place else message)
    more = [f"and {len(found) - 3} more"] if len(found) > 3 else []
    return "; ".join(lines + more)
