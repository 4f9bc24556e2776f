"""Text of committed results follows its notebooks; outputs and code stay as they ran."""

import nbformat
import pytest
from nbformat import v4

from ffcl_utils.errors import UserError
from ffcl_utils.workflow import reword as module
from ffcl_utils.workflow.reword import reword
from ffcl_utils.workflow.runs import RunEntry, run

NAME = "09_mirror_neurons"


@pytest.fixture
def reference(tmp_path, monkeypatch):
    """A made-up result of one run, and its notebook, which may be edited."""
    notebook = tmp_path / f"{NAME}.ipynb"
    cells = [
        v4.new_markdown_cell("# Old\n\nSee [01](01_improved_ffcl_accuracy.ipynb)."),
        v4.new_code_cell("preset = 'smoke'", metadata={"tags": ["parameters"]}),
        v4.new_markdown_cell("what to see"),
        v4.new_code_cell("a = 1\na"),
        v4.new_code_cell("a + 1"),
    ]
    nbformat.write(v4.new_notebook(cells=cells), notebook)
    ran = nbformat.read(notebook, as_version=4)
    for count, cell in enumerate((c for c in ran.cells if c.cell_type == "code"), start=1):
        cell.execution_count = count
        cell.outputs = [v4.new_output("execute_result", {"text/plain": str(count)})]
    injected = v4.new_code_cell("preset = 'short'", metadata={"tags": [module.INJECTED]})
    ran.cells.insert(2, injected)
    executed = tmp_path / "results" / "short" / NAME / "executed.ipynb"
    executed.parent.mkdir(parents=True)
    nbformat.write(ran, executed)
    monkeypatch.setattr(RunEntry, "path", property(lambda _: notebook))
    monkeypatch.setattr(module, "runs", lambda: [run(NAME)])
    return executed.parents[1]


def edit(reference, change) -> None:
    path = reference.parents[1] / f"{NAME}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change(notebook.cells)
    nbformat.write(notebook, path)


def executed(reference):
    return nbformat.read(reference / NAME / "executed.ipynb", as_version=4).cells


def test_new_text_is_taken_over_and_outputs_stay(reference):
    before = executed(reference)

    def change(cells):
        cells[
            0
        ].source = "# New\n\nSee [01](01_improved_ffcl_accuracy.ipynb), [02](02_loss_decay.ipynb)."
        cells.append(v4.new_markdown_cell("the end"))

    edit(reference, change)
    (reference / "01_improved_ffcl_accuracy").mkdir()
    (reference / "01_improved_ffcl_accuracy" / "executed.ipynb").write_text("a result")
    assert reword(reference) == ([NAME], [])
    after = executed(reference)
    assert "](../01_improved_ffcl_accuracy/executed.ipynb)" in after[0].source
    assert "/notebooks/02_loss_decay.ipynb)" in after[0].source  # it has no result there
    assert after[-1].source == "the end"
    code = [[c for c in cells if c.cell_type == "code"] for cells in (before, after)]
    assert code[0] == code[1]  # with parameters, outputs and counts
    assert reword(reference) == ([], [])


def test_where_the_code_has_changed_nothing_is_touched(reference):
    before = (reference / NAME / "executed.ipynb").read_bytes()

    def change(cells):
        cells[0].source = "# New"
        code = next(c for c in reversed(cells) if c.cell_type == "code")
        code.source += "\n1 + 1"

    edit(reference, change)
    assert reword(reference) == ([], [NAME])
    assert (reference / NAME / "executed.ipynb").read_bytes() == before


def test_a_cell_of_code_that_moved_is_other_code(reference):
    def change(cells):
        places = [k for k, c in enumerate(cells) if c.cell_type == "code"]
        first, second = places[-2:]
        cells[first], cells[second] = cells[second], cells[first]

    edit(reference, change)
    assert reword(reference) == ([], [NAME])


def test_a_folder_without_results_is_one_clear_error(tmp_path):
    with pytest.raises(UserError, match="no results in"):
        reword(tmp_path / "shrot")
