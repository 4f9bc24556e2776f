"""A study of one notebook over settings and seeds, as a YAML file; its jobs, and their one table.

Its networks and its notebooks come through a plan as those of the papers' claims do: what the store
or an earlier run of the study has is not made again.
"""

import re
from functools import partial
from itertools import product
from pathlib import Path

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError, field_validator

from ffcl_utils.config import ConfigError, check_preset
from ffcl_utils.files import write_whole
from ffcl_utils.records.contents import read_origin
from ffcl_utils.records.metrics import read_record
from ffcl_utils.records.results import folder_of
from ffcl_utils.workflow import runs
from ffcl_utils.workflow.jobs import Plan
from ffcl_utils.workflow.parameters import check_parameters, complete

Value = bool | int | float | str
# What a study says itself, or the workflow decides: not for `grid` or `parameters`.
RESERVED = {"preset", "seeds", "first_seed", "output_dir"}
# A text that is part of the name of a job's folder.
PLAIN = re.compile(r"[\w.+-]+")


class Study(BaseModel):
    """Every combination of `grid`, each with `seeds` seeds, `seeds_per_job` of them in one job.

    notebook: its name without the ending. parameters: the same in every job. metric: of those that
    the notebook writes, the one that the summary figure shows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    notebook: str
    metric: str
    preset: str = "short"
    parameters: dict[str, Value] = {}
    grid: dict[str, list[Value]] = {}
    seeds: PositiveInt
    seeds_per_job: PositiveInt

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, preset: str) -> str:
        check_preset(preset)
        return preset

    @field_validator("parameters", "grid")
    @classmethod
    def _not_reserved(cls, given: dict) -> dict:
        if reserved := sorted(RESERVED & given.keys()):
            raise ValueError(f"{', '.join(reserved)} cannot be here: the study itself says it")
        return given

    @field_validator("grid")
    @classmethod
    def _different_plain_values(cls, grid: dict[str, list[Value]]) -> dict[str, list[Value]]:
        for name, values in grid.items():
            if not values:
                raise ValueError(f"{name} has no value")
            if len({str(value) for value in values}) < len(values):
                raise ValueError(f"{name} has a value twice")
            for value in values:
                if not PLAIN.fullmatch(str(value)) or str(value).startswith("."):
                    raise ValueError(
                        f"{name}: {value!r} cannot be part of a folder's name: use letters, "
                        "digits, '_', '+', '-' and '.'"
                    )
        return grid

    @property
    def cells(self) -> list[dict[str, Value]]:
        """The combinations of the grid's settings."""
        return [
            dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())
        ]

    @property
    def shards(self) -> list[range]:
        """The seeds of each job of a cell."""
        starts = range(0, self.seeds, self.seeds_per_job)
        return [range(start, min(start + self.seeds_per_job, self.seeds)) for start in starts]

    def parameters_of(self, cell: dict[str, Value], seeds: range) -> dict[str, Value]:
        """What the notebook is given in one job."""
        shard = {"preset": self.preset, "seeds": len(seeds), "first_seed": seeds.start}
        return self.parameters | cell | shard


def read_study(path: Path) -> Study:
    """A study from its file. Raises ConfigError, one line, for anything that cannot be run."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _NoKeyTwice)
    except (
        yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError
    ) as error:  # fmt: skip
        raise ConfigError(f"{path} is no study: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise ConfigError(f"no study can be read from {path}: {error.strerror}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is no study: it has no lines such as `notebook: …`")
    try:
        study = Study.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise ConfigError(f"{path}: {where}: {' '.join(problem['msg'].split())}") from None
    try:
        entry = runs.of_notebook(study.notebook)
    except runs.UnknownRunError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not entry.networks:
        raise ConfigError(f"{path}: {study.notebook} trains nothing that a study could compare")
    notebook = entry.path
    _check_metric(path, study)
    for cell in study.cells:
        parameters = study.parameters_of(cell, study.shards[0])
        check_parameters(notebook, parameters)
        runs.configs_of(entry, complete(notebook, parameters))
    return study


class _NoKeyTwice(yaml.SafeLoader):
    """YAML of plain values in which no key is said twice: the first would be lost."""

    def construct_mapping(self, node, deep=False):
        """A mapping; raises ConstructorError for a key that is there twice."""
        names = [key.value for key, _ in node.value]
        if twice := sorted({str(name) for name in names if names.count(name) > 1}):
            raise yaml.constructor.ConstructorError(
                None, None, f"{', '.join(twice)} is there twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def _check_metric(path: Path, study: Study) -> None:
    """Raise ConfigError for a metric that the reference run of the notebook does not have.

    Numbers in it do not count: other layers than the reference's are as good. Where there is no
    reference, only the finished study can tell.
    """
    record = folder_of("") / study.notebook / "metrics.json"
    if not record.is_file():
        return
    known = sorted(read_record(record).metrics)
    if _without_numbers(study.metric) not in map(_without_numbers, known):
        raise ConfigError(
            f"{path}: metric: {study.notebook} has no {study.metric!r}, but {', '.join(known)}"
        )


def _without_numbers(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def job_name(cell: dict[str, Value], seeds: range) -> str:
    """The folder of a job, such as "margin_0.5-batch_size_64-seeds_0_to_4"."""
    settings = [f"{name}_{value}" for name, value in cell.items()]
    return "-".join([*settings, f"seeds_{seeds.start}_to_{seeds.stop - 1}"])


def jobs(study: Study) -> dict[str, dict[str, Value]]:
    """The parameters of every job, by its name."""
    return {
        job_name(cell, seeds): study.parameters_of(cell, seeds)
        for cell in study.cells
        for seeds in study.shards
    }


def plan_study(study: Study, folder: Path, file: Path) -> Plan:
    """The jobs that are missing of a study in `folder`. file: where the plan will be written."""
    from ffcl_utils.workflow.plan import Wanted, notes, plan_runs  # torch takes seconds to import

    entry = runs.of_notebook(study.notebook)
    wanted = [
        Wanted(name, entry, folder / "jobs" / name, parameters)
        for name, parameters in jobs(study).items()
    ]
    missing, _ = plan_runs(wanted, folder / "logs", file)
    return Plan(preset=study.preset, folder=str(folder), jobs=missing, notes=notes(missing))


def merge(study: Study, folder: Path) -> pd.DataFrame:
    """What the jobs left in `folder` as one tidy table: a row a network, with settings and metrics.

    Columns: those of the grid, seed, dataset, preset, git_commit, and every metric; NaN where a
    network has no figure, because it did not learn. Raises RecordError where a job left
    nothing or a broken record, and ConfigError where one ran other seeds or none has such a metric.
    """
    rows, known = [], set()
    for cell in study.cells:
        for seeds in study.shards:
            place = folder / job_name(cell, seeds)
            found = read_record(place / "metrics.json").model_dump()
            if found["seeds"] != list(seeds):
                raise ConfigError(f"{place}: seeds {found['seeds']}, not {list(seeds)}")
            known |= found["metrics"].keys()
            origin = {name: found[name] for name in ("dataset", "preset")}
            origin["git_commit"] = read_origin(place, "git_commit")["git_commit"]
            for k, seed in enumerate(seeds):
                metrics = {name: _figure(values[k]) for name, values in found["metrics"].items()}
                rows.append(cell | {"seed": seed} | origin | metrics)
    if study.metric not in known:
        raise ConfigError(
            f"no metric {study.metric!r}: {study.notebook} has {', '.join(sorted(known))}"
        )
    return pd.DataFrame(rows)


def _figure(value: float | None) -> float:
    return float("nan") if value is None else value


def write_summary(study: Study, jobs_folder: Path, target: Path, title: str) -> Path:
    """Write runs.csv and a summary figure of a finished study into `target`; returns the table."""
    from ffcl_utils import plots  # matplotlib takes seconds to import

    table = merge(study, jobs_folder)
    figure = plots.study_summary(table, list(study.grid), study.metric, title)
    write_whole(target / "summary.svg", partial(plots.save, figure))
    write_whole(target / "runs.csv", lambda path: table.to_csv(path, index=False))
    return target / "runs.csv"
