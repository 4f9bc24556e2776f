"""Notebooks: kept as DESIGN asks, run strictly, complete in nbval and in results/."""

import ast
import re
from pathlib import Path

import nbformat
import papermill
import pytest

from ffcl_utils.config import SYSTEMS, ConfigError
from ffcl_utils.errors import NotebookError
from ffcl_utils.files import OutputError
from ffcl_utils.paths import NOTEBOOKS, RESULTS, ROOT
from ffcl_utils.records.results import has_results
from ffcl_utils.workflow.parameters import (
    ALIASES,
    check_parameters,
    default_parameters,
    parse_value,
)
from ffcl_utils.workflow.runner import _alone, refresh_prose, run_notebook

ALL = sorted(NOTEBOOKS.glob("*.ipynb"))
TRAINING = NOTEBOOKS / "01_improved_ffcl_accuracy.ipynb"
RUN = [path for path in ALL if has_results(path.stem)]
COMMITTED = sorted((RESULTS / "paper").glob("*/executed.ipynb"))


def code_cells(path: Path):
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]


def test_make_test_runs_nbval_on_every_notebook():
    line = next(ln for ln in (ROOT / "Makefile").read_text().splitlines() if "--nbval-lax" in ln)
    assert line.split()[-2:] == ["tests", "notebooks"]  # the whole folder …
    assert not re.search(r"--(ignore|deselect)|-k ", line)  # … and nothing taken out of it
    everywhere = {
        p for p in ROOT.glob("*/**/*.ipynb") if not {".venv", "runs", "site"} & set(p.parts)
    }
    kept = {
        p for p in everywhere if "results" not in p.parts and ".ipynb_checkpoints" not in p.parts
    }
    assert kept == set(ALL)


@pytest.mark.parametrize("path", RUN, ids=lambda p: p.stem)
def test_every_notebook_has_a_committed_result_with_the_same_source(path):
    executed = RESULTS / "paper" / path.stem / "executed.ipynb"
    assert executed.is_file(), "run `make reproduce` and `make results`"
    ran = [
        c.source
        for c in nbformat.read(executed, as_version=4).cells
        if "injected-parameters" not in c.metadata.get("tags", [])
    ]
    assert ran == [c.source for c in nbformat.read(path, as_version=4).cells]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda p: p.parent.name)
def test_committed_results_belong_to_a_notebook_and_ran_cleanly(path):
    assert (NOTEBOOKS / f"{path.parent.name.split('-')[0]}.ipynb").is_file()
    for cell in code_cells(path):
        assert cell.execution_count is not None
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.text
    assert not re.search(r"/(root|home|tmp|Users|work)/", path.read_text())


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.stem)
def test_notebooks_are_kept_stripped_and_portable(path):
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in code_cells(path):
        assert not cell.outputs
        assert cell.execution_count is None
        tree = ast.parse(cell.source)  # so that there is no % or ! either
        assert "sys.exit" not in cell.source
        if "yours" in cell.metadata.get("tags", []):
            continue  # where a reader writes a rule
        assert not any(isinstance(n, ast.FunctionDef | ast.ClassDef) for n in ast.walk(tree))
        assert len(cell.source.splitlines()) <= 30
    assert not re.search(r"[\"'(]/\w", "".join(c.source for c in code_cells(path)))


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.stem)
def test_parameters_are_literals_with_types(path):
    defaults = default_parameters(path)
    inferred = papermill.inspect_notebook(path)
    assert set(inferred) == set(defaults)
    fields = {name for config in SYSTEMS.values() for name in config.model_fields}
    for name, value in defaults.items():
        known = ALIASES.get(name, name) in fields
        assert value is not None or known, f"{name} = None has no type"
        assert "=" not in inferred[name]["help"]
    if "preset" in defaults:
        assert next(iter(defaults)) == "preset"
        assert defaults["preset"] == "smoke"
        assert defaults["output_dir"] == ""


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.stem)
def test_links_between_notebooks_lead_somewhere(path):
    for cell in nbformat.read(path, as_version=4).cells:
        for target in re.findall(r"\]\((?!http)([^)]+)\)", cell.source):
            assert (NOTEBOOKS / target).exists(), target


def test_every_notebook_starts_with_the_way_on_and_what_it_answers():
    """Links to the notebooks before and after it in order, its claims, and the table of all."""
    overview = nbformat.read(ALL[0], as_version=4).cells[0].source
    for before, path, after in zip(ALL, ALL[1:], [*ALL[2:], None], strict=False):
        start = nbformat.read(path, as_version=4).cells[0].source
        assert re.search(rf"Before: \[[^]]+\]\({before.name}\)", start), path.name
        assert after is None or re.search(rf"Next: \[[^]]+\]\({after.name}\)", start), path.name
        assert "[00 Overview](00_overview.ipynb)" in start
        claims = re.search(rf"\]\({path.name}\) \|[^|]+\| ([^|]+) \|", overview)[1]
        for claim in re.findall(r"[ABX]\d\w?", claims):
            assert re.search(rf"\*\*[^*]*\b{claim}\b", start), f"{path.name}: {claim}"


BAD = [
    ({"epoch": 3}, "unknown parameter 'epoch'"),
    ({"epochs": -1}, "epochs=-1: Input should be greater than 0"),
    ({"seeds": 0}, "seeds=0: Input should be greater than 0"),
    ({"dataset": "cifar"}, "dataset='cifar': Input should be 'mnist'"),
    ({"learning_rate": "1e-3"}, "learning_rate='1e-3': Input should be a valid number"),
    ({"preset": "tiny"}, "preset='tiny': choose one of smoke, paper, full"),
    ({"output_dir": 3}, "output_dir=3: str expected, not int"),
]


@pytest.mark.parametrize(("parameters", "message"), BAD, ids=lambda x: str(x)[:30])
def test_bad_parameters_are_refused_before_a_kernel_starts(
    parameters, message, tmp_path, monkeypatch
):
    monkeypatch.setattr(papermill, "execute_notebook", lambda *a, **k: pytest.fail("it ran"))
    with pytest.raises(ConfigError) as error:
        run_notebook(TRAINING, tmp_path / "out", parameters)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_good_parameters_are_taken():
    check_parameters(TRAINING, {"epochs": 3, "learning_rate": 1e-3, "margin": 0, "dataset": None})


@pytest.mark.parametrize("content", ["", "{}", '{"cells": 3}', "[1]"])
def test_a_file_that_is_no_notebook_is_named(content, tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text(content)
    with pytest.raises(NotebookError, match=r"x\.ipynb is not a notebook"):
        default_parameters(path)


def test_a_folder_that_cannot_be_written_is_refused_before_a_kernel_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(papermill, "execute_notebook", lambda *a, **k: pytest.fail("it ran"))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write to the output folder"):
        run_notebook(TRAINING, tmp_path / "file" / "out", {})


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("1e-3", 1e-3), ("None", None), ("paper", "paper"), ("'3'", "3"), ("True", True)],
)
def test_values_typed_on_the_command_line(text, value):
    assert parse_value(text) == value


def notebook_of(tmp_path, *sources):
    cells = [nbformat.v4.new_code_cell("preset = 'smoke'\noutput_dir = ''")]
    cells[0].metadata["tags"] = ["parameters"]
    cells += [nbformat.v4.new_code_cell(source) for source in sources]
    path = tmp_path / "made_up.ipynb"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


WRITE = "import pathlib\n_ = (pathlib.Path(output_dir) / 'metrics.json').write_text('{}')"


def test_results_of_a_notebook_appear_together(tmp_path):
    run_notebook(notebook_of(tmp_path, WRITE), tmp_path / "runs" / "made_up", {})
    out = tmp_path / "runs" / "made_up"
    assert sorted(p.name for p in out.iterdir()) == ["executed.ipynb", "metrics.json"]
    assert f"output_dir = {str(out)!r}".replace("'", '\\"') in (out / "executed.ipynb").read_text()
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == [".made_up.lock", "made_up"]


def test_two_runs_into_one_folder_are_refused(tmp_path):
    notebook, out = notebook_of(tmp_path, WRITE), tmp_path / "runs" / "made_up"
    out.parent.mkdir()
    with _alone(out), pytest.raises(NotebookError, match="another run is making"):
        run_notebook(notebook, out, {})
    run_notebook(notebook, out, {})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", r"made_up.ipynb, cell 4: ZeroDivisionError: division by zero"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"cell 4: its kernel died"),
    ],
)
def test_a_failed_notebook_names_cell_and_error_and_leaves_no_result(tmp_path, source, message):
    with pytest.raises(NotebookError, match=message):
        run_notebook(notebook_of(tmp_path, WRITE, source), tmp_path / "runs" / "made_up", {})
    left = sorted(str(p.relative_to(tmp_path / "runs")) for p in (tmp_path / "runs").rglob("*.*"))
    assert left == [".made_up.lock", "logs/made_up.ipynb"]


def executed_copy(folder, sources):
    cells = [
        nbformat.v4.new_code_cell(s, execution_count=1) if s.startswith("a") else
        nbformat.v4.new_markdown_cell(s) for s in sources
    ]  # fmt: skip
    for cell in cells:
        if "injected" in cell.source:
            cell.metadata["tags"] = ["injected-parameters"]
    path = folder / f"{len(list(folder.iterdir()))}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_prose_is_taken_over_where_the_code_is_the_same(tmp_path):
    ran = executed_copy(tmp_path, ["old", "a = 1", "a = 2  # injected", "a + 1"])
    text = executed_copy(tmp_path, ["new", "a = 1", "more", "a + 1", "end"])
    refresh_prose(text, ran)
    cells = nbformat.read(ran, as_version=4).cells
    sources = ["new", "a = 1", "a = 2  # injected", "more", "a + 1", "end"]
    assert [c.source for c in cells] == sources
    assert all(c.execution_count == 1 for c in cells if c.cell_type == "code")


@pytest.mark.parametrize("sources", [["a = 2", "a + 1"], ["a = 1"], ["a = 1", "a + 1", "a + 2"]])
def test_other_code_keeps_its_prose_and_is_named(tmp_path, sources):
    ran = executed_copy(tmp_path, ["old", "a = 1", "a + 1"])
    before = ran.read_text()
    with pytest.raises(NotebookError, match="ran other code than"):
        refresh_prose(executed_copy(tmp_path, ["new", *sources]), ran)
    assert ran.read_text() == before


def test_progress_bars_are_not_kept(tmp_path):
    bar = "from tqdm import tqdm\nfor _ in tqdm(range(3), leave=False, mininterval=0): pass"
    run_notebook(notebook_of(tmp_path, bar), tmp_path / "runs" / "made_up", {})
    for cell in code_cells(tmp_path / "runs" / "made_up" / "executed.ipynb"):
        assert cell.outputs == []


@pytest.mark.slow
def test_papermill_by_hand_writes_its_copy_and_nothing_else(tmp_path):
    parameters = {"seeds": 1, "epochs": 7}
    out = tmp_path / "out.ipynb"
    papermill.execute_notebook(TRAINING, out, parameters, progress_bar=False, cwd=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["out.ipynb"]
    text = out.read_text()
    assert "1 seed" in text or "image/png" in text


@pytest.mark.slow
@pytest.mark.parametrize(("parameters", "message"), BAD[1:5], ids=lambda x: str(x)[:30])
def test_papermill_by_hand_gets_the_same_errors(parameters, message, tmp_path):
    with pytest.raises(papermill.PapermillExecutionError) as error:
        papermill.execute_notebook(TRAINING, tmp_path / "o.ipynb", parameters, progress_bar=False)
    assert message in str(error.value)
