"""Notebook 04, labels: a network made by hand that sees only the label, or only the image."""

import numpy as np
import pytest
import torch

from ffcl_utils.data.datasets import Dataset
from ffcl_utils.studies import written_labels as study
from tests.small import small_rule

PLACES = 100 + 50 * torch.arange(10)  # the pixel that says an image's class


@pytest.fixture
def made_up():
    """Images with one white pixel, at a place for each class."""
    labels = torch.arange(200) % 10
    images = torch.zeros(200, 784, dtype=torch.uint8)
    images[torch.arange(200), PLACES[labels]] = 255
    return Dataset("made up", images, labels, images, labels, tuple("0123456789"), {})


def reader(pixels):
    """FF whose unit c of layer 1 sees the c-th of these pixels alone; layers above pass it on."""
    rule = small_rule("forward_forward", layers=(784, 20, 20, 20))
    stack = rule.network.layers
    with torch.no_grad():
        for weight, bias in zip(stack.weights, stack.biases, strict=True):
            weight.zero_()
            bias.zero_()
        for c, pixel in enumerate(pixels):
            stack.weights[0][:, pixel, c] = 1.0
            for weight in stack.weights[1:]:
                weight[:, c, c] = 1.0
    return rule


@pytest.mark.parametrize(
    ("pixels", "follows_image", "follows_label"), [(PLACES, 1.0, 0.0), (range(10), 0.0, 1.0)]
)
def test_what_ensembles_follow_is_found(made_up, monkeypatch, pixels, follows_image, follows_label):
    everything = torch.ones(2, 200, dtype=torch.bool)
    monkeypatch.setattr(study, "right", lambda rule, data: everything)
    rows = study.answers({"FF": reader(pixels), "BP": small_rule("backprop")}, made_up)
    trained = rows[(rows.model == "FF") & (rows.network == "trained")]
    assert len(trained) == 6
    assert (trained[study.RIGHT] == 1).all()
    assert (trained[study.WRONG] == follows_image).all()
    assert (trained[study.FOLLOWS_LABEL] == follows_label).all()
    assert ((trained[study.NONE] == 1) == (follows_image == 1)).all()
    figure = study.follows(rows)
    assert figure["FF, the label's class"].shape == (3, 2)
    assert not any(name.startswith("BP") for name in figure)
    metrics = study.metrics(rows)
    np.testing.assert_array_equal(
        metrics["FF - BP/nearest_ensemble_without_label/layer1"],
        metrics["FF/nearest_ensemble_without_label/layer1"]
        - metrics["BP/nearest_ensemble_without_label/layer1"],
    )


def test_without_a_written_label_nothing_changes(networks, few):
    rows = study.answers({"BP": networks["BP"], "FF": networks["FF"]}, few)
    bp = rows[rows.model == "BP"]
    assert (bp[study.RIGHT] == bp[study.NONE]).all() and (bp[study.RIGHT] == bp[study.WRONG]).all()
    assert bp[study.FOLLOWS_LABEL].isna().all()
