"""Notebook 31: the experiment of pruning, its figures' arrays, and the pruned networks of FF."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch

from ffcl_utils import rules
from ffcl_utils.analysis.ensembles import authors_ensembles, class_means
from ffcl_utils.config import ConfigError
from ffcl_utils.plots import pruning as drawn
from ffcl_utils.rules.base import right
from ffcl_utils.studies.models import one_by_one
from ffcl_utils.studies.related import pruned_ff, pruning_tables
from ffcl_utils.studies.related import pruning as study
from ffcl_utils.studies.silencing import silenced

TINY = {"seeds": 2, "hidden": (12,), "epochs": 2, "batch_size": 100, "ff_images": 80}
WEIGHTS = 12 * (784 + 10)


def tiny(**settings):
    return study.configure("smoke", **(TINY | settings))["pruning"]


@pytest.fixture(scope="module")
def runs(few):
    return study.run(tiny(), few)


@pytest.fixture(scope="module")
def pruned(networks, few):
    config = tiny(seeds=2)
    two = {"FF": networks["FF"], "BP": networks["BP"]}
    return (
        pruned_ff.by_magnitude(two, few, config),
        pruned_ff.by_units(networks["FF"], few, config),
    )


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"checked": 1.0}, "checked=1.0: .*a mask of 100 % leaves no weight"),
        ({"checked": 0.0}, "checked=0.0: .*a mask of 0 %"),
        ({"removed": (0.5, 1.2)}, "a mask of 120 %"),
        ({"checked": 0.99999999}, "leaves no weight"),
        ({"checked": float("nan")}, "checked=nan"),
        ({"removed": ()}, "removed"),
        ({"epochs": 1}, "fine_tuning=1: .*must be fewer than the epochs in all, 1"),
        ({"epochs": 0}, "epochs=0"),
        ({"hidden": ()}, "hidden"),
        ({"seeds": "2"}, "seeds='2'"),
        ({"dataset": "synthetic"}, "dataset='synthetic'"),
        ({"sparsity": 0.5}, "sparsity=0.5"),
    ],
)
def test_settings_that_cannot_work_are_one_clear_error(wrong, says):
    with pytest.raises(ConfigError, match=says) as error:
        study.configure("smoke", **wrong)
    assert "\n" not in str(error.value)


def test_an_unknown_preset_is_an_error():
    with pytest.raises(ConfigError, match="choose one of smoke"):
        study.configure("long")


def test_batches_larger_than_the_data_are_an_error_before_any_training(few):
    with pytest.raises(ConfigError, match="batch_size=500: mnist_5k has 400 images"):
        study.run(tiny(batch_size=500), few)


@pytest.mark.parametrize("preset", study.PRESETS)
def test_every_preset_has_the_levels_of_the_claims_and_shares_its_seeds(preset):
    configs = study.configure(preset, seeds=3, first_seed=7)
    assert {0.8, 0.95, 0.98} <= set(configs["pruning"].levels)
    assert configs["pruning"].sizes == (784, 300, 100, 10)
    assert {tuple(config.seed_list) for config in configs.values()} == {(7, 8, 9)}
    assert len({config.dataset for config in configs.values()}) == 1
    assert study.configure(preset, checked=0.9)["pruning"].levels.count(0.9) == 1


def test_every_mask_keeps_its_share_of_all_weights(runs):
    sizes = np.array([784 * 12, 12 * 10])
    kept = (runs[["layer 1", "layer 2"]].to_numpy() * sizes).sum(1)
    assert kept == pytest.approx(np.round((1 - runs.removed) * WEIGHTS), abs=0.01)
    shuffled = runs[runs.masks == study.SHUFFLED].set_index(["seed", "method"])
    found = runs[(runs.masks == study.AS_FOUND) & (runs.removed == 0.95)]
    found = found.set_index(["seed", "method"])
    for layer in ("layer 1", "layer 2"):
        assert (shuffled[layer] == found[layer].loc[shuffled.index]).all()


def test_every_method_level_and_check_is_there_once(runs):
    assert not runs.duplicated(["seed", "method", "masks", "removed"]).any()
    assert len(runs) == 2 * (1 + 3 * 5 + 2 * 4)
    assert runs.accuracy.between(0, 1).all()
    assert set(runs[runs.masks == study.FRESH].method) == set(study.METHODS[1:])


def test_a_seed_alone_is_the_same_as_among_others_and_each_time(runs, few):
    alone = study.run(tiny(seeds=1, first_seed=1), few)
    among = runs[runs.seed == 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, among, check_exact=True)
    assert not (runs[runs.seed == 0].accuracy.to_numpy() == among.accuracy.to_numpy()).all()


def test_tickets_lose_weights_round_by_round_and_start_again_from_the_first(few):
    config = tiny(seeds=1)
    one = study._Seed(config, 0, few.train_images.float() / 255, few.train_labels)
    rounds = [
        (masks, network)
        for what, masks, network in study._networks(one)
        if what["method"] in (study.DENSE, study.TICKET) and what["masks"] == study.AS_FOUND
    ]
    first = one.drawn("weights")
    for (before, trained), (masks, network) in pairwise(rounds):
        magnitudes = torch.cat([w.abs().flatten() for w in trained.weights])
        kept = torch.cat([mask.flatten() for mask in masks]) == 1
        assert magnitudes[kept].min() >= magnitudes[~kept].max()
        assert all((a >= b).all() for a, b in zip(before, masks, strict=True))
        again = one.trained(first, masks, config.epochs)
        assert all(map(torch.equal, again.weights, network.weights))


def test_every_network_takes_equally_many_steps(few, monkeypatch):
    taken = []

    def not_trained(network, masks, inputs, labels, order, epochs, *_):
        taken.append(epochs)
        return network

    monkeypatch.setattr(study, "trained", not_trained)
    study.run(tiny(seeds=1), few)
    whole, half = 2, 1  # epochs; of magnitude pruning: one before the pruning, one after it
    assert taken.count(half) == 1 + 3 + 1 and taken.count(whole) == len(taken) - 5


def test_generators_of_different_purposes_differ(few):
    one = study._Seed(tiny(), 3, few.train_images, few.train_labels)
    draws = [torch.rand(4, generator=one.generator(p)) for p in study.PURPOSES]
    assert len({tuple(d.tolist()) for d in draws}) == len(study.PURPOSES)


def test_the_metrics_that_claims_use_are_there_one_figure_a_seed(runs, pruned):
    config = tiny()
    found = pruning_tables.metrics(runs, config) | pruned_ff.metrics(*pruned)
    asked = ["SNIP - dense/test_error/95", "lottery ticket - dense/test_error/80",
             "at initialisation, changed - as found/test_error/95",
             "magnitude after training - best at initialisation/test_accuracy/95",
             "FF, ensembles - random units/test_accuracy/above 1",
             "FF, ensembles/share of units/above 1"]  # fmt: skip
    asked += [f"{m}, {c} - as found/test_error/95" for m in ("SNIP", "GraSP")
              for c in ("shuffled", "fresh weights")]  # fmt: skip
    assert set(asked) <= set(found)
    assert all(values.shape == (2,) for values in found.values())
    dense, snip = found["dense/test_accuracy"], found["SNIP/test_accuracy/95"]
    assert found["SNIP - dense/test_error/95"] == pytest.approx((1 - snip) - (1 - dense))
    behind = found["magnitude after training/test_accuracy/95"] - [
        max(a, b) for a, b in zip(snip, found["GraSP/test_accuracy/95"], strict=True)
    ]
    name = "magnitude after training - best at initialisation/test_accuracy/95"
    assert found[name] == pytest.approx(behind)


def test_a_change_that_costs_has_a_rise_of_the_error():
    rows = [
        {"seed": seed, "method": m, "masks": masks, "removed": 0.95, "accuracy": accuracy}
        for seed in (0, 1)
        for m in study.METHODS
        for masks, accuracy in ((study.AS_FOUND, 0.9), (study.SHUFFLED, 0.8), (study.FRESH, 0.95))
    ]
    found = pruning_tables.costs(pd.DataFrame(rows), tiny())
    assert found["SNIP, shuffled"] == pytest.approx([0.1, 0.1])
    assert found["GraSP, fresh weights"] == pytest.approx([-0.05, -0.05])
    points = {"a": np.array([0.01, 0.03, np.nan]), "b": np.array([0.02])}
    table = pruning_tables.costs_table(points).set_index("name")
    half = 12.706204736 * np.std([1, 3], ddof=1) / np.sqrt(2)  # Student's t of one degree
    assert table.loc["a"].tolist() == pytest.approx([2, 2 - half, 2 + half])
    assert table.loc["b", "mean"] == pytest.approx(2) and np.isnan(table.loc["b", "low"])


def test_the_worked_unit_is_right_by_hand():
    """w·x = −0.2, the target 0.8: the error is −1, and |x|² = 7.25."""
    table = pruning_tables.worked([0.5, -1.0, 0.3, 2.0], [2.0, 1.5, 1.0, 0.0], 0.8, 2)
    assert table["SNIP"].tolist() == pytest.approx([1.0, 1.5, 0.3, 0.0])
    assert table["GraSP"].tolist() == pytest.approx([7.25, -10.88, 2.18, 0], abs=0.01)
    assert table["magnitude keeps"].tolist() == [False, True, False, True]
    assert table["SNIP keeps"].tolist() == [True, True, False, False]
    assert table["GraSP keeps"].tolist() == [False, True, False, True]


def test_pruned_ff_loses_the_smallest_weights_of_each_layer(networks, few, pruned):
    """By a slow reference for one level; nothing removed is the rule's own accuracy."""
    weights, _ = pruned
    images, labels = pruned_ff.test_part(few, 80)
    part = replace(few, test_images=images, test_labels=labels)
    for model in ("FF", "BP"):
        rule = networks[model]
        of = weights[(weights.model == model) & (weights.removed == 0)]
        assert of.accuracy.to_numpy() == pytest.approx(right(rule, part).double().mean(-1))
        again = type(rule)(rule.config)
        with torch.no_grad():
            for name, tensor in again.tensors().items():
                tensor.copy_(rule.tensors()[name])
                if name.startswith("weight"):
                    for one in tensor:
                        one[one.abs() <= np.quantile(one.abs(), 0.95)] = 0
        of = weights[(weights.model == model) & (weights.removed == 0.95)]
        assert of.accuracy.to_numpy() == pytest.approx(right(again, part).double().mean(-1))


def test_networks_that_are_given_stay_as_they_are(networks, few):
    before = {n: t.clone() for n, t in networks["FF"].tensors().items()}
    pruned_ff.by_magnitude({"FF": networks["FF"]}, few, tiny())
    pruned_ff.by_units(networks["FF"], few, tiny())
    assert all(torch.equal(t, before[n]) for n, t in networks["FF"].tensors().items())


def test_units_that_go_are_silent(networks, few):
    one = next(one_by_one(networks["FF"]))
    images, labels = pruned_ff.test_part(few, 50)
    units = np.array([1, 5, 30])
    pruned = pruned_ff.with_units(one, units)
    layer = pruned.representations(images, labels)[0][0].numpy()
    assert (np.flatnonzero(layer.any(0)) == [u for u in units if layer[:, u].any()]).all()
    gone = ~np.isin(np.arange(32), units)
    with silenced(one, 0, gone):
        assert torch.equal(one.predict(images), pruned.predict(images))


def test_units_are_chosen_on_training_images_and_as_many_by_each_selection(networks, few, pruned):
    _, units = pruned
    one = next(one_by_one(networks["FF"]))
    layer, labels = pruned_ff.first_layer(one, few, 80)
    rows = torch.linspace(0, len(few.train_labels) - 1, 80).round().long()
    found = one.predict(few.train_images[rows])[0].argmax(-1)
    rows = rows[found == few.train_labels[rows]]
    assert (labels == few.train_labels[rows].numpy()).all()
    written = one.representations(few.train_images[rows], few.train_labels[rows])
    assert layer == pytest.approx(written[0][0].numpy())
    share = authors_ensembles(class_means(layer, labels), 1).any(0).mean()
    rows = units[(units.seed == 0) & (units.above == 1)]
    assert rows.kept.tolist() == list(pruned_ff.SELECTIONS)
    assert rows.share.to_numpy() == pytest.approx(share)
    others = replace(few, test_images=few.test_images.flip(0), test_labels=few.test_labels.flip(0))
    again = pruned_ff.by_units(networks["FF"], others, tiny())
    assert (again.share == units.share).all()


def test_a_seed_of_ff_alone_is_the_same_as_among_others(networks, few, pruned):
    config = tiny(seeds=1, first_seed=1)
    one = list(one_by_one(networks["FF"]))[1]
    for found, of in zip(
        (pruned_ff.by_magnitude({"FF": one}, few, config), pruned_ff.by_units(one, few, config)),
        (pruned[0][pruned[0].model == "FF"], pruned[1]),
        strict=True,
    ):
        among = of[of.seed == 1].reset_index(drop=True)
        pd.testing.assert_frame_equal(found, among, check_exact=True)


def test_a_network_that_diverged_has_no_figure(few):
    config = rules.configure("forward_forward", "smoke", seeds=1).model_copy(
        update={"layers": (784, 8, 8)}
    )
    rule = rules.rule("forward_forward")(config)
    with torch.no_grad():
        rule.predicting().weights[0].fill_(torch.nan)
    assert np.isnan(pruned_ff.accuracy(rule, *pruned_ff.test_part(few, 10)))
    found = pruned_ff.by_magnitude({"FF": rule}, few, tiny(seeds=1))
    assert found.accuracy.isna().all()


def test_the_figure_has_every_curve_and_marks_its_gaps():
    removed = [0.5, 0.95, 0.99]
    values = np.array([[0.98, 0.97], [0.95, np.nan], [0.1, 1.0]])
    figure = drawn.accuracy_over_removed(
        {"SNIP": values, "random": values / 2}, removed, {"dense": np.array([0.98, 0.9])}, "T", "n"
    )
    (axis,) = figure.axes
    assert 0 < axis.get_xlim()[0] < 50 and 99 < axis.get_xlim()[1] < 100
    assert axis.get_xticks().tolist() == pytest.approx([50, 95, 99])
    low, high = axis.get_ylim()
    assert low <= 5 and high >= 99.5
    lines = {line.get_label(): line for line in axis.lines}
    assert lines["SNIP"].get_ydata() == pytest.approx([97.5, 95, 55])
    assert "SNIP: 1 of 2 seeds has gaps" in figure.get_suptitle()
    assert "nothing to show" in str(
        [t.get_text() for t in drawn.accuracy_over_removed({}, [], {}, "T", "n").axes[0].texts]
    )


def test_one_seed_alone_has_the_same_metrics(runs):
    both = pruning_tables.metrics(runs, tiny())
    alone = pruning_tables.metrics(runs[runs.seed == 1], tiny(seeds=1, first_seed=1))
    assert alone.keys() == both.keys()
    for name, values in both.items():
        np.testing.assert_array_equal(alone[name][0], values[1], name)
