"""The figures of the notebooks to explore, drawn anew at every move: one picture, few axes."""

import base64
import html
import textwrap
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from ffcl_utils.plots.style import COLOURS, STYLE, rows_of
from ffcl_utils.plots.units import tiles

SHOWN_DIGITS = 10  # that drive an ensemble most, and least
SHOWN_UNITS = 16
ACROSS = 6  # panels in a row of what the networks answer


def image(figure: Figure, alternative: str) -> str:
    """The figure as an HTML image; alternative: what it shows, for readers who do not see it."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    content = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{html.escape(alternative)}" src="data:image/png;base64,{content}">'


def ensemble_figure(
    scores: np.ndarray,
    threshold: float,
    definition: str,
    shared: np.ndarray,
    classes: tuple[str, ...],
    chosen: int,
    digits: np.ndarray,
    fields: np.ndarray,
    title: str,
    note: str,
) -> Figure:
    """One class's ensemble: its units among all, whom it shares them with, what it looks for.

    scores: (U,), how much each unit belongs to the class. shared: (classes,), how many of its units
    are in each class's ensemble. digits: (2, k, 784), which drive it most and least. fields: (784,
    k) of its units.
    """
    with plt.rc_context(STYLE | {"axes.grid": False}):
        figure = Figure(figsize=(12, 3.4))
        figure.suptitle(title, fontsize=12, fontweight="bold", y=0.985)
        figure.text(0.5, 0.87, note, ha="center", fontsize=9, color="0.3")
        grid = figure.add_gridspec(1, 4, left=0.05, right=0.99, top=0.74, bottom=0.15, wspace=0.3)
        axes = [figure.add_subplot(cell) for cell in grid]
        _units(axes[0], scores, threshold, definition)
        _shared(axes[1], shared, classes, chosen)
        _pictures(axes[2], fields, 4, "what its units look for", "RdBu_r", True)
        rows = np.concatenate(list(digits)).T
        across = -(-digits.shape[1] // 2)  # two rows each
        _pictures(axes[3], rows, across, "drive it most (top), least (bottom)", "gray_r")
    return figure


def accuracy_figure(
    accuracy: dict[str, np.ndarray], classes: tuple[str, ...], chosen: int, note: str
) -> Figure:
    """Accuracy per class of the whole network, and when something was done to the layer.

    accuracy: by what was done, (classes,) shares of images.
    """
    with plt.rc_context(STYLE | {"axes.grid": False}):
        figure = Figure(figsize=(12, 2.6))
        figure.text(0.5, 0.94, note, ha="center", fontsize=9, color="0.3")
        grid = figure.add_gridspec(1, 1, left=0.05, right=0.99, top=0.9, bottom=0.18)
        _accuracy(figure.add_subplot(grid[0, 0]), accuracy, classes, chosen)
    return figure


def _units(axis, scores: np.ndarray, threshold: float, definition: str) -> None:
    # By the authors' rule a unit is infinitely above a silent layer; without any active unit NaN.
    ordered = np.sort(np.nan_to_num(scores, nan=0.0, posinf=np.inf))[::-1]
    top = max(ordered[np.isfinite(ordered)].max(initial=0.0), threshold) * 1.05
    ordered = np.minimum(ordered, top)
    inside = ordered > threshold
    ranks = np.arange(1, len(ordered) + 1)
    axis.fill_between(ranks, ordered, where=~inside, color="0.75", linewidth=0)
    axis.vlines(ranks[inside], 0, ordered[inside], color=COLOURS[0], linewidth=1.5)
    axis.axhline(threshold, color="black", linewidth=1, linestyle="--")
    axis.set(xlabel="units, from the highest", ylabel=definition)
    axis.set_title(f"{inside.sum()} of {len(scores)} units (blue) above {threshold:g}")


def _shared(axis, shared: np.ndarray, classes: tuple[str, ...], chosen: int) -> None:
    colours = [COLOURS[0] if c == chosen else "0.6" for c in range(len(classes))]
    bars = axis.bar(range(len(classes)), shared, color=colours)
    axis.bar_label(bars, fontsize=8)
    axis.set_xticks(range(len(classes)), classes)
    axis.set(xlabel="class", ylabel="units", ylim=(0, max(1, shared.max()) * 1.15))
    axis.yaxis.get_major_locator().set_params(integer=True)
    axis.set_title("units shared with every class")


def _pictures(
    axis, columns: np.ndarray, across: int, title: str, colours: str, signed: bool = False
) -> None:
    axis.set_title(title)
    axis.axis("off")
    if columns.shape[1] == 0:
        axis.text(0.5, 0.5, "no unit", ha="center", va="center", transform=axis.transAxes)
        return
    # The label's pixels have by far the largest weights: they would leave the others pale.
    limit = np.quantile(np.abs(columns), 0.96) or 1.0
    axis.imshow(tiles(columns, across), cmap=colours, vmin=-limit if signed else 0, vmax=limit)


def _accuracy(axis, accuracy: dict[str, np.ndarray], classes: tuple[str, ...], chosen: int) -> None:
    width = 0.8 / len(accuracy)
    places = np.arange(len(classes))
    hatches = ("", "//", "..")
    for k, (name, values) in enumerate(accuracy.items()):
        axis.bar(
            places + (k - (len(accuracy) - 1) / 2) * width,
            100 * values,
            width,
            color=COLOURS[k],
            hatch=hatches[k],
            edgecolor="white",
            linewidth=0.3,
            label=f"{name}: {100 * values.mean():.1f} % on average",
        )
    axis.set_xticks(places, classes)
    axis.get_xticklabels()[chosen].set_fontweight("bold")
    axis.set(xlabel="class", ylabel="accuracy, %", ylim=(0, 135), yticks=range(0, 101, 25))
    axis.legend(loc="upper center", ncols=len(accuracy), fontsize=9)


def answers_figure(
    seen: np.ndarray,
    twins: dict[str, list[np.ndarray]],
    goodness: np.ndarray,
    scores: dict[str, np.ndarray],
    classes: tuple[str, ...],
    note: str,
) -> Figure:
    """What every network makes of one image.

    seen: (784,), as the networks get it. twins: by twin, the activations (units,) of its hidden
    layers. goodness: (layers, 10), FF's for each label. scores: by model, (10,), adding up to 1.
    """
    with plt.rc_context(STYLE | {"axes.grid": False}):
        rows = 1 + rows_of(len(scores), ACROSS)
        height = 1.0 + 2.3 * rows
        figure = Figure(figsize=(12, height))
        figure.suptitle(
            "What the networks make of it", fontsize=12, fontweight="bold", y=1 - 0.08 / height
        )
        figure.text(0.5, 1 - 0.45 / height, note, ha="center", fontsize=9, color="0.3")
        edges = {"left": 0.04, "right": 0.985, "top": 1 - 0.95 / height, "bottom": 0.35 / height}
        grid = figure.add_gridspec(rows, ACROSS, **edges, hspace=0.5, wspace=0.5)
        axis = figure.add_subplot(grid[0, 0])
        axis.imshow(seen.reshape(28, 28), cmap="gray_r", vmin=0, vmax=255)
        axis.set_title("as the network sees it", fontsize=9)
        axis.axis("off")
        for k, (name, layers) in enumerate(twins.items()):
            for j, layer in enumerate(layers):
                axis = figure.add_subplot(grid[0, 1 + 2 * k + j])
                side = int(np.ceil(len(layer) ** 0.5))
                cells = np.pad(layer, (0, side**2 - len(layer))).reshape(side, side)
                axis.imshow(cells, cmap="viridis", vmin=0, vmax=max(layer.max(), 1e-6))
                axis.set_title(f"{name}, layer {j + 1}", fontsize=9)
                axis.axis("off")
        axis = figure.add_subplot(grid[0, 5])
        places = np.arange(10)
        width = 0.8 / len(goodness)
        for k, layer in enumerate(goodness):
            offset = (k - (len(goodness) - 1) / 2) * width
            axis.bar(places + offset, layer, width, color=COLOURS[k], label=f"layer {k + 1}")
        axis.set_xticks(places, classes, fontsize=8)
        axis.set_title("FF: goodness per label", fontsize=9)
        axis.legend(fontsize=6, loc="upper right")
        axis.set_ylim(0, 1.8 * max(goodness.max(), 1e-6))  # room for the legend
        for k, (name, values) in enumerate(scores.items()):
            axis = figure.add_subplot(grid[1 + k // ACROSS, k % ACROSS])
            colours = [COLOURS[1] if v == values.max() else COLOURS[0] for v in values]
            axis.barh(places, values, color=colours)
            axis.set_yticks(places, classes, fontsize=8)
            axis.invert_yaxis()
            axis.set_xlim(0, 1)
            said = f"{name}: {classes[int(values.argmax())]}"
            axis.set_title(textwrap.fill(said, 24), fontsize=8)
    return figure
