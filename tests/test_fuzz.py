"""Whatever stands in a file or on the command line: an answer, or an error of ours in one line.

A few hundred examples in every test run; `FFCL_FUZZ=20000 pytest tests/test_fuzz.py` looks longer.
"""

import json
import os
import string

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ffcl_utils.data import files as data_files
from ffcl_utils.errors import UserError
from ffcl_utils.paths import NOTEBOOKS
from ffcl_utils.records.contents import check_replaceable
from ffcl_utils.records.metrics import Record, read_record
from ffcl_utils.store.networks import load_arrays, save_arrays
from ffcl_utils.workflow.jobs import Plan, read_plan
from ffcl_utils.workflow.parameters import check_parameters, default_parameters, parse_value
from ffcl_utils.workflow.sweep import Study, read_study
from tests.records.test_metrics import GOOD as RECORD

fuzzed = settings(
    max_examples=int(os.environ.get("FFCL_FUZZ", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_subnormal=False)
    | st.text(max_size=20)
)
names = st.text(string.ascii_letters + "_/-. ${}'\"\n", max_size=20)
trees = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
STUDY = {
    "notebook": "01_improved_ffcl_accuracy",
    "metric": "balanced/test_accuracy",
    "preset": "smoke",
    "parameters": {"epochs": 2},
    "grid": {"margin": [0.0, 0.5]},
    "seeds": 3,
    "seeds_per_job": 2,
}
PLAN = Plan(preset="smoke", folder="x", jobs={}).model_dump(mode="json")


def changed(content: dict):
    """The content with some entries replaced by anything, or of other names."""
    one = st.dictionaries(st.sampled_from(sorted(content)) | names, trees, max_size=3)
    return one.map(lambda other: content | other)


def one_line(error: UserError) -> None:
    assert "\n" not in str(error) and str(error).strip()


def read(reader, path, content, kind):
    """What a reader makes of a file with this content: an object of its kind, or one line."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode(errors="replace"))
    try:
        assert isinstance(reader(path), kind)
    except UserError as error:
        one_line(error)


@fuzzed
@given(changed(STUDY).map(yaml.safe_dump) | st.text() | st.binary())
def test_study_files(tmp_path, content):
    read(read_study, tmp_path / "study.yaml", content, Study)


@fuzzed
@given(changed(RECORD).map(json.dumps) | st.text() | st.binary())
def test_records(tmp_path, content):
    read(read_record, tmp_path / "metrics.json", content, Record)


@fuzzed
@given(changed(PLAN).map(json.dumps) | st.text() | st.binary())
def test_plans(tmp_path, content):
    read(read_plan, tmp_path / "plan.json", content, Plan)


@fuzzed
@given(changed({"cells": [], "metadata": {}}).map(json.dumps) | st.text() | st.binary())
def test_notebooks(tmp_path, content):
    read(default_parameters, tmp_path / "some.ipynb", content, dict)


@fuzzed
@given(trees.map(json.dumps) | st.text() | st.binary())
def test_provenance_of_a_folder_that_is_to_be_replaced(tmp_path, content):
    (tmp_path / "executed.ipynb").write_text("{}")
    read(check_replaceable, tmp_path / "provenance.json", content, type(None))


@fuzzed
@given(st.text("=-+*/().,'\"[]{}:_#\\ \n" + string.ascii_letters + string.digits, max_size=40))
def test_parameters_of_the_command_line(text):
    name, _, value = text.partition("=")
    for given_name in (name, "epochs", "margin", "preset"):
        try:
            check_parameters(
                NOTEBOOKS / "01_improved_ffcl_accuracy.ipynb", {given_name: parse_value(value)}
            )
        except UserError as error:
            assert str(error).strip()


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "0.safetensors"
    save_arrays(path, {"weights": np.arange(6.0).reshape(2, 3)}, {"seed": 0})
    return path.read_bytes()


@fuzzed
@given(st.data())
def test_headers_of_networks(tmp_path, network, data):
    place = data.draw(st.integers(0, len(network) - 1))
    length = data.draw(st.integers(0, 20))
    content = network[:place] + data.draw(st.binary(max_size=20)) + network[place + length :]
    path = tmp_path / "0.safetensors"
    path.write_bytes(content)
    try:
        arrays, header = load_arrays(path, seed=0)
    except UserError as error:
        assert "0.safetensors" in str(error)
    else:
        assert header["seed"] == 0 and arrays["weights"].tolist() == [[0, 1, 2], [3, 4, 5]]


@fuzzed
@given(st.binary(max_size=200))
def test_idx_files(tmp_path, content):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(data_files.DataError, match="damaged file") as error:
        data_files.read_verified(tmp_path, "mnist", path.name)
    one_line(error.value)
