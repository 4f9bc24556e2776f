"""Plans are run by Snakemake: each job once, after what it needs; one workflow a folder."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import yaml

from ffcl_utils.config import ConfigError
from ffcl_utils.data import files as data_files
from ffcl_utils.paths import ROOT
from ffcl_utils.workflow import schedule
from ffcl_utils.workflow.jobs import Plan, PlannedJob
from ffcl_utils.workflow.process import ONE_THREAD, PLAN_FILE, BusyError, alone


def job(code, needs=(), **options):
    command = [sys.executable, "-c", code]
    return PlannedJob(
        command=command, needs=list(needs), mem_mb=100, minutes=1, seconds=1, **options
    )


def plan_of(folder, **jobs):
    return Plan(preset="smoke", folder=str(folder), jobs=jobs)


def append(folder, word):
    return f"open({str(folder / 'log')!r}, 'a').write({word + ' '!r})"


def test_a_new_plan_has_a_fresh_folder_and_earlier_ones_are_deleted(tmp_path):
    folder = tmp_path / "smoke"
    with schedule.new_plan_file(folder) as first:
        plan_of(folder).write(first)
    mine = first.parents[1] / "mine.txt"
    mine.write_text("not a plan")
    with schedule.new_plan_file(folder) as second:
        assert not first.exists()
        plan_of(folder).write(second)
    assert mine.read_text() == "not a plan"
    assert all(path.name.startswith(".") for path in folder.iterdir())


def test_two_workflows_in_one_folder_are_refused(tmp_path):
    (tmp_path / schedule.PLANS).mkdir()
    with (
        alone(tmp_path / schedule.PLANS),
        pytest.raises(BusyError, match="another run"),
        schedule.new_plan_file(tmp_path),
    ):
        pytest.fail("two at once")


def test_a_plan_without_jobs_starts_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: pytest.fail("it ran"))
    assert schedule.run_plan(plan_of(tmp_path), tmp_path / "plan.json") == 0
    assert "up to date" in capsys.readouterr().out


def test_smoke_needs_no_data_and_other_presets_fall_back_loudly(monkeypatch, capsys):
    def no_mirror(name):
        raise data_files.DataDownloadError(f"could not download {name}")

    monkeypatch.setattr(schedule, "fetch", no_mirror)
    assert schedule.datasets_embedded("smoke") == set(data_files.FULL)
    assert capsys.readouterr().err == ""
    assert schedule.datasets_embedded("short", studies=True) == set(data_files.FULL)
    assert "WARNING: going on with the embedded subset" in capsys.readouterr().err


def test_one_dataset_that_is_missing_takes_no_other_with_it(monkeypatch, capsys):
    def clothes_are_missing(name):
        if name == "fashion_mnist":
            raise data_files.DataDownloadError(f"could not download {name}")

    monkeypatch.setattr(schedule, "fetch", clothes_are_missing)
    assert schedule.datasets_embedded("short") == set()  # none of its runs needs it
    assert "fashion_mnist" not in capsys.readouterr().err
    assert schedule.datasets_embedded("paper") == {"fashion_mnist"}
    capsys.readouterr()
    assert schedule.datasets_embedded("short", studies=True) == {"fashion_mnist"}
    said = capsys.readouterr().err
    assert "mnist: complete and verified" in said
    assert "embedded subset of fashion_mnist" in said


def test_a_path_that_a_cluster_cannot_start_is_named_before_any_job(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/home/some one/.venv/bin/python")
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: pytest.fail("it ran"))
    plan = plan_of(tmp_path, one=job("1"))
    with pytest.raises(ConfigError, match=r"with /home/some one/.*: move this folder"):
        schedule.run_plan(plan, tmp_path / "plan.json", profile="profiles/slurm")


def test_a_home_that_cannot_be_written_is_not_needed(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / ".cache"))
    assert schedule._cache(tmp_path) == {}
    monkeypatch.setattr(os, "access", lambda place, mode: place != tmp_path)
    assert schedule._cache(tmp_path) == {"XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_damaged_data_stop_the_workflow_instead_of_falling_back(tmp_path, monkeypatch):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name in data_files.FULL["mnist"].sha256:
        (folder / name).write_bytes(b"damaged")
    monkeypatch.setenv("FFCL_DATA_DIR", str(tmp_path))
    with pytest.raises(data_files.DataError, match="damaged file"):
        schedule.datasets_embedded("short")


@pytest.mark.parametrize(
    ("done", "elapsed", "said"),
    [
        (set(), 30, ""),
        ({"a", "b"}, 30, ""),
        ({"b"}, 30, ", less than a minute left"),
        ({"a"}, 60, ", about 3 min left"),
        ({"b"}, 3600, ", about 20 min left"),
        ({"a"}, 7200, ", about 6.0 h left"),
    ],
)
def test_the_time_that_is_left_goes_by_what_is_done(done, elapsed, said, tmp_path):
    jobs = {"a": job("").model_copy(update={"seconds": 100})}
    jobs["b"] = job("").model_copy(update={"seconds": 300})
    assert schedule.time_left(plan_of(tmp_path, **jobs), done, elapsed) == said


@pytest.mark.slow
def test_jobs_run_once_each_after_what_they_need(tmp_path, capfd):
    names = f"[os.environ.get(n) for n in {[*ONE_THREAD, 'FFCL_COMMAND_PID']}]"
    plan = plan_of(
        tmp_path,
        last=job(append(tmp_path, "last"), ["middle"], local=True),
        middle=job(append(tmp_path, "middle"), ["first-0.5"]),
        **{
            "first-0.5": job(f"braces = {{}}; {append(tmp_path, 'first')}"),
            "threads": job(f"import os; open({str(tmp_path / 'env')!r}, 'w').write(str({names}))"),
        },
    )
    file = tmp_path / "jobs" / "plan.json"
    assert schedule.run_plan(plan, file, "2") == 0
    assert (tmp_path / "log").read_text() == "first middle last "
    assert (tmp_path / "env").read_text() == "['1', '1', '1', None]"
    said = capfd.readouterr()
    assert "4 of 4 done: last" in said.out
    assert "middle starts" in said.err


@pytest.mark.slow
def test_a_failed_job_stops_only_what_needs_it(tmp_path, capfd):
    plan = plan_of(
        tmp_path,
        bad=job("import sys; sys.exit('error: it is bad')"),
        after=job(append(tmp_path, "after"), ["bad"]),
        other=job(append(tmp_path, "other")),
    )
    assert schedule.run_plan(plan, tmp_path / "jobs" / "plan.json", "1") != 0
    assert (tmp_path / "log").read_text() == "other "
    assert "error: it is bad" in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["command", "snakemake"])
def test_a_killed_workflow_leaves_no_process(victim, tmp_path):
    """The job watches Snakemake as trainings and runners do."""
    code = (
        "from ffcl_utils.workflow.process import die_with_parent; import time\n"
        f"die_with_parent(); open({str(tmp_path / 'up')!r}, 'w'); time.sleep(60)"
    )
    plan_of(tmp_path, sleeper=job(code)).write(tmp_path / "plan.json")
    start = (
        "from pathlib import Path; from ffcl_utils.workflow import jobs, schedule\n"
        f"plan = jobs.read_plan(Path({str(tmp_path / 'plan.json')!r}))\n"
        f"schedule.run_plan(plan, Path({str(tmp_path / 'jobs' / 'plan.json')!r}), '1')"
    )
    with subprocess.Popen([sys.executable, "-c", start], cwd=ROOT) as command:
        deadline = time.monotonic() + 60
        while not (tmp_path / "up").exists():
            assert time.monotonic() < deadline, "the job never began"
            time.sleep(0.2)
        family = psutil.Process(command.pid).children(recursive=True)
        snakemake = next(p for p in family if "snakemake" in p.cmdline())
        os.kill(command.pid if victim == "command" else snakemake.pid, signal.SIGKILL)
        assert command.wait(60) in (-signal.SIGKILL, 0)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert len(family) >= 2 and not alive, "left behind"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "there is no plan"), ('{"version": 0}', "of version 0"), ("x", "is not a plan")],
)
def test_snakemake_by_hand_names_what_is_wrong_with_a_plan(content, message, tmp_path):
    file = tmp_path / "plan.json"
    if content:
        file.write_text(content)
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--nolock"],
        cwd=ROOT, env=os.environ | {PLAN_FILE: str(file), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert "make the plan again" in done.stdout + done.stderr


def test_the_profile_gives_each_job_one_core():
    profile = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
    assert profile["cores"] == 1
