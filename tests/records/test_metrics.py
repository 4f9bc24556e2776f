"""metrics.json: what is read, and that a broken one is one clear error naming the file."""

import json

import numpy as np
import pytest

from ffcl_utils.records.metrics import RecordError, read_record

GOOD = {
    "run": "02_loss_decay",
    "dataset": "mnist",
    "preset": "short",
    "changed": {"epochs": [2, 30]},
    "seeds": [0, 1],
    "metrics": {"a": [0.5, None], "b": [1, 0]},
}


def written(tmp_path, content):
    path = tmp_path / "metrics.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_a_record_is_read_with_nan_where_a_seed_has_no_figure(tmp_path):
    record = read_record(written(tmp_path, GOOD))
    np.testing.assert_array_equal(record.values("a"), [0.5, np.nan])
    np.testing.assert_array_equal(record.values("b"), [1.0, 0.0])
    assert record.model_dump() == GOOD


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "Invalid JSON"),
        ('{"run": ', "Invalid JSON"),
        ("[]", "object"),
        ({k: v for k, v in GOOD.items() if k != "seeds"}, "seeds: Field required"),
        (GOOD | {"overrides": {}}, "overrides: Extra"),
        (GOOD | {"preset": "full"}, "now called 'paper'"),
        (GOOD | {"seeds": []}, "seeds: "),
        (GOOD | {"seeds": [1, 1]}, "a seed stands twice"),
        (GOOD | {"seeds": [0, 1, 2]}, "metric a has 2 figures for 3 seeds"),
        (GOOD | {"metrics": {"a": [0.5, "0.5"]}}, r"metrics.a.1: .*valid number"),
        (GOOD | {"metrics": {"a": [0.5, True]}}, r"metrics.a.1: .*valid number"),
        (GOOD | {"metrics": {"a": 0.5}}, "metrics.a: "),
        (GOOD | {"metrics": {"a": [0.5, float("inf")]}}, r"metrics.a.1: .*finite"),
        (GOOD | {"metrics": {"a": [0.5, float("nan")]}}, r"metrics.a.1: .*finite"),
        (json.dumps(GOOD).replace("0.5", "1e999"), r"metrics.a.0: .*finite"),
        (GOOD | {"changed": {"epochs": 2}}, "changed.epochs: "),
        (GOOD | {"changed": {"epochs": [2]}}, "not a pair"),
    ],
)
def test_a_broken_record_is_one_clear_error(tmp_path, content, message):
    path = written(tmp_path, content)
    with pytest.raises(RecordError, match=message) as error:
        read_record(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_many_mistakes_are_cut_short(tmp_path):
    path = written(tmp_path, {})
    with pytest.raises(RecordError, match="and 3 more"):
        read_record(path)


def test_no_file_is_said(tmp_path):
    with pytest.raises(RecordError, match=r"cannot read .*metrics\.json: No such file"):
        read_record(tmp_path / "metrics.json")


def test_bytes_that_are_no_text_are_said(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecordError, match="is not the record of a run"):
        read_record(path)
