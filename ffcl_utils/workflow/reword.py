"""The text of committed results follows that of their notebooks; what was computed stays."""

from functools import partial
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from ffcl_utils.errors import UserError
from ffcl_utils.files import write_whole
from ffcl_utils.records.contents import read_notebook
from ffcl_utils.workflow.runner import as_in_results
from ffcl_utils.workflow.runs import runs

INJECTED = "injected-parameters"


def reword(reference: Path) -> tuple[list[str], list[str]]:
    """Give the executed notebooks of a reference the text of the notebooks as they are now.

    Where a notebook's cells of code are those that ran, its text alone is replaced, and no run is
    needed. What the package has changed since then is not seen: new text must fit the figures that
    are there. Returns the names of the runs whose text has changed, and of those whose cells of
    code have: these stay as they are, and have to be run again. Raises UserError for a folder
    without results.
    """
    reworded, other_code = [], []
    there = {path.parent.name for path in reference.glob("*/executed.ipynb")}
    if not there:
        raise UserError(f"there are no results in {reference}")
    for entry in runs():
        executed = reference / entry.name / "executed.ipynb"
        if not executed.is_file():
            continue
        ran, now = read_notebook(executed), read_notebook(entry.path)
        if _code(ran) != _code(now):
            other_code.append(entry.name)
            continue
        cells = _merged(now.cells, ran.cells, executed.parent, there)
        if [cell.source for cell in cells] != [cell.source for cell in ran.cells]:
            ran.cells = cells
            write_whole(executed, partial(nbformat.write, ran))
            reworded.append(entry.name)
    return reworded, other_code


def _code(notebook: NotebookNode) -> list[str]:
    return [c.source for c in notebook.cells if c.cell_type == "code" and not _injected(c)]


def _injected(cell: NotebookNode) -> bool:
    return INJECTED in cell.metadata.get("tags", [])


def _merged(
    now: list[NotebookNode], ran: list[NotebookNode], output: Path, there: set[str]
) -> list[NotebookNode]:
    """The text of now, and the code of what ran with its outputs, in the order of now."""
    code = [cell for cell in ran if cell.cell_type == "code"]
    cells = []
    for cell in now:
        if cell.cell_type == "code":
            # What papermill put in stands behind the cell of parameters, or before all others.
            while _injected(code[0]):
                cells.append(code.pop(0))
            cells.append(code.pop(0))
        else:
            cell.source = as_in_results(cell.source, output, there)
            cells.append(cell)
    return cells + code
