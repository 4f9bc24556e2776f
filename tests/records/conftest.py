"""A small package, two notebooks and a table of runs, in place of the real ones."""

import json
from types import SimpleNamespace

import pytest
import torch

from ffcl_utils import rules, store
from ffcl_utils.records import changes, identity, promote
from ffcl_utils.records import run as run_module
from ffcl_utils.workflow.runs import RunEntry

PARAMETERS = """preset = "smoke"
seeds = None  # how many
first_seed = None
dataset = None
epochs = None
margin = None
permutations = 100  # no setting of a network
output_dir = ""
"""
DEFAULTS = {
    "preset": "smoke",
    "seeds": None,
    "first_seed": None,
    "dataset": None,
    "epochs": None,
    "margin": None,
    "permutations": 100,
    "output_dir": "",
}
NETWORKS = ("literal", "balanced")


def write_notebook(path, parameters):
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# A title\n", "and text"]},
        {
            "cell_type": "code",
            "metadata": {"tags": ["parameters"]},
            "source": parameters.splitlines(keepends=True),
            "execution_count": None,
            "outputs": [],
        },
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))
    return path


def configure(preset, dataset=None, seeds=None, first_seed=None, epochs=None, margin=None, **_):
    """What a study's `configure` does, for two readings."""
    settings = {"dataset": dataset, "epochs": epochs, "margin": margin}
    return {
        pairing: rules.configure(
            "improved_ffcl",
            preset,
            seeds=seeds,
            first_seed=first_seed,
            pairing="random" if pairing == "literal" else "balanced",
            **settings,
        )
        for pairing in NETWORKS
    }


def entry(name, part="claims", networks="accuracy", **more):
    notebook = more.pop("notebook", name.partition("-")[0])
    return RunEntry(
        name=name, notebook=notebook, title=name, question="?", part=part, networks=networks, **more
    )


TABLE = (
    entry("00_overview", part="overview", networks="", needs=["01_accuracy", "07_study"]),
    entry("01_accuracy", parameters={"dataset": "mnist", "short": {"permutations": 1000}}),
    entry(
        "01_accuracy-fashion_mnist",
        parameters={"dataset": "fashion_mnist", "short": {"seeds": 3}, "embedded": {"epochs": 4}},
    ),
    entry("07_study", part="studies", parameters={"dataset": "mnist"}),
    entry("20_explore", part="explore", networks=""),
)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The folder of a small package, with `notebooks/` beside it, and the table of its runs."""
    package, notebooks = tmp_path / "package", tmp_path / "notebooks"
    (package / "rules").mkdir(parents=True)
    notebooks.mkdir()
    (package / "rules" / "one.py").write_text("x = 1\n")
    (package / "table.toml").write_text("a = 1\n")
    for run in TABLE:
        parameters = PARAMETERS if run.networks else 'results = ""\noutput_dir = ""\n'
        write_notebook(notebooks / f"{run.notebook}.ipynb", parameters)
    monkeypatch.setattr(identity, "PACKAGE", package)
    monkeypatch.setattr(run_module, "NOTEBOOKS", notebooks)
    monkeypatch.setattr("ffcl_utils.workflow.runs.NOTEBOOKS", notebooks)
    monkeypatch.setattr(changes, "runs", lambda: TABLE)
    monkeypatch.setattr(promote, "runs", lambda: TABLE)
    for module in (run_module, promote):
        monkeypatch.setattr(module, "git_state", lambda: ("0123456789abcdef", False))
    monkeypatch.setattr(run_module, "prepare_process", lambda: None)
    return package


@pytest.fixture
def networks(monkeypatch):
    """The store gives an empty object for every network, with the origin of each of its seeds."""

    def trained(configs, snapshots=()):
        trained.snapshots = snapshots
        return {
            name: SimpleNamespace(origins=[{"key": name, "seed": s} for s in config.seed_list])
            for name, config in configs.items()
        }

    monkeypatch.setattr(store, "trained", trained)
    return trained


@pytest.fixture
def started(package, networks, tmp_path):
    """Makes a run, with its networks: started(notebook, output folder, parameters)."""

    def start(notebook="01_accuracy", output=None, **parameters):
        folder = str(output or "")
        run = run_module.Run(notebook, DEFAULTS | parameters | {"output_dir": folder})
        run.trained(configure)
        return run

    return start


@pytest.fixture(autouse=True)
def threads_as_before():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
