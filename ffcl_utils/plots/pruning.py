"""Figures of pruned networks: accuracy over the share of weights that are removed."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from ffcl_utils.plots.finite import finite, finite_mean, with_gaps
from ffcl_utils.plots.stretched import back, stretch, stretch_accuracy, stretched
from ffcl_utils.plots.style import frame, legend, look, nothing, places


def accuracy_over_removed(
    curves: dict[str, np.ndarray],
    removed: Sequence[float],
    wholes: dict[str, np.ndarray],
    title: str,
    note: str,
) -> Figure:
    """Test accuracy over the share of weights removed: a dot per seed, a line through the means.

    curves: by name, (levels, S), shares of images. removed: (levels,), ascending shares above 0 and
    below 1. wholes: by name, (S,), of what is not pruned, a thin line at the mean, in the colour of
    the curve of that name. Both axes are logarithmic in what is missing to 100 %: the
    same step is from 80 to 90 % as from 90 to 95 %.
    """
    if not curves or not len(removed):
        return nothing(title, note)
    x, shown = 100 * np.asarray(removed), []
    looks = places([*curves, *wholes])
    with frame(9, 5.4, with_gaps(title, curves | wholes), note) as figure:
        axis = figure.subplots()
        for name, values in curves.items():
            values, style = 100 * finite(values), look(looks[name])
            shown += [values, 100 * finite(wholes.get(name, []))]
            dot = {"marker": ".", "linestyle": "", "alpha": 0.35, "color": style["color"]}
            axis.plot(x, values, **dot)
            axis.plot(x, finite_mean(values), **style, markersize=5, label=name)
        for name, values in wholes.items():
            shown.append(100 * finite(values))
            thin = {"linewidth": 1, "linestyle": (0, (1, 1)), "color": look(looks[name])["color"]}
            axis.axhline(100 * finite_mean(finite(values)), **thin, label=f"{name}, not pruned")
        stretch_accuracy(axis, np.concatenate([np.ravel(values) for values in shown]))
        stretch(axis, "x")
        axis.xaxis.set_major_locator(FixedLocator(x))
        left, right = stretched(x[[0, -1]])
        room = 0.05 + 0.03 * (right - left)
        axis.set_xlim(back(left - room), back(right + room))
        axis.set_xlabel("weights removed, %")
        axis.set_ylabel("test accuracy, % of images (dots: seeds)")
        legend(figure)
    return figure
