"""Figures per epoch show their input; oddities of a training neither stop nor mislead them."""

import numpy as np
import pytest

from ffcl_utils import plots
from ffcl_utils.analysis.decay import fit_decay
from ffcl_utils.plots import curves as curves_module
from ffcl_utils.plots.finite import finite_mean

NAN = np.nan
ODD = {
    "a diverged seed": np.array([[0.1, NAN, 0.3], [0.2, NAN, 0.5]]),
    "a seed that diverges": np.array([[0.1, 0.2, 0.3], [0.2, NAN, 0.5]]),
    "an infinite seed": np.array([[0.1, np.inf, 0.3], [0.2, 3e38, 0.5]]),
    "all diverged": np.full((4, 3), NAN),
    "flat": np.full((5, 2), 0.5),
    "silent": np.zeros((5, 2)),
    "one seed": np.linspace(0.1, 0.9, 9)[:, None],
    "one epoch": np.array([[0.4, 0.5]]),
    "one epoch and seed": np.array([[0.4]]),
}
FIGURES = {
    "accuracy": lambda curves: plots.accuracy_curves({"p": curves}, "n", 0.6, "paper"),
    "error": lambda curves: plots.error_curves(curves, "t", "n"),
    "goodness": lambda curves: plots.goodness_curves({"FF, layer 1": curves}, 2.0, "n"),
    "similarity": lambda curves: plots.similarity_curves({"FF, layer 1": curves}, "y", "t", "n"),
}


def means(axis):
    """The thick lines by label."""
    return {line.get_label(): line for line in axis.lines if line.get_linewidth() == 2}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_every_series_is_there_and_looks_like_no_other(name, count, rng, words):
    given = {f"series {k}": rng.uniform(0.1, 0.9, (6, 3)) for k in range(count)}
    figure = FIGURES[name](given)
    (axis,) = figure.axes
    scale = 100 if name in ("accuracy", "error") else 1
    thick = means(axis)
    assert list(thick) == list(given)
    for series, values in given.items():
        np.testing.assert_allclose(thick[series].get_ydata(), scale * values.mean(1))
        first = 0 if name == "similarity" else 1
        np.testing.assert_array_equal(thick[series].get_xdata(), np.arange(first, first + 6))
    thin = [line for line in axis.lines if line.get_linewidth() == 0.6]
    expected = np.concatenate([scale * values.T for values in given.values()])
    np.testing.assert_allclose([line.get_ydata() for line in thin], expected)
    looks = {(x.get_color(), x.get_linestyle(), x.get_marker()) for x in thick.values()}
    assert len(looks) == count
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[:count] == list(given)
    assert axis.get_xlabel() and axis.get_ylabel()
    words(figure)


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("oddity", ODD)
def test_an_odd_training_is_shown_and_named(name, oddity, words, tmp_path):
    values = ODD[oddity]
    figure = FIGURES[name]({"odd": values, "usual": np.full(values.shape, 0.5)})
    text = words(figure)
    plots.save(figure, tmp_path / "figure.png")
    (axis,) = figure.axes
    scale = 100 if name in ("accuracy", "error") else 1
    np.testing.assert_allclose(means(axis)["odd"].get_ydata(), scale * finite_mean(values))
    lacking = {
        "a diverged seed": "odd: 1 of 3 seeds has no figure",
        "a seed that diverges": "odd: 1 of 3 seeds has gaps",
        "an infinite seed": "odd: 1 of 3 seeds has gaps",
        "all diverged": "odd: 3 of 3 seeds have no figure",
    }
    assert lacking.get(oddity, "") in text
    assert oddity in lacking or "seeds" not in text


@pytest.mark.parametrize("name", FIGURES)
def test_no_curve_at_all(name, words):
    empty = {
        "accuracy": lambda: plots.accuracy_curves({}, "n"),
        "error": lambda: plots.error_curves({}, "t", "n"),
        "goodness": lambda: plots.goodness_curves({}, 2.0, "n"),
        "similarity": lambda: plots.similarity_curves({}, "y", "t", "n"),
    }
    assert "nothing to show" in words(empty[name]())
    words(FIGURES[name]({}))  # a panel without curves


@pytest.mark.parametrize("layers", [1, 2, 3, 5, 7])
def test_any_number_of_layers(layers, rng, words):
    panels = {
        f"{model}, layer {k + 1}": {"positive data": rng.random((4, 2))}
        for model in ("FF", "BP/FF")
        for k in range(layers)
    }
    figures = (
        plots.goodness_curves(panels, 1.0, "n"),
        plots.similarity_curves(panels, "CKA", "t", "n"),
        plots.accuracy_curves(panels, "n"),
    )
    for figure in figures:
        words(figure)
        assert [axis.get_title() for axis in figure.axes] == list(panels)
        assert all(axis.get_position().width > 0.05 for axis in figure.axes)
    if layers in (2, 3, 5):  # a row a model
        tops = [round(axis.get_position().y1, 3) for axis in figures[0].axes]
        assert len(set(tops[:layers])) == 1 and tops[layers] < tops[0]


def test_a_curve_looks_the_same_in_every_panel(rng):
    a, b = rng.random((4, 2)), rng.random((4, 2))
    figure = plots.accuracy_curves({"one": {"x": a, "y": b}, "two": {"y": b}}, "n")
    one, two = (means(axis)["y"] for axis in figure.axes)
    assert (one.get_color(), one.get_marker()) == (two.get_color(), two.get_marker())
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["x", "y"]


def test_the_legend_lies_outside_the_axes(rng):
    panels = {"p": {f"series {k}": rng.random((4, 2)) for k in range(12)}}
    figure = plots.accuracy_curves(panels, "n", 0.63, "paper: up to 63 %")
    legend, axis = figure.legends[0].get_window_extent(), figure.axes[0]
    assert legend.y1 <= axis.get_tightbbox().y0 + 1
    assert legend.x0 >= 0 and legend.x1 <= figure.bbox.width
    assert "paper: up to 63 %" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert 63 in [line.get_ydata()[0] for line in axis.lines]
    assert axis.get_ylim() == (0, 100)


def test_the_axis_begins_below_the_lowest_accuracy_and_long_trainings_have_a_log_axis(rng):
    late = {"one": {"x": rng.uniform(0.91, 0.95, (101, 2))}, "two": {"y": np.full((4, 2), 0.98)}}
    late["one"]["x"][:90] = np.nan  # watched from then on
    long, brief = plots.accuracy_curves(late, "n").axes[:2]
    assert long.get_ylim() == (90, 100)
    assert (long.get_xscale(), long.get_xlabel()) == ("log", "epoch (log axis)")
    long.figure.canvas.draw()
    assert "100" in [text.get_text() for text in long.get_xticklabels()]
    assert (brief.get_xscale(), brief.get_xlabel()) == ("linear", "epoch")
    goodness = plots.goodness_curves({"FF, layer1": {"p": rng.random((101, 2))}}, 3.0, "n").axes[0]
    assert goodness.get_xscale() == "log"
    nothing = plots.accuracy_curves({"one": {"x": np.full((3, 2), np.nan)}}, "n").axes[0]
    assert nothing.get_ylim() == (0, 100)


def test_the_error_axis_is_linear_where_an_error_is_zero(rng):
    errors = rng.uniform(0.01, 0.1, (5, 2))
    logarithmic = plots.error_curves({"a": errors}, "t", "n").axes[0]
    assert logarithmic.get_yscale() == "log" and "log axis" in logarithmic.get_ylabel()
    errors[3, 1] = 0
    linear = plots.error_curves({"a": errors}, "t", "n").axes[0]
    assert linear.get_yscale() == "linear" and "log axis" not in linear.get_ylabel()


def test_a_negative_correlation_is_inside_the_axis():
    curves = {"twins": np.array([[-0.4, 0.2], [0.5, 0.6]])}
    (axis,) = plots.similarity_curves({"m, layer1": curves}, "correlation", "t", "n").axes
    assert axis.get_ylim()[0] < -0.4 and axis.get_ylim()[1] == 1


def losses_of(*curves):
    values = np.stack(curves, 1)
    fits = [fit_decay(curve) if np.isfinite(curve).all() else None for curve in curves]
    return {"layer1": values}, {"layer1": fits}


T = np.arange(1.0, 31)
FALLING = 0.2 + np.exp(-T / 5)
SINKING = 0.9 - 0.001 * T  # what fits it has its floor far below


def test_loss_and_fits_are_shown_above_and_below_the_floor():
    losses, decays = losses_of(FALLING, 2 * FALLING)
    top, bottom = plots.loss_decay(losses, decays, "t", "n").axes
    measured, fitted = top.lines[0::2], top.lines[1::2]
    for k in range(2):
        np.testing.assert_array_equal(measured[k].get_ydata(), losses["layer1"][:, k])
        np.testing.assert_allclose(fitted[k].get_ydata(), losses["layer1"][:, k], rtol=1e-6)
        above = bottom.lines[2 * k].get_ydata()
        np.testing.assert_allclose(above, (k + 1) * np.exp(-T / 5), rtol=1e-3, atol=1e-6)
    assert top.get_title() == "layer1\nexponential: 2 of 2 seeds"
    assert bottom.get_yscale() == "log" and bottom.get_xlim() == top.get_xlim()


def test_the_lower_axis_spans_what_was_measured():
    usual = plots.loss_decay(*losses_of(FALLING, FALLING), "t", "n").axes[1]
    losses, decays = losses_of(FALLING, SINKING)
    floor = decays["layer1"][1].fits["exponential"].parameters["floor"]
    assert SINKING.min() - floor > 2 * (SINKING.max() - SINKING.min())
    with_far_fit = plots.loss_decay(losses, decays, "t", "n").axes[1]
    assert with_far_fit.get_ylim() == pytest.approx(usual.get_ylim(), rel=1e-3)
    assert "1 fitted floor far below the data: not shown" in with_far_fit.get_title()
    low, high = usual.get_ylim()
    assert high == pytest.approx(1.5 * np.exp(-T[0] / 5), rel=1e-3)
    assert high / low <= 1.5 * curves_module.DECADES * (1 + 1e-9)


@pytest.mark.parametrize(
    ("seeds", "text"),
    [
        ((np.full(30, 0.5), np.full(30, 0.5)), "no falling fit"),
        ((np.zeros(30),), "no falling fit"),
        ((1 + T, 2 + T), "exponential: 0 of 2 seeds"),
        ((SINKING,), "no floor near the data"),
        ((FALLING, np.full(30, NAN)), "1 of 2 seeds has no figure"),
        ((FALLING, np.where(T > 9, NAN, FALLING)), "1 of 2 seeds has gaps"),
        ((np.full(30, NAN),), "no falling fit"),
        ((FALLING,), "exponential: 1 of 1 seeds"),
    ],
)
def test_odd_losses(seeds, text, words, tmp_path):
    with np.errstate(all="ignore"):
        losses, decays = losses_of(*seeds)
    figure = plots.loss_decay(losses, decays, "t", "n")
    assert text in words(figure)
    plots.save(figure, tmp_path / "figure.png")
    for axis in figure.axes:
        assert np.isfinite(axis.get_ylim()).all()


def test_a_single_epoch_of_losses_has_no_fit(words):
    text = words(plots.loss_decay({"a": np.array([[0.5, 0.6]])}, {"a": [None, None]}, "t", "n"))
    assert "no falling fit" in text
    assert "nothing to show" in words(plots.loss_decay({}, {}, "t", "n"))


def test_a_single_epoch_has_a_whole_number_at_its_axis():
    (axis,) = plots.error_curves({"a": np.array([[0.4, 0.5]])}, "t", "n").axes
    low, high = axis.get_xlim()
    assert [tick for tick in axis.get_xticks() if low <= tick <= high] == [1]
