"""Results of a preset, read: their folder, their metrics, where they come from."""

import json

import pytest

from ffcl_utils.config import DATASETS_OF_PRESETS, SYNTHETIC
from ffcl_utils.data.files import DATASETS
from ffcl_utils.errors import UserError
from ffcl_utils.paths import RESULTS
from ffcl_utils.records import results


@pytest.fixture
def runs(started, tmp_path):
    """Two results of the preset smoke."""
    for name, seeds in (("01_accuracy", 2), ("07_study", 1)):
        run = started(name, tmp_path / "smoke" / name, seeds=seeds)
        run.metrics({"accuracy": [0.5] * seeds})
        run.write()
    return tmp_path / "smoke"


def test_every_dataset_has_a_name():
    assert results.NAMES.keys() == {*DATASETS, SYNTHETIC}


def test_a_note_says_data_preset_and_seeds():
    assert results.note("mnist", "short", 10) == "MNIST · preset short · 10 seeds"
    assert results.note("synthetic", "short", 20) == "synthetic data · preset short · 20 seeds"
    assert results.note("mnist", "short", 10, 10, 100) == "MNIST · preset short · 10 to 100 seeds"
    smoke = results.note(DATASETS_OF_PRESETS["smoke"], "smoke", 1)
    assert smoke.endswith("(not comparable with the papers) · preset smoke · 1 seed")
    assert results.note(None, None, 0) == ""


def test_the_reference_is_the_folder_where_none_is_given(runs):
    assert results.folder_of("") == RESULTS / "short"
    assert results.result_folder(str(runs)) == runs


def test_a_folder_without_results_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no results in {tmp_path}: run `make reproduce`"):
        results.result_folder(str(tmp_path))


def test_metrics_are_read_by_run(runs):
    found = results.read_metrics(runs)
    assert {name: record["metrics"]["accuracy"] for name, record in found.items()} == {
        "01_accuracy": [0.5, 0.5],
        "07_study": [0.5],
    }
    assert results.read_metrics(runs / "nothing") == {}


def test_a_broken_record_is_named(runs):
    (runs / "07_study" / "metrics.json").write_text('{"metrics"')
    with pytest.raises(UserError, match=r"07_study.metrics\.json is not the record of a run"):
        results.read_metrics(runs)


def test_the_summary_has_a_row_per_run(runs):
    path = runs / "07_study" / "provenance.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"source_changed": True}))
    summary = results.run_summary(runs)
    assert summary.seeds.to_dict() == {"01_accuracy": 2, "07_study": 1}
    assert summary.dataset.tolist() == ["mnist_5k", "mnist_5k"]
    assert summary["commit"].tolist() == ["0123456789ab", "0123456789ab (changed)"]
    for missing in ("device", "versions", "seconds", "finished"):
        origin = json.loads(path.read_text())
        path.write_text(json.dumps({k: v for k, v in origin.items() if k != missing}))
        with pytest.raises(UserError, match="is not the origin of a run"):
            results.run_summary(runs)
        path.write_text(json.dumps(origin))
