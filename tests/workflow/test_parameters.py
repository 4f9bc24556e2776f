"""Parameters of a notebook: names, types and ranges are checked before anything runs."""

import subprocess
import sys

import pytest

from ffcl_utils.config import ConfigError
from ffcl_utils.errors import NotebookError
from ffcl_utils.paths import NOTEBOOKS
from ffcl_utils.workflow.parameters import (
    as_given,
    check_parameters,
    complete,
    default_parameters,
    parse_value,
)
from tests.workflow.made_up import notebook

TRAINING = NOTEBOOKS / "01_improved_ffcl_accuracy.ipynb"
BAD = [
    ({"epoch": 3}, "unknown parameter 'epoch'"),
    ({"epochs": -1}, "epochs=-1: Input should be greater than 0"),
    ({"seeds": 0}, "seeds=0: Input should be greater than 0"),
    ({"dataset": "cifar"}, "dataset='cifar': Input should be 'mnist'"),
    ({"learning_rate": "1e-3"}, "learning_rate='1e-3': Input should be a valid number"),
    ({"preset": "tiny"}, "preset='tiny': choose one of smoke, short, paper"),
    ({"preset": "full", "epochs": -1}, "preset='full': it is now called 'paper'"),
    ({"output_dir": 3}, "output_dir=3: str expected, not int"),
    (
        {"first_seed": 2**64},
        "first_seed=18446744073709551616: Input should be less than 2",
    ),
    ({"first_seed": -1}, "first_seed=-1: Input should be greater than or equal to 0"),
    ({"seeds": 10**6}, "seeds=1000000: Input should be less than or equal to 1000"),
    ({"margin": float("nan")}, "margin=nan: Input should be"),
]


@pytest.mark.parametrize(("parameters", "message"), BAD, ids=lambda x: str(x)[:30])
def test_bad_parameters_are_one_line(parameters, message):
    with pytest.raises(ConfigError) as error:
        check_parameters(TRAINING, parameters)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [("20_explore_ensembles", "images", 5), ("20_explore_ensembles", "images", 10_001),
     ("21_draw_a_digit", "example", -1), ("21_draw_a_digit", "example", 5000)],
)  # fmt: skip
def test_ranges_of_a_notebooks_own_parameters(name, parameter, value):
    with pytest.raises(ConfigError, match=f"{parameter}={value}: between"):
        check_parameters(NOTEBOOKS / f"{name}.ipynb", {parameter: value})


@pytest.mark.parametrize(
    "cell", ["import os", "a = 1 + seeds", "a, b = 1, 2", "a = f()", "a =", "a.b = 1", "a: int = 1"]
)
def test_an_odd_cell_of_parameters_is_named(cell, tmp_path):
    path = notebook(tmp_path, parameters=f"preset = 'smoke'\n{cell}")
    with pytest.raises(NotebookError, match=r"made_up.ipynb: its cell .* `name = value`"):
        default_parameters(path)


def test_good_parameters_are_taken():
    check_parameters(TRAINING, {"epochs": 3, "learning_rate": 1e-3, "margin": 0, "dataset": None})


def test_another_name_of_a_setting_has_its_range(tmp_path):
    path = notebook(tmp_path, parameters="compare_loss = None")
    check_parameters(path, {"compare_loss": "cosine_embedding"})
    with pytest.raises(ConfigError, match="compare_loss='none_such'"):
        check_parameters(path, {"compare_loss": "none_such"})


def test_what_needs_no_rule_waits_for_none():
    """Rules import torch: seconds that an unknown preset or name should not take."""
    code = (
        "import sys; from pathlib import Path\n"
        "from ffcl_utils.workflow.parameters import check_parameters\n"
        f"check_parameters(Path({str(TRAINING)!r}), {{'preset': 'smoke', 'output_dir': 'x'}})\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("content", ["", "{}", '{"cells": 3}', "[1]"])
def test_a_file_that_is_no_notebook_is_named(content, tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text(content)
    with pytest.raises(NotebookError, match=r"x\.ipynb is not a notebook"):
        default_parameters(path)


def test_complete_parameters_are_defaults_and_given_ones_without_the_place(tmp_path):
    path = notebook(tmp_path)
    assert complete(path, {"epochs": 3, "output_dir": "out"}) == {
        "preset": "smoke",
        "seeds": None,
        "epochs": 3,
        "results": "",
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("1e-3", 1e-3), ("None", None), ("paper", "paper"), ("'3'", "3"), ("True", True)],
)
def test_values_typed_on_the_command_line(text, value):
    assert parse_value(text) == value


def test_paths_inside_the_repository_name_no_folder_of_the_machine(tmp_path):
    assert as_given(TRAINING) == "notebooks/01_improved_ffcl_accuracy.ipynb"
    assert as_given(tmp_path) == str(tmp_path.resolve())
