"""Figures: arrays in, Figure out; one style; no files written.

Every figure carries a `note` below its title: data, preset and number of seeds (results.label).
"""

from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
from IPython import get_ipython
from IPython.core.pylabtools import select_figure_formats
from matplotlib.figure import Figure

from ffcl_utils.analysis.decay import Decay

if shell := get_ipython():  # Jupyter knows how to show a Figure made without pyplot once told
    select_figure_formats(shell, {"png"})

# Okabe and Ito 2008: told apart by colour-blind readers; the line styles carry them in greyscale.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":")
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
                (1, 100 * reference),
                xycoords=("axes fraction", "data"),
                ha="right",
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
    exponential is a straight line; points below a thousandth of the fall are left out there.
    """
    with _figure(2.9 * len(losses), 5.6, title, note) as figure:
        axes = figure.subplots(2, len(losses), squeeze=False)
        for column, (layer, values) in enumerate(losses.items()):
            top, bottom = axes[:, column]
            epochs = np.arange(1, len(values) + 1)
            for loss, decay in zip(values.T, decays[layer], strict=True):
                fit = decay.fits["exponential"]
                top.plot(epochs, loss, ".", color=COLOURS[0], markersize=3, alpha=0.5)
                top.plot(epochs, fit.curve, color=COLOURS[1], linewidth=0.8, alpha=0.7)
                if fit.values and fit.parameters["amplitude"] > 0:
                    floor = fit.parameters["floor"]
                    visible = loss - floor > 1e-3 * (loss[0] - floor)
                    above = np.where(visible, loss - floor, np.nan)
                    bottom.semilogy(epochs, above, ".", color=COLOURS[0], markersize=3, alpha=0.5)
                    bottom.semilogy(
                        epochs, fit.curve - floor, color=COLOURS[1], linewidth=0.8, alpha=0.7
                    )
                    bottom.set_ylim(bottom=None)
            share = np.mean([decay.exponential for decay in decays[layer]])
            top.set_title(f"{layer}\nexponential for {share:.0%} of seeds")
            bottom.set_xlabel("epoch")
        axes[0, 0].set_ylabel("loss")
        axes[1, 0].set_ylabel("loss − fitted L∞ (log axis)")
        handles = [
            plt.Line2D([], [], color=COLOURS[0], marker=".", linestyle="", label="measured"),
            plt.Line2D([], [], color=COLOURS[1], label="exponential fit, one per seed"),
        ]
        axes[0, -1].legend(handles=handles, fontsize=8)
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
