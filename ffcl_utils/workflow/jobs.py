"""The plan of a workflow as a file: its jobs by name, and what each needs. Imports no rule."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ffcl_utils.errors import UserError
from ffcl_utils.files import read_json, write_json

VERSION = 1


class PlanError(UserError):
    """A plan cannot be carried out as it is; the message says what to do."""


class PlannedJob(BaseModel):
    """A command, and the jobs that have to end before it starts.

    local: on a cluster, it needs no job of its own. mem_mb, minutes: what it may take. seconds:
    roughly what it takes. training: of a training job, what store.Job says of itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: list[str]
    needs: list[str] = []
    local: bool = False
    mem_mb: int
    minutes: int
    seconds: int
    training: dict | None = None


class Plan(BaseModel):
    """The jobs by name, the longest trainings first.

    folder: where the results go. notes: sentences that a reader should see beside the summary.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = VERSION
    preset: str
    folder: str
    jobs: dict[str, PlannedJob]
    notes: list[str] = []

    def summary(self) -> str:
        """In words: how many networks are trained, how many notebooks run, and roughly how long."""
        if not self.jobs:
            return f"everything in {self.folder} is up to date"
        trainings = sum(job.training is not None for job in self.jobs.values())
        notebooks = sum("run" in job.command[3:4] for job in self.jobs.values())
        hours = sum(job.seconds for job in self.jobs.values()) / 3600
        said = (
            f"{trainings} trainings and {notebooks} notebooks, roughly {hours:.1f} hours of one "
            f"core, into {self.folder}"
        )
        return "\n".join([said, *self.notes])

    def write(self, file: Path) -> None:
        """Write the plan as JSON, whole or not at all."""
        write_json(file, self.model_dump(mode="json"))


def read_plan(file: Path) -> Plan:
    """A plan from its file. Raises PlanError where it is missing, damaged or of another version."""
    try:
        content = read_json(file)
        version = content["version"]
        if version == VERSION:
            return Plan.model_validate(content)
    except FileNotFoundError:
        raise PlanError(f"there is no plan {file}: make the plan again") from None
    except (ValueError, KeyError, TypeError, ValidationError):
        raise PlanError(f"{file} is not a plan: make the plan again") from None
    raise PlanError(f"{file} is a plan of version {version}, not {VERSION}: make the plan again")
