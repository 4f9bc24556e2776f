"""Diagrams show the layers and the arrows that they are given, and no others."""

import numpy as np
import pytest

from ffcl_utils import plots
from ffcl_utils.analysis.locality import Learning

ALL = ["layer 1", "layer 2", "output"]


def arrows(axis) -> set[tuple]:
    """Where every arrow starts and ends."""
    return {
        (tuple(text.xyann), tuple(text.xy))
        for text in axis.texts
        if getattr(text, "arrow_patch", None) is not None
    }


def test_a_loss_has_an_arrow_to_every_layer_that_it_changes(words):
    models = {
        "local": Learning(ALL, {"loss 1": ["layer 1"], "loss 3": ["output"]}, ("image",)),
        "backprop": Learning(ALL, {"cross-entropy": ALL}, ("image",)),
        "without a loss": Learning(ALL, {"gone": []}, ("image",)),
    }
    figure = plots.what_losses_change(models, "t", "n")
    text = words(figure)
    assert all(name in text for name in (*models, "loss 1", "loss 3", "cross-entropy", *ALL))
    assert "gone" not in text
    local, backprop, without = (arrows(axis) for axis in figure.axes)
    assert {end[1] for _, end in local - without} == {1, 3}
    assert {end[1] for _, end in backprop - without} == {1, 2, 3}
    assert len({start for start, _ in backprop - without}) == 1
    assert len(without) == 3  # up, from layer to layer


def test_a_loss_of_twins_stands_between_the_layers_that_it_changes(words):
    twins = Learning(ALL, {"alike?": ["layer 2"]}, ("image", "partner"))
    figure = plots.what_losses_change({"twins": twins}, "t", "n")
    assert "partner" in words(figure)
    (axis,) = figure.axes
    across = [(start, end) for start, end in arrows(axis) if start[1] == end[1]]
    (left, left_end), (right, right_end) = sorted(across, key=lambda pair: pair[1][0])
    assert left == right and left_end[0] < left[0] < right_end[0]
    assert left_end[1] == right_end[1] == 2


@pytest.mark.parametrize("count", [1, 4, 7])
def test_any_number_of_models_and_layers(count, words):
    models = {
        f"model {k}": Learning(ALL[: k % 3 + 1], {"loss": ["layer 1"]}, ("image",))
        for k in range(count)
    }
    figure = plots.what_losses_change(models, "t", "n")
    words(figure)
    assert len(figure.axes) == count
    for k, axis in enumerate(figure.axes):
        assert len(arrows(axis)) == (k % 3 + 1) + 1  # up into each layer, and from the loss
    assert "nothing to show" in words(plots.what_losses_change({}, "t", "n"))


def test_the_frames_are_the_row_and_the_column_of_the_unit(words):
    means = np.arange(15.0).reshape(3, 5)
    figure = plots.two_comparisons(means, 3, 1, ["a", "b", "c"], "t", "n")
    text = words(figure)
    assert "authors' rule" in text and "our rule" in text
    row, column = figure.axes[0].patches
    assert (row.get_x(), row.get_y(), row.get_width(), row.get_height()) == (-0.5, 0.5, 5, 1)
    assert (column.get_x(), column.get_y()) == (2.5, -0.5)
    assert (column.get_width(), column.get_height()) == (1, 3)
