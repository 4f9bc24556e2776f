"""Figures: arrays in, Figure out; one style; no files written.

Every figure carries a `note` below its title: data, preset and number of seeds (results.label).
"""

from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
from IPython import get_ipython
from IPython.core.pylabtools import select_figure_formats
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ffcl_utils.analysis.decay import Decay

if shell := get_ipython():  # Jupyter knows how to show a Figure made without pyplot once told
    select_figure_formats(shell, {"png"})

# Okabe and Ito 2008: told apart by colour-blind readers; the line styles carry them in greyscale.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":")
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
    panels: dict[str, dict[str, np.ndarray]], note: str, reference: float, reference_name: str
) -> Figure:
    """Accuracy per epoch: a thin line per seed, a thick one for their mean, one panel a reading.

    panels: by title, by curve name, (E, S) shares of images. reference: the paper's figure.
    """
    with _figure(4.6 * len(panels), 4.2, "Accuracy per epoch", note) as figure:
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, (title, curves) in zip(axes, panels.items(), strict=True):
            for k, (name, values) in enumerate(curves.items()):
                _curves_of_seeds(axis, 100 * values, COLOURS[k], LINES[k], name)
            axis.axhline(100 * reference, color="black", linewidth=1, linestyle=(0, (1, 1)))
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
            image = axis.imshow(_tiles(weights[:, :32], 8), cmap="RdBu_r", vmin=-limit, vmax=limit)
            axis.set_title(name)
            axis.axis("off")
        figure.colorbar(image, ax=axes, shrink=0.8, label="weight")
    return figure


def _tiles(weights: np.ndarray, columns: int) -> np.ndarray:
    """(784, units) as one image with a blank line between the units."""
    units = weights.shape[1]
    rows = -(-units // columns)
    canvas = np.full((29 * rows - 1, 29 * columns - 1), np.nan)
    for k in range(units):
        top, left = 29 * (k // columns), 29 * (k % columns)
        canvas[top : top + 28, left : left + 28] = weights[:, k].reshape(28, 28)
    return canvas
