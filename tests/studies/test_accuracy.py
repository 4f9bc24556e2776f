"""Notebook 01: both readings and what is measured of them."""

import numpy as np
import pytest

from ffcl_utils import rules
from ffcl_utils.studies import accuracy as study


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
    (found,) = study.learning(readings, few).values()
    assert list(found.losses.values()) == [["layer 1"], ["layer 2"], ["output"]]
    assert len(found.sees) == 2
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
