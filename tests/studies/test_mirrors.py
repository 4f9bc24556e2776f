"""Twins and strangers: planted likeness is noticed, and likeness is followed per epoch."""

import numpy as np
import pandas as pd
import pytest
import torch

from ffcl_utils import rules, store
from ffcl_utils.config import ConfigError
from ffcl_utils.studies import mirrors as study


def rule_of(**overrides):
    settings = {"epochs": 2, "seeds": 2} | overrides
    return rules.rule("improved_ffcl")(rules.configure("improved_ffcl", "smoke", **settings))


def test_a_twin_that_is_the_other_in_another_order_is_its_mirror(digits):
    rule = rule_of(seeds=3)
    first, second = rule.twins.first, rule.twins.second
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        second.weights[0][:] = first.weights[0][:, :, order]
        second.biases[0][:] = first.biases[0][:, :, order]
    images = digits.test_images[:200]
    found = study.compare(rule, images)
    assert found["cka/twins/layer1"] == pytest.approx(np.ones(3))
    dead = (rule.hidden_layers(images)[0][0].numpy().max(1) <= 0).mean(1)
    assert found["matched/twins/layer1"] == pytest.approx(1 - dead, abs=1e-5)
    assert (found["matched/strangers/layer1"] < 0.9).all()
    assert (found["cka/strangers/layer1"] < found["cka/twins/layer1"]).all()


def test_a_network_that_has_diverged_is_like_nothing(digits):
    rule = rule_of()
    with torch.no_grad():
        rule.twins.first.weights[0][1] = torch.nan
    found = study.compare(rule, digits.test_images[:50])
    assert np.isnan(found["cka/twins/layer1"]).tolist() == [False, True]
    units = study.mirroring_and_selectivity(rule, digits)
    assert set(units["seed"]) == {0}
    assert np.isnan(study.rank_correlation(units, [0, 1])).tolist() == [False, True]


def test_settings_are_those_of_the_first_reference():
    configs = study.configure("short", seeds=5)
    assert [c.margin for c in configs.values()] == [0.0, 0.0, 0.5]
    assert [c.pairing for c in configs.values()] == ["random", "balanced", "balanced"]
    with pytest.raises(ConfigError, match="two or more"):
        study.configure("smoke", seeds=1)
    with pytest.raises(ConfigError, match="permutations=3"):
        study.configure("smoke", permutations=3)


@pytest.fixture(scope="module")
def networks(few, tmp_path_factory):
    """Trained through the store, with the weights after every epoch."""
    patch = pytest.MonkeyPatch()
    patch.setattr(store.jobs, "load_changed", lambda *_: few)
    folder = tmp_path_factory.mktemp("store")
    trained = {}
    for name, config in study.configure("smoke", epochs=2).items():
        store.train(store.Job(config, snapshots=True), folder)
        trained[name] = store.reader.read(config, folder, snapshots=True)
    patch.undo()
    return trained


def test_curves_begin_before_the_training(networks, few):
    curves = study.curves(networks, few)
    images = few.test_images[: study.PROBES]
    untrained = study.compare(rule_of(), images)
    for name, found in curves.items():
        after = study.compare(networks[name], images)
        for figure, values in found.items():
            assert values.shape == (3, 2)
            np.testing.assert_allclose(values[0], untrained[figure], rtol=1e-5)
            np.testing.assert_allclose(values[-1], after[figure], rtol=1e-5)
    assert list(study.panels(curves, "cka")) == [
        f"{n}, {k}" for n in networks for k in study.LAYERS
    ]
    assert len(study.before_and_after(curves)) == 3 * 2 * 2


def test_the_figures_of_an_epoch_are_those_of_a_training_that_ends_there(networks, few):
    ends_there = rule_of(epochs=1)
    ends_there.fit(few)
    expected = study.compare(ends_there, few.test_images[: study.PROBES])
    for figure, values in study.curves(networks, few)["literal"].items():
        np.testing.assert_allclose(values[1], expected[figure], rtol=1e-4, err_msg=figure)


def test_a_seed_that_has_diverged_has_no_ensembles(few):
    rule = rule_of()
    with torch.no_grad():
        rule.twins.first.weights[0][1] = torch.nan
    rows = study.ensembles({"literal": rule}, few, permutations=20)
    diverged = (rows["model"] == "literal") & (rows["seed"] == 1)
    assert rows.loc[diverged, ["units", "size", "nearest"]].isna().all(axis=None)
    assert rows[~diverged].notna().all(axis=None)


def test_metrics_are_of_first_twins_and_the_untrained(networks, few):
    rows = study.ensembles(networks, few, permutations=40)
    assert list(dict.fromkeys(rows["model"])) == [*networks, "untrained"]
    units = {n: study.mirroring_and_selectivity(r, few) for n, r in networks.items()}
    ranks = {n: study.rank_correlation(u, [0, 1]) for n, u in units.items()}
    curves = study.curves(networks, few)
    metrics = study.metrics(curves, rows, ranks)
    twins, strangers = (
        curves["balanced"][f"cka/{who}/layer2"][-1] for who in ("twins", "strangers")
    )
    expected = twins - strangers
    np.testing.assert_allclose(metrics["balanced/cka/twins - strangers/layer2"], expected)
    assert all(values.shape == (2,) for values in metrics.values())


def test_rank_correlation_is_of_each_seed():
    units = pd.DataFrame(
        {
            "seed": [0] * 4 + [1] * 4,
            "mirrored": [1, 2, 3, 4] * 2,
            "effect": [1, 4, 9, 16, 4, 3, 2, 1],
        }
    )
    assert study.rank_correlation(units, [0, 1]) == pytest.approx([1, -1])


def test_untrained_units_are_compared_without_the_dead_ones(digits):
    rule = rule_of()
    with torch.no_grad():
        rule.twins.first.biases[0][0, :, :5] = -1e3
    units = study.mirroring_and_selectivity(rule, digits)
    assert not set(range(5)) & set(units[units["seed"] == 0]["unit"])
    assert units["mirrored"].between(-1, 1).all()


def test_kept_epochs_are_the_first_seeds_weights_at_that_time(networks):
    rule = next(iter(networks.values()))
    kept = study.kept_epochs(rule)
    assert list(kept) == [0, 1]  # of two epochs; the last is kept elsewhere
    times = enumerate(store.epochs_of(rule))
    weights = {k: r.tensors()["first/weight1"][0].clone() for k, r in times}
    for epoch, one in kept.items():
        assert one.config.seeds == 1
        assert torch.equal(one.tensors()["first/weight1"][0], weights[epoch])
    assert not torch.equal(weights[0], weights[1])
