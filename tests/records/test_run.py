"""The run of a notebook: what it writes, what it refuses, and what it says of itself."""

import errno
import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from threadpoolctl import threadpool_info

from ffcl_utils.config import ConfigError, ExperimentConfig
from ffcl_utils.errors import NotebookError
from ffcl_utils.files import OutputError
from ffcl_utils.learning.process import prepare_process
from ffcl_utils.records import run as run_module
from ffcl_utils.records.identity import identity, source_hash
from ffcl_utils.records.metrics import read_record
from ffcl_utils.store import key
from tests.records import conftest as fake


def finish(run, **metrics):
    run.figure("empty", Figure())
    run.table("cells", pd.DataFrame({"a": [0.1, 2.0]}))
    run.file("networks/one.txt", lambda path: path.write_text("weights"))
    run.metrics(metrics or {"accuracy": [0.5, 0.6]})
    run.write()


def read(folder, name):
    return json.loads((folder / name).read_text())


def test_a_result_has_everything(started, tmp_path, digits):
    out = tmp_path / "out"
    finish(started(output=out, epochs=3))
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    written = ["cells.csv", "figures/empty.svg", "networks/one.txt"]
    assert files == sorted([*written, "metrics.json", "provenance.json"])
    origin = read(out, "provenance.json")
    assert origin["files"] == written
    assert origin["data_sha256"] == digits.sha256
    assert origin["dataset"] == "mnist_5k"
    assert origin["git_commit"] == "0123456789abcdef"
    assert (origin["dirty"], origin["source_changed"]) == (False, False)
    assert origin["parameters"]["epochs"] == 3
    assert "output_dir" not in origin["parameters"]
    assert origin["configs"]["balanced"]["epochs"] == 3
    assert len(origin["networks"]) == 4
    assert {"versions", "machine", "device", "threads", "seconds", "finished"} <= set(origin)


def test_metrics_are_the_record_that_claims_are_judged_by(started, tmp_path):
    finish(started(output=tmp_path / "out", epochs=3, dataset="mnist_5k"))
    epochs = fake.configure("smoke")["literal"].epochs
    record = read_record(tmp_path / "out" / "metrics.json")
    assert record.model_dump() == {
        "run": "01_accuracy",
        "dataset": "mnist_5k",
        "preset": "smoke",
        "changed": {"epochs": [3, epochs]},
        "seeds": [0, 1],
        "metrics": {"accuracy": [0.5, 0.6]},
    }


def test_the_identity_is_what_a_plan_computes_before(started, tmp_path):
    notebook = run_module.NOTEBOOKS / "01_accuracy.ipynb"
    configs = fake.configure("smoke", seeds=1)
    planned = identity(
        notebook,
        {"preset": "smoke", "seeds": 1},
        {name: key(config) for name, config in configs.items()},
        {name: config.seed_list for name, config in configs.items()},
        {},
    )
    finish(started(output=tmp_path / "out", seeds=1), accuracy=[1])
    assert read(tmp_path / "out", "provenance.json")["identity"] == planned


def test_code_that_is_edited_while_a_notebook_runs_is_recorded(started, package, tmp_path):
    before = source_hash(run_module.NOTEBOOKS / "01_accuracy.ipynb")
    run = started(output=tmp_path / "out")
    (package / "rules" / "one.py").write_text("x = 2\n")
    finish(run)
    origin = read(tmp_path / "out", "provenance.json")
    assert origin["source_changed"]
    assert origin["source"] == before


def test_a_notebook_that_is_gone_at_the_end_loses_no_result(started, tmp_path):
    run = started(output=tmp_path / "out")
    (run_module.NOTEBOOKS / "01_accuracy.ipynb").unlink()
    finish(run)
    assert read(tmp_path / "out", "provenance.json")["source_changed"]


def test_without_an_output_folder_nothing_is_written(started, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    finish(started())
    assert list((tmp_path / "here").iterdir()) == []


def test_a_seed_without_a_figure_is_null(started, tmp_path):
    run = started(output=tmp_path / "out", seeds=4)
    finish(run, loss=[math.nan, None, math.inf, 1], flag=torch.tensor([True, True, False, True]))
    metrics = read(tmp_path / "out", "metrics.json")["metrics"]
    assert metrics == {"loss": [None, None, None, 1.0], "flag": [1.0, 1.0, 0.0, 1.0]}


@pytest.mark.parametrize("bad", [[0.5], [0.5, 0.6, 0.7], [[0.5, 0.6]], 0.5])
def test_a_metric_has_one_figure_per_seed(started, bad):
    run = started()
    with pytest.raises(ValueError, match=r"for each of 2 seeds: accuracy \(shape"):
        run.metrics({"loss": np.ones(2), "accuracy": bad})


def test_metrics_may_come_in_several_cells(started, tmp_path):
    run = started(output=tmp_path / "out")
    run.metrics({"loss": [1, 2]})
    finish(run)
    assert set(read(tmp_path / "out", "metrics.json")["metrics"]) == {"loss", "accuracy"}


def test_figures_and_tables_are_returned_to_be_shown(started):
    run, figure, table = started(), Figure(), pd.DataFrame({"a": [1]})
    assert run.figure("one", figure) is figure
    assert run.table("two", table) is table


def test_a_table_keeps_an_index_that_says_something(started, tmp_path):
    run = started(output=tmp_path / "out")
    run.table("named", pd.DataFrame({"a": [1, 2]}, index=["x", "y"]).rename_axis("model"))
    finish(run)
    assert (tmp_path / "out" / "named.csv").read_text() == "model,a\nx,1\ny,2\n"
    assert (tmp_path / "out" / "cells.csv").read_text() == "a\n0.1\n2.0\n"


@pytest.mark.parametrize("name", ["../a", "/a", "a b", "metrics.json", "provenance.json", ".a"])
def test_a_file_stays_in_the_folder_and_takes_no_name_of_a_record(started, name):
    with pytest.raises(ValueError, match="no name for a file"):
        started().file(name, lambda path: None)


def test_a_full_disk_leaves_no_metrics_and_nothing_half_written(started, tmp_path):
    def full(path):
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "out"
    finish(started(output=out))
    run = started(output=out)
    run.file("more.txt", full)
    with pytest.raises(OSError, match="No space left"):
        finish(run)
    assert not (out / "metrics.json").exists()
    assert not (out / "more.txt").exists()
    assert not list(out.rglob(".writing-*"))
    finish(started(output=out))  # what is left is known to be of a run
    assert (out / "metrics.json").is_file()


def test_of_an_earlier_result_nothing_stays_but_what_is_not_its_own(started, tmp_path):
    out = tmp_path / "out"
    finish(started(output=out))
    finish(started(output=out), accuracy=[0.5, 0.6])
    (out / "mine.txt").write_text("mine")  # after the run has begun
    run = started(output=tmp_path / "other")
    run._output_dir = str(out)
    run.metrics({"accuracy": [0.5, 0.6]})
    run.write()
    assert sorted(p.name for p in out.rglob("*") if p.is_file()) == [
        "metrics.json", "mine.txt", "provenance.json",
    ]  # fmt: skip


def test_a_folder_of_something_else_is_not_written_into(package, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "metrics.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"metrics\.csv is not of a notebook's result"):
        run_module.Run("01_accuracy", fake.DEFAULTS | {"output_dir": str(tmp_path / "mine")})


def test_an_earlier_executed_copy_is_no_record_of_a_new_result(started, tmp_path):
    out = tmp_path / "out"
    finish(started(output=out))
    (out / "executed.ipynb").write_text("{}")
    finish(started(output=out, seeds=1), accuracy=[1])
    assert not (out / "executed.ipynb").exists() and (out / "metrics.json").is_file()


def test_a_folder_that_cannot_be_written_is_an_error_before_any_work(package, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write to the output folder"):
        run_module.Run("01_accuracy", fake.DEFAULTS | {"output_dir": str(tmp_path / "file" / "x")})


def test_the_cell_with_the_parameters_has_to_have_run(package):
    with pytest.raises(NotebookError, match=r"no value of preset, seeds, .*parameters' cell"):
        run_module.Run("01_accuracy", {})


def test_a_setting_out_of_range_is_an_error_before_any_training(started, networks):
    with pytest.raises(ConfigError, match="margin"):
        started(margin=7.0)
    assert not hasattr(networks, "snapshots")


def test_the_table_says_whether_snapshots_are_needed(started, networks, monkeypatch):
    started()
    assert networks.snapshots == set()
    table = (fake.entry("01_accuracy", snapshots=True),)
    monkeypatch.setattr("ffcl_utils.records.changes.runs", lambda: table)
    started()
    assert networks.snapshots == set(started().configs)


def test_a_notebook_that_only_reads_results_needs_no_networks(package, tmp_path):
    read_run = tmp_path / "runs" / "01_accuracy"
    read_run.mkdir(parents=True)
    (read_run / "provenance.json").write_text('{"identity": "abc"}')
    out = tmp_path / "out"
    namespace = {"results": str(tmp_path / "runs"), "output_dir": str(out)}
    run = run_module.Run("00_overview", namespace)
    assert (run.seeds, run.note, run.data) == ([], "", None)
    run.write()
    assert [path.name for path in out.iterdir()] == ["provenance.json"]
    notebook = run_module.NOTEBOOKS / "00_overview.ipynb"
    expected = identity(notebook, {}, {}, {}, {"01_accuracy": "abc"})
    assert read(out, "provenance.json")["identity"] == expected


def test_a_notebook_that_is_not_in_the_table_is_a_run_of_its_own(started, tmp_path):
    fake.write_notebook(run_module.NOTEBOOKS / "99_mine.ipynb", fake.PARAMETERS)
    finish(started("99_mine", output=tmp_path / "out"))
    assert read(tmp_path / "out", "metrics.json")["run"] == "99_mine"


def test_the_note_says_data_preset_and_seeds(started):
    run = started(seeds=1)
    assert (
        run.note == "MNIST subset of 5,000 (not comparable with the papers) · preset smoke · 1 seed"
    )
    assert started(seeds=3).note.endswith(" · 3 seeds")
    assert started(seeds=3).note_of(1) == run.note
    run.configs["many"] = run.configs["literal"].model_copy(update={"seeds": 40})
    assert run.note.endswith(" · 1 to 40 seeds")


def test_a_run_uses_one_thread_and_draws_in_the_notebook(started, monkeypatch):
    shown = []
    monkeypatch.setattr(run_module, "prepare_process", prepare_process)
    monkeypatch.setattr(run_module.plots, "show_in_notebook", lambda: shown.append(True))
    torch.set_num_threads(2)
    started()
    assert torch.get_num_threads() == 1
    assert {library["num_threads"] for library in threadpool_info()} == {1}
    assert shown == [True]


def test_networks_are_looked_at_by_the_products_of_their_training(started, networks, monkeypatch):
    asked = []
    monkeypatch.setattr(run_module, "multiply_as_in_training", lambda c: asked.extend(c))
    run = started()
    assert asked == [config.products for config in run.configs.values()] != []


def test_an_experiment_of_the_notebooks_own_keeps_torchs_products(package, networks, monkeypatch):
    """It trains in this process, whatever the networks beside it were trained with."""
    asked = []
    monkeypatch.setattr(run_module, "multiply_as_in_training", lambda c: asked.extend(c))
    given = fake.DEFAULTS | {"seeds": 2}

    def configure(**parameters):
        own = ExperimentConfig(preset="smoke", dataset="mnist_5k", seeds=2)
        return fake.configure(**parameters) | {"own": own}

    run_module.Run("01_accuracy", given).trained(configure)
    assert asked == ["float32"] * 3


@pytest.mark.parametrize("dataset", ["synthetic", "mnist_5k"])
def test_an_experiment_without_a_rule_has_a_record_but_no_key(dataset, package, tmp_path):
    """What it makes itself has no data; what looks at images names theirs."""

    def configure(preset, seeds, **_):
        return {"one": ExperimentConfig(preset=preset, dataset=dataset, seeds=seeds or 2)}

    out = tmp_path / "out"
    run = run_module.Run("01_accuracy", fake.DEFAULTS | {"output_dir": str(out)})
    assert run.trained(configure) == {}
    assert (run.data is None) == (dataset == "synthetic")
    finish(run)
    record, origin = read_record(out / "metrics.json"), read(out, "provenance.json")
    assert (record.dataset, record.seeds) == (dataset, [0, 1])
    assert origin["keys"] == {} and origin["networks"] == []
    assert origin["configs"] == {"one": {"dataset": dataset}}
    assert origin["dataset"] == (None if dataset == "synthetic" else dataset)
