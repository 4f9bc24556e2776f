"""The workflow: killed at any point and started again, it ends with the same metrics."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest

from ffcl_utils.__main__ import main
from ffcl_utils.paths import ROOT
from ffcl_utils.workflow import runner as notebooks

pytestmark = pytest.mark.slow
NAME = "01_improved_ffcl_accuracy"
METRICS = f"smoke/{NAME}/metrics.json"


def snakemake(runs):
    """The Makefile's command, with its results in a folder of the test's."""
    return [
        sys.executable, "-m", "snakemake", "--cores", "2", "--rerun-incomplete", "--keep-going",
        "--nolock", "--snakefile", str(ROOT / "Snakefile"),
        "--config", "preset=smoke", "data=embedded", f"runs={runs}",
        "--", f"{runs}/{METRICS}",
    ]  # fmt: skip


def command_line(process):
    """Of a process that may end while it is looked at."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def family(process):
    """Runner and kernel among the workflow's descendants, once the kernel is training."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        children = process.children(recursive=True)
        runner = [p for p in children if "ffcl_utils" in command_line(p)]
        kernel = [p for p in children if "ipykernel_launcher" in command_line(p)]
        if runner and kernel and kernel[0].cpu_times().user > 3:
            return {"workflow": process, "runner": runner[0], "kernel": kernel[0]}
        time.sleep(0.2)
    pytest.fail("no kernel came up")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    runs = tmp_path_factory.mktemp("undisturbed")
    subprocess.run(snakemake(runs), cwd=ROOT, check=True, capture_output=True, timeout=300)
    return json.loads((runs / METRICS).read_text())


@pytest.mark.parametrize("victim", ["workflow", "runner", "kernel"])
def test_sigkill_and_the_same_command_again(victim, undisturbed, tmp_path):
    with subprocess.Popen(
        snakemake(tmp_path), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as workflow:
        processes = family(psutil.Process(workflow.pid))
        processes[victim].send_signal(signal.SIGKILL)
        assert workflow.wait(60) != 0
    _, alive = psutil.wait_procs(processes.values(), timeout=10)
    assert not alive, "left behind"
    assert not (tmp_path / METRICS).exists()
    again = subprocess.run(
        snakemake(tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert again.returncode == 0, again.stderr[-3000:]
    assert json.loads((tmp_path / METRICS).read_text()) == undisturbed
    assert [p.name for p in (tmp_path / "smoke").glob(".*")] == [f".{NAME}.lock"]


def trivial(path, *sources):
    """A notebook with the parameters that the workflow gives, and these cells."""
    names = ("preset", "dataset", "output_dir")
    cells = [nbformat.v4.new_code_cell("\n".join(f"{name} = ''" for name in names))]
    cells[0].metadata["tags"] = ["parameters"]
    cells += [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


def test_a_failed_notebook_is_named_kept_and_does_not_stop_the_others(tmp_path):
    """In a copy of the project whose notebooks 01 and 05 are made up: 01 fails, 05 does not."""
    shutil.copytree(ROOT / "ffcl_utils", tmp_path / "ffcl_utils")
    shutil.copy(ROOT / "Snakefile", tmp_path)
    (tmp_path / "notebooks").mkdir()
    trivial(tmp_path / "notebooks" / f"{NAME}.ipynb", "1 / 0")
    write = "for name in ('metrics', 'provenance'):\n    open(f'{output_dir}/{name}.json', 'w')"
    trivial(tmp_path / "notebooks" / "05_unseen_classes.ipynb", write)
    other = "runs/smoke/05_unseen_classes/metrics.json"
    done = subprocess.run(
        [
            sys.executable, "-m", "snakemake", "--cores", "1", "--keep-going",
            "--config", "preset=smoke", "data=embedded", "--", f"runs/{METRICS}", other,
        ],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert f"error: {NAME}.ipynb, cell 3: ZeroDivisionError" in done.stderr
    assert (tmp_path / "runs" / "smoke" / "logs" / f"{NAME}.ipynb").is_file()
    assert not (tmp_path / "runs" / METRICS).exists()
    assert (tmp_path / other).is_file()


def test_an_unknown_preset_is_refused_before_any_job():
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--config", "preset=nonsense"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert (
        "unknown preset 'nonsense': choose one of smoke, paper, full" in done.stdout + done.stderr
    )


def run_command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "ffcl_utils", *arguments], cwd=ROOT, capture_output=True, text=True,
        timeout=300, check=False, env=os.environ | environment,
    )  # fmt: skip


def test_smoke_needs_no_data_and_other_presets_fall_back_loudly(tmp_path):
    smoke = run_command("data", "--choose-for", "smoke", FFCL_DATA_DIR=str(tmp_path))
    assert (smoke.returncode, smoke.stdout.strip()) == (0, "embedded")
    # No network is reached: a proxy that refuses every connection stands before it.
    proxy = "http://127.0.0.1:9"
    none = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy)
    paper = run_command("data", "--choose-for", "paper", FFCL_DATA_DIR=str(tmp_path), **none)
    assert (paper.returncode, paper.stdout.strip()) == (0, "embedded")
    assert "WARNING: going on with the embedded subset" in paper.stderr
    alone = run_command("data", FFCL_DATA_DIR=str(tmp_path), **none)
    assert alone.returncode != 0
    assert alone.stderr.strip().startswith("error: could not download train-images")
    assert "Traceback" not in alone.stderr


def test_damaged_data_stop_the_workflow_instead_of_falling_back(tmp_path):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (folder / f"{part}-{kind}-ubyte").write_bytes(b"damaged")
    chosen = run_command("data", "--choose-for", "paper", FFCL_DATA_DIR=str(tmp_path))
    assert chosen.returncode != 0
    assert chosen.stdout == ""
    assert "error: damaged file" in chosen.stderr


@pytest.mark.parametrize(
    ("ours", "heavy"),
    [
        ("__main__ config data_files git study", "torch torchvision papermill nbformat scipy"),
        ("notebooks claims report comparison", "torch torchvision"),
    ],
)
def test_what_the_workflow_starts_with_does_not_wait_for_heavy_imports(ours, heavy):
    """Each of these takes seconds, once for every job, and on a cluster three times."""
    code = f"import sys, {', '.join(f'ffcl_utils.{name}' for name in ours.split())}\n"
    code += f"print(set(sys.modules) & set({heavy.split()}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (f"run notebooks/{NAME}.ipynb OUT -p epochs=-1", "error: epochs=-1: Input should be"),
        (f"run notebooks/{NAME}.ipynb OUT -p epoch=1", "error: unknown parameter 'epoch'"),
        (f"run notebooks/{NAME}.ipynb /proc/out", "error: cannot write to the output folder"),
        ("run notebooks/none.ipynb OUT", "error: no notebook notebooks/none.ipynb"),
        ("verify OUT/a OUT/b", "error: no results in"),
        ("data --choose-for tiny", "error: unknown preset 'tiny'"),
        ("promote OUT results/paper", "error: OUT is not finished: no 00_overview"),
    ],
)
def test_errors_of_the_command_line_are_one_line(arguments, message, tmp_path, monkeypatch):
    arguments, message = (text.replace("OUT", str(tmp_path)) for text in (arguments, message))
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["ffcl_utils", *arguments.split()])
    monkeypatch.setattr(notebooks, "die_with_parent", lambda: None)
    with pytest.raises(SystemExit) as ended:
        main()
    assert str(ended.value).startswith(message)
    assert "\n" not in str(ended.value)
