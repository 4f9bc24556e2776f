"""Studies: what their files may say, their jobs, and that shards make up the whole."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ffcl_utils import plots, rules
from ffcl_utils.analysis.statistics import mean_interval
from ffcl_utils.config import ConfigError
from ffcl_utils.errors import UserError
from ffcl_utils.paths import ROOT
from ffcl_utils.store import jobs as store_jobs
from ffcl_utils.workflow import plan
from ffcl_utils.workflow.sweep import (
    Study,
    job_name,
    jobs,
    merge,
    plan_study,
    read_study,
    write_summary,
)

TEXT = """
notebook: 01_improved_ffcl_accuracy
metric: balanced/test_accuracy
preset: smoke
parameters: {epochs: 2, batch_size: 256}
grid: {margin: [0.0, 0.5], predictor: [first, mean]}
seeds: 3
seeds_per_job: 2
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "some_study.yaml"
    path.write_text(TEXT)
    return path


def test_every_committed_study_can_be_run():
    files = sorted((ROOT / "studies").glob("*.yaml"))
    assert files
    for path in files:
        study = read_study(path)
        assert len(study.cells) * study.seeds == len(study.cells) * sum(map(len, study.shards))


def test_jobs_are_every_combination_and_every_seed_once(file):
    study = read_study(file)
    found = jobs(study)
    assert len(found) == 2 * 2 * 2
    runs = {
        (p["margin"], p["predictor"], seed)
        for p in found.values()
        for seed in range(p["first_seed"], p["first_seed"] + p["seeds"])
    }
    assert runs == {(m, w, s) for m in (0.0, 0.5) for w in ("first", "mean") for s in range(3)}
    assert all(p["epochs"] == 2 and p["preset"] == "smoke" for p in found.values())
    assert "margin_0.5-predictor_mean-seeds_2_to_2" in found


BAD = [
    ("seeds: 3", "seeds: 0", "seeds: Input should be greater than 0"),
    ("seeds: 3", "seeds: three", "seeds: Input should be a valid integer"),
    ("seeds: 3", "seeds: 3\nmachines: 4", "machines: Extra inputs are not permitted"),
    ("notebook: 01_improved_ffcl_accuracy", "notebook: 33_none", "there is no notebook '33_none'"),
    ("epochs: 2", "epochs: -1", "epochs=-1: Input should be greater than 0"),
    ("margin: [0.0", "margin: [7.0", "margin=7.0: Input should be less than or equal to 1"),
    ("predictor:", "guess:", "unknown parameter 'guess'"),
    ("preset: smoke", "preset: tiny", "preset='tiny': choose one of smoke, short, paper"),
    ("preset: smoke", "preset: full", "preset='full': it is now called 'paper'"),
    ("epochs: 2,", "learning_rate: 1e-3,", "learning_rate='1e-3': Input should be a valid number"),
    ("grid: {", "grid: [", "while parsing a flow sequence"),
    ("seeds: 3", "seeds: 3\nseeds: 4", "seeds is there twice"),
    ("margin: [0.0, 0.5]", "margin: [0.5], margin: [0.0]", "margin is there twice"),
    ("margin: [0.0, 0.5]", "margin: [0.5, 0.5]", "margin has a value twice"),
    ("margin: [0.0, 0.5]", "margin: []", "margin has no value"),
    ("margin: [0.0, 0.5]", "first_seed: [0, 1]", "first_seed cannot be here"),
    ("margin: [0.0, 0.5]", "seeds: [1, 2]", "seeds cannot be here"),
    ("margin: [0.0, 0.5]", "preset: [smoke, short]", "preset cannot be here"),
    ("epochs: 2,", "output_dir: elsewhere,", "output_dir cannot be here"),
    ("[first, mean]", "[first, $(touch x)]", "'$(touch x)' cannot be part of a folder's name"),
    ("[first, mean]", "[first, ../mean]", "'../mean' cannot be part of a folder's name"),
    ("[first, mean]", "[first, 'the mean']", "'the mean' cannot be part of a folder's name"),
    ("balanced/test_accuracy", "balanced/accuracy", "has no 'balanced/accuracy', but balanced/"),
    ("01_improved_ffcl_accuracy", "20_explore_ensembles", "trains nothing that a study could"),
    (TEXT, "[1, 2]", "is no study: it has no lines such as"),
    (TEXT, "", "is no study: it has no lines such as"),
    (TEXT, "{1: {2: 3}, 4: &a [*a]}", "notebook: Field required"),
    (TEXT, "!!python/object:os.system {}", "could not determine a constructor"),
]


@pytest.mark.parametrize(("before", "after", "message"), BAD, ids=lambda x: str(x)[:25])
def test_what_cannot_be_run_is_one_clear_error(file, before, after, message):
    file.write_text(TEXT.replace(before, after))
    with pytest.raises(ConfigError) as error:
        read_study(file)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


ORIGIN = {"run": "x", "dataset": "mnist", "preset": "short", "changed": {}}


def write_job(folder, cell, seeds, metrics):
    place = folder / job_name(cell, seeds)
    place.mkdir(parents=True)
    (place / "metrics.json").write_text(
        json.dumps({"seeds": list(seeds), "metrics": metrics} | ORIGIN)
    )
    (place / "provenance.json").write_text(json.dumps({"git_commit": "abc"}))


def test_the_table_has_a_row_a_run_with_its_settings(tmp_path):
    study = Study(notebook="x", metric="m", grid={"a": [1, 2]}, seeds=3, seeds_per_job=2)
    for cell in study.cells:
        for seeds in study.shards:
            write_job(tmp_path, cell, seeds, {"m": [10 * cell["a"] + seed for seed in seeds]})
    table = merge(study, tmp_path)
    assert table.to_dict("list") == {
        "a": [1, 1, 1, 2, 2, 2], "seed": [0, 1, 2, 0, 1, 2], "dataset": ["mnist"] * 6,
        "preset": ["short"] * 6, "git_commit": ["abc"] * 6, "m": [10, 11, 12, 20, 21, 22],
    }  # fmt: skip


def test_a_lost_or_wrong_job_is_named(tmp_path):
    study = Study(notebook="x", metric="m", grid={"a": [1]}, seeds=2, seeds_per_job=1)
    write_job(tmp_path, {"a": 1}, range(0, 1), {"m": [0.0]})
    with pytest.raises(UserError, match=r"cannot read .*a_1-seeds_1_to_1"):
        merge(study, tmp_path)
    place = tmp_path / job_name({"a": 1}, range(1, 2))
    write_job(tmp_path, {"a": 1}, range(1, 2), {"m": [0.0]})
    (place / "metrics.json").write_text(
        json.dumps({"seeds": [5], "metrics": {"m": [0.0]}} | ORIGIN)
    )
    with pytest.raises(ConfigError, match=r"seeds \[5\], not \[1\]"):
        merge(study, tmp_path)
    (place / "metrics.json").write_text(
        json.dumps({"seeds": [1], "metrics": {"n": [0.0]}} | ORIGIN)
    )
    write_job(tmp_path / "other", {"a": 1}, range(0, 1), {"n": [0.0]})
    shutil.copytree(place, tmp_path / "other" / place.name)
    with pytest.raises(ConfigError, match="no metric 'm': x has n"):
        merge(study, tmp_path / "other")


def test_a_setting_that_does_not_learn_is_a_row_of_the_table(tmp_path):
    study = Study(notebook="x", metric="m", grid={"a": [1, 2]}, seeds=2, seeds_per_job=2)
    write_job(tmp_path, {"a": 1}, range(2), {"m": [None, None]})
    write_job(tmp_path, {"a": 2}, range(2), {"m": [0.5, None], "only_here": [1.0, 2.0]})
    table = merge(study, tmp_path)
    assert table["m"].dtype == table["only_here"].dtype == float
    np.testing.assert_array_equal(table["m"], [np.nan, np.nan, 0.5, np.nan])
    np.testing.assert_array_equal(table["only_here"], [np.nan, np.nan, 1.0, 2.0])


def test_the_table_of_settings_that_do_not_learn_is_written(tmp_path):
    study = Study(notebook="x", metric="m", grid={"a": [1, 2]}, seeds=2, seeds_per_job=2)
    write_job(tmp_path / "jobs", {"a": 1}, range(2), {"m": [None, None]})
    write_job(tmp_path / "jobs", {"a": 2}, range(2), {"m": [0.5, 0.25]})
    file = write_summary(study, tmp_path / "jobs", tmp_path, "a study")
    assert pd.read_csv(file)["m"].isna().tolist() == [True, True, False, False]
    assert (tmp_path / "summary.svg").stat().st_size > 0


def test_the_plan_of_a_study_is_its_jobs_and_the_networks_that_they_lack(
    file, tmp_path, monkeypatch
):
    """A grid that grows trains what is new, and a network that jobs share is trained once."""
    monkeypatch.setenv("FFCL_STORE", str(tmp_path / "store"))
    stored = set()
    monkeypatch.setattr(
        store_jobs, "is_stored", lambda folder, seed, _: (folder.name, seed) in stored
    )
    monkeypatch.setattr(plan, "configs_of", configs_of)
    study = read_study(file)
    plan_file = tmp_path / "plan.json"
    planned = plan_study(study, tmp_path / "study", plan_file)
    planned.write(plan_file)
    trainings = [name for name, job in planned.jobs.items() if job.training is not None]
    assert set(planned.jobs) - set(trainings) == set(jobs(study))
    for name in trainings:
        config = plan.training_of(plan_file, name).config
        stored |= {(plan.store.key(config), seed) for seed in config.seed_list}
    assert len(stored) == 2 * 2 * 3
    file.write_text(TEXT.replace("margin: [0.0, 0.5]", "margin: [0.0, 0.25, 0.5]"))
    grown = plan_study(read_study(file), tmp_path / "study", plan_file)
    new = [job for job in grown.jobs.values() if job.training is not None]
    assert {job.training["settings"]["margin"] for job in new} == {0.25}


def configs_of(entry, parameters):
    names = ("preset", "seeds", "first_seed", "epochs", "margin", "predictor")
    return {"x": rules.configure("improved_ffcl", **{name: parameters[name] for name in names})}


def test_intervals_of_means_are_students():
    values = np.array([1.0, 2.0, 4.0])
    half = stats.t.ppf(0.975, 2) * values.std(ddof=1) / 3**0.5
    np.testing.assert_allclose(mean_interval(values), values.mean() + np.array([-half, half]))
    assert mean_interval(np.array([3.0])) == mean_interval(np.array([3.0, 3.0])) == (3.0, 3.0)


@pytest.mark.parametrize("settings", [["a"], ["a", "b"]])
def test_the_summary_shows_every_run(settings):
    table = pd.DataFrame(
        [
            {"a": a, "b": b, "seed": s, "m": a + s} | ORIGIN
            for a in (0, 1)
            for b in "xy"
            for s in range(3)
        ]
    )
    figure = plots.study_summary(table, settings, "m", "study")
    assert any("mnist · preset short · 12 runs" in text.get_text() for text in figure.texts)
    axis = figure.axes[0]
    dots = [
        line for line in axis.lines if line.get_linestyle() == "None" and line.get_marker() == "."
    ]
    assert sum(len(line.get_ydata()) for line in dots) == len(table)
    assert (axis.get_legend() is not None) == (len(settings) > 1)


@pytest.mark.slow
def test_a_sharded_study_has_the_figures_of_an_unsharded_one(tmp_path):
    """One seed a job, and all seeds in one: every metric the same to the last bit."""
    text = TEXT.replace("margin: [0.0, 0.5], predictor: [first, mean]", "margin: [0.5]")
    text = text.replace("seeds: 3", "seeds: 2")
    tables = []
    for name, size in (("sharded", 1), ("whole", 2)):
        file = tmp_path / f"{name}.yaml"
        file.write_text(text.replace("seeds_per_job: 2", f"seeds_per_job: {size}"))
        done = subprocess.run(
            [sys.executable, "-m", "ffcl_utils", "study", str(file), "--runs", str(tmp_path)],
            cwd=ROOT, env=os.environ | {"FFCL_STORE": str(tmp_path / name)},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        folder = tmp_path / "studies" / name
        assert len(list((folder / "jobs").glob("*/metrics.json"))) == 2 // size
        assert (folder / "summary.svg").is_file()
        tables.append(pd.read_csv(folder / "runs.csv"))
    assert len(tables[0]) == 2
    pd.testing.assert_frame_equal(*tables, check_exact=True)
