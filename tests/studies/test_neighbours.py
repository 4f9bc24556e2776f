"""The table of all rules: its rows, and measures against other libraries and closed forms."""

import re

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize

from ffcl_utils import rules
from ffcl_utils.analysis import ensembles
from ffcl_utils.analysis.similarity import linear_cka
from ffcl_utils.claims.ledger import ledger
from ffcl_utils.config import PRESETS, ConfigError
from ffcl_utils.paths import ROOT
from ffcl_utils.rules.base import right
from ffcl_utils.studies import neighbours as study
from ffcl_utils.studies.neighbour_rows import CONTROLS, RATE, ROWS, configure
from ffcl_utils.workflow.runs import run
from tests.small import small_config, small_rule


@pytest.fixture(scope="module")
def measured(neighbours, few):
    return {name: study.measure(rule, few) for name, rule in neighbours.items()}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("rows", ["few", "one_each", "all", "relaxations"])
def test_every_row_has_valid_settings_and_as_many_seeds(preset, rows):
    configs = configure(preset, rows)
    assert {c.seeds for c in configs.values()} == {{"smoke": 2, "short": 3, "paper": 5}[preset]}
    assert all(rows in ROWS[name].rows for name in configs)
    if preset == "paper":  # where local losses see shifted images, and AR has that step size
        endings = (", shifts", ", published step size")
        configs = {name: c for name, c in configs.items() if not name.endswith(endings)}
    assert len({repr(c.settings()) + c.rule for c in configs.values()}) == len(configs)


def test_the_rules_of_the_papers_have_rows():
    """A rule that somebody adds need not stand on the table, nor twins in other networks."""
    on_the_table = {row.rule for row in ROWS.values() if "all" in row.rows}
    text = (ROOT / "docs" / "add_a_rule.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", text)) & set(rules.names())
    assert len(named) > 12 and on_the_table == named - {"deep_twins", "plastic_twins"}


def test_one_variant_of_each_rule_stands_on_the_short_table():
    """Backpropagation's second and third network are the controls of two of them."""
    configs = configure("paper", "one_each")
    chosen = [config.rule for name, config in configs.items() if name not in CONTROLS]
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) == {row.rule for row in ROWS.values()}


def test_backprop_differs_from_what_it_is_held_against_in_its_errors_alone():
    configs = configure("short", "relaxations")
    for name in ("AR", "PC"):
        ours, plain = configs[name], configs[f"backprop, {name}'s network"]
        assert ours.rule == plain.rule
        changed = plain.settings() | {"errors": "settled"}
        assert plain.errors == "backpropagated" and changed == ours.settings()


def test_ar_with_the_published_step_size_differs_in_it_alone():
    configs = configure("short", "relaxations")
    published, ours = configs["activation relaxation, published step size"], configs["AR"]
    assert published.settings() == ours.settings() | {"step": 0.1}
    assert published.step == configure("paper", "relaxations")["AR"].step < ours.step


def test_recomputed_predictions_have_the_published_sweeps():
    row = configure("short", "relaxations")["predictive coding, recomputed"]
    published = configure("paper", "relaxations")["PC"]
    assert (row.step, row.sweeps) == (published.step, published.sweeps)


@pytest.mark.parametrize("shifts", ["", ", shifts"])
@pytest.mark.parametrize("preset", PRESETS)
def test_backprop_has_predsims_network_and_all_that_it_learns_with(preset, shifts):
    configs = configure(preset, "all")
    ours, plain = configs[f"predsim{shifts}"], configs[f"backprop, predsim's network{shifts}"]
    differ = {"local_loss": "none", "across": True}
    assert plain.settings() == ours.settings() | differ
    assert ROWS["backprop, predsim's network"].rows == ("all",)


def test_rows_that_end_in_shifts_differ_in_these_alone():
    configs = configure("short", "all")
    for name in ("pred", "sim", "predsim", "backprop, predsim's network"):
        plain, shifted = (configs[name + end].settings() for end in ("", ", shifts"))
        assert shifted == plain | {"shift": 2} and plain["shift"] == 0


def test_backprop_has_a_rate_of_its_own_at_short_alone():
    """One of the three that benchmarks/validation.py tries; at paper that of its paper."""
    rates = {preset: configure(preset, "few")["backprop"].learning_rate for preset in PRESETS}
    assert rates["short"] == ROWS["backprop"].short["learning_rate"] == RATE
    assert rates["smoke"] == rules.configure("backprop", "smoke").learning_rate
    assert rates["paper"] == 1e-4


def test_unknown_rows_are_one_line():
    with pytest.raises(ConfigError, match="rows='most': choose one of few, one_each, all"):
        configure("smoke", "most")


def test_the_nearest_mean_is_scikit_learns():
    rng = np.random.default_rng(0)
    learnt, asked = rng.random((60, 7)), rng.random((40, 7))
    labels, theirs = rng.integers(0, 10, 60), rng.integers(0, 10, 40)
    expected = NearestCentroid().fit(normalize(learnt), labels).predict(normalize(asked))
    found = study.nearest_mean_accuracy(learnt, labels, asked, theirs)
    assert found == pytest.approx((expected == theirs).mean())


def test_a_class_that_was_not_learnt_is_nobodys_nearest():
    labels = np.arange(20) % 5
    learnt = np.eye(5)[labels]
    assert study.nearest_mean_accuracy(learnt, labels, learnt, labels) == 1


def test_a_table_has_what_was_measured(neighbours, measured):
    table = study.table(neighbours, measured, dict.fromkeys(neighbours, 1.5))
    assert list(table.index) == ["backprop", "random layers", "mirror contrast", "predsim"]
    assert (table["seconds"] == 1.5).all()
    row = measured["predsim"]
    assert table.loc["predsim", "accuracy"] == pytest.approx(100 * row.accuracy.mean(), abs=0.006)
    assert len(table.loc["backprop", "layers alone"].split(", ")) == 2
    assert not table.loc["backprop", "local"] and table.loc["random layers", "local"]


@pytest.mark.parametrize("preset", ["short", "paper"])
@pytest.mark.parametrize("name", ["12_neighbours", "12_neighbours-relaxations"])
def test_a_run_has_a_figure_for_each_of_its_claims(name, preset, measured):
    """With the rows of the preset: a name that is written otherwise in the ledger stays NaN."""
    rows = run(name).parameters_at(preset)["rows"]
    found = study.metrics(dict.fromkeys(configure(preset, rows), measured["predsim"]))
    own = [claim for claim in ledger() if claim.run == name]
    assert own
    for claim in own:
        known = all(np.isfinite(found[metric]).all() for metric in claim.metrics)
        assert known is (preset in claim.presets), claim.id


def test_a_layer_by_hand():
    """Two images of two classes, four units; the two rules of ensembles as their functions say."""
    layer, labels = np.tile([[4.0, 0, 0, 0], [0, 3, 1, 0]], (20, 1)), np.tile([0, 1], 20)
    hoyer, sharing, size, members = study._of_layer(layer, labels)
    # (√4 − ‖h‖₁/‖h‖₂)/(√4 − 1): 1 for the first image, 2 − 4/√10 for the second.
    assert hoyer == pytest.approx((1 + 2 - 4 / 10**0.5) / 2)
    # Unit 0 for class 0, unit 1 for class 1: nothing shared, a quarter of the units each.
    assert (sharing, size) == (0, 0.25)
    by_ours = ensembles.tested_ensembles(layer, labels, permutations=study.PERMUTATIONS)
    assert members == pytest.approx(by_ours.any(0).mean())
    silent = study._of_layer(np.zeros((20, 4)), np.arange(20) % 2)
    assert np.isnan(silent[:3]).all() and silent[3] == 0


def test_a_network_that_has_diverged_has_no_figures(few):
    rule = rules.rule("backprop")(small_config("backprop"))
    with torch.no_grad():
        rule.network.weights[0][0] = torch.nan
    found = study.measure(rule, few)
    for values in (found.accuracy, found.hoyer, found.sharing, found.size, found.members):
        assert np.isnan(values[0]) and not np.isnan(values[1])
    assert np.isnan(found.layers[:, 0]).all() and np.isfinite(found.layers[:, 1]).all()
    assert np.isfinite(found.first).all()
    row = study.table({"backprop": rule}, {"backprop": found}, {"backprop": 1.0}).loc["backprop"]
    assert row.accuracy == pytest.approx(100 * found.accuracy[1], abs=0.006)
    assert np.isnan(row["std"]) and row["layers alone"].count(", ") == 1
    with torch.no_grad():
        rule.network.weights[0][1] = torch.nan
    both = study.measure(rule, few)
    row = study.table({"backprop": rule}, {"backprop": both}, {"backprop": 1.0}).loc["backprop"]
    assert np.isnan(row.accuracy) and row["layers alone"] == "diverged"


def test_a_step_that_diverges_is_a_marked_row(few):
    rule = small_rule("predictive_coding", predictions="recomputed", step=0.95, sweeps=200)
    rule.fit(few)
    found = study.measure(rule, few)
    row = study.table({"PC": rule}, {"PC": found}, {"PC": 1.0}).loc["PC"]
    assert np.isnan(row.accuracy) and row["layers alone"] == "diverged"


def test_metrics_have_every_claims_figure(measured):
    found = study.metrics(measured)
    assert all(values.shape == (2,) for values in found.values())
    for claim in ledger():
        if claim.notebook == study.NOTEBOOK:
            assert all(metric in found for metric in claim.metrics), claim.id
    assert np.isnan(found["AR - backprop, AR's network/test_accuracy"]).all()
    expected = measured["predsim"].accuracy - measured["random layers"].accuracy
    assert np.array_equal(found["predsim - random layers/test_accuracy"], expected)


def test_ffcl_is_read_when_each_stage_has_ended(few):
    rule = rules.rule("ffcl")(small_config("ffcl", epochs=2))
    rule.fit(few)
    found = study.stages({"FFCL": rule})
    accuracy = rule.history.values["test_accuracy/all"][-1]
    assert len(found) == 3 and study.stages({}) == {}
    curves = rule.history.values
    for stage, said in (
        ("local", "each layer pair"),
        ("global", "the last layer pair"),
        ("all", "a new output"),
    ):
        expected = curves[f"test_accuracy/{stage}"][-1]
        assert np.array_equal(found[f"FFCL/test_accuracy_after/{said}"], expected)
    assert accuracy == pytest.approx(right(rule, few).double().mean(-1).numpy(), abs=1e-6)
    table = study.after_stages({"FFCL": rule})
    assert table.loc["a new output", "mean"] == pytest.approx(100 * accuracy.mean(), abs=0.006)
    assert study.after_stages({}).empty
    one = rules.rule("ffcl")(small_config("ffcl", epochs=1, seeds=1))
    one.fit(few)
    alone = study.after_stages({"FFCL": one})
    assert alone["mean"].notna().all() and alone["std"].isna().all()


def test_the_worst_relaxation_and_the_best_other_cell_are_those_of_each_seed():
    figures = {
        "AR": [0.9, 0.9],
        "AR, no derivative": [0.5, 0.8],
        "AR, random weights": [0.7, 0.6],
        "backprop, AR's network": [0.9, 0.95],
        "predictive coding, recomputed": [0.1, 0.1],
        "unsupervised FF, AE": [0.8, 0.6],
        "unsupervised FF, denoising": [0.7, 0.75],
        "unsupervised FF, convolutional": [0.9, 0.7],
    }
    rows = {name: np.array(values) for name, values in figures.items()}
    found = study._differences(rows)
    worst = found["worst AR - backprop, AR's network/test_accuracy"]
    np.testing.assert_allclose(worst, [-0.4, -0.35])
    best = found["convolutional - best other unsupervised FF/test_accuracy"]
    np.testing.assert_allclose(best, [0.1, -0.05])


def test_a_variant_that_diverged_is_the_worst_and_not_the_best():
    """It has no figure: the others' would make a family of rules look better than it is."""
    none, some = np.array([np.nan, 0.9]), np.array([0.8, 0.8])
    found = study._differences(
        {
            "AR, no derivative": none,
            "AR, random weights": some,
            "backprop, AR's network": some,
            "unsupervised FF, AE": none,
            "unsupervised FF, denoising": some,
            "unsupervised FF, convolutional": some,
        }
    )
    worst = found["worst AR - backprop, AR's network/test_accuracy"]
    np.testing.assert_allclose(worst, [-0.8, 0.0])
    best = found["convolutional - best other unsupervised FF/test_accuracy"]
    np.testing.assert_allclose(best, [0.0, -0.1])


def test_a_first_layer_is_like_itself(measured):
    matrix = study.likeness(measured)
    np.testing.assert_allclose(np.diag(matrix), 1, rtol=1e-5)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-5)
    one, other = (measured[name].first for name in ("backprop", "random layers"))
    assert matrix[0, 1] == pytest.approx(linear_cka(one, other), rel=1e-5)


def test_the_diagram_shows_a_way_back_and_local_losses(neighbours, few):
    found = study.learning(neighbours, few)
    assert list(found["predsim"].losses.values()) == [["layer 1"], ["layer 2"], ["output"]]
    assert list(found["backprop"].losses.values()) == [["layer 1", "layer 2", "output"]]
    relaxed = {"AR": neighbours["predsim"], "backprop, AR's network": neighbours["backprop"]}
    assert list(study.learning(relaxed, few)) == ["backprop, AR's network", "AR"]


def test_a_rule_that_breaks_its_word_on_locality_is_named(neighbours, few, monkeypatch):
    assert study.crossing(neighbours, few) == []
    monkeypatch.setattr(neighbours["random layers"], "local", False)
    monkeypatch.setattr(neighbours["backprop"], "local", True)
    assert study.crossing(neighbours, few) == ["backprop", "random layers"]


def test_what_is_asked_is_asked_without_a_label(few, monkeypatch):
    rule = rules.rule("backprop")(small_config("backprop"))
    seen = []
    plain = type(rule).representations

    def representations(self, images, labels=None):
        seen.append(labels)
        return plain(self, images, labels)

    monkeypatch.setattr(type(rule), "representations", representations)
    study.measure(rule, few)
    assert seen and all(torch.equal(labels, torch.full_like(labels, -1)) for labels in seen)
