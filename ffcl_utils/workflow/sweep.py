"""A study of one notebook over settings and seeds, as a YAML file; its jobs, and their one table.

Its networks and its notebooks come through a plan as those of the papers' claims do: what the store
or an earlier run of the study has is not made again.
"""

from functools import partial
from itertools import product
from pathlib import Path

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError, field_validator

from ffcl_utils.config import ConfigError, check_preset
from ffcl_utils.files import read_json, write_whole
from ffcl_utils.paths import NOTEBOOKS
from ffcl_utils.workflow import runs
from ffcl_utils.workflow.jobs import Plan
from ffcl_utils.workflow.parameters import check_parameters, complete

Value = bool | int | float | str


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
        study = Study.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        problem = error.errors()[0] if isinstance(error, ValidationError) else None
        where = ".".join(map(str, problem["loc"])) if problem else ""
        said = f"{where}: {problem['msg']}" if problem else " ".join(str(error).split())
        raise ConfigError(f"{path}: {said}") from None
    notebook = NOTEBOOKS / f"{study.notebook}.ipynb"
    if not notebook.is_file():
        raise ConfigError(f"{path}: there is no notebook {study.notebook!r}")
    for cell in study.cells:
        parameters = study.parameters_of(cell, study.shards[0])
        check_parameters(notebook, parameters)
        runs.configs_of(runs.of_notebook(study.notebook), complete(notebook, parameters))
    return study


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
    from ffcl_utils.workflow.plan import Wanted, plan_runs  # torch takes seconds to import

    entry = runs.of_notebook(study.notebook)
    wanted = [
        Wanted(name, entry, folder / "jobs" / name, parameters)
        for name, parameters in jobs(study).items()
    ]
    missing, _ = plan_runs(wanted, folder / "logs", file)
    return Plan(preset=study.preset, folder=str(folder), jobs=missing)


def merge(study: Study, folder: Path) -> pd.DataFrame:
    """What the jobs left in `folder` as one tidy table: a row a network, with settings and metrics.

    Columns: those of the grid, seed, dataset, preset, git_commit, and every metric; NaN where a
    network has no figure, because it did not learn. Raises FileNotFoundError where a job left
    nothing, and ConfigError where one ran other seeds or none has such a metric.
    """
    rows, known = [], set()
    for cell in study.cells:
        for seeds in study.shards:
            place = folder / job_name(cell, seeds)
            found = read_json(place / "metrics.json")
            if found["seeds"] != list(seeds):
                raise ConfigError(f"{place}: seeds {found['seeds']}, not {list(seeds)}")
            known |= found["metrics"].keys()
            origin = {name: found[name] for name in ("dataset", "preset")}
            origin["git_commit"] = read_json(place / "provenance.json")["git_commit"]
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
