"""Figures of tables: matrices of classes, figures per layer, class, setting and model."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ffcl_utils.plots.finite import finite, finite_mean, gaps, with_gaps
from ffcl_utils.plots.stretched import are_far_apart, stretch_accuracy
from ffcl_utils.plots.style import (
    COLOURS,
    REFERENCE,
    bars,
    class_ticks,
    dots,
    frame,
    grid,
    label_rows,
    legend,
    look,
    nothing,
    places,
    reference_line,
    rows_of,
    write_cells,
)

# Ours are bars and points; what a paper prints is a band, which no bar looks like.
BAND = {"facecolor": "none", "edgecolor": "black", "hatch": "////////", "linewidth": 1}
LEAST = 0.008  # of the axis: a band as thin as a single printed figure is still seen


def confusion(matrices: dict[str, np.ndarray], classes: Sequence[str], note: str) -> Figure:
    """Confusion matrices, rows normalised. matrices: by title, (classes, classes) counts.

    The row of a class without images stays empty.
    """
    title = "Confusion matrix, mean over seeds"
    if not matrices:
        return nothing(title, note)
    columns = min(3, len(matrices))
    height = 0.8 + 4.3 * rows_of(len(matrices), columns)
    with frame(max(6, 4.9 * columns), height, title, note) as figure:
        axes = grid(figure, len(matrices), columns)
        for axis, (name, counts) in zip(axes, matrices.items(), strict=True):
            counts = finite(counts)
            totals = counts.sum(1, keepdims=True)
            share = 100 * counts / np.where(totals > 0, totals, np.nan)
            image = axis.imshow(share, cmap="Blues", vmin=0, vmax=100)
            write_cells(axis, share, "{:.0f}", 55)
            class_ticks(axis, classes)
            axis.set(title=name, xlabel="predicted class", ylabel="true class")
        figure.colorbar(image, ax=axes, shrink=0.8, label="% of the true class's images")
    return figure


def per_layer(
    values: dict[str, np.ndarray],
    title: str,
    ylabel: str,
    note: str,
    ranges: dict[str, list[tuple[float, float]]] | None = None,
) -> Figure:
    """One figure per model and layer: a point per seed, a bar for their mean.

    values: by model, (layers, S); models may have unequally many layers. ranges: by model, what the
    paper prints for each layer, drawn as a hatched band across the bar.
    """
    if not values:
        return nothing(title, note)
    with frame(10, 4.2, title, note) as figure:
        axis = figure.subplots()
        where = bars(axis, values)
        width = axis.patches[0].get_width() if axis.patches else 0
        printed = {name: of_layers for name, of_layers in (ranges or {}).items() if name in values}
        thin = LEAST * np.diff(axis.get_ylim()).item()
        for name, of_layers in printed.items():
            for x, (low, high) in zip(where[name], of_layers, strict=False):
                grown = max(0.0, thin - (high - low)) / 2
                corner, height = (x - 0.55 * width, low - grown), high - low + 2 * grown
                axis.add_patch(Rectangle(corner, 1.1 * width, height, **BAND, zorder=2.5))
        layers = max(map(len, values.values()))
        axis.set_xticks(range(layers), [f"layer {k + 1}" for k in range(layers)])
        axis.set(ylabel=ylabel, title=with_gaps("", values))
        band = Rectangle((0, 0), 1, 1, **BAND, label="printed in the paper or its outputs")
        legend(figure, *([band] if printed else []))
    return figure


def per_class(
    panels: dict[str, dict[str, np.ndarray]],
    classes: Sequence[str],
    title: str,
    note: str,
    lines: dict[str, float],
    xlabel: str = "held-out class",
) -> Figure:
    """One figure per class and model: a point per seed, a bar for their mean, one panel a quantity.

    panels: by quantity, by model, (classes, S). lines: by quantity, a value to compare with.
    """
    if not panels:
        return nothing(title, note)
    columns = min(2, len(panels))
    height = 0.8 + 3.4 * rows_of(len(panels), columns)
    with frame(max(7, 6 * columns), height, title, note) as figure:
        axes = grid(figure, len(panels), columns)
        for axis, (quantity, values) in zip(axes, panels.items(), strict=True):
            bars(axis, values)
            if quantity in lines:
                axis.axhline(lines[quantity], **REFERENCE)
            class_ticks(axis, classes, both=False)
            axis.grid(axis="y", visible=True)
            axis.set(xlabel=xlabel, title=with_gaps("", values))
            label_rows([axis], 1, quantity)
        legend(figure)
    return figure


def heat_map(cells: pd.DataFrame, band: tuple[float, float], title: str, note: str) -> Figure:
    """Accuracy of every cell, those whose best seed lies within the band framed.

    cells: one row per reading and predictor, columns reading, predictor, accuracy and best (shares
    of images).
    """
    if cells.empty:
        return nothing(title, note)
    rows, columns = (list(dict.fromkeys(cells[name])) for name in ("reading", "predictor"))
    width = 2.4 + max(5.8, 1.5 * len(columns))
    with frame(width, 1.6 + 0.34 * len(rows), title, note) as figure:
        axis = figure.subplots()
        table = 100 * cells.pivot(index="reading", columns="predictor", values="accuracy")
        table = finite(table.reindex(index=rows, columns=columns))
        image = axis.imshow(table, cmap="cividis", vmin=0, vmax=100, aspect="auto")
        for cell in cells.itertuples():
            x, y = columns.index(cell.predictor), rows.index(cell.reading)
            dark = 100 * cell.accuracy < 55
            colour = "white" if dark else "black"
            text = f"{100 * cell.accuracy:.1f} (best {100 * cell.best:.1f})"
            text = text if np.isfinite(cell.accuracy) else "no figure"
            axis.text(x, y, text, ha="center", va="center", fontsize=9, color=colour)
            if band[0] <= cell.best <= band[1]:
                border = Rectangle((x - 0.47, y - 0.44), 0.94, 0.88, fill=False)
                border.set(edgecolor=colour, linewidth=2.5)
                axis.add_patch(border)
        axis.set_xticks(range(len(columns)), columns)
        axis.set_yticks(range(len(rows)), rows)
        low, high = (f"{100 * bound:g}" for bound in band)
        axis.set(xlabel=f"which network predicts · framed: best seed within {low}–{high} %")
        axis.set(ylabel="reading")
        axis.grid(False)
        figure.colorbar(image, label="test accuracy, % of images,\nmean over seeds")
    return figure


def effects(table: pd.DataFrame, title: str, label: str, note: str) -> Figure:
    """Effects with their 95 % intervals, one row each.

    table: columns name, mean, low, high (in the units of the label). A row without a mean, or
    without an interval (one seed), says so in its name.
    """
    if table.empty:
        return nothing(title, note)
    with frame(8, 1.5 + 0.32 * len(table), title, note) as figure:
        axis = figure.subplots()
        rows = np.arange(len(table))[::-1]
        means, low, high = (finite(table[name]) for name in ("mean", "low", "high"))
        ends = np.abs(np.stack([means - low, high - means]))
        bounded = np.isfinite(ends).all(0)
        point = {"fmt": "o", "color": COLOURS[0], "capsize": 3}
        axis.errorbar(means, rows, xerr=np.where(bounded, ends, 0), **point)
        axis.axvline(0, **REFERENCE)
        lacks = np.where(
            ~np.isfinite(means), " (no figure)", np.where(bounded, "", " (no interval)")
        )
        axis.set_yticks(rows, [f"{n}{lack}" for n, lack in zip(table["name"], lacks, strict=True)])
        axis.set(xlabel=f"{label} (bars: 95 % intervals)", ylim=(-0.6, len(table) - 0.4))
    return figure


def accuracy_of_models(
    models: dict[str, np.ndarray], target: float, target_name: str, title: str, note: str
) -> Figure:
    """Accuracy of every seed, one row a model, their mean as a bar, and a line at the target.

    models: by name, shares of images (S,). Where models differ in how many seeds they have, each
    says its own beside its name; so does one with seeds without a figure. Where some miss far more
    to 100 % than others, the axis is stretched towards 100 %.
    """
    if not models:
        return nothing(title, note)
    differ = len(set(map(len, models.values()))) > 1
    with frame(8, 2.0 + 0.42 * len(models), title, note) as figure:
        axis = figure.subplots()
        names, looks = [], places(models)
        for place, (name, values) in enumerate(models.items()):
            values = 100 * finite(values)
            count = f"{len(values)} seed{'s' * (len(values) != 1)}" if differ else ""
            remark = gaps(values) or count
            names.append(f"{name} ({remark})" if remark else name)
            points = {"marker": "o", "markersize": 4, "alpha": 0.6, "linestyle": ""}
            colour = look(looks[name])["color"]
            axis.plot(values, np.full(len(values), place), **points, color=colour)
            mean = finite_mean(values)
            if np.isfinite(mean):
                axis.plot([mean, mean], [place - 0.3, place + 0.3], color="black", linewidth=2)
                over = {"ha": "center", "va": "bottom", "fontsize": 8}
                axis.annotate(f"{mean:.2f}", (mean, place - 0.32), **over)
        axis.axvline(100 * target, **REFERENCE)
        axis.set_yticks(range(len(models)), names)
        axis.set(ylim=(len(models) - 0.5, -0.75), xlabel="test accuracy, % of images")
        shown = 100 * np.concatenate([*models.values(), [target]])
        if are_far_apart(shown):
            stretch_accuracy(axis, shown, "x")
            axis.set_xlabel("test accuracy, % of images (axis stretched towards 100 %)")
        seed = Line2D([], [], **points, color="0.3", label="one seed")
        bar = Line2D([], [], color="black", linewidth=2, label="mean over seeds")
        legend(figure, seed, bar, reference_line(target_name))
    return figure


def scatter(
    panels: dict[str, tuple[np.ndarray, np.ndarray]],
    groups: np.ndarray,
    ylabel: str,
    title: str,
    note: str,
) -> Figure:
    """One panel per x label, of points (x, y), each (R,); groups: the name of every point, (R,).

    A point without a finite x and y is left out, and the panel's title counts it.
    """
    if not panels:
        return nothing(title, note)
    groups = np.asarray(groups)
    columns = min(4, len(panels))
    height = 1.0 + 3.2 * rows_of(len(panels), columns)
    with frame(max(3.4 * columns, 7), height, title, note) as figure:
        axes = grid(figure, len(panels), columns, sharey=True)
        for axis, (xlabel, (x, y)) in zip(axes, panels.items(), strict=True):
            x, y = finite(x), finite(y)
            usable = np.isfinite(x + y)
            for group, k in places(groups.tolist()).items():
                chosen = usable & (groups == group)
                axis.plot(x[chosen], y[chosen], **dots(k), markersize=4, alpha=0.6, label=group)
            axis.set(xlabel=xlabel, title=gaps(x + y, "point"))
        label_rows(axes, columns, ylabel)
        legend(figure)
    return figure
