"""Notebooks run by papermill: their results appear whole or not at all, parameters are checked."""

import fcntl
import os
import shutil
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import papermill
from jupyter_client import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from traitlets import default

from ffcl_utils.errors import NotebookError
from ffcl_utils.files import check_writable, write_whole
from ffcl_utils.paths import ROOT
from ffcl_utils.workflow.parameters import check_parameters, default_parameters


class PrivateKernelManager(AsyncKernelManager):
    """Speaks to its kernel through socket files that no other user can read, not through TCP."""

    @default("transport")
    def _transport_default(self) -> str:
        return "ipc"

    @default("ip")
    def _ip_default(self) -> str:
        # Of this machine alone: the home folder may be shared by the nodes of a cluster.
        self._sockets = tempfile.TemporaryDirectory(prefix="ffcl-")
        return str(Path(self._sockets.name) / "kernel")


def run_notebook(
    notebook: Path, output: Path, parameters: dict[str, object], logs: Path | None = None
) -> None:
    """Execute a notebook with papermill and leave `output`/executed.ipynb and what it writes.

    Everything is made in a folder beside `output` that takes its name only at the end. Where the
    notebook has a parameter `output_dir`, it gets that folder. logs: where the executed copy of a
    failed notebook is kept. Raises ConfigError, OutputError or NotebookError.
    """
    check_parameters(notebook, parameters)
    check_writable(output.parent)
    with _alone(output):
        prefix = f".{output.name}.making-"
        for left_by_a_killed_run in output.parent.glob(f"{prefix}*"):
            shutil.rmtree(left_by_a_killed_run, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=prefix) as folder:
            staging = Path(folder) / output.name
            staging.mkdir()
            _execute(notebook, staging, parameters, output, logs or output.parent / "logs")
            shutil.rmtree(output, ignore_errors=True)
            staging.rename(output)


@contextmanager
def _alone(output: Path):
    """Hold a lock that the system takes back when this process ends, however it ends."""
    with (output.parent / f".{output.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotebookError(f"another run is making {output} at this moment") from None
        yield


def _execute(
    notebook: Path, staging: Path, parameters: dict[str, object], output: Path, logs: Path
) -> None:
    executed = staging / "executed.ipynb"
    if "output_dir" in default_parameters(notebook):
        parameters = parameters | {"output_dir": _as_given(staging)}
    try:
        papermill.execute_notebook(
            _as_given(notebook),
            _as_given(executed),
            parameters,
            kernel_name="python3",
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            cwd=ROOT,
            coalesce_streams=True,
            kernel_manager_class=PrivateKernelManager,
        )
    except (PapermillExecutionError, DeadKernelError) as error:
        kept = _keep(executed, logs / f"{output.name}.ipynb")
        raise NotebookError(f"{notebook.name}, {_describe(error, executed)}{kept}") from None
    _finish(executed, staging, output)


def _as_given(path: Path) -> str:
    """Relative to the repository where it is inside: executed notebooks name no local folder."""
    path = path.resolve()
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def _describe(error: Exception, executed: Path) -> str:
    if isinstance(error, PapermillExecutionError):
        return f"cell {error.cell_index + 1}: {error.ename}: {error.evalue}"
    cells = nbformat.read(executed, as_version=4).cells if executed.exists() else []
    started = [i for i, c in enumerate(cells, 1) if c.metadata.papermill.get("start_time")]
    return f"cell {started[-1] if started else 1}: its kernel died ({error})"


def _keep(executed: Path, log: Path) -> str:
    if not executed.exists():
        return ""
    log.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(executed, log)
    return f". Its executed copy: {log}"


def _finish(executed: Path, staging: Path, output: Path) -> None:
    """Make the copy say where the results are now, not where they were made; drop progress bars."""
    text = executed.read_text(encoding="utf-8").replace(_as_given(staging), _as_given(output))
    notebook = nbformat.reads(text, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("text", "x").strip()]
    nbformat.write(notebook, executed)


def refresh_prose(notebook: Path, executed: Path) -> None:
    """Give an executed copy the text of its notebook, where the code of both is the same.

    Outputs and what was computed stay as they are. Raises NotebookError where the code differs.
    """
    text, ran = (nbformat.read(path, as_version=4) for path in (notebook, executed))
    waiting = [cell for cell in ran.cells if cell.cell_type == "code"]
    cells = []
    for cell in text.cells:
        if cell.cell_type == "code":
            if not waiting or waiting[0].source != cell.source:
                raise NotebookError(f"{executed} ran other code than {notebook.name}: run it again")
            cells.append(waiting.pop(0))
            if waiting and "injected-parameters" in waiting[0].metadata.get("tags", []):
                cells.append(waiting.pop(0))
        else:
            cells.append(cell)
    if waiting:
        raise NotebookError(f"{executed} ran other code than {notebook.name}: run it again")
    if [cell.source for cell in cells] != [cell.source for cell in ran.cells]:
        ran.cells = cells
        write_whole(executed, lambda temporary: nbformat.write(ran, temporary))


def die_with_parent() -> None:
    """End this process as soon as the one that started it is gone, whatever killed that.

    The workflow names itself in FFCL_WORKFLOW_PID, because it may be gone before this process is
    up. A kernel started from here watches this process in the same way (ipykernel's poller).
    """
    parent = int(os.environ.get("FFCL_WORKFLOW_PID") or os.getppid())

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
