"""The trainings that the command line asks for: those of a run, or one of a plan."""

import time
from pathlib import Path

from ffcl_utils import store
from ffcl_utils.config import of_rules
from ffcl_utils.errors import UserError
from ffcl_utils.learning.process import prepare_process
from ffcl_utils.workflow.asked import run_with
from ffcl_utils.workflow.parameters import complete
from ffcl_utils.workflow.plan import training_of
from ffcl_utils.workflow.process import said_at_times
from ffcl_utils.workflow.runs import configs_of


def train_run(name: str, preset: str, parameter: list[str]) -> str:
    """Train what a run of the table needs and the store lacks; a sentence that says what is there.

    parameter: of the run's notebook, `name=value` as typed. Raises UserError where one is wrong,
    and where there is no store.
    """
    folder = _store_folder()
    entry, values = run_with(name, preset, parameter)
    configs = of_rules(configs_of(entry, complete(entry.path, values)))
    if not configs:
        return f"{name} trains no learning rule: its notebook works everything out"
    snapshots = entry.with_snapshots(configs, values.get("preset"))
    store.train_missing([store.Job(c, name in snapshots) for name, c in configs.items()], folder)
    networks = sum(config.seeds for config in configs.values())
    return f"{networks} networks of {len(configs)} settings are in the store"


def train_job(file: Path, name: str) -> str:
    """Do one training of the plan in a file; a sentence that says how long it took.

    Raises PlanError where the plan or its training cannot be read, and UserError where there is no
    store.
    """
    prepare_process()
    folder = _store_folder()
    started = time.monotonic()
    store.train(training_of(file, name), folder, said_at_times(name))
    return f"{name}: {time.monotonic() - started:.0f} seconds"


def _store_folder() -> Path:
    folder = store.store_folder()
    if folder is None:
        raise UserError("FFCL_STORE is empty: there is no place to keep what is trained")
    return folder
