"""Figures of pruned networks: accuracy over the share of weights that are removed."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from ffcl_utils.plots.style import (
    finite,
    finite_mean,
    frame,
    legend,
    look,
    nothing,
    places,
    with_gaps,
)

TICKS = (0, 50, 80, 90, 95, 97, 98, 99, 99.5)  # of accuracy, %
MOST = 99.9  # %: all above it is drawn there, as the rest to 100 % has no logarithm at 100


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
        for of in (axis.set_xscale, axis.set_yscale):
            of("function", functions=(_stretched, _back))
        axis.xaxis.set_major_locator(FixedLocator(x))
        axis.xaxis.set_major_formatter("{x:g}")
        low, high = _range(np.concatenate([np.ravel(values) for values in shown]))
        axis.yaxis.set_major_locator(FixedLocator([tick for tick in TICKS if low <= tick <= high]))
        axis.yaxis.set_major_formatter("{x:g}")
        for one in (axis.xaxis, axis.yaxis):
            one.set_minor_locator(NullLocator())
        axis.set_ylim(low, high)
        left, right = _stretched(x[[0, -1]])
        room = 0.05 + 0.03 * (right - left)
        axis.set_xlim(_back(left - room), _back(right + room))
        axis.set_xlabel("weights removed, %")
        axis.set_ylabel("test accuracy, % of images (dots: seeds)")
        legend(figure)
    return figure


def _stretched(percent: np.ndarray) -> np.ndarray:
    return -np.log10(1 - np.minimum(percent, MOST) / 100)


def _back(place: np.ndarray) -> np.ndarray:
    return 100 * (1 - 10.0 ** -np.asarray(place))


def _range(values: np.ndarray) -> tuple[float, float]:
    """The ticks around all values, as the ends of the axis."""
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 99.0
    below = [tick for tick in TICKS if tick <= values.min()]
    above = [tick for tick in TICKS if tick > values.max()]
    return max(below), min(above, default=MOST)
