"""The workflows on a real Slurm of one node, with a job killed on the way."""

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
SMOKE = ["preset=smoke", "data=embedded"]
IMPROVED = "smoke/01_improved_ffcl_accuracy/metrics.json"
# One core a job, so that the two cores of the smallest machines run two at once; and the same
# number of threads for what is run without Slurm.
ONE_CORE = ["--cores", "1"]
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return profile(tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="module")
def smoke(slurm, ours, tmp_path_factory):
    """The smoke preset under way on the cluster, after its first job was killed.

    Snakemake waits for most of the time, longer from look to look, and the other tests run beside
    it. Gives the process, the folders of its results and of its log, and which job was killed.
    """
    folder = tmp_path_factory.mktemp("smoke")
    log = folder / "log"
    words = command("Snakefile", [*SMOKE, f"runs={folder / 'runs'}"], "--profile", ours, *ONE_CORE)
    with log.open("w") as said:
        process = subprocess.Popen(words, cwd=ROOT, env=slurm, stdout=said, stderr=said)
    yield process, folder / "runs", log, kill_first_job(slurm)
    process.kill()
    process.wait()


def command(file, configuration, *more, targets=()):
    """One of the workflows; configuration: name=value, as Snakemake's --config takes them."""
    return [
        sys.executable, "-m", "snakemake", "--snakefile", file, "--nolock",
        "--directory", str(ROOT), *more, "--config", *configuration, "--", *targets,
    ]  # fmt: skip


def finished(words, environment):
    return subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False
    )


def study(folder, file, environment, *more):
    configuration = [f"study={file}", f"runs={folder}"]
    return finished(command("study.smk", configuration, *more), environment)


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
    done = study(tmp_path, sharded, slurm, "--profile", ours, *ONE_CORE)
    assert done.returncode == 0, done.stdout + done.stderr
    here = study(tmp_path, whole, slurm | ONE_THREAD, *ONE_CORE)
    assert here.returncode == 0, here.stderr
    tables = [
        pd.read_csv(tmp_path / "studies" / name / "runs.csv") for name in ("sharded", "whole")
    ]
    assert len(tables[0]) == 2
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_a_job_that_cannot_succeed_is_reported(slurm, ours, smoke, tmp_path):
    """Its data are not there: nothing passes for a result."""
    file = tmp_path / "study.yaml"
    text = STUDY.replace("epochs: 2", "epochs: 2, dataset: mnist")
    file.write_text(text.replace("seeds: 2", "seeds: 1"))
    empty = tmp_path / "no_data"
    empty.mkdir()
    done = study(
        tmp_path / "cluster", file, slurm | {"FFCL_DATA_DIR": str(empty)},
        "--profile", ours, "--retries", "0",
    )  # fmt: skip
    assert done.returncode != 0
    assert "Error in rule job" in done.stdout + done.stderr
    assert not list((tmp_path / "cluster").rglob("metrics.json"))
    assert not list((tmp_path / "cluster").rglob("runs.csv"))


def test_the_smoke_preset_through_slurm_survives_a_killed_job(slurm, smoke, tmp_path):
    """Every claim has its result, and notebook 01 the metrics that it has without Slurm."""
    process, runs, log, killed = smoke
    target = f"{tmp_path}/{IMPROVED}"
    words = command("Snakefile", [*SMOKE, f"runs={tmp_path}"], *ONE_CORE, targets=[target])
    alone = finished(words, slurm | ONE_THREAD)
    assert alone.returncode == 0, alone.stderr
    status = process.wait(900)
    said = log.read_text()
    assert status == 0, said
    assert killed, "no job was killed: the test has shown nothing"
    assert "Trying to restart job" in said, said
    claims = read_json(runs / "smoke" / "claims.json")
    assert {row["verdict"] for row in claims} == {NOT_COMPARABLE}, claims
    assert read_json(runs / IMPROVED) == read_json(tmp_path / IMPROVED)
    assert read_json((runs / IMPROVED).with_name("provenance.json"))["threads"] == 1
