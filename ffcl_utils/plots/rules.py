"""Figures of many learning rules: what they cost, and how alike they are."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ffcl_utils.plots.style import finite, frame, log_axis, look, nothing, places, write_cells


def error_over_cost(
    points: dict[str, tuple[float, np.ndarray]], xlabel: str, title: str, note: str
) -> Figure:
    """One point a model with its name beside it: what it costs, and its mean test error over seeds.

    points: by name, the cost, above 0, and the accuracy (S,), shares of images, whose standard
    deviation is the bar. Both axes are logarithmic, small errors at the top: good models, which
    differ by little, stand apart there. A model without an error is left out.
    """
    if not points:
        return nothing(title, note)
    looks = places(points)
    with frame(11, 7.5, title, note) as figure:
        axis = figure.subplots()
        errors = []
        for k, (name, (x, accuracy)) in enumerate(points.items()):
            error = 100 * (1 - finite(accuracy))
            known = error[np.isfinite(error)]
            if not len(known) or known.mean() <= 0:
                continue
            errors.append(known.mean())
            deviation = known.std(ddof=1) if len(known) > 1 else 0.0
            look_of_one = look(looks[name]) | {"linestyle": ""}
            axis.errorbar(x, known.mean(), deviation, **look_of_one, markersize=5, capsize=2)
            below = k % 2  # neighbours in the table are often neighbours here
            beside = {"textcoords": "offset points", "xytext": (6, -9 if below else 4)}
            axis.annotate(name, (x, known.mean()), **beside, fontsize=7)
        axis.set_xscale("log")
        log_axis(axis, np.array(errors))
        axis.invert_yaxis()
        axis.margins(x=0.15)
        axis.set(xlabel=f"{xlabel} (log axis)", ylabel="test error, % of images (log axis)")
    return figure


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
