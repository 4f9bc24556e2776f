"""The one table of runs (runs.toml): notebooks, their parameters at each preset, their order."""

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ffcl_utils.config import PRESETS, ExperimentConfig, check_preset
from ffcl_utils.data.files import FULL
from ffcl_utils.errors import UserError
from ffcl_utils.paths import NOTEBOOKS

TABLE = Path(__file__).with_name("runs.toml")
Part = Literal["overview", "claims", "studies", "explore", "related"]
# Tables of parameters that do not hold in every case.
CASES = (*PRESETS, "embedded")
SMOKE_SECONDS = 20


class UnknownRunError(UserError):
    """There is no run of this name; the message lists those that there are."""


class RunEntry(BaseModel):
    """One notebook with its parameters; runs.toml says what each field means."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    notebook: str
    title: str
    question: str
    part: Part
    claims: str = ""
    presets: list[str] = list(PRESETS)
    with_claims: list[str] | None = None
    networks: str = ""
    snapshots: bool | list[str] = False
    paper_snapshots: list[str] | None = None
    seconds: int = 60
    paper_seconds: int = 0
    memory: int = 4000
    needs: list[str] = []
    same_as: str = ""
    parameters: dict = {}

    @property
    def path(self) -> Path:
        """The notebook's file."""
        return NOTEBOOKS / f"{self.notebook}.ipynb"

    @property
    def heading(self) -> str:
        """The title with the notebook's number, such as "02 Loss decay"."""
        return f"{self.notebook.partition('_')[0]} {self.title}"

    @property
    def dataset(self) -> str | None:
        """The full dataset of the run; None where it has none."""
        table = run(self.same_as).parameters if self.same_as else {}
        return (table | self.parameters).get("dataset")

    def is_with_claims(self, preset: str) -> bool:
        """Whether `make reproduce` makes the run at a preset, and not only `make reproduce-all`."""
        if self.with_claims is None:
            return self.part == "claims" and preset in self.presets
        return preset in self.presets and preset in self.with_claims

    def seconds_at(self, preset: object) -> int:
        """Roughly what the notebook takes of one core at a preset, beside its trainings."""
        if preset == "smoke":
            return SMOKE_SECONDS
        return (preset == "paper" and self.paper_seconds) or self.seconds

    def with_snapshots(self, names: Iterable[str], preset: object) -> set[str]:
        """Of these networks, those whose weights after every epoch the run needs at a preset."""
        asked = self.snapshots
        if preset == "paper" and self.paper_snapshots is not None:
            asked = self.paper_snapshots
        return {name for name in names if asked is True or name in (asked or [])}

    def parameters_at(self, preset: str, embedded: bool = False) -> dict[str, object]:
        """The notebook's parameters at a preset, where they differ from its own defaults.

        embedded: its full dataset is missing. A run without a study has no preset. Raises
        ConfigError for an unknown preset.
        """
        check_preset(preset)
        table = run(self.same_as).parameters if self.same_as else {}
        table = table | self.parameters
        values = {"preset": preset} if self.networks else {}
        values |= {name: value for name, value in table.items() if name not in CASES}
        values |= table.get(preset, {})
        if embedded and preset != "smoke":
            values |= table.get("embedded", {})
        if "dataset" in values and (embedded or preset == "smoke"):
            values["dataset"] = FULL[values["dataset"]].embedded
        return values


@cache
def runs() -> tuple[RunEntry, ...]:
    """All runs, in the order of the table."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return tuple(RunEntry(**entry) for entry in table["run"])


def run(name: str) -> RunEntry:
    """The run of this name. Raises UnknownRunError with the names of all."""
    for entry in runs():
        if entry.name == name:
            return entry
    known = ", ".join(entry.name for entry in runs())
    raise UnknownRunError(f"there is no run {name!r}: choose one of {known}")


def of_parts(*parts: Part) -> list[RunEntry]:
    """The runs of some parts, in the order of the table."""
    return [entry for entry in runs() if entry.part in parts]


def notebooks() -> list[RunEntry]:
    """The first run of every notebook, in the order of the table."""
    first = {}
    for entry in runs():
        first.setdefault(entry.notebook, entry)
    return list(first.values())


def of_notebook(notebook: str) -> RunEntry:
    """The first run of a notebook (its file's name without the ending). Raises UnknownRunError."""
    for entry in notebooks():
        if entry.notebook == notebook:
            return entry
    known = ", ".join(entry.notebook for entry in notebooks())
    raise UnknownRunError(f"there is no notebook {notebook!r}: choose one of {known}")


def configs_of(entry: RunEntry, parameters: dict[str, object]) -> dict[str, ExperimentConfig]:
    """The settings of every network or experiment of a run, by name; none where it has none.

    parameters: all of the notebook's, or some. Raises ConfigError for values out of range.
    """
    if not entry.networks:
        return {}
    study = import_module(f"ffcl_utils.studies.{entry.networks}")
    return study.configure(**parameters)
