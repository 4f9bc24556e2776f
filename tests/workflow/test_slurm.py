"""The workflows on a real Slurm of one node, with a job killed on the way."""

import os
import subprocess
import sys
import time

import pandas as pd
import pytest

from ffcl_utils.claims.assess import NOT_COMPARABLE
from ffcl_utils.files import read_json
from ffcl_utils.paths import ROOT
from tests.workflow.slurm import cluster, missing, profile

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]
STUDY = """
notebook: 01_improved_ffcl_accuracy
metric: balanced/test_accuracy
preset: smoke
parameters: {epochs: 2}
grid: {margin: [0.5]}
seeds: 2
seeds_per_job: 1
"""
NAME = "01_improved_ffcl_accuracy"
IMPROVED = f"smoke/{NAME}/metrics.json"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return profile(tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="module")
def smoke(slurm, tmp_path_factory):
    """The smoke preset under way on the cluster, after its first job was killed.

    The other tests run beside it, and their jobs go first. Gives the process, the folders of its
    results and of its log, and which job was killed.
    """
    folder = tmp_path_factory.mktemp("smoke")
    log = folder / "log"
    patient = profile(tmp_path_factory.mktemp("patient"), "patient")
    words = command("reproduce", "--preset", "smoke", "--runs", folder / "runs")
    words += ["--profile", patient]
    with log.open("w") as said:
        process = subprocess.Popen(
            words, cwd=ROOT, env=slurm | store_of_all_tests(folder), stdout=said, stderr=said
        )
    yield process, folder / "runs", log, kill_first_job(slurm)
    process.kill()
    process.wait()


def command(*words):
    return [sys.executable, "-m", "ffcl_utils", *map(str, words)]


def store(folder):
    """In the environment: a store of networks in this folder."""
    return {"FFCL_STORE": str(folder / "store")}


def store_of_all_tests(folder):
    """The store that is given to all tests, so that nothing is trained twice; else a new one."""
    return (
        {"FFCL_STORE": os.environ["FFCL_STORE"]} if os.environ.get("FFCL_STORE") else store(folder)
    )


def finished(words, environment):
    return subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False
    )


def study(folder, file, environment, *more):
    return finished(command("study", file, "--runs", folder, *more), environment)


def kill_first_job(environment) -> str:
    """Cancel the first job that Slurm shows running; "" where there is none in two minutes."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        shown = subprocess.run(
            ["squeue", "--noheader", "--states=RUNNING", "--format=%i"],
            env=environment, capture_output=True, text=True, check=False,
        ).stdout.split()  # fmt: skip
        if shown:
            time.sleep(3)  # so that it is in the middle of its work
            subprocess.run(["scancel", "--full", shown[0]], env=environment, check=True)
            return shown[0]
        time.sleep(0.3)
    return ""


def test_a_study_sharded_by_slurm_has_the_figures_of_an_unsharded_one(slurm, ours, smoke, tmp_path):
    """One seed a job on the cluster, both seeds in one job without it."""
    sharded, whole = tmp_path / "sharded.yaml", tmp_path / "whole.yaml"
    sharded.write_text(STUDY)
    whole.write_text(STUDY.replace("seeds_per_job: 1", "seeds_per_job: 2"))
    done = study(tmp_path, sharded, slurm | store(tmp_path), "--profile", ours)
    assert done.returncode == 0, done.stdout + done.stderr
    here = study(tmp_path, whole, slurm | store(tmp_path / "here"), "--cores", "1")
    assert here.returncode == 0, here.stderr
    tables = [
        pd.read_csv(tmp_path / "studies" / name / "runs.csv") for name in ("sharded", "whole")
    ]
    assert len(tables[0]) == 2
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_a_job_that_cannot_succeed_is_reported(slurm, ours, smoke, tmp_path):
    """Its store cannot be written: nothing passes for a result."""
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.replace("seeds: 2", "seeds: 1"))
    (tmp_path / "store").write_text("in the way")
    done = study(tmp_path / "cluster", file, slurm | store(tmp_path), "--profile", ours)
    assert done.returncode != 0
    assert "Error in rule job" in done.stdout + done.stderr
    assert not list((tmp_path / "cluster").rglob("metrics.json"))
    assert not list((tmp_path / "cluster").rglob("runs.csv"))


def test_the_smoke_preset_through_slurm_survives_a_killed_job(slurm, smoke, tmp_path):
    """Every claim has its result, and notebook 01 the metrics that it has without Slurm."""
    process, runs, log, killed = smoke
    out = tmp_path / IMPROVED
    words = command("run", NAME, out.parent, "--preset", "smoke")
    alone = finished(words, slurm | store_of_all_tests(tmp_path))
    assert alone.returncode == 0, alone.stderr
    status = process.wait(900)
    said = log.read_text()
    assert status == 0, said
    assert killed, "no job was killed: the test has shown nothing"
    assert "Trying to restart job" in said, said
    assert f"notebooks to read: {runs}/smoke/00_overview/executed.ipynb" in said, said
    claims = read_json(runs / "smoke" / "claims.json")
    assert {row["verdict"] for row in claims} == {NOT_COMPARABLE}, claims
    assert read_json(runs / IMPROVED) == read_json(out)
