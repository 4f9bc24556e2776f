"""Figures of tables show their input; empty tables and seeds without a figure do not stop them."""

from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.container import BarContainer

from ffcl_utils import plots
from ffcl_utils.analysis.statistics import mean_interval

NAN = np.nan
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker",
           "Bag", "Ankle boot")  # fmt: skip


def bars_of(axis):
    """Heights of the bars by label."""
    return {
        c.get_label(): [bar.get_height() for bar in c]
        for c in axis.containers
        if isinstance(c, BarContainer)
    }


def test_confusion_is_in_shares_of_the_row(words):
    counts = np.array([[8, 2, 0], [0, 0, 0], [5, 0, 5.0]])
    figure = plots.confusion({"a": counts, "b": counts}, ("x", "y", "z"), "n")
    words(figure)
    axis = figure.axes[0]
    shares = axis.images[0].get_array().filled(NAN)
    np.testing.assert_allclose(shares, [[80, 20, 0], [NAN] * 3, [50, 0, 50]])
    assert [text.get_text() for text in axis.texts] == ["80", "20", "50", "50"]
    assert axis.get_xlabel() == "predicted class" and axis.get_ylabel() == "true class"


@pytest.mark.parametrize("count", [1, 2, 5])
def test_confusion_of_any_number_of_networks(count, words):
    matrices = {f"network {k}": np.eye(10) for k in range(count)}
    figure = plots.confusion(matrices, FASHION, "n")
    words(figure)
    assert len(figure.axes) == count + 1
    words(plots.confusion({"diverged": np.full((10, 10), NAN)}, FASHION, "n"))
    assert "nothing to show" in words(plots.confusion({}, FASHION, "n"))


@pytest.mark.parametrize("count", [1, 2, 12])
def test_bars_are_means_and_points_are_seeds(count, rng, words):
    values = {f"model {k}": rng.random((3, 4)) for k in range(count)}
    figure = plots.per_layer(values, "t", "share of units", "n")
    words(figure)
    (axis,) = figure.axes
    for name, heights in bars_of(axis).items():
        np.testing.assert_allclose(heights, values[name].mean(1))
    points = np.concatenate([line.get_ydata() for line in axis.lines])
    np.testing.assert_allclose(np.sort(points), np.sort(np.concatenate([*values.values()]).ravel()))
    first = [container[0] for container in axis.containers]
    assert len({(bar.get_facecolor(), bar.get_hatch()) for bar in first}) == count
    edges = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in axis.patches)
    assert all(left[1] <= right[0] for left, right in pairwise(edges))


def test_printed_ranges_are_bands_across_their_bars(rng, words):
    values = {"FF": rng.random((2, 3)), "BP": rng.random((3, 3))}
    ranges = {"FF": [(0.2, 0.4), (0.5, 0.5)], "unknown": [(0, 1)]}
    figure = plots.per_layer(values, "t", "y", "n", ranges)
    (axis,) = figure.axes
    assert "printed in the paper" in words(figure)
    of_bars = [bar for container in axis.containers for bar in container]
    bands = [patch for patch in axis.patches if patch not in of_bars]
    low, thin = bands
    np.testing.assert_allclose([low.get_y(), low.get_height()], [0.2, 0.2])
    # One printed figure: a band around it, thin but seen.
    assert thin.get_y() + thin.get_height() / 2 == pytest.approx(0.5)
    assert 0 < thin.get_height() < 0.02
    for band, bar in zip(bands, of_bars, strict=False):
        assert band.get_x() < bar.get_x()
        assert band.get_x() + band.get_width() > bar.get_x() + bar.get_width()
        # No bar is hatched without a filling, as bands are.
        assert band.get_facecolor()[3] == 0 and bar.get_facecolor()[3] > 0
    plain = plots.per_layer(values, "t", "y", "n", {"unknown": [(0, 1)]})
    assert "printed" not in words(plain)


def test_a_model_has_one_colour_in_every_figure(rng):
    """Whatever stands beside it: BP is first here and third there."""
    values = {"BP": rng.random((2, 3)), "FF, untrained": rng.random((2, 3))}
    bars = bars_in(plots.per_layer(values, "t", "y", "n"))
    curves = {"": {"FF": rng.random((4, 3)), "BP/FF": rng.random((4, 3)), "BP": rng.random((4, 3))}}
    lines = {
        line.get_label(): to_rgb(line.get_color())
        for line in plots.accuracy_curves(curves, "n").axes[0].lines
    }
    rows = plots.accuracy_of_models({"BP": rng.random(3)}, 0.9, "t", "t", "n").axes[0].lines
    assert bars["BP"] == lines["BP"] == to_rgb(rows[0].get_color())
    assert bars["FF, untrained"] == lines["FF"]
    assert len({lines[name] for name in ("FF", "BP/FF", "BP")}) == 3


def bars_in(figure) -> dict:
    """By label, the colour of a figure's bars."""
    return {
        container.get_label(): container[0].get_facecolor()[:3]
        for container in figure.axes[0].containers
    }


def test_odd_layers(words):
    values = {
        "odd": np.array([[0.2, NAN, 0.4], [0.1, NAN, 0.3]]),
        "one layer": np.array([[0.5, 0.5, 0.5]]),
        "silent": np.full((2, 3), NAN),
    }
    figure = plots.per_layer(values, "t", "y", "n")
    text = words(figure)
    assert "odd: 1 of 3 seeds has no figure" in text and "silent: 3 of 3" in text
    np.testing.assert_allclose(bars_of(figure.axes[0])["odd"], [0.3, 0.2])
    words(plots.per_layer({"one seed": np.array([[0.4]])}, "t", "y", "n"))
    assert "nothing to show" in words(plots.per_layer({}, "t", "y", "n"))


def test_classes_have_a_panel_a_quantity(rng, words):
    one, other = rng.random((10, 3)), rng.random((10, 3))
    other[4, 1] = NAN
    panels = {"effect": {"FF": one}, "a quantity with a very long name indeed": {"FF": other}}
    figure = plots.per_class(panels, FASHION, "t", "n", {"effect": 2.5}, xlabel="class")
    text = words(figure)
    first, second = figure.axes
    np.testing.assert_allclose(bars_of(first)["FF"], one.mean(1))
    np.testing.assert_allclose(bars_of(second)["FF"], np.nanmean(other, 1))
    assert "FF: 1 of 3" not in text and "1 of 3 seeds has gaps" in second.get_title()
    assert [len(axis.lines) for axis in figure.axes] == [3 + 1, 3]
    assert first.get_xlabel() == "class"
    assert "nothing to show" in words(plots.per_class({}, FASHION, "t", "n", {}))


def cells(*accuracies):
    return pd.DataFrame(
        [
            {"reading": f"reading {k}", "predictor": p, "accuracy": a, "best": a + 0.05}
            for k, a in enumerate(accuracies)
            for p in ("first", "mean")
        ]
    )


def test_a_heat_map_frames_what_lies_in_the_band(words):
    table = cells(0.1, 0.5, NAN)
    figure = plots.heat_map(table, (0.54, 0.6), "t", "n")
    text = words(figure)
    axis = figure.axes[0]
    shown = axis.images[0].get_array().filled(NAN)
    np.testing.assert_allclose(shown, [[10, 10], [50, 50], [NAN, NAN]])
    assert len(axis.patches) == 2 and all(0.5 < p.get_y() < 1.5 for p in axis.patches)
    assert text.count("no figure") == 2 and text.count("50.0 (best 55.0)") == 2
    words(plots.heat_map(table.drop(index=0), (0.54, 0.6), "t", "n"))  # a cell that was not run
    assert "nothing to show" in words(plots.heat_map(table.iloc[:0], (0, 1), "t", "n"))


def test_effects_have_their_intervals(words):
    table = pd.DataFrame(
        [("a", 1, 0.5, 2), ("b", -1, NAN, NAN), ("c", NAN, NAN, NAN)],
        columns=["name", "mean", "low", "high"],
    )
    figure = plots.effects(table, "t", "points", "n")
    (axis,) = figure.axes
    text = words(figure)
    assert "b (no interval)" in text and "c (no figure)" in text
    points, _, (intervals,) = axis.containers[0]
    np.testing.assert_allclose(points.get_data(), ([1, -1, NAN], [2, 1, 0]))
    np.testing.assert_allclose(intervals.get_segments()[0], [(0.5, 2), (2, 2)])
    assert "nothing to show" in words(plots.effects(table.iloc[:0], "t", "points", "n"))
    words(plots.effects(table.iloc[2:], "t", "points", "n"))


def test_models_have_a_row_each(words):
    models = {
        "all": np.array([0.8, 0.9, 0.85]),
        "two": np.array([0.8, 0.9]),
        "odd": np.array([0.7, NAN, 0.8]),
        "diverged": np.array([NAN, NAN, NAN]),
    }
    figure = plots.accuracy_of_models(models, 0.88, "the target, 88 %", "t", "n")
    text = words(figure)
    (axis,) = figure.axes
    points = [line for line in axis.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(points[0].get_xdata(), [80, 90, 85])
    assert [t.get_text() for t in axis.texts] == ["85.00", "85.00", "75.00"]
    counts = ("all (3 seeds)", "two (2 seeds)")
    for label in (*counts, "odd (1 of 3 seeds has no figure)", "diverged (3 of 3 seeds"):
        assert label in text
    assert "the target, 88 %" in text and axis.lines[-1].get_xdata() == [88, 88]
    words(plots.accuracy_of_models({"one": np.array([0.5])}, 0.88, "target", "t", "n"))


def test_models_far_apart_are_on_a_stretched_axis(words):
    """Errors of 1 and 2 % then stand as far apart as those of 25 and 50 %."""
    models = {
        name: np.array([a]) for name, a in (("a", 0.5), ("b", 0.75), ("c", 0.98), ("d", 0.99))
    }
    (axis,) = plots.accuracy_of_models(models, 0.98, "target", "t", "n").axes
    a, b, c, d = (axis.transData.transform((100 * m[0], 0))[0] for m in models.values())
    assert b - a == pytest.approx(d - c)
    del models["a"], models["b"]
    (axis,) = plots.accuracy_of_models(models, 0.98, "target", "t", "n").axes
    assert axis.get_xscale() == "linear"


def test_no_models_have_no_figure(words):
    assert "nothing to show" in words(plots.accuracy_of_models({}, 0.88, "target", "t", "n"))


@pytest.mark.parametrize("groups", [1, 3, 12])
def test_points_are_split_by_group(groups, rng, words):
    names = np.array([f"group {k % groups}" for k in range(48)])
    x, y = rng.random(48), rng.random(48)
    x[5] = NAN
    figure = plots.scatter({"x": (x, y), "-x": (-x, y)}, names, "y", "t", "n")
    assert "1 of 48 points has no figure" in words(figure)
    for axis, sign in zip(figure.axes, (1, -1), strict=True):
        assert len(axis.lines) == groups
        assert len({(line.get_color(), line.get_marker()) for line in axis.lines}) == groups
        chosen = (names == "group 0") & np.isfinite(x)
        np.testing.assert_array_equal(axis.lines[0].get_data(), (sign * x[chosen], y[chosen]))


def test_odd_points(words):
    nothing = np.array([])
    words(plots.scatter({"x": (nothing, nothing)}, nothing, "y", "t", "n"))
    words(plots.scatter({"x": (np.array([NAN]), np.array([1.0]))}, np.array(["a"]), "y", "t", "n"))
    assert "nothing to show" in words(plots.scatter({}, nothing, "y", "t", "n"))


def study(combinations, seeds=3):
    return pd.DataFrame(
        [
            {"a": a, "b": b, "seed": s, "m": a + b + s**2, "dataset": "mnist", "preset": "short"}
            for a in (0.1, 0.5)
            for b in range(combinations)
            for s in range(seeds)
        ]
    ).astype({"m": float})


@pytest.mark.parametrize("combinations", [1, 2, 12])
def test_a_study_has_a_line_a_combination(combinations, words):
    table = study(combinations)
    figure = plots.study_summary(table, ["a", "b"], "m", "t")
    words(figure)
    (axis,) = figure.axes
    lines = [container.lines[0] for container in axis.containers]
    looks = {(x.get_color(), x.get_linestyle(), x.get_marker()) for x in lines}
    assert len(lines) == len(looks) == combinations
    for b, (line, _, (interval,)) in enumerate(axis.containers):
        of_b = table[table["b"] == b]
        np.testing.assert_allclose(line.get_ydata(), of_b.groupby("a")["m"].mean())
        of_level = of_b.loc[of_b["a"] == 0.1, "m"].to_numpy()
        ends = interval.get_segments()[0][:, 1]
        np.testing.assert_allclose(ends, mean_interval(of_level))
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    assert labels == [f"b {b}" for b in range(combinations)]
    assert axis.get_legend().get_window_extent().x0 >= axis.bbox.x1


def test_odd_studies(words):
    table = study(2)
    table.loc[0, "m"] = NAN
    table.loc[table["a"] == 0.5, "m"] = NAN
    figure = plots.study_summary(table, ["a", "b"], "m", "t")
    assert "12 runs, 3 seeds each · 7 of 12 runs have no figure" in words(figure)
    line = figure.axes[0].containers[0].lines[0]
    np.testing.assert_allclose(line.get_ydata(), [0.1 + (1 + 4) / 2, NAN])
    alone = plots.study_summary(study(1, seeds=1), ["a"], "m", "t")
    words(alone)
    assert alone.axes[0].get_legend() is None
    words(plots.study_summary(table.assign(m=NAN), ["a"], "m", "t"))
    for equal in (0.1, 0.7, 1.1, 0.913):  # their computed mean may lie beside them
        words(plots.study_summary(study(1, seeds=11).assign(m=equal), ["a"], "m", "t"))
    no_grid = plots.study_summary(study(2), [], "m", "t")
    assert len(no_grid.axes[0].containers) == 1 and "all" in words(no_grid)
    assert "nothing to show" in words(plots.study_summary(table.iloc[:0], ["a"], "m", "t"))


def test_points_stand_at_their_cost_and_mean_error(words):
    points = {"FF": (10.0, np.array([0.9, 0.92])), "one seed": (100.0, np.array([0.5]))}
    points |= {"diverged": (5.0, np.array([NAN, NAN])), "perfect": (7.0, np.array([1.0]))}
    figure = plots.error_over_cost(points, "seconds", "t", "n")
    text = words(figure)
    assert "FF" in text and "one seed" in text
    assert "diverged" not in text and "perfect" not in text
    axis, names = figure.axes
    assert axis.get_xscale() == axis.get_yscale() == "log"
    found = {note.get_text(): note.xy for note in axis.texts}
    assert found["1"] == pytest.approx((10.0, 9.0)) and found["2"] == (100.0, 50.0)
    listed = {name.get_text(): name.get_position()[1] for name in names.texts}
    assert listed["1  FF"] > listed["2  one seed"]  # the best at the top
    low, high = axis.get_ylim()
    assert low > high  # small errors at the top
    assert {"10", "20", "50", "100"} <= {tick.get_text() for tick in axis.get_xticklabels()}
    assert "nothing to show" in words(plots.error_over_cost({}, "x", "t", "n"))


def test_numbers_of_close_points_stand_apart(words):
    """Six points within a few dots of one another, and a far one that sets the axes."""
    accuracy = {f"rule {k}": np.array([0.95 + 0.0005 * k]) for k in range(6)}
    points = {name: (50.0 + k, value) for k, (name, value) in enumerate(accuracy.items())}
    figure = plots.error_over_cost(points | {"far": (5.0, np.array([0.5]))}, "seconds", "t", "n")
    words(figure)
    figure.canvas.draw()
    boxes = [note.get_window_extent() for note in figure.axes[0].texts]
    assert len(boxes) == 7
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


@pytest.mark.parametrize("count", [1, 4, 25])
def test_a_likeness_matrix_has_a_cell_for_every_two(count, rng, words):
    names = [f"rule number {k}" for k in range(count)]
    matrix = rng.random((count, count)) * 0.9 + 0.05
    figure = plots.likeness_matrix(matrix, names, "CKA", "t", "n")
    text = words(figure)
    assert all(name in text for name in names)
    axis = figure.axes[0]
    cells = {text.get_position(): text.get_text() for text in axis.texts}
    assert len(cells) == count**2
    assert cells[(count - 1, 0)] == f"{matrix[0, count - 1]:.2f}"
    assert "nothing to show" in words(plots.likeness_matrix(np.zeros((0, 0)), [], "", "t", "n"))
