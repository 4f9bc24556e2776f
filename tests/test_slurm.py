"""The workflows on a real Slurm of one node, with a job killed on the way."""

import subprocess
import sys
import threading
import time

import pandas as pd
import pytest

from ffcl_utils.claims import NOT_COMPARABLE
from ffcl_utils.files import read_json
from ffcl_utils.paths import ROOT

from .slurm import cluster, missing, profile

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
# One core a job, so that the two cores of the smallest machines run two at once.
ONE_CORE = ["--cores", "1"]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return profile(tmp_path_factory.mktemp("profile"))


def snakemake(file, environment, configuration, *more, targets=()):
    """One of the workflows; configuration: name=value, as Snakemake's --config takes them."""
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", file, "--nolock",
        "--directory", str(ROOT), *more, "--config", *configuration, "--", *targets,
    ]  # fmt: skip
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False
    )


def study(folder, file, environment, *more):
    return snakemake("study.smk", environment, [f"study={file}", f"runs={folder}"], *more)


def kill_first_job(environment, killed: list[str]):
    """Cancel the first job that Slurm shows running."""
    until = time.monotonic() + 120
    while time.monotonic() < until and not killed:
        shown = subprocess.run(
            ["squeue", "--noheader", "--states=RUNNING", "--format=%i"],
            env=environment, capture_output=True, text=True, check=False,
        ).stdout.split()  # fmt: skip
        if shown:
            time.sleep(3)  # so that it is in the middle of its work
            subprocess.run(["scancel", "--full", shown[0]], env=environment, check=True)
            killed.append(shown[0])
        time.sleep(0.3)


def test_the_smoke_preset_through_slurm_survives_a_killed_job(slurm, ours, tmp_path):
    """Every claim has its result, and notebook 01 the metrics that it has without Slurm."""
    killed: list[str] = []
    killer = threading.Thread(target=kill_first_job, args=(slurm, killed))
    killer.start()
    runs = tmp_path / "cluster"
    done = snakemake("Snakefile", slurm, [*SMOKE, f"runs={runs}"], "--profile", ours, *ONE_CORE)
    killer.join()
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert killed, "no job was killed: the test has shown nothing"
    assert "Trying to restart job" in said, said
    claims = read_json(runs / "smoke" / "claims.json")
    assert {row["verdict"] for row in claims} == {NOT_COMPARABLE}, claims
    here = tmp_path / "here"
    target = f"{here}/{IMPROVED}"
    alone = snakemake("Snakefile", slurm, [*SMOKE, f"runs={here}"], *ONE_CORE, targets=[target])
    assert alone.returncode == 0, alone.stderr
    assert read_json(runs / IMPROVED) == read_json(here / IMPROVED)


def test_a_study_sharded_by_slurm_has_the_figures_of_an_unsharded_one(slurm, ours, tmp_path):
    """One seed a job on the cluster, both seeds in one job without it."""
    sharded, whole = tmp_path / "sharded.yaml", tmp_path / "whole.yaml"
    sharded.write_text(STUDY)
    whole.write_text(STUDY.replace("seeds_per_job: 1", "seeds_per_job: 2"))
    done = study(tmp_path, sharded, slurm, "--profile", ours, *ONE_CORE)
    assert done.returncode == 0, done.stdout + done.stderr
    here = study(tmp_path, whole, slurm, *ONE_CORE)
    assert here.returncode == 0, here.stderr
    tables = [
        pd.read_csv(tmp_path / "studies" / name / "runs.csv") for name in ("sharded", "whole")
    ]
    assert len(tables[0]) == 2
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_a_job_that_cannot_succeed_is_reported(slurm, ours, tmp_path):
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
