"""Figures of images, weights and units show their input; dead and diverged units are named."""

from itertools import pairwise

import numpy as np
import pytest

from ffcl_utils import plots
from ffcl_utils.plots.style import COLOURS
from ffcl_utils.plots.units import tiles

NAN = np.nan
DIGITS = tuple("0123456789")
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker",
           "Bag", "Ankle boot")  # fmt: skip


def panels_of(figure):
    """The axes that are no colour bar."""
    return [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]


@pytest.mark.parametrize("side", [1, 3, 16, 28])
def test_tiles_are_the_images_with_blank_lines_between(side, rng):
    weights = rng.random((side**2, 5))
    canvas = tiles(weights, 3)
    assert canvas.shape == (2 * side + 1, 3 * side + 2)
    for k in range(5):
        top, left = (side + 1) * (k // 3), (side + 1) * (k % 3)
        tile = canvas[top : top + side, left : left + side]
        np.testing.assert_array_equal(tile, weights[:, k].reshape(side, side))
    assert np.isfinite(canvas).sum() == weights.size


@pytest.mark.parametrize("shape", [(785, 2), (0, 2), (784, 0)])
def test_tiles_refuse_what_is_no_image(shape):
    with pytest.raises(ValueError, match=r"no square image|nothing to show"):
        tiles(np.zeros(shape), 2)


@pytest.mark.parametrize("inputs", [785, 256, 794])
def test_receptive_fields_are_of_a_first_layer(inputs):
    with pytest.raises(ValueError, match=rf"twin: .*\({inputs}, 4\).*first layer, \(784, units\)"):
        plots.receptive_fields({"twin": np.zeros((inputs, 4))}, "t", "n")


@pytest.mark.parametrize("units", [1, 5, 32, 200])
def test_receptive_fields_of_any_number_of_units(units, rng, words):
    weights = rng.standard_normal((784, units))
    figure = plots.receptive_fields({"a": weights, "b": -weights}, "t", "n")
    words(figure)
    magnitudes = np.abs(np.concatenate([weights[:, :32]] * 2))
    shown = [axis.images[0] for axis in panels_of(figure)]
    for image in shown:
        assert np.isfinite(image.get_array().filled(NAN)).sum() == 784 * min(units, 32)
        low, high = image.get_clim()
        assert low == -high == -np.quantile(magnitudes, 0.99)
    assert len(figure.axes) == 3  # with one colour bar


def test_odd_receptive_fields(words):
    weights = np.zeros((784, 3))
    assert "no figure" not in words(plots.receptive_fields({"a": weights}, "t", "n"))
    weights[:, 1] = NAN
    text = words(plots.receptive_fields({"a": weights, "b": weights[:, :0]}, "t", "n"))
    assert "1 of 3 units has no figure" in text and "no unit" in text
    weights[:] = NAN
    assert "3 of 3 units have no" in words(plots.receptive_fields({"a": weights}, "t", "n"))
    assert "nothing to show" in words(plots.receptive_fields({}, "t", "n"))
    small = plots.receptive_fields({"a": np.ones((256, 2))}, "t", "n", units=1, side=16)
    assert small.axes[0].images[0].get_array().shape == (16, 16)


@pytest.mark.parametrize("count", [1, 7, 10, 23])
def test_digits_have_their_captions(count, rng, words):
    images = rng.random((count, 784))
    captions = [f"{FASHION[k % 10]} → {FASHION[9 - k % 10]}" for k in range(count)]
    figure = plots.digits(images, captions, "t", "n")
    words(figure)
    assert len(figure.axes) == count
    for axis, image, caption in zip(figure.axes, images, captions, strict=True):
        np.testing.assert_array_equal(axis.images[0].get_array(), image.reshape(28, 28))
        assert axis.get_title().split() == caption.split()
    boxes = [axis.title.get_window_extent() for axis in figure.axes[:10]]
    assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))


def test_odd_digits(words):
    assert "nothing to show" in words(plots.digits(np.zeros((0, 784)), [], "t", "n"))
    with pytest.raises(ValueError, match="785 values are no square image"):
        plots.digits(np.zeros((1, 785)), ["a"], "t", "n")


def test_maps_are_sorted_and_units_without_a_class_come_last(words):
    labels = np.array([1, 0, 1, 0])
    preferred = np.array([-1, 1, 0, 0])
    activations = np.array([[1, 4, 0, 0], [1, 0, 2, 0], [2, 2, 0, 0], [1, 0, 1, 0.0]])
    # The last unit is silent, whatever class it is said to prefer.
    figure = plots.activation_maps({"FF": activations}, labels, ("a", "b"), {"FF": preferred}, "n")
    (axis,) = panels_of(figure)
    expected = [[1, 0, 0.5, 0], [0.5, 0, 0.5, 0], [0, 1, 0.5, 0], [0, 0.5, 1, 0]]
    np.testing.assert_allclose(axis.images[0].get_array(), expected)
    (line,) = axis.lines
    assert line.get_xdata() == [1.5, 1.5] and line.get_linewidth() <= 1
    assert line.get_color() == COLOURS[1]
    assert "2 of 4 units without a class" in words(figure)
    assert figure.get_suptitle().startswith("Activations, images")
    np.testing.assert_array_equal(axis.get_yticks(), [0.5, 2.5])


def test_maps_name_their_layer(rng):
    labels = np.arange(20) % 10
    given = {name: rng.random((20, 5)) for name in "abcdef"}
    preferred = {name: np.arange(5) for name in given}
    figure = plots.activation_maps(given, labels, FASHION, preferred, "n", layer="layer 3")
    assert figure.get_suptitle().startswith("Activations of layer 3, images")
    assert [axis.get_title() for axis in panels_of(figure)] == list(given)
    assert not any(axis.lines for axis in panels_of(figure))


@pytest.mark.parametrize(
    ("activations", "text"),
    [
        (np.zeros((6, 4)), "4 of 4 units without a class"),
        (np.full((6, 4), NAN), "4 of 4 units have no figure"),
        (np.where(np.arange(4) == 1, NAN, np.ones((6, 4))), "1 of 4 units has no figure"),
        (np.zeros((6, 0)), "unit, sorted"),
        (np.ones((6, 1)), "unit, sorted"),
    ],
)
def test_odd_maps(activations, text, words):
    preferred = np.zeros(activations.shape[1], dtype=int)
    labels = np.array([2, 2, 5, 5, 5, 2])  # the other classes have no image
    figure = plots.activation_maps({"m": activations}, labels, FASHION, {"m": preferred}, "n")
    found = words(figure)
    assert text in found and "Pullover" in found and "Trouser" not in found
    assert "nothing to show" in words(plots.activation_maps({}, labels, FASHION, {}, "n"))


def test_matrices_share_one_scale_with_a_colour_bar(words):
    high, low = np.full((3, 3), 0.8), np.full((3, 3), 0.1)
    high[0, 1], low[1, 2] = NAN, 0
    figure = plots.class_matrices({"high": high, "low": low}, ("a", "b", "c"), "t", "n")
    words(figure)
    first, second = panels_of(figure)
    assert first.images[0].get_clim() == second.images[0].get_clim() == (0, 0.8)
    (bar,) = [axis for axis in figure.axes if axis.get_label() == "<colorbar>"]
    assert bar.get_ylabel() == "overlap of two classes" and bar.get_ylim() == (0, 0.8)
    assert sorted(text.get_text() for text in first.texts) == ["0.80"] * 5 + ["–"]
    assert [text.get_text() for text in second.texts] == ["0.10"] * 5
    assert np.isnan(np.diag(first.images[0].get_array().filled(NAN))).all()


@pytest.mark.parametrize("value", [0.0, NAN, np.inf])
def test_odd_matrices(value, words):
    words(plots.class_matrices({"m": np.full((10, 10), value)}, FASHION, "t", "n"))
    assert "nothing to show" in words(plots.class_matrices({}, FASHION, "t", "n"))


@pytest.mark.parametrize("layers", [1, 3, 6])
def test_histograms_are_densities(layers, rng, words):
    given = {
        f"model {m}": [rng.standard_normal((50, 40)) for _ in range(layers)] for m in range(12)
    }
    figure = plots.weight_histograms(given, "n")
    words(figure)
    assert len(figure.axes) == layers
    for axis in figure.axes:
        assert len(axis.lines) == 12
        assert len({(line.get_color(), line.get_linestyle()) for line in axis.lines}) == 12
    (x, y) = figure.axes[0].lines[0].get_data()
    np.testing.assert_allclose(np.nansum(y) * (x[1] - x[0]), 1)  # nothing lies beyond 5
    weights = given["model 0"][0] / np.sqrt(np.mean(given["model 0"][0] ** 2))
    inside = (weights >= 0) & (weights < 0.1)
    np.testing.assert_allclose(y[50], inside.mean() / 0.1)


def test_odd_histograms(rng, words):
    given = {
        "two layers": [rng.standard_normal(99), np.full(5, NAN)],
        "one layer": [np.zeros((4, 4))],
        "diverged": [np.where(np.arange(9) < 4, NAN, 1.0), np.array([0.0])],
    }
    figure = plots.weight_histograms(given, "n")
    text = words(figure)
    for part in ("one layer: no weight but 0", "two layers: no finite weight"):
        assert part in text
    assert [len(axis.lines) for axis in figure.axes] == [2, 0]
    for nothing in ({}, {"m": []}):
        assert "nothing to show" in words(plots.weight_histograms(nothing, "n"))


def test_units_are_points_and_the_threshold_a_line(rng, words):
    x, y = rng.random(50), rng.random(50)
    x[3], y[4] = NAN, np.inf
    panels = {"odd": (x, y), "none": (x[:0], y[:0]), "silent": (np.full(3, NAN), np.zeros(3))}
    figure = plots.unit_scatter(panels, "x", "y", 2.5, "t", "n")
    text = words(figure)
    assert "odd\n2 of 50 units have no figure" in text and "threshold, 2.5" in text
    assert "silent\n3 of 3 units have no figure" in text
    points, line = figure.axes[0].lines
    usable = np.isfinite(x + y)
    np.testing.assert_array_equal(points.get_data(), (x[usable], y[usable]))
    assert line.get_ydata() == [2.5, 2.5]
    assert "nothing to show" in words(plots.unit_scatter({}, "x", "y", 1, "t", "n"))
