"""A workflow killed at any point, and the same command again: equal metrics, nothing left."""

import os
import shlex
import signal
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest

from ffcl_utils.paths import ROOT

STUDY = """
notebook: 01_improved_ffcl_accuracy
metric: balanced/test_accuracy
preset: smoke
grid: {margin: [0.5]}
seeds: 2
seeds_per_job: 2
"""


def study(folder):
    """A study of one notebook: its trainings, the notebook and the table; and the environment."""
    folder.mkdir(exist_ok=True)
    file = folder / "small.yaml"
    file.write_text(STUDY)
    command = [
        sys.executable, "-m", "ffcl_utils", "study", str(file), "--runs", str(folder),
        "--cores", "2",
    ]  # fmt: skip
    return command, os.environ | {"FFCL_STORE": str(folder / "store")}


def table(folder):
    return pd.read_csv(folder / "studies" / "small" / "runs.csv")


def command_line(of):
    """Of a process that may end while it is looked at."""
    try:
        return of.cmdline()
    except psutil.Error:
        return []


WORDS = {
    "workflow": "study",
    "snakemake": "snakemake",
    "training": "train",
    "runner": "run",
    "kernel": "ipykernel_launcher",
}


def wait_for(victim, command):
    """The process of that kind, a little after its start, and all others of the workflow."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        family = [command, *command.children(recursive=True)]
        found = [p for p in family if WORDS[victim] in command_line(p)]
        if found and (victim != "kernel" or found[0].cpu_times().user > 1):
            time.sleep(1)
            return found[0], family
        time.sleep(0.1)
    pytest.fail(f"no {victim} came up")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The folder of a study that nobody killed; what it said is in the file `said` there."""
    folder = tmp_path_factory.mktemp("undisturbed")
    command, environment = study(folder)
    with (folder / "said").open("w") as said:
        subprocess.run(command, cwd=ROOT, env=environment, stdout=said, check=True, timeout=300)
    return folder


@pytest.mark.slow
def test_sigkill_of_each_process_in_turn_and_the_same_command_again(undisturbed, tmp_path):
    """In one folder: what each of them left lies there when the next is killed."""
    command, environment = study(tmp_path)
    for victim in WORDS:
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as started:
            killed, family = wait_for(victim, psutil.Process(started.pid))
            killed.send_signal(signal.SIGKILL)
            assert started.wait(120) != 0, victim
        _, alive = psutil.wait_procs(family, timeout=10)
        assert not alive, f"left behind by a killed {victim}"
        assert not list(tmp_path.rglob("runs.csv")), victim
    again = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert again.returncode == 0, again.stderr[-3000:]
    pd.testing.assert_frame_equal(table(tmp_path), table(undisturbed), check_exact=True)


@pytest.mark.slow
def test_a_make_that_is_ended_takes_everything_with_it(tmp_path):
    """As a cluster or a service ends it: with SIGTERM to make alone."""
    command, environment = study(tmp_path)
    (tmp_path / "Makefile").write_text(
        (ROOT / "Makefile").read_text().replace("READY   = .venv/.ready", "READY   =")
    )
    file = command[command.index("study") + 1]
    make = [
        "make", "-f", str(tmp_path / "Makefile"), "study", f"STUDY={file}",
        f"PY={shlex.quote(sys.executable)}",
        f"WHERE=--runs {shlex.quote(str(tmp_path))} --cores 1",
    ]  # fmt: skip
    with subprocess.Popen(
        make, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as started:
        _, family = wait_for("training", psutil.Process(started.pid))
        started.send_signal(signal.SIGTERM)
        assert started.wait(60) != 0
    _, alive = psutil.wait_procs(family, timeout=10)
    assert len(family) >= 4 and not alive, "left behind"


@pytest.mark.slow
def test_a_second_time_nothing_is_made(undisturbed):
    assert "1 notebooks" in (undisturbed / "said").read_text()
    command, environment = study(undisturbed)
    again = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert "is up to date" in again.stdout
