"""When two runs agree, when they do not, and when they cannot be compared."""

import json
from functools import partial

import numpy as np
import pytest

from ffcl_utils.records import verify
from ffcl_utils.records.verify import NotTheSameExperimentError, compare_runs


@pytest.fixture
def write(started, tmp_path):
    """Writes a result: write("ours", accuracy=[…], parameters)."""

    def write_run(name, accuracy=(0.5, 0.6), **parameters):
        run = started("01_accuracy", tmp_path / name / "01_accuracy", **parameters)
        run.metrics({"accuracy": accuracy})
        run.write()
        return tmp_path / name

    return write_run


@pytest.fixture
def two_runs(write):
    return write("ours"), write("reference")


def change(folder, file, **values):
    path = folder / "01_accuracy" / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


another_machine = partial(change, file="provenance.json", machine="another")


def with_accuracy(folder, values):
    seeds = list(range(len(values)))
    change(folder, "metrics.json", metrics={"accuracy": values}, seeds=seeds)


def test_equal_runs_agree(two_runs):
    table = compare_runs(*two_runs)
    assert table.agrees.tolist() == [True]
    assert table.required.tolist() == ["every seed equal"]
    assert table[["run", "metric"]].values.tolist() == [["01_accuracy", "accuracy"]]


def test_the_same_machine_has_to_give_the_same_last_bit(two_runs):
    with_accuracy(two_runs[0], [0.5, 0.6 + 1e-15])
    assert not compare_runs(*two_runs).agrees.any()


def test_how_many_threads_there_are_makes_no_difference(two_runs):
    change(two_runs[0], "provenance.json", threads=16)
    assert compare_runs(*two_runs).required.tolist() == ["every seed equal"]


@pytest.mark.parametrize(("shift", "agrees"), [(0.2, True), (0.22, False)])
@pytest.mark.parametrize("condition", ["machine", "versions", "device"])
def test_elsewhere_means_have_to_be_within_three_standard_errors(
    two_runs, condition, shift, agrees
):
    # Both spreads: standard error 0.05 each, 0.0707 of the difference, three of them 0.2121.
    change(two_runs[0], "provenance.json", **{condition: "another"})
    with_accuracy(two_runs[0], [0.5 + shift, 0.6 + shift])
    assert compare_runs(*two_runs).agrees.tolist() == [agrees]


@pytest.mark.parametrize(
    ("ours", "reference", "agrees"),
    [
        ([0.5, None], [0.5, None], True),
        ([None, 0.5], [0.5, None], False),
        ([0.5, 0.6], [0.5, None], False),
        ([None, None], [None, None], True),
    ],
)
def test_on_the_same_machine_the_same_seeds_have_no_figure(two_runs, ours, reference, agrees):
    for folder, values in zip(two_runs, (ours, reference), strict=True):
        with_accuracy(folder, values)
    assert compare_runs(*two_runs).agrees.tolist() == [agrees]


@pytest.mark.parametrize(
    ("ours", "reference", "agrees"),
    [
        ([0.5, 0.6, None], [0.52, 0.58, 0.55], True),
        ([0.5, 0.6, None], [0.9, 0.91, 0.92], False),
        ([None, None, None], [0.5, 0.6, None], False),
        ([0.5, 0.6, None], [None, None, None], False),
        ([None, None, None], [None, None, None], True),
    ],
)
def test_elsewhere_the_seeds_with_a_figure_are_compared(two_runs, ours, reference, agrees):
    another_machine(two_runs[0])
    for folder, values in zip(two_runs, (ours, reference), strict=True):
        with_accuracy(folder, values)
    assert compare_runs(*two_runs).agrees.tolist() == [agrees]


@pytest.mark.parametrize(("far", "agrees"), [(2.9, True), (3.1, False)])
def test_elsewhere_a_single_seed_varies_as_those_of_the_reference(two_runs, far, agrees):
    """The spread of a difference of one seed and a mean of four: s √(1 + 1/4)."""
    another_machine(two_runs[0])
    reference = [0.5, 0.52, 0.54, 0.56]
    error = np.std(reference, ddof=1) * (1 + 1 / 4) ** 0.5
    with_accuracy(two_runs[0], [np.mean(reference) + far * error])
    with_accuracy(two_runs[1], reference)
    assert compare_runs(*two_runs).agrees.tolist() == [agrees]


@pytest.mark.parametrize(("other", "agrees"), [(0.5, True), (0.51, False)])
def test_elsewhere_two_single_seeds_have_to_be_equal(two_runs, other, agrees):
    another_machine(two_runs[0])
    with_accuracy(two_runs[0], [0.5])
    with_accuracy(two_runs[1], [other])
    assert compare_runs(*two_runs).agrees.tolist() == [agrees]


def test_a_missing_metric_or_run_does_not_agree(two_runs):
    change(two_runs[0], "metrics.json", metrics={"other": [1, 2]})
    assert compare_runs(*two_runs).agrees.tolist() == [False]
    (two_runs[0] / "01_accuracy").rename(two_runs[0] / "02_other")
    table = compare_runs(*two_runs)
    assert table.agrees.tolist() == [False]
    assert table.required.tolist() == ["to be there"]


def test_other_settings_are_not_compared(write):
    runs = write("ours", margin=0.5), write("reference")
    message = r"01_accuracy: .* literal: margin is 0\.5, not 0\.0; balanced: margin is 0\.5, not"
    with pytest.raises(NotTheSameExperimentError, match=message):
        compare_runs(*runs)


def test_other_parameters_are_not_compared(write):
    runs = write("ours", permutations=7), write("reference")
    with pytest.raises(NotTheSameExperimentError, match=r"permutations is 7, not 100$"):
        compare_runs(*runs)


def test_other_presets_and_data_are_not_compared(two_runs):
    change(two_runs[0], "metrics.json", preset="paper")
    with pytest.raises(NotTheSameExperimentError, match=r"preset is 'paper', not 'smoke'$"):
        compare_runs(*two_runs)
    change(two_runs[0], "metrics.json", preset="smoke")
    change(two_runs[0], "provenance.json", data_sha256={"mnist_5k": "ab"})
    with pytest.raises(NotTheSameExperimentError, match="SHA-256 of mnist_5k is 'ab', not"):
        compare_runs(*two_runs)


def test_many_differences_are_counted(write, monkeypatch):
    monkeypatch.setattr(verify, "SHOWN", 1)
    runs = write("ours", margin=0.5, epochs=2, permutations=7), write("reference")
    with pytest.raises(NotTheSameExperimentError, match=r"; and 4 more$"):
        compare_runs(*runs)


def test_a_setting_that_is_given_is_the_same_as_one_that_the_preset_says(write):
    assert compare_runs(write("ours", margin=0.0), write("reference")).agrees.all()


def test_other_seeds_are_compared_by_their_spread(write):
    runs = write("ours", [0.45, 0.62], first_seed=7), write("reference")
    assert compare_runs(*runs).agrees.all()
    assert compare_runs(*runs).required.str.startswith("|Δ mean|").all()


def test_other_precision_is_compared_by_its_spread(two_runs):
    origin = json.loads((two_runs[0] / "01_accuracy" / "provenance.json").read_text())
    configs = {name: c | {"products": "auto"} for name, c in origin["configs"].items()}
    change(two_runs[0], "provenance.json", configs=configs)
    assert compare_runs(*two_runs).required.str.startswith("|Δ mean|").all()


def test_a_folder_without_results_is_named(two_runs, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no results in {tmp_path}/nothing"):
        compare_runs(tmp_path / "nothing", two_runs[1])
    with pytest.raises(FileNotFoundError, match=f"no results in {tmp_path}/nothing"):
        compare_runs(two_runs[0], tmp_path / "nothing")
