"""The text of committed results follows that of their notebooks; what was computed stays."""

from functools import partial
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from ffcl_utils.files import write_whole
from ffcl_utils.workflow.runner import as_in_results
from ffcl_utils.workflow.runs import runs

INJECTED = "injected-parameters"


def reword(reference: Path) -> tuple[list[str], list[str]]:
    """Give the executed notebooks of a reference the text of the notebooks as they are now.

    Outputs depend on code alone: where a notebook's code cells are those that ran, only its text is
    replaced, and no run is needed. Returns the names of the runs whose text has changed, and of
    those whose code has: these stay as they are, and have to be run again.
    """
    reworded, other_code = [], []
    there = {path.parent.name for path in reference.glob("*/executed.ipynb")}
    for entry in runs():
        executed = reference / entry.name / "executed.ipynb"
        if not executed.is_file():
            continue
        ran = nbformat.read(executed, as_version=4)
        now = nbformat.read(entry.path, as_version=4)
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
            cells.append(code.pop(0))
            # What papermill put in stands right behind the cell of parameters.
            if code and _injected(code[0]):
                cells.append(code.pop(0))
        else:
            cell.source = as_in_results(cell.source, output, there)
            cells.append(cell)
    return cells
