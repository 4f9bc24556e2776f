"""Processes of the workflow end with the process that started them, and use one thread each."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ffcl_utils.errors import UserError

# One thread a process: results do not depend on how many processes run beside it.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# The environment's name for the process id of the Snakemake process whose jobs end with it, and of
# the command that started Snakemake.
WORKFLOW, COMMAND = "FFCL_WORKFLOW_PID", "FFCL_COMMAND_PID"
# Of the process id of the make that started a command.
MAKE = "FFCL_MAKE_PID"
PROGRESS_SECONDS = 60  # between two lines of a training that say how far it is
# Of the file of the plan that Snakemake runs: it would parse a path given on its command line.
PLAN_FILE = "FFCL_PLAN"


class BusyError(UserError):
    """Another process is making the same folder; the message says which."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; the system takes it back when this process ends, however it ends.

    The lock is a hidden file beside the folder. Raises BusyError where another process has it.
    """
    try:
        with FileLock(folder.parent / f".{folder.name}.lock", timeout=0):
            yield
    except Timeout:
        raise BusyError(f"another run is making {folder} at this moment") from None


def die_with_parent(variable: str = WORKFLOW) -> None:
    """End this process as soon as the one that started it is gone, whatever killed that.

    variable: of the environment, in which the parent names itself, because it may be gone before
    this process is up. Where none does, somebody else has started this process, perhaps with
    nohup, and it goes on. A kernel watches its runner in the same way (ipykernel's poller).
    """
    if not os.environ.get(variable):
        return
    parent = int(os.environ[variable])

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def said_at_times(name: str) -> Callable[[int, int], None]:
    """What a training calls after each epoch (done, of): says at times how long it still takes."""
    started = said = time.monotonic()
    before = None  # epochs that a checkpoint had: they took no time now

    def progress(done: int, of: int) -> None:
        nonlocal said, before
        before = done - 1 if before is None else before
        if time.monotonic() - said >= PROGRESS_SECONDS and done < of:
            said = time.monotonic()
            left = (said - started) / (done - before) * (of - done)
            print(f"{name}: epoch {done} of {of}, about {left / 60:.0f} minutes left", flush=True)

    return progress
