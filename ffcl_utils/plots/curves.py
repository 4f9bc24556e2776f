"""Figures: arrays in, Figure out; one style; no files written.

Every figure carries a `note` below its title: data, preset and number of seeds (results.label).
"""

from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython import get_ipython
from IPython.core.pylabtools import select_figure_formats
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ffcl_utils.analysis.decay import Decay
from ffcl_utils.analysis.statistics import mean_interval

if shell := get_ipython():  # Jupyter knows how to show a Figure made without pyplot once told
    select_figure_formats(shell, {"png"})

# Okabe and Ito 2008: told apart by colour-blind readers; the line styles carry them in greyscale.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vP*X<>"
LINES = ("-", "--", "-.", ":")
_DOTS = (0, (1, 1))
_MEASURED = {"color": COLOURS[0], "marker": ".", "linestyle": "", "markersize": 3, "alpha": 0.5}
_FITTED = {"color": COLOURS[1], "linewidth": 0.8, "alpha": 0.7}
STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "savefig.dpi": 120,
    "figure.dpi": 80,
    "svg.hashsalt": "ffcl",
}


@contextmanager
def _figure(width: float, height: float, title: str, note: str):
    with plt.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.suptitle(f"{title}\n", fontsize=12, fontweight="bold")
        figure.text(
            0.5, 0.995 - 0.26 / height, note, ha="center", va="top", fontsize=9, color="0.3"
        )
        yield figure


def accuracy_curves(
    panels: dict[str, dict[str, np.ndarray]],
    note: str,
    reference: float | None = None,
    reference_name: str = "",
) -> Figure:
    """Accuracy per epoch: a thin line per seed, a thick one for their mean, one panel a reading.

    panels: by title, by curve name, (E, S) shares of images. reference: the paper's figure, if any.
    """
    with _figure(
        min(4.6, 14 / len(panels)) * len(panels), 4.2, "Accuracy per epoch", note
    ) as figure:
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, (title, curves) in zip(axes, panels.items(), strict=True):
            for k, (name, values) in enumerate(curves.items()):
                _curves_of_seeds(axis, 100 * values, COLOURS[k], LINES[k], name)
            if reference is not None:
                axis.axhline(100 * reference, color="black", linewidth=1, linestyle=_DOTS)
                axis.annotate(
                    reference_name,
                    (0.02, 100 * reference),
                    xycoords=("axes fraction", "data"),
                    va="bottom",
                    fontsize=9,
                )
            axis.set(title=title, xlabel="epoch", ylim=(0, 100))
            axis.legend(loc="lower right" if _ends_high(curves) else "upper left", fontsize=8)
        axes[0].set_ylabel("accuracy, % of images")
    return figure


def _ends_high(curves: dict[str, np.ndarray]) -> bool:
    return np.mean([values[-1].mean() for values in curves.values()]) > 0.5


def _curves_of_seeds(axis, values: np.ndarray, colour: str, line: str, name: str) -> None:
    epochs = np.arange(1, len(values) + 1)
    axis.plot(epochs, values, color=colour, linewidth=0.6, alpha=0.35)
    axis.plot(epochs, values.mean(1), color=colour, linewidth=2, linestyle=line, label=name)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))


def error_curves(curves: dict[str, np.ndarray], title: str, note: str) -> Figure:
    """Test error per epoch on a log axis: by name, shares of images (E, S)."""
    with _figure(8, 4.4, title, note) as figure:
        axis = figure.subplots()
        for k, (name, values) in enumerate(curves.items()):
            _curves_of_seeds(axis, 100 * values, COLOURS[k], LINES[k % len(LINES)], name)
        axis.set(xlabel="epoch", ylabel="test error, % of images", yscale="log")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")
        axis.tick_params(which="both", labelsize=8)
        figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    return figure


def loss_decay(
    losses: dict[str, np.ndarray], decays: dict[str, list[Decay]], title: str, note: str
) -> Figure:
    """Loss curves with their exponential fits: above as they are, below L − L∞ on a log axis.

    losses: by layer, (E, S). decays: by layer, the fits of every seed. On the lower axis an
    exponential is a straight line; it ends at a thousandth of the largest fall.
    """
    with _figure(2.9 * len(losses), 5.9, title, note) as figure:
        axes = figure.subplots(2, len(losses), squeeze=False)
        for (top, bottom), (layer, values) in zip(axes.T, losses.items(), strict=True):
            epochs = np.arange(1, len(values) + 1)
            falling = 0
            for loss, decay in zip(values.T, decays[layer], strict=True):
                fit = decay.fits["exponential"]
                top.plot(epochs, loss, **_MEASURED)
                top.plot(epochs, fit.curve, **_FITTED)
                if fit.values and fit.parameters["amplitude"] > 0:
                    falling += 1
                    above = np.where(loss > fit.parameters["floor"], loss, np.nan)
                    bottom.plot(epochs, above - fit.parameters["floor"], **_MEASURED)
                    bottom.plot(epochs, fit.curve - fit.parameters["floor"], **_FITTED)
            share = np.mean([decay.exponential for decay in decays[layer]])
            top.set_title(f"{layer}\nexponential for {share:.0%} of seeds")
            bottom.set(xlabel="epoch", yscale="log", xlim=top.get_xlim())
            if falling:
                highest = max(line.get_ydata()[0] for line in bottom.lines)
                bottom.set_ylim(highest / 1000, 2 * highest)
            else:
                bottom.text(0.5, 0.5, "no falling fit", transform=bottom.transAxes, ha="center")
                bottom.set_yticks([])
        axes[0, 0].set_ylabel("loss")
        axes[1, 0].set_ylabel("loss − fitted L∞ (log axis)")
        handles = [
            Line2D([], [], **_MEASURED | {"alpha": 1, "label": "measured, every seed"}),
            Line2D([], [], **_FITTED | {"alpha": 1, "label": "exponential fit, one per seed"}),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=9)
    return figure


def confusion(matrices: dict[str, np.ndarray], classes: tuple[str, ...], note: str) -> Figure:
    """Confusion matrices, rows normalised. matrices: by title, (classes, classes) counts."""
    title = "Confusion matrix, mean over seeds"
    with _figure(4.7 * len(matrices), 4.8, title, note) as figure:
        axes = figure.subplots(1, len(matrices), squeeze=False)[0]
        for axis, (name, counts) in zip(axes, matrices.items(), strict=True):
            share = 100 * counts / counts.sum(1, keepdims=True)
            axis.imshow(share, cmap="Blues", vmin=0, vmax=100)
            for (row, column), value in np.ndenumerate(share):
                if value >= 0.5:
                    colour = "white" if value > 55 else "black"
                    axis.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=8,
                              color=colour)  # fmt: skip
            ticks = range(len(classes))
            axis.set_xticks(ticks, classes)
            axis.set_yticks(ticks, classes)
            axis.set(title=name, xlabel="predicted", ylabel="true class (% of its images)")
            axis.grid(False)
    return figure


def digits(images: np.ndarray, captions: list[str], title: str, note: str) -> Figure:
    """A grid of images (N, 784) with a caption above each."""
    columns = min(10, len(images))
    rows = -(-len(images) // columns)
    with _figure(max(6, columns), 1.35 * rows + 0.9, title, note) as figure:
        for k, axis in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
            axis.axis("off")
            if k < len(images):
                axis.imshow(images[k].reshape(28, 28), cmap="gray_r")
                axis.set_title(captions[k], fontsize=8)
    return figure


def receptive_fields(panels: dict[str, np.ndarray], title: str, note: str) -> Figure:
    """First-layer weights as images, blue negative and red positive, one scale for all.

    panels: by title, (784, units); the first 32 units of each are shown.
    """
    with _figure(4.6 * len(panels), 3.3, title, note) as figure:
        limit = np.quantile(np.abs(np.concatenate(list(panels.values()), 1)), 0.99)
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, (name, weights) in zip(axes, panels.items(), strict=True):
            image = axis.imshow(tiles(weights[:, :32], 8), cmap="RdBu_r", vmin=-limit, vmax=limit)
            axis.set_title(name)
            axis.axis("off")
        figure.colorbar(image, ax=axes, shrink=0.8, label="weight")
    return figure


def tiles(weights: np.ndarray, columns: int) -> np.ndarray:
    """(784, units) as one image with a blank line between the units."""
    units = weights.shape[1]
    rows = -(-units // columns)
    canvas = np.full((29 * rows - 1, 29 * columns - 1), np.nan)
    for k in range(units):
        top, left = 29 * (k // columns), 29 * (k % columns)
        canvas[top : top + 28, left : left + 28] = weights[:, k].reshape(28, 28)
    return canvas


def goodness_curves(
    panels: dict[str, dict[str, np.ndarray]], threshold: float, note: str
) -> Figure:
    """Mean goodness of positive and negative data per epoch, one panel per model and layer.

    panels: by title, by curve name, (E, S).
    """
    rows = -(-len(panels) // 3)
    with _figure(10, 2.9 * rows + 0.6, "Goodness of positive and negative data", note) as figure:
        axes = figure.subplots(rows, 3, squeeze=False)
        for axis, (title, curves) in zip(axes.flat, panels.items(), strict=True):
            for k, (name, values) in enumerate(curves.items()):
                _curves_of_seeds(axis, values, COLOURS[k], LINES[k], name)
            axis.axhline(threshold, color="black", linewidth=1, linestyle=_DOTS)
            axis.set(title=title, xlabel="epoch", ylim=(0, None))
        for axis in axes[:, 0]:
            axis.set_ylabel("goodness (L2 norm)")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        threshold_line = Line2D([], [], color="black", linewidth=1, linestyle=_DOTS)
        figure.legend(
            [*handles, threshold_line], [*labels, "threshold"], loc="outside lower center", ncols=3
        )
    return figure


def per_layer(
    values: dict[str, np.ndarray],
    title: str,
    ylabel: str,
    note: str,
    ranges: dict[str, list[tuple[float, float]]] | None = None,
) -> Figure:
    """One figure per model and layer: a point per seed, a bar for their mean.

    values: by model, (layers, S). ranges: by model, what the paper prints for each layer.
    """
    layers = max(len(v) for v in values.values())
    with _figure(10, 4.2, title, note) as figure:
        axis = figure.subplots()
        width = 0.8 / len(values)
        for m, (name, figures) in enumerate(values.items()):
            for k, of_seeds in enumerate(figures):
                x = k + (m - (len(values) - 1) / 2) * width
                look = {"color": COLOURS[m % len(COLOURS)], "alpha": 0.45}
                label = name if k == 0 else None
                axis.bar(x, of_seeds.mean(), 0.9 * width, label=label, **look)
                axis.plot(np.full(len(of_seeds), x), of_seeds, "k.", markersize=3)
                if ranges and name in ranges:
                    low, high = ranges[name][k]
                    axis.plot([x, x], [low, high], color="black", linewidth=1.2, marker="_",
                              label="printed range" if m == k == 0 else None)  # fmt: skip
        axis.set_xticks(range(layers), [f"layer {k + 1}" for k in range(layers)])
        axis.set_ylabel(ylabel)
        axis.grid(axis="x", visible=False)
        figure.legend(loc="outside lower center", ncols=len(values) + 1, fontsize=9)
    return figure


def activation_maps(
    activations: dict[str, np.ndarray],
    labels: np.ndarray,
    classes: tuple[str, ...],
    preferred: dict[str, np.ndarray],
    note: str,
) -> Figure:
    """Activations with images and units sorted by class: ensembles are blocks on the diagonal.

    activations: by model, (N, units). labels: (N,). preferred: by model, (units,), the class that
    each unit prefers. Each unit is divided by its largest activation.
    """
    title = "Activations of layer 1, images and units sorted by class"
    with _figure(4.0 * len(activations), 4.4, title, note) as figure:
        axes = figure.subplots(1, len(activations), squeeze=False)[0]
        rows = np.argsort(labels, kind="stable")
        edges = np.searchsorted(labels[rows], np.arange(len(classes)))
        for axis, (name, values) in zip(axes, activations.items(), strict=True):
            columns = np.argsort(preferred[name], kind="stable")
            largest = values.max(0)
            shown = (values / np.where(largest > 0, largest, 1))[rows][:, columns]
            image = axis.imshow(
                shown, aspect="auto", cmap="gray_r", vmin=0, vmax=1, interpolation="antialiased"
            )
            middles = (edges + np.append(edges[1:], len(labels))) / 2
            axis.set_yticks(middles, classes)
            axis.set(title=name, xlabel="unit, sorted by preferred class")
            axis.grid(False)
        axes[0].set_ylabel("image, sorted by class")
        figure.colorbar(image, ax=axes, shrink=0.8, label="activation / largest of the unit")
    return figure


def class_matrices(
    matrices: dict[str, np.ndarray],
    classes: tuple[str, ...],
    title: str,
    note: str,
    shown: str = "{:.2f}",
) -> Figure:
    """Overlaps (classes, classes) by title, with their figures in the cells but the diagonal's."""
    with _figure(5.6 * len(matrices), 5.4, title, note) as figure:
        axes = figure.subplots(1, len(matrices), squeeze=False)[0]
        for axis, (name, matrix) in zip(axes, matrices.items(), strict=True):
            values = np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)
            axis.imshow(values, cmap="Blues", vmin=0)
            for (row, column), value in np.ndenumerate(values):
                if value > 0.005:
                    dark = value > 0.6 * np.nanmax(values)
                    axis.text(column, row, shown.format(value), ha="center", va="center",
                              fontsize=7, color="white" if dark else "black")  # fmt: skip
            axis.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
            axis.set_yticks(range(len(classes)), classes)
            axis.set_title(name)
            axis.grid(False)
    return figure


def weight_histograms(weights: dict[str, list[np.ndarray]], note: str) -> Figure:
    """Distribution of the weights of every layer, in units of the layer's root mean square.

    weights: by model, per layer an array of any shape.
    """
    layers = max(len(w) for w in weights.values())
    with _figure(3.6 * layers, 3.9, "Distribution of weights", note) as figure:
        axes = figure.subplots(1, layers, squeeze=False)[0]
        bins = np.linspace(-5, 5, 101)
        for k, axis in enumerate(axes):
            for m, (name, stack) in enumerate(weights.items()):
                values = stack[k].ravel() / np.sqrt(np.mean(np.square(stack[k])))
                density, _ = np.histogram(values, bins, density=True)
                look = {"color": COLOURS[m % len(COLOURS)], "linestyle": LINES[m % len(LINES)]}
                label = name if k == 0 else None
                axis.plot((bins[1:] + bins[:-1]) / 2, density, label=label, **look)
            axis.set(title=f"layer {k + 1}", xlabel="weight / root mean square", yscale="log")
        axes[0].set_ylabel("density (log axis)")
        figure.legend(loc="outside lower center", ncols=len(weights), fontsize=9)
    return figure


def per_class(
    panels: dict[str, dict[str, np.ndarray]],
    classes: list[str],
    title: str,
    note: str,
    lines: dict[str, float],
) -> Figure:
    """One figure per class and model: a point per seed, a bar for their mean, one panel a quantity.

    panels: by quantity, by model, (classes, S). lines: by quantity, a value to compare with.
    """
    with _figure(6 * len(panels), 4.0, title, note) as figure:
        for axis, (quantity, values) in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
        ):
            width = 0.8 / len(values)
            for m, (name, of_classes) in enumerate(values.items()):
                x = np.arange(len(classes)) + (m - (len(values) - 1) / 2) * width
                look = {"color": COLOURS[m % len(COLOURS)], "alpha": 0.45}
                label = name if quantity == next(iter(panels)) else None
                axis.bar(x, of_classes.mean(1), 0.9 * width, label=label, **look)
                axis.plot(x, of_classes, "k.", markersize=3)
            axis.axhline(lines[quantity], color="black", linewidth=1, linestyle=_DOTS)
            axis.set_xticks(range(len(classes)), classes)
            axis.set(xlabel="held-out class", ylabel=quantity)
            axis.grid(axis="x", visible=False)
        figure.legend(loc="outside lower center", ncols=len(values), fontsize=9)
    return figure


def heat_map(cells: pd.DataFrame, band: tuple[float, float], title: str, note: str) -> Figure:
    """Accuracy of every cell, those whose best seed lies within the band framed.

    cells: one row per reading and predictor, columns reading, predictor, accuracy and best (shares
    of images).
    """
    rows, columns = (list(dict.fromkeys(cells[name])) for name in ("reading", "predictor"))
    with _figure(8.2, 1.6 + 0.34 * len(rows), title, note) as figure:
        axis = figure.subplots()
        table = cells.pivot(index="reading", columns="predictor", values="accuracy")
        table = 100 * table.loc[rows, columns]
        image = axis.imshow(table, cmap="cividis", vmin=0, vmax=100, aspect="auto")
        for cell in cells.itertuples():
            x, y = columns.index(cell.predictor), rows.index(cell.reading)
            dark = 100 * cell.accuracy < 55
            axis.text(
                x,
                y,
                f"{100 * cell.accuracy:.1f} (best {100 * cell.best:.1f})",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if dark else "black",
            )
            if band[0] <= cell.best <= band[1]:
                frame = Rectangle((x - 0.47, y - 0.44), 0.94, 0.88, fill=False)
                frame.set(edgecolor="white" if dark else "black", linewidth=2.5)
                axis.add_patch(frame)
        axis.set_xticks(range(len(columns)), columns)
        axis.set_yticks(range(len(rows)), rows)
        low, high = (f"{100 * bound:g}" for bound in band)
        axis.set(xlabel=f"which network predicts · framed: best seed within {low}–{high} %")
        axis.grid(False)
        figure.colorbar(image, label="test accuracy, % of images, mean over seeds")
    return figure


def effects(table: pd.DataFrame, title: str, label: str, note: str) -> Figure:
    """Effects with their 95 % intervals, one row each.

    table: columns name, mean, low, high (in the units of the label).
    """
    with _figure(8, 1.5 + 0.32 * len(table), title, note) as figure:
        axis = figure.subplots()
        places = np.arange(len(table))[::-1]
        ends = np.abs(table[["low", "high"]].to_numpy().T - table["mean"].to_numpy())
        axis.errorbar(table["mean"], places, xerr=ends, fmt="o", color=COLOURS[0], capsize=3)
        axis.axvline(0, color="black", linewidth=1, linestyle=_DOTS)
        axis.set_yticks(places, table["name"])
        axis.set(xlabel=label)
        if table.empty:
            axis.set_xticks([])
            axis.text(0.5, 0.5, "nothing was left out here", transform=axis.transAxes, ha="center")
    return figure


def accuracy_of_models(
    models: dict[str, np.ndarray], target: float, target_name: str, title: str, note: str
) -> Figure:
    """Accuracy of every seed, one row a model, their mean as a bar, and a line at the target.

    models: by name, shares of images (S,); fewer seeds than the most are named.
    """
    most = max(map(len, models.values()))
    names = [
        name if len(values) == most else f"{name} ({len(values)} seed{'s' * (len(values) > 1)})"
        for name, values in models.items()
    ]
    with _figure(8, 1.7 + 0.36 * len(models), title, note) as figure:
        axis = figure.subplots()
        for place, values in enumerate(models.values()):
            look = {"marker": "o", "markersize": 4, "alpha": 0.5, "color": COLOURS[0]}
            axis.plot(100 * values, np.full(len(values), place), linestyle="", **look)
            mean = 100 * values.mean()
            axis.plot([mean, mean], [place - 0.3, place + 0.3], color="black", linewidth=2)
            axis.annotate(
                f"{mean:.2f}",
                (mean, place - 0.32),
                ha="center",
                va="bottom",
                fontsize=8,
            )
        axis.axvline(100 * target, color="black", linewidth=1, linestyle=_DOTS)
        axis.set_yticks(range(len(models)), names)
        axis.set(ylim=(len(models) - 0.5, -0.75))
        axis.set(xlabel=f"test accuracy, % of images · bar: mean over seeds · dots: {target_name}")
    return figure


def scatter(
    panels: dict[str, tuple[np.ndarray, np.ndarray]],
    groups: np.ndarray,
    ylabel: str,
    title: str,
    note: str,
) -> Figure:
    """One panel per x label, of points (x, y), each (R,); groups: the name of every point, (R,)."""
    with _figure(max(3.4 * len(panels), 7), 4.2, title, note) as figure:
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, (xlabel, (x, y)) in zip(axes, panels.items(), strict=True):
            for k, group in enumerate(dict.fromkeys(groups)):
                look = {"marker": MARKERS[k], "color": COLOURS[k % len(COLOURS)], "alpha": 0.6}
                chosen = groups == group
                axis.plot(x[chosen], y[chosen], linestyle="", markersize=4, label=group, **look)
            axis.set(xlabel=xlabel)
        axes[0].set_ylabel(ylabel)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9)
    return figure


def unit_scatter(
    panels: dict[str, tuple[np.ndarray, np.ndarray]],
    xlabel: str,
    ylabel: str,
    threshold: float,
    title: str,
    note: str,
) -> Figure:
    """One panel per title, one point (x, y) per unit, each (R,); a line at the threshold of y."""
    with _figure(4 * len(panels), 3.8, title, note) as figure:
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, (name, (x, y)) in zip(axes, panels.items(), strict=True):
            axis.plot(x, y, linestyle="", marker="o", markersize=3, color=COLOURS[0], alpha=0.4)
            axis.axhline(threshold, color="black", linewidth=1, linestyle=_DOTS)
            axis.set(title=name, xlabel=xlabel)
        axes[0].set_ylabel(ylabel)
    return figure


def similarity_curves(
    panels: dict[str, dict[str, np.ndarray]], ylabel: str, title: str, note: str
) -> Figure:
    """Similarity of pairs of networks per epoch, from before the training; one row per model.

    panels: by "model, layer", by curve name, (1 + E, S).
    """
    columns = len({name.rsplit(", ", 1)[1] for name in panels})
    rows = len(panels) // columns
    with _figure(4.4 * columns, 2.7 * rows + 0.8, title, note) as figure:
        axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
        for axis, (name, curves) in zip(axes.flat, panels.items(), strict=True):
            for k, (curve, values) in enumerate(curves.items()):
                epochs = np.arange(len(values))
                axis.plot(epochs, values, color=COLOURS[k], linewidth=0.6, alpha=0.35)
                look = {"color": COLOURS[k], "linestyle": LINES[k], "linewidth": 2}
                axis.plot(epochs, values.mean(1), label=curve, **look)
            axis.set(title=name, ylim=(0, 1))
        for axis in axes[-1]:
            axis.set_xlabel("epoch (0: before training)")
        for axis in axes[:, 0]:
            axis.set_ylabel(ylabel)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def study_summary(table: pd.DataFrame, settings: list[str], metric: str, title: str) -> Figure:
    """A metric over the first of the settings, a line for each combination of the others.

    table: a row a run, as `study.merge` makes it. One dot a run, lines through the means, bars:
    95 % intervals over seeds.
    """
    across, others = settings[0], settings[1:]
    levels = list(dict.fromkeys(table[across]))
    groups = table.groupby(others, sort=False) if others else [((), table)]
    origin = (
        f"{', '.join(table['dataset'].unique())} · preset {', '.join(table['preset'].unique())}"
    )
    about = f"{origin} · {len(table)} runs, {table['seed'].nunique()} seeds each"
    with _figure(8, 4.6, title, about) as figure:
        axis = figure.subplots()
        for k, (values, rows) in enumerate(groups):
            look = {"color": COLOURS[k % len(COLOURS)]}
            shift = 0.08 * (k - (len(groups) - 1) / 2)
            found = [rows.loc[rows[across] == level, metric].to_numpy() for level in levels]
            for place, of_seeds in enumerate(found):
                axis.plot(np.full(len(of_seeds), place + shift), of_seeds, ".", alpha=0.35, **look)
            intervals = [mean_interval(of_seeds) for of_seeds in found]
            means = np.array([of_seeds.mean() for of_seeds in found])
            low, high = np.array(intervals).T
            label = ", ".join(f"{n} {v}" for n, v in zip(others, values, strict=True))
            axis.errorbar(
                np.arange(len(levels)) + shift,
                means,
                [means - low, high - means],
                marker=MARKERS[k % len(MARKERS)],
                linestyle=LINES[k % len(LINES)],
                capsize=3,
                label=label or None,
                **look,
            )
        axis.set_xticks(range(len(levels)), levels)
        axis.set(xlabel=across, ylabel=metric)
        if others:
            axis.legend()
    return figure
