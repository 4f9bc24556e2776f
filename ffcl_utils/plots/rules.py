"""Figures of many learning rules: what they cost, and how alike they are."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ffcl_utils.plots.finite import finite
from ffcl_utils.plots.style import frame, log_axis, look, nothing, places, write_cells

# In points: the width and height of a number beside its point, and where it may stand.
NUMBER = np.array([11.0, 9.0])
OFFSETS = [(10, 5), (10, -5), (-10, 5), (-10, -5), (0, 11), (0, -11), (18, 0), (-18, 0)]


def error_over_cost(
    points: dict[str, tuple[float, np.ndarray]], xlabel: str, title: str, note: str
) -> Figure:
    """One point a model: what it costs, and its mean test error over seeds.

    points: by name, the cost, above 0, and the accuracy (S,), shares of images, whose standard
    deviation is the bar. Both axes are logarithmic, small errors at the top: good models, which
    differ by little, stand apart there. Numbers count the models from the smallest error on, and
    the list at the right names them. A model without an error is left out.
    """
    costs, errors = {}, {}
    for name, (cost, accuracy) in points.items():
        error = 100 * (1 - finite(accuracy))
        known = error[np.isfinite(error)]
        if len(known) and known.mean() > 0:
            costs[name], errors[name] = cost, known
    if not errors:
        return nothing(title, note)
    looks, means = places(errors), {name: error.mean() for name, error in errors.items()}
    with frame(12, max(6, 2 + 0.2 * len(errors)), title, note) as figure:
        axis, names = figure.subplots(1, 2, width_ratios=(3.8, 1))
        names.axis("off")
        for rank, name in enumerate(sorted(means, key=means.get), start=1):
            x, y, error = costs[name], means[name], errors[name]
            deviation = error.std(ddof=1) if len(error) > 1 else 0.0
            look_of_one = look(looks[name]) | {"linestyle": ""}
            axis.errorbar(x, y, deviation, **look_of_one, markersize=6, capsize=2)
            height = 1 - (rank - 0.5) / max(len(means), 12)
            named = {"va": "center", "fontsize": 9, "color": look_of_one["color"]}
            names.text(0, height, f"{rank}  {name}", transform=names.transAxes, **named)
        for which, shown in (("x", costs), ("y", means)):
            log_axis(axis, np.array(list(shown.values())), which)
        axis.invert_yaxis()
        axis.set(xlabel=f"{xlabel} (log axis)", ylabel="test error, % of images (log axis)")
        _number(axis, {name: (costs[name], means[name]) for name in sorted(means, key=means.get)})
    return figure


def _number(axis: Axes, points: dict[str, tuple[float, float]]) -> None:
    """Number points (x, y) in their order, each where no other point or number is, if it can be."""
    axis.figure.draw_without_rendering()  # so that the axes have their place
    shown = axis.transData.transform(list(points.values())) * 72 / axis.figure.dpi
    numbers = np.empty((0, 2))
    for k, (place, point) in enumerate(zip(shown, points.values(), strict=True)):
        others = np.concatenate([np.delete(shown, k, axis=0), numbers])
        gaps = [
            np.abs((others - place - offset) / NUMBER).max(1).min(initial=9) for offset in OFFSETS
        ]
        offset = OFFSETS[next((n for n, gap in enumerate(gaps) if gap >= 1), np.argmax(gaps))]
        numbers = np.concatenate([numbers, [place + offset]])
        axis.annotate(
            str(k + 1), point, xytext=offset, textcoords="offset points",
            ha="center", va="center", fontsize=8, fontweight="bold",
        )  # fmt: skip


def likeness_matrix(
    matrix: np.ndarray, names: Sequence[str], label: str, title: str, note: str
) -> Figure:
    """How alike every two of many things are, (N, N) from 0 to 1, figures in the cells."""
    if not len(names):
        return nothing(title, note)
    side = 2.6 + 0.42 * len(names)
    with frame(side + 1.2, side, title, note) as figure:
        axis = figure.subplots()
        image = axis.imshow(finite(matrix), cmap="Blues", vmin=0, vmax=1)
        write_cells(axis, finite(matrix), "{:.2f}", 0.6)
        axis.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(names)), names)
        axis.grid(False)
        figure.colorbar(image, shrink=0.8, label=label)
    return figure
