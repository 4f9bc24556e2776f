"""Diagrams: what flows up in a network, what each loss changes, what a unit is compared with."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ffcl_utils.plots.style import COLOURS, frame, grid, legend, nothing, rows_of, write_cells

if TYPE_CHECKING:  # only for annotations: drawing does not need what measures
    from ffcl_utils.analysis.locality import Learning

LAYER = {"boxstyle": "round,pad=0.4", "facecolor": "#E8F1F8", "edgecolor": COLOURS[0]}
LOSS = {"boxstyle": "round4,pad=0.4", "facecolor": "#FDEFE6", "edgecolor": COLOURS[1]}
UP = {"arrowstyle": "-|>", "color": "0.35", "linewidth": 1.2, "shrinkA": 11, "shrinkB": 11}
CHANGE = {"arrowstyle": "-|>", "color": COLOURS[1], "linewidth": 1.8, "shrinkA": 0, "shrinkB": 24}


def what_losses_change(models: "dict[str, Learning]", title: str, note: str) -> Figure:
    """One panel a model: its layers, what flows up (grey), and the weights a loss changes (red).

    models: by title. Twins stand side by side, a loss between the layers that it changes.
    """
    if not models:
        return nothing(title, note)
    columns = min(3, len(models))
    most = max(len(model.layers) for model in models.values())
    height = 0.7 + (1.1 + 0.72 * most) * rows_of(len(models), columns)
    with frame(4.3 * columns, height, title, note) as figure:
        axes = grid(figure, len(models), columns)
        for axis, (name, model) in zip(axes, models.items(), strict=True):
            axis.set_title(name)
            axis.axis("off")
            axis.set(xlim=(-0.6, 2.6), ylim=(-0.5, most + 0.5))
            _network(axis, model)
    return figure


def _network(axis: Axes, model: "Learning") -> None:
    heights = {layer: k for k, layer in enumerate(model.layers, start=1)}
    # A lone network stands left of its losses, twins on both sides of theirs.
    twins = len(model.sees) > 1
    sides = (0.0, 2.0) if twins else (0.3,)
    of_losses = 1.0 if twins else 1.8
    for x, sees in zip(sides, model.sees, strict=True):
        _write(axis, x, 0, sees, None)
        for layer, y in heights.items():
            axis.annotate("", (x, y), (x, y - 1), arrowprops=UP)
            _write(axis, x, y, layer, LAYER)
    for loss, changed in model.losses.items():
        if not changed:
            continue
        place = max(heights[layer] for layer in changed)
        for x in sides:
            for layer in changed:
                axis.annotate("", (x, heights[layer]), (of_losses, place), arrowprops=CHANGE)
        _write(axis, of_losses, place, loss, LOSS)


def _write(axis: Axes, x: float, y: float, text: str, box: dict | None) -> None:
    axis.text(x, y, text, ha="center", va="center", fontsize=9, bbox=box, zorder=3)


def two_comparisons(
    means: np.ndarray, unit: int, chosen: int, classes: Sequence[str], title: str, note: str
) -> Figure:
    """What a unit's mean activation to a class is held against: its row, or its column.

    means: (classes, units), the mean activation of every unit to every class. Framed are, for unit
    `unit` and class `chosen`, the other units of the layer (authors' rule) and the other classes
    (our rule).
    """
    rows, columns = means.shape
    with frame(0.8 * columns + 3.4, 0.36 * rows + 1.7, title, note) as figure:
        axis = figure.subplots()
        image = axis.imshow(means, cmap="Greys", vmin=0, aspect="auto")
        write_cells(axis, means, "{:g}", 0.6 * means.max())
        frames = (
            ((-0.5, chosen - 0.5), columns, 1, COLOURS[0], "authors' rule: the layer, one class"),
            ((unit - 0.5, -0.5), 1, rows, COLOURS[1], "our rule: the classes, one unit"),
        )
        for corner, width, height, colour, label in frames:
            look = {"fill": False, "edgecolor": colour, "linewidth": 2.5, "label": label}
            axis.add_patch(Rectangle(corner, width, height, **look, clip_on=False, zorder=3))
        axis.set_xticks(range(columns), [f"unit {k}" for k in range(columns)])
        axis.set_yticks(range(rows), classes)
        axis.set(ylabel="class")
        axis.grid(False)
        figure.colorbar(image, label="mean activation")
        legend(figure)
    return figure
