"""Notebooks: kept as DESIGN asks, complete in nbval and in results/."""

import ast
import re
from pathlib import Path

import nbformat
import papermill
import pytest

from ffcl_utils.paths import NOTEBOOKS, RESULTS, ROOT
from ffcl_utils.records.results import folder_of
from ffcl_utils.workflow import runs
from ffcl_utils.workflow.parameters import ALIASES, default_parameters, settings_of
from tests.workflow.listed import links_of_neighbours

ALL = sorted(NOTEBOOKS.glob("*.ipynb"))
RUN = sorted({entry.path for entry in runs.runs() if entry.part != "explore"})
COMMITTED = sorted(RESULTS.glob("*/*/executed.ipynb"))
AT_PAPER = [path for path in COMMITTED if path.parts[-3] == "paper"]


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
    if not folder_of("").is_dir():
        pytest.skip("there is no results/short yet")
    executed = folder_of("") / path.stem / "executed.ipynb"
    if runs.of_notebook(path.stem).part in ("studies", "related") and not executed.parent.is_dir():
        pytest.skip(f"{path.stem} has not been run on the full data yet")
    assert executed.is_file(), "run `make reproduce` and `make results`"
    assert _sources(executed) == _sources(path)


def test_at_paper_the_text_is_that_of_the_notebook_where_the_code_is():
    """`ffcl reword results/paper` brings it up to date."""
    if not AT_PAPER:
        pytest.skip("there is no results/paper yet")
    for path in AT_PAPER:
        ran, now = _sources(path), _sources(runs.run(path.parent.name).path)
        assert ran["code"] != now["code"] or ran == now, path


def _sources(path: Path) -> dict[str, list[str]]:
    """The cells' sources by type, without what papermill put in."""
    sources = {"markdown": [], "code": []}
    for cell in nbformat.read(path, as_version=4).cells:
        if "injected-parameters" not in cell.metadata.get("tags", []):
            sources[cell.cell_type].append(_with_links_of_notebooks(cell.source))
    return sources


def _with_links_of_notebooks(text: str) -> str:
    """The text of an executed copy, whose links lead elsewhere, as it was in the notebook."""
    text = re.sub(r"\]\(\.\./(\w+)/executed\.ipynb\)", r"](\1.ipynb)", text)
    return text.replace("](../../../notebooks/", "](")


@pytest.mark.parametrize("path", COMMITTED, ids=lambda p: p.parent.name)
def test_committed_results_belong_to_a_notebook_and_ran_cleanly(path):
    assert runs.run(path.parent.name).path.is_file()
    for cell in code_cells(path):
        assert cell.execution_count is not None
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.text
    assert not re.search(r"/(root|home|tmp|Users|work)/", path.read_text())


@pytest.mark.parametrize("path", COMMITTED, ids=lambda p: p.parent.name)
def test_links_of_committed_results_lead_to_files_that_are_committed_too(path):
    for cell in nbformat.read(path, as_version=4).cells:
        for target in re.findall(r"\]\((?!http|#)([^)]+)\)", cell.source):
            assert (path.parent / target).is_file(), target


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
def test_notebooks_teach(path):
    """Six words of prose at least for a line of code; parameters and a reader's rule aside."""
    words, lines = 0, 0
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            words += len(cell.source.split())
        elif not {"parameters", "yours"} & set(cell.metadata.get("tags", [])):
            lines += sum(bool(line.strip()) for line in cell.source.splitlines())
    assert words >= 6 * lines


TAUGHT = [
    "01_improved_ffcl_accuracy",
    "03_forward_forward",
    "04_sparse_ensembles",
    "08_beyond_63",
    "12_neighbours",
    "14_plasticity",
]


@pytest.mark.parametrize("name", TAUGHT)
def test_beside_every_figure_it_says_what_to_see(name):
    """And there is the loss in symbols, a batch worked out, and a diagram."""
    cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    text = "".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert "$$" in text and "## One worked" in text
    shown = [k for k, cell in enumerate(cells) if "run.figure(" in cell.source]
    assert len(shown) > 3
    for k in shown:
        beside = [cells[i].source for i in (k - 1, k + 1) if cells[i].cell_type == "markdown"]
        assert any("What to see" in text or "worked" in text for text in beside), cells[k].source


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.stem)
def test_parameters_are_literals_with_types(path):
    defaults = default_parameters(path)
    inferred = papermill.inspect_notebook(path)
    assert set(inferred) == set(defaults)
    fields = {name for config in settings_of(path) for name in config.model_fields}
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


@pytest.mark.parametrize("entry", runs.notebooks()[1:], ids=lambda entry: entry.name)
def test_every_notebook_starts_with_the_way_on_and_what_it_answers(entry):
    """Links to the notebooks before and after it in the table of runs, and its claims."""
    start = nbformat.read(entry.path, as_version=4).cells[0].source
    for link in links_of_neighbours(entry.name).split(" · "):
        assert link in start
    assert "[00 Overview](00_overview.ipynb)" in start
    for claim in re.findall(r"[ABNPX]\d\w?", entry.claims):
        assert re.search(rf"\*\*[^*]*\b{claim}\b", start), claim
