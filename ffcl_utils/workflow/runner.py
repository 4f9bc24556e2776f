"""Notebooks run by papermill: their results appear whole or not at all, parameters are checked."""

import glob
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Collection
from contextlib import chdir
from functools import partial
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from ffcl_utils.errors import NotebookError
from ffcl_utils.files import OutputError, check_writable, swap_folder
from ffcl_utils.paths import NOTEBOOKS, ROOT
from ffcl_utils.records.contents import check_replaceable
from ffcl_utils.workflow.kernel import PrivateKernelManager
from ffcl_utils.workflow.parameters import as_given, check_parameters, default_parameters
from ffcl_utils.workflow.process import alone
from ffcl_utils.workflow.runs import runs

# A kernel imports from a slow disk: on a cluster it was seen to need 75 seconds.
START_SECONDS = 600
# In the text of a notebook: a link to another one.
_LINK = re.compile(r"\]\((\w+)\.ipynb\)")


def run_notebook(
    notebook: Path,
    output: Path,
    parameters: dict[str, object],
    logs: Path | None = None,
    minutes: int | None = None,
) -> None:
    """Execute a notebook with papermill and leave `output`/executed.ipynb and what it writes.

    Everything is made in a folder beside `output` that takes its name only at the end. Where the
    notebook has a parameter `output_dir`, it gets that folder. logs: where the executed copy of a
    failed notebook is kept. minutes: the most that one cell may take. An `output` that holds
    anything else than a result stays as it is. Raises ConfigError, OutputError or NotebookError.
    """
    check_parameters(notebook, parameters)
    check_replaceable(output)
    output = output.resolve()
    check_writable(output.parent)
    with alone(output):
        prefix = f".{output.name}.making-"
        for left_by_a_killed_run in output.parent.glob(f"{glob.escape(prefix)}*"):
            shutil.rmtree(left_by_a_killed_run, ignore_errors=True)
        with tempfile.TemporaryDirectory(
            dir=output.parent, prefix=prefix, ignore_cleanup_errors=True
        ) as folder:
            staging = Path(folder) / output.name
            staging.mkdir()
            logs = logs or output.parent / "logs"
            _execute(notebook, staging, parameters, output, logs, minutes)
            _put_in_place(staging, output)


def _put_in_place(staging: Path, output: Path) -> None:
    """Swap a new result in; where somebody left a file beside the old one, both results stay."""
    try:
        check_replaceable(output)
    except OutputError as error:
        beside = Path(tempfile.mkdtemp(dir=output.parent, prefix=f"{output.name}.new-"))
        staging.rename(beside / output.name)
        raise OutputError(f"{error}. The new result is in {beside / output.name}") from None
    swap_folder(staging, output)


def _execute(
    notebook: Path,
    staging: Path,
    parameters: dict[str, object],
    output: Path,
    logs: Path,
    minutes: int | None,
) -> None:
    executed = staging / "executed.ipynb"
    if "output_dir" in default_parameters(notebook):
        parameters = parameters | {"output_dir": as_given(staging)}
    try:
        paths = [_as_papermill_takes_it(path) for path in (notebook, executed)]
        with chdir(ROOT):  # papermill opens these paths, which may be as seen from there
            papermill.execute_notebook(
                *paths,
                parameters,
                kernel_name="python3",
                start_timeout=START_SECONDS,
                execution_timeout=minutes and 60 * minutes,
                progress_bar=False,
                stdout_file=sys.stdout,
                stderr_file=sys.stderr,
                cwd=ROOT,
                coalesce_streams=True,
                kernel_manager_class=PrivateKernelManager,
            )
    except (PapermillExecutionError, DeadKernelError, CellTimeoutError) as error:
        kept = _keep(executed, logs / f"{output.name}.ipynb")
        raise NotebookError(f"{notebook.name}, {_describe(error, executed)}{kept}") from None
    except RuntimeError as error:  # of jupyter_client, before the first cell
        raise NotebookError(f"{notebook.name}: its kernel did not start ({error})") from None
    _finish(executed, staging, output)


def _as_papermill_takes_it(path: Path) -> str:
    """It formats paths with the parameters: a brace in a name has to be doubled."""
    return as_given(path).replace("{", "{{").replace("}", "}}")


def _describe(error: Exception, executed: Path) -> str:
    if isinstance(error, PapermillExecutionError):
        return f"cell {error.cell_index + 1}: {error.ename}: {error.evalue}"
    if isinstance(error, CellTimeoutError):
        said = "it took longer than it may (see --minutes)"
    else:
        said = "its kernel died, perhaps because memory ran out: fewer `seeds` need less"
    cells = nbformat.read(executed, as_version=4).cells if executed.exists() else []
    started = [i for i, c in enumerate(cells, 1) if c.metadata.papermill.get("start_time")]
    return f"cell {started[-1] if started else 1}: {said}"


def _keep(executed: Path, log: Path) -> str:
    if not executed.exists():
        return ""
    log.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(executed, log)
    return f". Its executed copy: {log}"


def _finish(executed: Path, staging: Path, output: Path) -> None:
    """Make the copy say where the results are now, not where they were made; drop progress bars.

    Its links to other notebooks lead to their executed copies beside it.
    """
    text = executed.read_text(encoding="utf-8").replace(as_given(staging), as_given(output))
    notebook = nbformat.reads(text, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = as_in_results(cell.source, output)
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("text", "x").strip()]
    nbformat.write(notebook, executed)


def as_in_results(text: str, output: Path, there: Collection[str] | None = None) -> str:
    """A notebook's text as it stands in the executed copy in `output`: links lead elsewhere.

    there: names of runs beside it that have a result, which links lead to; None: all that will.
    """
    if there is None:
        there = {entry.name for entry in runs() if entry.part != "explore"}
    return _LINK.sub(partial(_link, output, there), text)


def _link(output: Path, there: Collection[str], link: re.Match) -> str:
    """A link to a notebook, as seen from the executed copy in `output`."""
    if link[1] in there:
        return f"](../{link[1]}/executed.ipynb)"
    source = Path(os.path.relpath(NOTEBOOKS / f"{link[1]}.ipynb", output)).as_posix()
    return f"]({source})"
