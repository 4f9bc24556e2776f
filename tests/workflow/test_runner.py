"""Notebooks are run whole or not at all, each by itself and in one thread."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import nbformat
import papermill
import psutil
import pytest

from ffcl_utils.config import ConfigError
from ffcl_utils.errors import NotebookError
from ffcl_utils.files import OutputError
from ffcl_utils.paths import NOTEBOOKS, ROOT
from ffcl_utils.workflow.process import ONE_THREAD, BusyError, alone
from ffcl_utils.workflow.runner import run_notebook
from tests.workflow.made_up import notebook
from tests.workflow.test_parameters import BAD, TRAINING

WRITE = "import pathlib\n_ = (pathlib.Path(output_dir) / 'metrics.json').write_text('{}')"


@pytest.fixture
def no_kernel(monkeypatch):
    """Fails the test where a notebook starts."""
    monkeypatch.setattr(papermill, "execute_notebook", lambda *a, **k: pytest.fail("it ran"))


def test_bad_parameters_are_refused_before_a_kernel_starts(no_kernel, tmp_path):
    with pytest.raises(ConfigError, match="unknown parameter 'epoch'"):
        run_notebook(TRAINING, tmp_path / "out", {"epoch": 3})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_refused_before_a_kernel_starts(no_kernel, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write to the output folder"):
        run_notebook(TRAINING, tmp_path / "file" / "out", {})


@pytest.mark.parametrize("where", ["in the repository", "here"])
def test_a_notebook_is_found_from_every_folder(where, monkeypatch, tmp_path):
    def opened(path, *_, **__):
        nbformat.read(path, as_version=4)
        raise RuntimeError("it was found")

    monkeypatch.setattr(papermill, "execute_notebook", opened)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotebookError, match="it was found"):
        if where == "here":
            run_notebook(notebook(tmp_path).relative_to(tmp_path), Path("out"), {})
        else:
            run_notebook(TRAINING, tmp_path / "out", {})
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_not_ours_is_never_replaced(kind, no_kernel, tmp_path):
    out = tmp_path / "out"
    mine = out
    if kind == "folder":
        out.mkdir()
        mine = out / "thesis.tex"
    mine.write_text("years of work")
    with pytest.raises(OutputError, match=r"would be lost|not a folder of its own"):
        run_notebook(notebook(tmp_path), out, {})
    assert mine.read_text() == "years of work"


def test_results_of_a_notebook_appear_together_and_replace_earlier_ones(tmp_path):
    out = tmp_path / "runs" / "made_up"
    out.mkdir(parents=True)
    for name in ("executed.ipynb", "of_an_earlier_run.csv"):
        (out / name).write_text("old")
    (out / "provenance.json").write_text('{"files": ["of_an_earlier_run.csv"]}')
    run_notebook(notebook(tmp_path, WRITE), out, {})
    assert sorted(p.name for p in out.iterdir()) == ["executed.ipynb", "metrics.json"]
    assert f"output_dir = {str(out)!r}".replace("'", '\\"') in (out / "executed.ipynb").read_text()
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == [".made_up.lock", "made_up"]


def test_what_is_put_beside_a_result_while_it_is_made_anew_is_not_lost(tmp_path):
    out = tmp_path / "runs" / "made_up"
    run_notebook(notebook(tmp_path, WRITE), out, {})
    left = f"import pathlib\n_ = pathlib.Path({str(out)!r}, 'thesis.tex').write_text('years')"
    with pytest.raises(OutputError, match=r"thesis\.tex .*\. The new result is in (.*)") as error:
        run_notebook(notebook(tmp_path, f"{WRITE}\n{left}"), out, {})
    assert (out / "thesis.tex").read_text() == "years" and (out / "executed.ipynb").is_file()
    new = Path(str(error.value).rpartition(" ")[2])
    assert sorted(p.name for p in new.iterdir()) == ["executed.ipynb", "metrics.json"]


def test_a_name_with_signs_of_a_pattern_is_a_name_like_any_other(tmp_path):
    """It deletes what its own killed runs have left, and no other's work; braces stay braces."""
    for name in (".lr1.making-other", ".lr[1]{a}.making-own"):
        (tmp_path / name).mkdir()
    run_notebook(notebook(tmp_path, WRITE), tmp_path / "lr[1]{a}", {})
    assert (tmp_path / ".lr1.making-other").is_dir()
    assert not (tmp_path / ".lr[1]{a}.making-own").exists()
    assert (tmp_path / "lr[1]{a}" / "executed.ipynb").is_file()


def test_two_runs_into_one_folder_are_refused(no_kernel, tmp_path):
    out = tmp_path / "runs" / "made_up"
    out.parent.mkdir()
    with alone(out), pytest.raises(BusyError, match="another run is making"):
        run_notebook(notebook(tmp_path, WRITE), out, {})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", r"made_up.ipynb, cell 4: ZeroDivisionError: division by zero"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"cell 4: its kernel died"),
    ],
)
def test_a_failed_notebook_names_cell_and_error_and_leaves_no_result(tmp_path, source, message):
    with pytest.raises(NotebookError, match=message):
        run_notebook(notebook(tmp_path, WRITE, source), tmp_path / "runs" / "made_up", {})
    left = sorted(str(p.relative_to(tmp_path / "runs")) for p in (tmp_path / "runs").rglob("*.*"))
    assert left == [".made_up.lock", "logs/made_up.ipynb"]


def test_progress_bars_are_not_kept_and_the_kernel_has_one_thread(tmp_path):
    bar = "from tqdm import tqdm\nfor _ in tqdm(range(3), leave=False, mininterval=0): pass"
    threads = f"import os\nprint([os.environ[name] for name in {list(ONE_THREAD)}])"
    out = tmp_path / "runs" / "made_up"
    before = dict(os.environ)
    run_notebook(notebook(tmp_path, bar, threads), out, {})
    cells = nbformat.read(out / "executed.ipynb", as_version=4).cells
    assert [output.text for cell in cells for output in cell.get("outputs", [])] == [
        "['1', '1', '1']\n"
    ]
    assert dict(os.environ) == before


def test_links_of_an_executed_copy_lead_to_copies_beside_it_or_to_notebooks(tmp_path):
    out = tmp_path / "runs" / "short" / "made_up"
    path = notebook(tmp_path, "1")
    source = nbformat.read(path, as_version=4)
    text = "[02](02_loss_decay.ipynb), [20](20_explore_ensembles.ipynb), [x](https://a.b/c.ipynb)"
    source.cells.append(nbformat.v4.new_markdown_cell(text))
    nbformat.write(source, path)
    run_notebook(path, out, {})
    cell = nbformat.read(out / "executed.ipynb", as_version=4).cells[-1].source
    copy, explore, other = re.findall(r"\]\((.+?)\)", cell)
    assert (copy, other) == ("../02_loss_decay/executed.ipynb", "https://a.b/c.ipynb")
    assert (out / explore).resolve() == NOTEBOOKS / "20_explore_ensembles.ipynb"


def test_a_cell_that_hangs_is_ended_and_named(tmp_path):
    path = notebook(tmp_path, "import time; time.sleep(600)")
    with pytest.raises(NotebookError, match=r"cell 3: it took longer than it may"):
        run_notebook(path, tmp_path / "runs" / "made_up", {}, minutes=0.05)
    assert not (tmp_path / "runs" / "made_up").exists()


def test_the_kernel_is_of_this_python_wherever_temporary_files_are(tmp_path, monkeypatch):
    other = tmp_path / "kernels" / "python3"
    other.mkdir(parents=True)
    spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "x", "language": "python"}
    (other / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    far = tmp_path / ("a long name " * 9)
    far.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(far))
    out = tmp_path / "runs" / "made_up"
    run_notebook(notebook(tmp_path, "import sys; print(sys.executable)"), out, {})
    assert sys.executable in (out / "executed.ipynb").read_text()


@pytest.mark.slow
def test_an_interrupted_run_says_no_more_than_a_line_and_leaves_nothing(tmp_path):
    out = tmp_path / "runs" / "made_up"
    path = notebook(tmp_path, WRITE, "import time; time.sleep(60)")
    command = [sys.executable, "-m", "ffcl_utils", "run", str(path), str(out)]
    # Where the tests run in the background of a shell, interrupts are ignored, by children too.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    runner = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=heard
    )
    deadline = time.monotonic() + 60
    while not list(out.parent.glob("*making*/*/metrics.json")):
        assert time.monotonic() < deadline, "the notebook never began"
        time.sleep(0.2)
    kernels = psutil.Process(runner.pid).children(recursive=True)
    runner.send_signal(signal.SIGINT)
    said = runner.communicate(timeout=60)[1]
    assert runner.returncode != 0 and len(said.splitlines()) <= 1, said
    _, alive = psutil.wait_procs(kernels, timeout=10)
    assert kernels and not alive
    assert [p.name for p in out.parent.iterdir()] == [".made_up.lock"]


@pytest.mark.slow
def test_a_run_that_was_left_alone_goes_on_when_its_shell_ends(tmp_path):
    out = tmp_path / "runs" / "made_up"
    path = notebook(tmp_path, WRITE, "import time; time.sleep(2)")
    command = shlex.join([sys.executable, "-m", "ffcl_utils", "run", str(path), str(out)])
    shell = f"nohup {command} > {shlex.quote(str(tmp_path / 'said'))} 2>&1 &"
    subprocess.run(["sh", "-c", shell], cwd=ROOT, check=True)
    deadline = time.monotonic() + 120
    while not (out / "metrics.json").exists():
        assert time.monotonic() < deadline, (tmp_path / "said").read_text()
        time.sleep(0.2)


@pytest.mark.slow
def test_a_killed_runner_leaves_no_kernel_and_nothing_that_passes_for_a_result(tmp_path):
    out = tmp_path / "runs" / "made_up"
    path = notebook(tmp_path, WRITE, "import time; time.sleep(60)")
    runner = subprocess.Popen(
        [sys.executable, "-m", "ffcl_utils", "run", str(path), str(out)], cwd=ROOT
    )
    try:
        deadline = time.monotonic() + 60
        while not list(out.parent.glob("*making*/*/metrics.json")):
            assert time.monotonic() < deadline, "the notebook never began"
            time.sleep(0.2)
        kernels = psutil.Process(runner.pid).children(recursive=True)
    finally:
        runner.send_signal(signal.SIGKILL)
        runner.wait()
    _, alive = psutil.wait_procs(kernels, timeout=10)
    assert kernels and not alive, "left behind"
    assert not out.exists()
    run_notebook(notebook(tmp_path, WRITE), out, {})
    assert json.loads((out / "metrics.json").read_text()) == {}
    assert sorted(p.name for p in out.parent.iterdir()) == [".made_up.lock", "made_up"]


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
