"""Notebook 05: each class held out in turn, shown in three ways, and held against the pixels."""

import numpy as np
import pandas as pd
import pytest
import torch

from ffcl_utils import rules
from ffcl_utils.config import ConfigError
from ffcl_utils.data.datasets import Dataset, load_changed
from ffcl_utils.studies import unseen as study
from tests.small import small


def test_short_is_two_networks_a_class_and_seed():
    configs = study.configure("short", 10, epochs=5, seeds=2)
    assert len(configs) == 20
    ff, bp = configs["FF without 3"], configs["BP without 3"]
    assert ff.change == bp.change == "without_class:3"
    assert (ff.layers, ff.batch_size, ff.epochs) == ((784, 784), 512, 5)
    assert (bp.layers, bp.batch_size, bp.epochs) == ((784, 784, 784, 784, 10), 1024, 5)


@pytest.mark.parametrize("count", [0, 11])
def test_other_numbers_of_classes_are_refused(count):
    with pytest.raises(ConfigError, match=f"held_out_classes={count}: between 1 and 10"):
        study.configure("smoke", count)


@pytest.fixture(scope="module")
def trained(few):
    networks = {}
    for name, config in study.configure("smoke", 3, seeds=2, epochs=1).items():
        layers = (784, 16) if name.startswith("FF") else (784, 16, 10)
        networks[name] = rules.rule(config.rule)(config.model_copy(update={"layers": layers}))
        networks[name].fit(small(load_changed("mnist_5k", config.change), 400))
    return networks


def test_the_table_has_a_row_per_model_presentation_class_network_and_seed(trained, few):
    table = study.table(trained, few, study.related_classes(few))
    by = table.groupby(["model", "shown", "network"]).size()
    assert by["FF"].tolist() == [6] * 6  # three presentations, unseen and learnt
    assert by["untrained"].tolist() == [6] * 3
    assert by["BP"].tolist() == [6] * 2
    assert (table["size"] == (table["share"] * 16).round()).all()
    # what a network learnt it can share with; the two held-out classes it never met it cannot
    unseen = table[table.network == "unseen"]
    for c in range(3):
        assert unseen[unseen["class"] == c][f"with {c}"].isna().all()
    metrics = study.metrics(table)
    assert all(values.shape == (2,) for values in metrics.values())
    assert study.panels(table)[study.SIZE]["BP"].shape == (3, 2)
    assert study.shares_most_with(table, few.classes).shape == (3, 3)
    assert len(study.by_model(table)) == 11
    one = {name: rule for name, rule in trained.items() if name.endswith(" 0")}
    alone = study.table(one, few, study.related_classes(few))
    assert set(alone.network) == {"unseen"}
    assert "FF - untrained/no label/unseen/ensemble_size" in study.metrics(alone)


def made_up(units=40):
    """Planted: class c has units 2c and 2c + 1; class 9 has those of class 4 and two of its own."""
    labels = np.arange(400) % 10
    activations = np.full((400, units), 0.1)
    for c in range(9):
        activations[labels == c, 2 * c : 2 * c + 2] = 5
    for unit in (8, 9, 30, 31):
        activations[labels == 9, unit] = 5
    return activations, labels


def test_a_planted_unseen_class_is_described():
    found = study.describe(*made_up(), 9, 9, 4)
    assert (found["size"], found["share"], found["seen size"]) == (4, 0.1, 2)
    assert found["halves"] == 1
    assert found["with 4"] == found["with related"] == 0.5  # two of four units
    assert found["with others"] == 0
    assert (found["most with"], found["own"]) == (4, 0.5)
    learnt = study.describe(*made_up(), 9, 4, 4)  # class 4 was the unseen one: nobody's rival
    assert learnt["own"] == 1 and np.isnan(learnt["with related"]) and "with 4" not in learnt


def test_what_claim_b8_asks_of_an_ensemble():
    rows = pd.DataFrame(
        {
            "size": [50, 200, 24, 50, 50, 0],
            "seen size": [50, 50, 50, 50, 50, 50],
            "share": [0.1, 0.1, 0.1, 0.16, 0.1, 0.0],
            "halves": [0.9, 0.9, 0.9, 0.9, 0.7, np.nan],
        }
    )
    assert study.like_a_seen_one(rows).tolist() == [True] + [False] * 5


def test_a_class_evokes_nothing_where_no_unit_is_active():
    silent = study.describe(np.zeros((100, 8)), np.arange(100) % 10, 3, 3, 5)
    assert silent["size"] == 0 and silent["most with"] == -1
    assert np.isnan(silent["own"]) and np.isnan(silent["with related"])


def test_related_is_what_nearest_neighbours_say(few):
    related = study.related_classes(few)
    train, test = few.train_images.double(), few.test_images.double()
    for c in (4, 7):
        others = few.train_labels != c
        distance = torch.cdist(test[few.test_labels == c], train[others])
        votes = few.train_labels[others][distance.argmin(1)].bincount(minlength=10)
        assert related[c] == votes.argmax()
    rows = few.test_labels != 8
    without = Dataset(
        "few", few.train_images, few.train_labels, few.test_images[rows], few.test_labels[rows],
        few.classes, {},
    )  # fmt: skip
    assert study.related_classes(without)[8] == -1
