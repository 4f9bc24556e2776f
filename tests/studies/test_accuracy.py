"""Notebooks 01 and 02: both readings, what the paper asks of them, and how their losses decay."""

import numpy as np
import pytest

from ffcl_utils import rules
from ffcl_utils.learning.history import History
from ffcl_utils.studies import accuracy as study
from ffcl_utils.studies import decay
from ffcl_utils.studies.paper_settings import paper_settings
from tests.small import small


def test_short_is_what_the_first_reference_was_trained_with():
    configs = study.configure("short")
    assert {name: c.pairing for name, c in configs.items()} == {
        "literal": "random",
        "balanced": "balanced",
    }
    for config in configs.values():
        assert (config.seeds, config.epochs, config.batch_size) == (10, 30, 64)
        assert (config.learning_rate, config.margin, config.predictor) == (1e-4, 0.0, "first")


@pytest.fixture(scope="module")
def readings(few):
    trained = {}
    for name, config in study.configure("smoke", epochs=7).items():
        trained[name] = rules.rule("improved_ffcl")(config)
        trained[name].fit(few)
    return trained


def test_metrics_are_what_their_names_say(readings, few):
    scores = study.predictions(readings, few)
    parts = {
        "last": study.last_epoch(readings, few),
        "scores": scores,
        "silent": study.silent_images(readings, few),
        "gradient": study.gradient_across_layers(readings, few),
        "checks": study.settings_tables(readings, few),
    }
    metrics = study.metrics(readings, few, **parts)
    rule = readings["balanced"]
    for part, images, labels in (
        ("train", few.train_images, few.train_labels),
        ("test", few.test_images, few.test_labels),
    ):
        second = rule.twin_probabilities(images)["second"].argmax(-1) == labels
        expected = second.double().mean(-1).numpy()
        assert np.array_equal(metrics[f"balanced/{part}_accuracy/second"], expected)
    assert np.array_equal(
        metrics["balanced/test_accuracy"], metrics["balanced/test_accuracy/first"]
    )
    assert (metrics["off_layer_gradient"] == 0).all()
    assert (metrics["settings_are_the_papers"] == 0).all()  # seven epochs are not thirty
    layer = rule.representations(few.test_images)[0]
    silent = (layer.max(-1).values == 0).double().mean(-1).numpy()
    assert np.array_equal(metrics["balanced/silent_images/layer 1"], silent)
    assert all(values.shape == (2,) for values in metrics.values())


def test_figures_and_tables_have_every_reading(readings, few):
    assert list(study.curves(readings)) == ["literal reading", "balanced reading"]
    scores = study.predictions(readings, few)
    images, captions = study.confident_errors(scores["balanced"][0], few, 5)
    assert images.shape == (5, 784)
    assert all(a != b for a, b in (caption.split(" → ") for caption in captions))
    assert np.allclose([m.sum() for m in study.confusions(scores, few).values()], 1000)
    table = study.in_percent({"a": np.array([0.5, 0.6])}, [0, 1])
    assert table.loc["a", "mean"] == 55.0
    assert table.loc["a", "std"] == pytest.approx(7.1)


def trained_like_the_paper(few, **change):
    settings = {"dataset": "mnist_5k", "seeds": 2} | change
    rule = rules.rule("improved_ffcl")(rules.configure("improved_ffcl", "paper", **settings))
    rule.fit(small(few, 20))
    return rule


def test_paper_settings_are_read_from_what_was_trained(few):
    assert paper_settings(trained_like_the_paper(few), 20).all(axis=None)


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 29},
        {"learning_rate": 1e-3},
        {"layers": (784, 64, 10)},
        {"layers": (784, 64, 32, 10)},
        {"batch_size": 10},
        {"trainable_input_layer": True},
    ],
)
def test_paper_settings_notice_a_change(few, change):
    assert not paper_settings(trained_like_the_paper(few, seeds=1, **change), 20).all(axis=None)


def test_paper_settings_notice_equal_twins(few):
    rule = trained_like_the_paper(few, seeds=1)
    rule.twins.second = rule.twins.first
    assert not paper_settings(rule, 20).loc["the twins' weights differ in every layer"].any()


T = np.arange(1.0, 31.0)


def test_the_table_of_decays_has_a_row_for_every_curve():
    exponential = np.exp(-T / 4)
    curves = np.stack([exponential, 2 * exponential, 0.1 * T], 1)
    history = History((5, 6, 7), {"train_loss/total": curves, "test_loss/total": curves})
    table = decay.decay_table(decay.fit_history(history), history.seeds)
    assert list(table.seed) == [5, 6, 7] * 2
    assert list(table.exponential) == [1, 1, 0] * 2
    summary = decay.decay_summary(table)
    assert summary.exponential.tolist() == pytest.approx([2 / 3, 2 / 3])
    assert summary.verdicts.iloc[0] == "2 exponential, 1 does not fall"


@pytest.mark.parametrize("case", ["diverged", "short"])
def test_a_curve_that_cannot_be_fitted_is_a_row_and_a_sentence(case):
    curves = np.stack([np.exp(-T / 4), np.exp(-T / 4)], 1)
    if case == "diverged":
        curves[12:, 1] = np.nan
    else:
        curves = curves[:5]
    history = History((0, 1), {"train_loss/total": curves, "test_loss/total": curves})
    rule = type("Rule", (), {"history": history})
    table = decay.every_seed({"r": rule}, {"r": decay.fit_history(history)})
    missing = 1 if case == "diverged" else 2
    assert (table.verdict == decay.NO_FIT).sum() == 2 * missing
    assert f"{4 - 2 * missing} of 4 loss curves could be fitted" in decay.in_words(table)
    metrics = decay.metrics(table)
    assert np.isnan(metrics["r/test_loss_exponential"]).sum() == missing
    assert decay.summaries(table).shape[0] == 2
