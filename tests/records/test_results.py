"""Results folders: written whole or not at all, and told apart by verify."""

import json
import shutil
from pathlib import Path

import numpy as np
import psutil
import pytest
from matplotlib.figure import Figure

from ffcl_utils.config import ConfigError, configure
from ffcl_utils.files import OutputError, check_writable, write_json, write_whole
from ffcl_utils.learning.history import History, load_histories, save_histories
from ffcl_utils.paths import NOTEBOOKS
from ffcl_utils.records import results
from ffcl_utils.records.git import git_state
from ffcl_utils.records.provenance import peak_memory
from ffcl_utils.records.verify import NotTheSameExperimentError, compare_runs


def write(folder, digits, metrics=None, **config):
    configs = {"only": configure("improved_ffcl", "smoke", **config)}
    results.write(
        str(folder),
        configs=configs,
        data=digits,
        overrides={"epochs": 3, "margin": None, "seeds": 2},
        seconds=1.0,
        metrics=metrics or {"accuracy": [0.5, 0.6]},
        figures={"empty": Figure()},
    )
    return configs


def test_a_results_folder_has_everything(tmp_path, digits):
    write(tmp_path, digits)
    files = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert files == ["figures/empty.png", "figures/empty.svg", "metrics.json", "provenance.json"]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["overrides"] == {"epochs": 3}
    assert metrics["metrics"] == {"accuracy": [0.5, 0.6]}
    origin = json.loads((tmp_path / "provenance.json").read_text())
    assert origin["data_sha256"] == digits.sha256
    asked = "git_commit dirty config config_hash seeds versions device threads seconds"
    assert set(asked.split()) <= set(origin)


def test_the_peak_of_memory_is_at_least_what_is_held_now():
    held = psutil.Process().memory_info().rss
    assert 0.99 * held < peak_memory() * 2**20 < psutil.virtual_memory().total


def test_without_an_output_folder_nothing_is_written(tmp_path, digits, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results.check_output("")
    write("", digits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", [[0.5], [0.5, float("nan")], [[0.5, 0.6]]])
def test_a_metric_is_one_finite_figure_per_seed(tmp_path, digits, bad):
    with pytest.raises(ValueError, match="metric accuracy is not one finite figure per seed"):
        write(tmp_path, digits, {"accuracy": bad})
    assert not (tmp_path / "metrics.json").exists()


def test_a_folder_that_cannot_be_written_is_an_error_before_any_work(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file" / "out", Path("/proc/out")):
        with pytest.raises(OutputError, match=r"cannot write to the output folder .*out"):
            check_writable(folder)


def test_an_interrupted_write_leaves_nothing(tmp_path):
    def fails_half_way(path):
        path.write_text("half a res")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "metrics.json", fails_half_way)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_keeps_what_was_there(tmp_path):
    write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"new": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text()) == {"old": 1}


def test_histories_come_back_as_they_were(tmp_path):
    history = History((3, 4), {"test_loss/total": np.random.default_rng(0).random((5, 2))})
    save_histories(tmp_path / "h.npz", {"one": history, "two": history})
    back = load_histories(tmp_path / "h.npz")
    assert list(back) == ["one", "two"]
    assert back["two"].seeds == (3, 4)
    assert np.array_equal(back["two"]["test_loss/total"], history["test_loss/total"])


def test_histories_of_other_settings_are_refused(tmp_path, digits):
    configs = write(tmp_path, digits)
    save_histories(tmp_path / "histories.npz", {"only": History((0, 1), {"x": np.ones((3, 2))})})
    assert results.read_histories(str(tmp_path), configs)["only"].seeds == (0, 1)
    other = {"only": configure("improved_ffcl", "smoke", margin=0.5)}
    with pytest.raises(ConfigError, match="was trained with other settings"):
        results.read_histories(str(tmp_path), other)


def test_the_workflow_says_once_which_commit_it_runs(monkeypatch):
    monkeypatch.setenv("FFCL_GIT_COMMIT", "abc")
    monkeypatch.setenv("FFCL_GIT_DIRTY", "0")
    assert git_state() == ("abc", False)
    monkeypatch.setenv("FFCL_GIT_DIRTY", "1")
    assert git_state() == ("abc", True)


def test_label_says_data_preset_and_seeds():
    assert results.label(configure("improved_ffcl", "paper")) == "MNIST · preset paper · 10 seeds"
    smoke = results.label(configure("improved_ffcl", "smoke", seeds=1))
    assert smoke.endswith("(not comparable with the papers) · preset smoke · 1 seed")


@pytest.fixture
def two_runs(tmp_path, digits):
    for name in ("ours", "reference"):
        write(tmp_path / name / "notebook", digits)
    return tmp_path / "ours", tmp_path / "reference"


def change(folder, file, **values):
    path = folder / "notebook" / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_equal_runs_agree(two_runs):
    assert compare_runs(*two_runs).agrees.all()


def test_the_same_machine_has_to_give_the_same_last_bit(two_runs):
    change(two_runs[0], "metrics.json", metrics={"accuracy": [0.5, 0.6 + 1e-15]})
    assert not compare_runs(*two_runs).agrees.any()


@pytest.mark.parametrize(("shift", "agrees"), [(0.2, True), (0.22, False)])
def test_another_machine_has_to_be_within_three_standard_errors(two_runs, shift, agrees):
    # Both spreads: standard error 0.05 each, 0.0707 of the difference, three of them 0.2121.
    change(two_runs[0], "provenance.json", machine="another")
    change(two_runs[0], "metrics.json", metrics={"accuracy": [0.5 + shift, 0.6 + shift]})
    assert compare_runs(*two_runs).agrees.tolist() == [agrees]


def test_a_missing_metric_does_not_agree(two_runs):
    change(two_runs[0], "metrics.json", metrics={"other": [1, 2]})
    assert compare_runs(*two_runs).agrees.tolist() == [False]


def test_other_settings_are_not_compared(two_runs, digits):
    write(two_runs[0] / "notebook", digits, margin=0.5)
    with pytest.raises(NotTheSameExperimentError, match="differ in config"):
        compare_runs(*two_runs)


def test_other_seeds_are_compared_by_their_spread(two_runs, digits):
    write(two_runs[0] / "notebook", digits, {"accuracy": [0.45, 0.62]}, first_seed=7)
    assert compare_runs(*two_runs).agrees.all()


def test_a_folder_without_results_is_named(two_runs, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no results in {tmp_path}/nothing"):
        compare_runs(tmp_path / "nothing", two_runs[1])


@pytest.fixture
def finished_run(tmp_path, digits):
    run = tmp_path / "run"
    for notebook in NOTEBOOKS.glob("*.ipynb"):
        write(run / notebook.stem, digits)
        (run / notebook.stem / "executed.ipynb").write_text("{}")
        change_origin(run / notebook.stem, dirty=False)
    for large in ("logs", "03_forward_forward/weights", "03_forward_forward-x/representations"):
        (run / large).mkdir(parents=True)
    (run / "03_forward_forward" / "representations").mkdir()
    return run


def change_origin(folder, **values):
    path = folder / "provenance.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_finished_run_replaces_the_reference_whole(finished_run, tmp_path):
    reference = tmp_path / "results" / "paper"
    for _ in range(2):  # into nothing, and over what is there
        results.promote(finished_run, reference)
        assert (reference / "00_overview" / "metrics.json").is_file()
        assert not (reference / "logs").exists()
        assert [p.name for p in reference.rglob("representations")] == ["representations"]
        assert not list(reference.rglob("weights"))
        (reference / "old_notebook").mkdir()
    results.promote(finished_run, reference)
    assert not (reference / "old_notebook").exists()


def test_a_study_stays_in_the_reference_until_it_is_run_again(finished_run, tmp_path):
    reference, study = tmp_path / "paper", "07_reading_the_paper"
    results.promote(finished_run, reference)
    shutil.rmtree(finished_run / study)
    results.promote(finished_run, reference)
    assert (reference / study / "metrics.json").is_file()
    shutil.rmtree(reference)
    with pytest.raises(results.PromotionError, match=f"not finished: no {study}"):
        results.promote(finished_run, reference)


def test_an_unfinished_or_dirty_run_is_not_promoted(finished_run, tmp_path):
    change_origin(finished_run / "01_improved_ffcl_accuracy", dirty=True)
    with pytest.raises(results.PromotionError, match="comes from a tree with changes"):
        results.promote(finished_run, tmp_path / "reference")
    (finished_run / "02_loss_decay" / "executed.ipynb").unlink()
    with pytest.raises(results.PromotionError, match=r"not finished: no 02_loss_decay"):
        results.promote(finished_run, tmp_path / "reference")
    assert not (tmp_path / "reference").exists()
