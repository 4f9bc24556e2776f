"""Figures over depth."""

import numpy as np
import pytest

from ffcl_utils.plots import depth as plots

NAN = float("nan")


@pytest.mark.parametrize("count", [1, 3, 6])
def test_accuracy_over_numbers_has_a_panel_a_title_and_a_point_a_mean(count, words):
    curve = {2: np.array([0.5, 0.7]), 8: np.array([0.4, NAN]), 16: np.array([NAN, NAN])}
    panels = {
        f"panel {k}": {"one": curve, "other": {8: np.array([0.1, 0.1])}} for k in range(count)
    }
    figure = plots.accuracy_over(panels, "blocks", "accuracy", "t", "n")
    text = words(figure)
    assert all(name in text for name in panels) and "one" in text and "blocks" in text
    assert len(figure.axes) == count
    axis = figure.axes[0]
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["2", "8", "16"]
    means = {line.get_label(): line for line in axis.lines if line.get_label() in ("one", "other")}
    np.testing.assert_allclose(means["one"].get_ydata(), [60, 40, NAN])
    assert list(means["other"].get_xdata()) == [1]  # at the place of its number
    assert axis.get_ylim() == (0, 80)  # the ticks around all accuracies
    assert "gaps" in text
    assert "nothing to show" in words(plots.accuracy_over({}, "x", "y", "t", "n"))


@pytest.mark.parametrize(("count", "named"), [(10, range(1, 11)), (16, range(1, 16, 2))])
def test_more_than_ten_numbers_are_not_all_named(count, named):
    curve = {number: np.array([0.5]) for number in range(1, count + 1)}
    axis = plots.accuracy_over({"p": {"one": curve}}, "blocks", "accuracy", "t", "n").axes[0]
    assert [tick.get_text() for tick in axis.get_xticklabels()] == [str(k) for k in named]
    assert len(axis.lines[-1].get_xdata()) == count


@pytest.mark.parametrize("blocks", [1, 2, 16])
def test_likeness_has_a_cell_for_every_two_blocks(blocks, words, rng):
    cells = rng.random((blocks, blocks))
    cells[0, 0] = NAN
    figure = plots.likeness_of_blocks({"one": cells, "other": cells.T}, "CKA", "t", "n")
    text = words(figure)
    assert "one" in text and "other" in text and "CKA" in text
    image = figure.axes[0].images[0]
    np.testing.assert_allclose(image.get_array().filled(NAN), cells)
    left, right, bottom, top = image.get_extent()
    assert (left, right, bottom, top) == (0.5, blocks + 0.5, blocks + 0.5, 0.5)  # 1 is at the top
    assert "nothing to show" in words(plots.likeness_of_blocks({}, "c", "t", "n"))
