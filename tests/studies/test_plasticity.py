"""Notebook 14: what is trained, and every figure against a count by hand."""

import json
import re
from dataclasses import replace

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from ffcl_utils import rules
from ffcl_utils.analysis.statistics import mean_interval
from ffcl_utils.claims.ledger import claim, ledger
from ffcl_utils.config import ConfigError
from ffcl_utils.data.datasets import load
from ffcl_utils.learning.plasticity import modulation
from ffcl_utils.paths import NOTEBOOKS, RESULTS
from ffcl_utils.rules.base import right
from ffcl_utils.studies import plasticity as study
from ffcl_utils.studies.models import one_by_one
from ffcl_utils.studies.silencing import silenced
from tests.small import small


@pytest.fixture(scope="module")
def few():
    """400 training digits, every third of the test digits."""
    digits = small(load("mnist_5k"), 400)
    some = {part: getattr(digits, part)[::3] for part in ("test_images", "test_labels")}
    return replace(digits, **some)


@pytest.fixture(scope="module")
def networks(few):
    """All twelve trainings, narrow and for a moment."""
    trained = {}
    for name, config in study.configure("smoke", epochs=2).items():
        narrow = config.model_copy(update={"layers": (784, 20, 12, 10), "batch_size": 100})
        trained[name] = rules.rule("plastic_twins")(narrow)
        trained[name].fit(few)
    return trained


@pytest.fixture(scope="module")
def measured(networks, few):
    return study.measure(networks, few)


def made_up(versions=study.VERSIONS, **metrics):
    """The same figures for every version, but for those given by version."""
    plain = {metric: np.full(5, 0.5) for metric in study.COLUMNS}
    return {name: plain | metrics.get(name, {}) for name in versions}


def test_each_version_lacks_nothing_but_its_addition():
    configs = study.configure("short")
    assert len(configs) == 12
    for name, control in study.CONTROLS.items():
        for ending in ("", study.BACK):
            one, other = (configs[n + ending].settings() for n in (name, control))
            differ = {setting for setting in one if one[setting] != other[setting]}
            assert len(differ) == 1, (name, differ)
    tasks = [configs[name].tasks for name in ("Oja", f"Oja{study.BACK}")]
    assert tasks == ["one", "there_and_back"]
    assert {(c.seeds, c.epochs, c.learning_rate) for c in configs.values()} == {(5, 10, 1e-3)}


def test_settings_reach_every_training_and_bad_ones_are_refused():
    configs = study.configure("smoke", seeds=3, first_seed=7, dataset="mnist", epochs=1)
    assert all(c.seed_list == [7, 8, 9] and c.epochs == 1 for c in configs.values())
    with pytest.raises(ConfigError, match="epochs=0"):
        study.configure("smoke", epochs=0)


def test_the_settings_are_those_that_the_held_out_images_chose():
    """The rules that the notebook states, on the committed trials."""
    trials = pd.read_csv(RESULTS / "validation_plasticity.csv")
    accuracy = trials["validation_accuracy/first"]
    dense = trials.absent == 0
    config = study.configure("short")["plain"]
    rates = accuracy[dense & (trials.hebbian == 0)]
    plain = rates[trials.learning_rate == config.learning_rate].item()
    assert rates.max() - plain < 0.001
    assert trials.learning_rate[rates.index[rates > rates.max() - 0.001]].min() == (
        config.learning_rate
    )
    bearable = trials[dense & (trials.hebbian > 0) & (accuracy > plain - 0.01)]
    assert bearable.hebbian.max() == study.HEBBIAN
    assert set(trials.hebbian[trials.hebbian > study.HEBBIAN]) == {1e-3, 1e-2}
    sparse = trials[trials.absent == study.ABSENT]
    best = sparse.loc[sparse["validation_accuracy/first"].idxmax()]
    assert best.rewired == study.REWIRED


def test_figures_come_from_the_histories_and_the_networks(networks, measured, few):
    for name, found in measured.items():
        history = networks[name + study.BACK].history
        on = {key: history[f"test_accuracy/{key}"] for key in ("A/A", "B/A", "B/B", "A again/A")}
        expected = {
            "test_accuracy": right(networks[name], few).double().mean(-1).numpy(),
            "forgetting": on["B/A"][-1] - on["A/A"][-1],
            "second_task": on["B/B"][1],
            "one_epoch_back": on["A again/A"][0],
            "end": on["A again/A"][1],
        }
        for metric, values in expected.items():
            np.testing.assert_array_equal(found[metric], values)
        np.testing.assert_array_equal(found["test_accuracy"], on["A/A"][-1])


def test_curves_go_through_the_three_stretches(networks):
    panels = study.curves(networks)
    assert list(panels) == ["task A (learnt in epochs 1–2 and 5–6)", "task B (3–4)"]
    for task, curves in zip("AB", panels.values(), strict=True):
        for name, values in curves.items():
            history = networks[name + study.BACK].history
            assert values.shape == (6, 2)
            for k, stretch in enumerate(("A", "B", "A again")):
                expected = history[f"test_accuracy/{stretch}/{task}"]
                np.testing.assert_array_equal(values[2 * k : 2 * k + 2], expected)


def test_lesions_are_a_tenth_of_every_layer_the_same_in_every_version(networks, few, monkeypatch):
    monkeypatch.setattr(study, "DRAWS", 3)
    seen = []

    def watched(rule, layer, units):
        seen.append((layer, tuple(units.nonzero()[0])))
        return silenced(rule, layer, units)

    monkeypatch.setattr(study, "silenced", watched)
    found = {name: study.lesioned(networks[name], few) for name in ("plain", "rewired")}
    assert len(seen) == 2 * 2 * 3 * 2  # versions, seeds, draws, layers
    assert seen[:12] == seen[12:] and seen[:6] != seen[6:12]
    assert {(layer, len(units)) for layer, units in seen} == {(0, 2), (1, 1)}
    assert len(set(seen[:6])) > 2
    # By hand: the activations of those units are set to 0.
    for seed, one in enumerate(one_by_one(networks["plain"])):
        accuracy = []
        for draw in range(3):
            shown, weights = one.scaled(few.test_images), one.twins.first.weights
            for layer in range(2):
                shown = (shown @ weights[layer][0] + one.twins.first.biases[layer][0]).relu()
                shown[:, list(seen[6 * seed + 2 * draw + layer][1])] = 0
            logits = shown @ weights[2][0] + one.twins.first.biases[2][0]
            accuracy.append((logits.argmax(-1) == few.test_labels).double().mean().item())
        assert found["plain"][seed] == pytest.approx(np.mean(accuracy), abs=0.0031)


def test_lesions_leave_the_networks_as_they_were(networks, measured, few):
    again = right(networks["rewired"], few).double().mean(-1).numpy()
    np.testing.assert_array_equal(measured["rewired"]["test_accuracy"], again)


@pytest.mark.parametrize(("units", "expected"), [(64, 6), (5, 1), (20, 2)])
def test_a_tenth_to_the_nearest_unit(units, expected):
    assert study.off(units, np.random.default_rng(0)).sum() == expected


def test_planted_ensembles_are_seen_by_both_rules():
    """Ten units, each of one class alone, and ten that answer to all alike."""
    labels = np.arange(200) % 10
    own = np.eye(10)[labels] * 5
    rng = np.random.default_rng(0)
    layer = np.concatenate([own, 0.2 + 0.01 * rng.random((200, 10))], 1).astype(np.float32)

    class Planted:
        def representations(self, images):
            return [torch.from_numpy(np.stack([layer, np.full_like(layer, np.nan)]))]

    class Data:
        test_images, test_labels = None, torch.from_numpy(labels)

    found = study.ensembles(Planted(), Data())
    assert found["members/layer1"][0] == 0.5
    assert found["sharing/layer1"][0] == 0
    assert np.isnan(found["members/layer1"][1]) and np.isnan(found["sharing/layer1"][1])


def test_a_network_that_has_diverged_has_no_figures(networks, few):
    one, back = (networks["surprise" + ending] for ending in ("", study.BACK))
    copies = {}
    for name, rule in (("one", one), ("back", back)):
        copies[name] = type(rule)(rule.config)
        with torch.no_grad():
            for tensor, value in rule.tensors().items():
                copies[name].tensors()[tensor].copy_(value)
        copies[name].history = rule.history
    with torch.no_grad():
        copies["back"].twins.second.weights[1][1] = torch.nan
    found = study._of_version(copies["one"], copies["back"], few)
    for metric, values in found.items():
        assert np.isnan(values[1]), metric
    assert np.isfinite(found["forgetting"][0])


def test_effects_are_paired_differences_with_students_interval():
    rng = np.random.default_rng(0)
    one, other = rng.random((2, 5))
    one[2] = np.nan  # that seed is left out
    found = made_up(rewired={"forgetting": one}, **{study.SPARSE: {"forgetting": other}})
    table = study.effects(found, "forgetting").set_index("name")
    row = table.loc["rewired − sparse, not rewired"]
    kept = [0, 1, 3, 4]
    expected = stats.ttest_rel(100 * one[kept], 100 * other[kept]).confidence_interval()
    assert row["mean"] == pytest.approx(100 * (one - other)[kept].mean())
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))
    assert list(table.index) == [f"{n} − {c}" for n, c in study.CONTROLS.items()]


@pytest.mark.parametrize(("values", "interval"), [([0.6], False), ([np.nan], False)])
def test_effects_of_a_single_seed_have_no_interval(values, interval):
    found = {n: {"end": np.array(values if n == "Oja" else [0.5])} for n in study.VERSIONS}
    row = study.effects(found, "end").set_index("name").loc["Oja − plain"]
    assert np.isnan(row["low"]) and np.isnan(row["high"])
    assert row["mean"] == pytest.approx(100 * (values[0] - 0.5), nan_ok=True)


def test_the_table_has_mean_and_spread_in_percent():
    found = made_up(Oja={"test_accuracy": np.array([0.9, 0.92, 0.94, np.nan, np.nan])})
    table = study.table(found)
    assert table.loc["Oja", "accuracy on A"] == "92.0 ± 2.0"
    assert table.loc["plain", "B"] == "50.0 ± 0.0"
    lost = made_up(Oja={"end": np.full(5, np.nan)})
    assert study.table(lost).loc["Oja", "A at the end"] == "no figure"


def test_metrics_have_every_claims_figures_and_one_for_each_seed(measured):
    found = study.metrics(measured)
    asked = {m for each in ledger() if each.run == "14_plasticity" for m in each.metrics}
    assert asked and asked <= set(found)
    assert all(values.shape == (2,) for values in found.values())
    difference = found["Oja/second_task"] - found["plain/second_task"]
    np.testing.assert_array_equal(found["Oja - plain/second_task"], difference)
    difference = found["rewired/end"] - found[f"{study.SPARSE}/end"]
    np.testing.assert_array_equal(found[f"rewired - {study.SPARSE}/end"], difference)


SMALL_SPREAD = np.array([-0.002, -0.001, 0, 0.001, 0.002])


@pytest.mark.parametrize(
    ("id", "figures", "verdict"),
    [
        ("P1", {"test_accuracy": 0.0}, "supported"),
        ("P1", {"test_accuracy": -0.0095}, "partly"),
        ("P1", {"test_accuracy": -0.012}, "not supported"),
        ("P2", {"test_accuracy": 0.01}, "supported"),
        ("P2", {"test_accuracy": 0.004}, "partly"),
        ("P3", {"test_accuracy": 0.0}, "not supported"),
        ("P4", {"forgetting": 0.02, "second_task": 0.0}, "supported"),
        ("P4", {"forgetting": 0.02, "second_task": -0.02}, "not supported"),
        ("P4b", {"forgetting": 0.005, "second_task": 0.0}, "partly"),
        ("P4c", {"forgetting": 0.0, "second_task": 0.1}, "not supported"),
    ],
)
def test_claims_can_hold_and_fail(id, figures, verdict):
    """Through the names of the metrics, from figures of the versions themselves."""
    version = claim(id).metric.partition(" - ")[0]
    shifted = {metric: 0.5 + by + SMALL_SPREAD for metric, by in figures.items()}
    assert claim(id).verdict(study.metrics(made_up(**{version: shifted}))) == verdict


def text_of_the_notebook():
    cells = nbformat.read(NOTEBOOKS / "14_plasticity.ipynb", as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def test_the_worked_update_is_what_the_prose_says():
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    found = study.update_of_oja(images, torch.tensor([0.6, 0.8]))
    text = text_of_the_notebook()
    assert found["y"][:3].tolist() == pytest.approx([0.6, 0.8, 1.4])
    for name in ("y x", "y² w", "update"):
        pair = [f"{found.loc['mean', f'{name} {i}']:.3f}".replace("-", "−") for i in range(2)]
        assert f"({pair[0]}, {pair[1]})" in text, name
    for i in range(2):
        assert found.loc["minus the gradient", f"update {i}"] == pytest.approx(
            found.loc["mean", f"update {i}"], abs=1e-6
        )
    assert found.loc["mean", ["update 0", "update 1"]] @ [0.6, 0.8] == pytest.approx(0, abs=1e-6)


def test_the_worked_factors_are_what_the_prose_says():
    p = torch.tensor([[0.9, 0.1], [0.3, 0.7]]).expand(2, 2, 2)
    labels = torch.zeros(2, 2, dtype=torch.long)
    found = {m: modulation(p.log(), labels, m)[0].tolist() for m in ("reward", "surprise")}
    assert found["reward"] == pytest.approx([1.5, 0.5])
    assert found["surprise"] == pytest.approx([0.25, 1.75])
    text = text_of_the_notebook()
    assert "first pair 1.5 times and the second one half" in text
    assert "the first a quarter and the second 1.75 times" in text


def test_numbers_in_the_prose_are_those_of_the_settings_the_trials_and_the_claims():
    text = text_of_the_notebook()
    trials = pd.read_csv(RESULTS / "validation_plasticity.csv")
    percent = 100 * trials["validation_accuracy/first"]
    assert f"The weight of Oja's term, {study.HEBBIAN:.4f}, is the largest of seven" in text
    assert (trials.hebbian > 0).sum() == 7 and 3 * study.HEBBIAN < 1e-3 < 4 * study.HEBBIAN
    for rewired, words in ((0.0, "got {}, {} and {} %"), (0.3, "twins got {}, {} and {} %")):
        got = [
            f"{percent[(trials.absent == absent) & (trials.rewired == rewired)].item():.0f}"
            for absent in (0.9, 0.8, 0.5)
        ]
        assert words.format(*got) in text
    assert f"over {study.DRAWS} draws a seed" in text
    assert re.search(r"Half of the weights .* absent", text) and study.ABSENT == 0.5
    assert "weakest three tenths of the others" in text and study.REWIRED == 0.3
    assert claim("P2").judge.bound == claim("P3").judge.bound == 0.005
    bounds = {c.conditions.named["a point"].bound for c in ledger() if c.id.startswith("P4")}
    assert bounds == {0.01}


def test_what_was_found_is_what_the_committed_metrics_say():
    text = text_of_the_notebook().split("## What was found")[1].split("## What deviates")[0]
    record = RESULTS / "short" / "14_plasticity" / "metrics.json"
    found = json.loads(record.read_text(encoding="utf-8"))["metrics"]
    mean = {name: 100 * np.mean(values) for name, values in found.items()}
    bounds = {name: mean_interval(100 * np.array(values)) for name, values in found.items()}

    def less(name):
        low, high = bounds[name]
        return f"{-mean[name]:.1f}", f"[{-high:.1f}, {-low:.1f}]"

    def more(name):
        low, high = bounds[name]
        return f"{mean[name]:.1f} [{low:.1f}, {high:.1f}]"

    said = ["costs {} points {};".format(*less("Oja - plain/test_accuracy"))]
    for name in ("reward", "surprise"):
        low, high = bounds[f"{name} - plain/test_accuracy"]
        said.append(f"{name} (−{-mean[f'{name} - plain/test_accuracy']:.1f})")
        assert low < 0 < high
    alone = [f"{mean[f'{name}/test_accuracy']:.1f}" for name in ("rewired", study.SPARSE, "plain")]
    said.append(
        "Rewired twins get {} % right, sparse ones {} %, and plain ones {} %".format(*alone)
    )
    said.append("get {} points less than plain ones {}".format(*less("Oja - plain/lesioned")))
    said.append("with surprise {} less {}".format(*less("surprise - plain/lesioned")))
    said.append(f"badly ({mean['plain/second_task']:.1f} %)")
    oja = more("Oja - plain/second_task").replace(" [", " points [")
    said.append(f"Oja's term by {oja}")
    said += [f"{name} by {more(f'{name} - plain/second_task')}" for name in ("reward", "surprise")]
    low, high = bounds["Oja - plain/forgetting"]
    said.append(f"that of Oja's term is {high - low:.0f} points wide")
    for words in said:
        assert words in text, words
    gains = ("lesioned", "test_accuracy")
    versions = [name for name in bounds if " - " in name]
    assert all(bounds[name][0] <= 0 for name in versions if name.endswith(gains))
    forgetting = [bounds[name] for name in versions if name.endswith("forgetting")]
    assert all(low < 0 < high for low, high in forgetting)
    assert len(found["plain/lesioned"]) == 5
