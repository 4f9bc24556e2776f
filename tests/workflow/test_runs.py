"""The table of runs: complete, consistent, and the source of links and tables."""

import nbformat
import pytest

from ffcl_utils.config import PRESETS, ConfigError
from ffcl_utils.paths import NOTEBOOKS, ROOT
from ffcl_utils.store import key
from ffcl_utils.workflow import runs
from ffcl_utils.workflow.parameters import check_parameters, complete
from tests.workflow.listed import links_of_neighbours, markdown_of_runs, neighbours

ENTRIES = runs.runs()
SHORT = {
    "01_improved_ffcl_accuracy": {"dataset": "mnist"},
    "02_loss_decay": {"dataset": "mnist"},
    "03_forward_forward": {"dataset": "mnist"},
    "03_forward_forward-fashion_mnist": {"dataset": "fashion_mnist", "seeds": 3},
    "04_sparse_ensembles": {"dataset": "mnist"},
    "04_sparse_ensembles-fashion_mnist": {"dataset": "fashion_mnist", "seeds": 3},
    "05_unseen_classes": {"dataset": "mnist", "held_out_classes": 10, "epochs": 5},
    "06_excitation_inhibition": {"dataset": "mnist"},
    "07_reading_the_paper": {"dataset": "mnist", "seeds": 5},
    "08_beyond_63": {"dataset": "mnist"},
    "08_beyond_63-wide": {"dataset": "mnist", "network": "wide", "seeds": 5},
    "08_beyond_63-shifted": {"dataset": "mnist", "network": "shifted", "seeds": 5},
    "08_beyond_63-convolutional": {"dataset": "mnist", "network": "convolutional", "seeds": 5},
    "09_mirror_neurons": {"dataset": "mnist", "seeds": 5},
}


def test_every_notebook_has_a_run_and_every_run_a_notebook():
    there = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    assert [entry.notebook for entry in runs.notebooks()] == there
    names = [entry.name for entry in ENTRIES]
    assert len(set(names)) == len(names)
    assert all(entry.name.split("-")[0] == entry.notebook for entry in ENTRIES)


def test_modules_of_networks_and_runs_that_are_named_exist():
    for entry in ENTRIES:
        if entry.networks:
            module = entry.networks.replace(".", "/")
            assert (ROOT / "ffcl_utils" / "studies" / f"{module}.py").is_file()
        for name in [*entry.needs, *filter(None, [entry.same_as])]:
            runs.run(name)
    (overview,) = runs.of_parts("overview")
    assert overview.needs == [entry.name for entry in runs.of_parts("claims", "studies", "related")]


@pytest.mark.parametrize("name", SHORT)
def test_parameters_at_short_are_those_of_the_reference(name):
    assert runs.run(name).parameters_at("short") == {"preset": "short"} | SHORT[name]


def test_the_embedded_subset_is_taken_at_smoke_and_without_full_data():
    digits, clothes = (f"03_forward_forward{v}" for v in ("", "-fashion_mnist"))
    few = {"epochs": 10, "batch_size": 64}
    assert runs.run(digits).parameters_at("smoke") == {"preset": "smoke", "dataset": "mnist_5k"}
    assert runs.run(digits).parameters_at("smoke", embedded=True)["dataset"] == "mnist_5k"
    assert (
        runs.run(digits).parameters_at("short", embedded=True)
        == {"preset": "short", "dataset": "mnist_5k"} | few
    )
    assert (
        runs.run(clothes).parameters_at("paper", embedded=True)
        == {"preset": "paper", "dataset": "fashion_mnist_1k", "seeds": 3} | few
    )


def test_snapshots_are_asked_for_by_name_or_of_all():
    some = runs.run("12_neighbours")
    assert some.with_snapshots(["AR", "FF", "predsim"], "short") == {"AR", "predsim"}
    assert some.with_snapshots(["AR", "FF", "predsim"], "paper") == {"AR"}
    assert runs.run("09_mirror_neurons").with_snapshots(["AR", "FF"], "paper") == {"AR", "FF"}
    assert not runs.run("01_improved_ffcl_accuracy").with_snapshots(["AR", "FF"], "short")
    for entry in ENTRIES:
        for preset, asked in (("short", entry.snapshots), ("paper", entry.paper_snapshots)):
            if isinstance(asked, list):
                configs = runs.configs_of(entry, entry.parameters_at(preset))
                assert set(asked) <= set(configs), entry.name


@pytest.mark.parametrize("name", ["01_improved_ffcl_accuracy", "02_loss_decay"])
def test_the_first_papers_networks_are_the_same_at_short_and_at_paper(name):
    # README, docs/unknown.md and the text of the claims say so.
    entry, keys = runs.run(name), {}
    for preset in ("short", "paper"):
        configs = runs.configs_of(entry, complete(entry.path, entry.parameters_at(preset)))
        keys[preset] = {name: (key(config), config.seed_list) for name, config in configs.items()}
    assert keys["short"] and keys["short"] == keys["paper"]


def test_which_runs_wait_for_reproduce_all_at_a_preset():
    """Of the claims, Fashion-MNIST before paper; the authors' grid comes with them there."""
    said = {entry.name: entry.with_claims for entry in ENTRIES if entry.with_claims is not None}
    late = ("03_forward_forward-fashion_mnist", "04_sparse_ensembles-fashion_mnist")
    assert said == {name: ["paper"] for name in (*late, "10_authors_grid")}
    grid = runs.run("10_authors_grid")
    assert [grid.is_with_claims(preset) for preset in PRESETS] == [False, False, True]
    never = grid.model_copy(update={"presets": ["short"]})
    assert not any(never.is_with_claims(preset) for preset in PRESETS)
    assert runs.run("01_improved_ffcl_accuracy").is_with_claims("smoke")
    assert not runs.run("05_unseen_classes-fashion_mnist").is_with_claims("short")
    assert not runs.run("07_reading_the_paper").is_with_claims("short")


def test_long_runs_are_not_of_every_preset():
    assert runs.run("05_unseen_classes-fashion_mnist").presets == ["paper"]
    assert all(set(entry.presets) <= set(PRESETS) for entry in ENTRIES)
    # Sixteen rows of relaxations are too many for a look at whether all runs.
    assert runs.run("12_neighbours-relaxations").presets == ["short", "paper"]
    assert runs.run("12_neighbours-fashion_mnist").presets == ["short"]
    assert runs.run("13_deeper-fashion_mnist").presets == ["short"]
    some = {"05_unseen_classes-fashion_mnist", "12_neighbours-relaxations"}
    some |= {"12_neighbours-fashion_mnist", "13_deeper-fashion_mnist"}
    # Twenty or forty epochs of wide or convolutional networks, which no few images make short.
    for network in ("wide", "shifted", "convolutional"):
        name = f"08_beyond_63-{network}"
        assert runs.run(name).presets == ["short", "paper"]
        some.add(name)
    others = [entry for entry in ENTRIES if entry.name not in some]
    assert all(entry.presets == list(PRESETS) for entry in others)


@pytest.mark.parametrize("preset", PRESETS)
def test_runs_with_the_same_networks_have_the_same_parameters(preset):
    for entry in ENTRIES:
        if entry.same_as:
            same = runs.run(entry.same_as)
            assert entry.networks == same.networks
            assert entry.parameters_at(preset, True) == same.parameters_at(preset, True)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_notebooks_take_the_parameters_of_their_runs(entry, preset):
    check_parameters(entry.path, entry.parameters_at(preset))
    check_parameters(entry.path, entry.parameters_at(preset, embedded=True))


def test_unknown_names_are_one_clear_error():
    with pytest.raises(runs.UnknownRunError, match=r"no run '33': choose one of 00_overview, 01_"):
        runs.run("33")
    with pytest.raises(runs.UnknownRunError, match="no notebook '33'"):
        runs.of_notebook("33")
    with pytest.raises(ConfigError, match="'full': it is now called 'paper'"):
        ENTRIES[1].parameters_at("full")


def test_neighbours_are_the_notebooks_before_and_after():
    for name in ("03_forward_forward", "03_forward_forward-fashion_mnist"):
        before, after = neighbours(name)
        assert (before.name, after.name) == ("02_loss_decay", "04_sparse_ensembles")
    assert neighbours("00_overview")[0] is None
    assert neighbours("34_trajectory_feedback")[1] is None
    assert (
        links_of_neighbours("08_beyond_63-wide")
        == "Before: [07 Reading the paper](07_reading_the_paper.ipynb) · "
        "Next: [09 Mirror neurons](09_mirror_neurons.ipynb)"
    )


@pytest.mark.parametrize("part", ["claims", "studies", "related", "explore"])
def test_the_overview_and_the_readme_list_every_notebook(part):
    overview = nbformat.read(NOTEBOOKS / "00_overview.ipynb", as_version=4)
    rows = markdown_of_runs(part).splitlines()
    assert len(rows) == len({entry.notebook for entry in runs.of_parts(part)})
    for row in rows:
        assert row in overview.cells[0].source
