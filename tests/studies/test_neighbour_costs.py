"""What rules cost, against counts by hand."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ffcl_utils import rules
from ffcl_utils.learning.history import History
from ffcl_utils.studies import neighbour_costs as study
from ffcl_utils.studies.neighbour_rows import ROWS
from tests.small import small_config, small_rule


class Timed:
    """A rule whose training takes seconds that are known.

    For a seed 7 once, 2 an image once and half a second an image and epoch.
    """

    clock = 0.0

    def __init__(self, config):
        self.config = config

    def fit(self, data):
        images = len(data.train_labels)
        taken = 7 + 2 * images + 0.5 * images * self.config.epochs
        Timed.clock += self.config.seeds * taken


@pytest.mark.parametrize("epochs", [1, 9, 40, 1200])
@pytest.mark.parametrize("batch_size", [1, 20, 400])
def test_seconds_are_those_of_the_whole_training(few, monkeypatch, epochs, batch_size):
    """What is computed once counts once, and what is solved at once has a single epoch."""
    monkeypatch.setattr(study, "perf_counter", lambda: Timed.clock)
    rule = Timed(small_config("backprop", epochs=epochs, seeds=1, batch_size=batch_size))
    images = len(few.train_labels)
    rule.history = SimpleNamespace(optimisers=["Adam"])
    whole = 7 + 2 * images + 0.5 * images * epochs
    assert study.seconds_a_seed({"one": rule}, few) == {"one": pytest.approx(whole)}
    rule.history = SimpleNamespace(optimisers=[])
    solved = 7 + 2.5 * images
    assert study.seconds_a_seed({"one": rule}, few) == {"one": pytest.approx(solved)}


def test_few_images_are_trained_with_for_few_epochs(few, monkeypatch):
    """A 30th of the images or five batches, twice as many once, ten epochs at most; two seeds."""
    asked = []
    monkeypatch.setattr(Timed, "fit", lambda self, data: asked.append((self.config, data)))
    rule = Timed(small_config("backprop", epochs=1200, seeds=1, batch_size=4))
    rule.history = SimpleNamespace(optimisers=["Adam"])
    study.seconds_a_seed({"one": rule}, few)
    trained = [(config.epochs, len(data.train_labels)) for config, data in asked]
    assert trained == study.REPEATS * [(1, 20), (1, 40), (10, 20)]
    assert all(config.seeds == 2 and len(data.test_labels) == 10 for config, data in asked)


@pytest.mark.parametrize("name", ROWS)
def test_every_row_can_be_timed(name, few, monkeypatch):
    """With its own settings at smoke, and not trained itself."""
    monkeypatch.setattr(study, "REPEATS", 1)
    row = ROWS[name]
    epochs = {"sweeps": 5} if "sweeps" in row.settings else {}
    rule = small_rule(row.rule, **(row.settings | epochs))
    rule.history = SimpleNamespace(optimisers=[] if "mse" in row.settings.values() else ["Adam"])
    before = [tensor.clone() for tensor in rule.tensors().values()]
    assert 0 < study.seconds_a_seed({name: rule}, few)[name] < np.inf
    assert all(map(torch.equal, before, rule.tensors().values()))


def test_an_epoch_of_backpropagation_by_hand(few):
    """Each layer forwards, and back to its weights; to its inputs but in the first layer."""
    rule = small_rule("backprop")
    images, sizes = len(few.train_labels), (784, 32, 16, 10)
    products = [a * b for a, b in pairwise(sizes)]
    cost = study.cost_of_an_epoch(rule, few)
    assert cost.operations == 2 * images * (2 * sum(products) + sum(products[1:]))
    # Weights, biases, two moments and the gradient of each are the least that there is.
    assert cost.memory > 4 * 4 * (sum(products) + sum(sizes[1:]))


def test_two_stages_are_both_in_an_epoch(few):
    """Layers of FF in sequence: forward and to the weights, both for right and wrong labels."""
    rule = small_rule("forward_forward")
    cost = study.cost_of_an_epoch(rule, few)
    upper = 2 * 2 * 2 * len(few.train_labels) * (32 * 16 + 16 * 16)
    first = 2 * 2 * 2 * len(few.train_labels) * 784 * 32
    assert upper + first / 2 < cost.operations < upper + 1.1 * first


def test_costs_are_of_one_seed_and_leave_the_rule_alone(few):
    one, two = (small_rule("local_losses", seeds=seeds) for seeds in (1, 2))
    before = [tensor.clone() for tensor in two.tensors().values()]
    assert study.cost_of_an_epoch(one, few) == study.cost_of_an_epoch(two, few)
    pairs = zip(before, two.tensors().values(), strict=True)
    assert all(bool((old == new).all()) for old, new in pairs)


def test_fixed_random_weights_are_kept_in_memory(few):
    """Feedback alignment has backpropagation's network, and its backward weights beside it."""
    layers = {"layers": (784, 300, 300, 10), "batch_size": 10}
    plain, aligned = (small_rule(name, **layers) for name in ("backprop", "feedback_alignment"))
    fixed = sum(tensor[0].nbytes for tensor in aligned.fixed())
    assert fixed == 4 * (300 * 300 + 300 * 10)
    theirs, ours = (study.cost_of_an_epoch(rule, few).memory for rule in (plain, aligned))
    assert ours - theirs > 0.9 * fixed
    blocks = small_rule("cascaded_forward", blocks="dfa")
    assert len(blocks.fixed()) == 3 and small_rule("cascaded_forward").fixed() == []


@pytest.mark.parametrize("name", rules.names())
def test_every_rule_can_be_asked(name, few):
    cost = study.cost_of_an_epoch(small_rule(name), few)
    assert cost.operations > 0 and cost.memory > 0


def test_a_relaxation_costs_more_than_backpropagation_on_its_network(few):
    relaxed = small_rule("activation_relaxation", sweeps=40, tolerance=0)
    plain = small_rule("backprop", layers=relaxed.config.layers)
    ours, theirs = (study.cost_of_an_epoch(rule, few).operations for rule in (relaxed, plain))
    assert ours > theirs


def watched(curve, epochs=None, training="simultaneous", **settings):
    """What `epochs_to` looks at: a curve (E, S) and the settings of the training."""
    history = History((0, 1), {"test_accuracy/all": np.array(curve)}, [])
    config = SimpleNamespace(epochs=epochs or len(curve), training=training, **settings)
    return SimpleNamespace(history=history, config=config)


ENDED = np.array([0.9, 0.9])  # two networks that have a figure


def test_epochs_are_those_at_which_a_mark_was_first_reached():
    found = study.epochs_to(watched([[0.5, 0.91], [0.92, 0.89], [0.96, 0.93]]), ENDED)
    assert list(found) == list(study.MARKS)
    assert found[0.9] == 1.5 and found[0.95] == 3 and np.isnan(found[0.97])
    for other in (
        watched([[0.99, 0.99]], training="sequential"),
        watched([[0.99, 0.99]], epochs=3),
    ):
        assert all(np.isnan(value) for value in study.epochs_to(other, ENDED).values())


def test_a_network_that_has_diverged_has_reached_nothing():
    rule = watched([[0.98, 0.5], [0.1, 0.92]])
    assert study.epochs_to(rule, np.array([np.nan, 0.92]))[0.9] == 2
    assert np.isnan(list(study.epochs_to(rule, np.full(2, np.nan)).values())).all()


def test_the_curve_of_twins_is_that_of_the_one_that_predicts():
    twins = watched([[0.1, 0.1], [0.1, 0.1]], predictor="mean")
    twins.history.values["test_accuracy/mean"] = np.array([[0.91, 0.5], [0.9, 0.95]])
    assert study.epochs_to(twins, ENDED)[0.9] == 1.5
    twins.config.predictor = "cross_entropy"  # as CaFo's: no name of a curve
    assert all(np.isnan(value) for value in study.epochs_to(twins, ENDED).values())


def test_the_tables_multiply_epochs_by_what_one_costs(neighbours, few, monkeypatch):
    monkeypatch.setattr(study, "MARKS", (0.0, 1.1))
    table = study.costs_table(neighbours, dict.fromkeys(neighbours, 1.5), few)
    accuracy = dict.fromkeys(neighbours, ENDED)
    reached = study.reached_table(neighbours, table, accuracy)
    assert list(table.index) == list(reached.index) == list(neighbours)
    row = table.loc["predsim"].to_dict() | reached.loc["predsim"].to_dict()
    assert row["s an epoch"] == row["s to 0 %"] == 1.5  # one epoch, of 1.5 seconds a seed
    assert row["epochs to 0 %"] == 1 and row["epochs to 110 %"] == "–" == row["s to 110 %"]
    cost = study.cost_of_an_epoch(neighbours["predsim"], few)
    assert row["operations an epoch"] == pytest.approx(cost.operations / 1e9, abs=0.05)
    assert row["operations to 0 %"] == round(row["operations an epoch"])
    assert reached.loc["mirror contrast", "epochs to 0 %"] == 1  # the curve of what predicts


@pytest.mark.parametrize("epochs", [1, 3])
def test_what_is_solved_at_once_has_no_row(few, epochs):
    config = small_config("cascaded_forward", predictor="mse", epochs=epochs)
    solved = rules.rule("cascaded_forward")(config)
    solved.fit(few)
    assert study.costs_table({"CaFo": solved}, {"CaFo": 1.0}, few).empty
