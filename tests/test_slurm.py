"""The workflow on a real Slurm of one node, with a job killed on the way."""

import subprocess
import sys
import threading
import time

import pandas as pd
import pytest

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


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return profile(tmp_path_factory.mktemp("profile"))


def snakemake(folder, file, environment, *more):
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", "study.smk", "--nolock",
        "--directory", str(ROOT), *more, "--config", f"study={file}", f"runs={folder}",
    ]  # fmt: skip
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


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


def test_a_study_through_slurm_survives_a_killed_job_and_has_the_same_figures(
    slurm, ours, tmp_path
):
    file = tmp_path / "study.yaml"
    file.write_text(STUDY)
    killed: list[str] = []
    killer = threading.Thread(target=kill_first_job, args=(slurm, killed))
    killer.start()
    done = snakemake(tmp_path / "cluster", file, slurm, "--profile", ours)
    killer.join()
    assert done.returncode == 0, done.stdout + done.stderr
    assert killed, "no job was killed: the test has shown nothing"
    said = done.stdout + done.stderr
    assert "Trying to restart job" in said, said
    here = snakemake(tmp_path / "here", file, slurm, "--cores", "2")
    assert here.returncode == 0, here.stderr
    tables = [
        pd.read_csv(tmp_path / where / "studies" / "study" / "runs.csv")
        for where in ("cluster", "here")
    ]
    assert len(tables[0]) == 2
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_a_job_that_cannot_succeed_is_reported(slurm, ours, tmp_path):
    """Its data are not there: nothing passes for a result."""
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.replace("epochs: 2", "epochs: 2, dataset: mnist"))
    empty = tmp_path / "no_data"
    empty.mkdir()
    done = snakemake(
        tmp_path / "cluster", file, slurm | {"FFCL_DATA_DIR": str(empty)},
        "--profile", ours, "--retries", "0",
    )  # fmt: skip
    assert done.returncode != 0
    assert "Error in rule job" in done.stdout + done.stderr
    assert not list((tmp_path / "cluster").rglob("metrics.json"))
    assert not list((tmp_path / "cluster").rglob("runs.csv"))
