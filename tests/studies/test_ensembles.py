"""Notebook 04: planted ensembles make the tables, and one model is looked at after the other."""

import numpy as np
import pytest

from ffcl_utils.analysis import ensembles as analysed
from ffcl_utils.studies import ensembles as study


@pytest.fixture(scope="module")
def planted():
    """Two seeds; units 0-4 of layer 1 answer class 0, 5-9 class 1, …; layer 2 is noise."""
    labels = np.arange(600) % 10
    rng = np.random.default_rng(0)
    first = rng.random((2, 600, 60)).astype(np.float16)
    for c in range(10):
        first[:, labels == c, 5 * c : 5 * c + 5] += 20
    second = rng.random((2, 600, 60)).astype(np.float16)
    return [first, second], labels


def test_planted_ensembles_make_the_table(planted):
    layers, labels = planted
    tables = [study.find_ensembles(layer, labels, permutations=100) for layer in layers]
    rows = study.ensemble_rows("made up", layers, tables, labels)
    table = study.pd.DataFrame(rows).set_index(["layer", "seed"])
    for seed in range(2):
        first, second = table.loc[(1, seed)], table.loc[(2, seed)]
        assert (first.units, first["size"], first.classes) == (50 / 60, 5, 10)
        assert first.nearest == 1.0
        assert (second.units, second.classes) == (0, 0)
        assert second.active == 1.0
    stable = study.stability(layers[0], labels, 100)
    assert stable["halves"] == 1.0
    assert stable["seeds"] > 0.8


def test_units_that_never_vary_change_no_test(planted):
    """They are left out of the permutations, which makes these faster."""
    layers, labels = planted
    layer = layers[0][0].astype(np.float32)
    dead = np.concatenate([layer, np.zeros((600, 40), np.float32)], 1)
    alone, among = (analysed.largest_excess(a, labels, 0, 60) for a in (layer, dead))
    np.testing.assert_allclose(alone, among, rtol=1e-6)
    found = analysed.tested_ensembles(dead, labels, permutations=60)
    assert np.array_equal(found[:, :60], analysed.tested_ensembles(layer, labels, permutations=60))
    assert not found[:, 60:].any()
    assert (analysed.largest_excess(np.zeros((600, 3)), labels, 0, 25) == 0).all()


def test_an_analysis_has_every_model_layer_and_seed(networks, few):
    analysis = study.analyse(networks, few, permutations=40)
    assert list(analysis.tables) == [*networks, "untrained"]
    layers = sum(len(rule.hidden_weights()) for rule in networks.values()) + 3
    assert len(analysis.rows) == layers * 2
    assert analysis.first["FF"].shape == (1000, 32)
    metrics = study.metrics(analysis)
    share = study.shares(analysis.rows)
    np.testing.assert_allclose(
        metrics["FF - BP/ensemble_units/layer1"], share["FF"][0] - share["BP"][0]
    )
    assert all(values.shape == (2,) for values in metrics.values())
    table = study.differences_table(analysis.rows)
    assert (table.low <= table.high).all()
    assert study.sizes(analysis, few).shape == (10, 6)
    assert study.shared_units(analysis, few).shape == (10, 10)
    preferred = study.preferred(analysis, few)["FF"]
    dead = ~(analysis.first["FF"] > 0).any(0)
    assert ((preferred == -1) == dead).all()


def test_one_seed_has_differences_without_an_interval(networks, few):
    one = {name: type(rule)(rule.config.of_seeds(0, 1)) for name, rule in networks.items()}
    table = study.differences_table(study.analyse(one, few, permutations=20).rows)
    assert table.low.isna().all()
    assert table["mean"].notna().all()
