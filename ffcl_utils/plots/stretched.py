"""Axes of per cent stretched towards 100: as much room from 80 to 90 % as from 90 to 95 %."""

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

TICKS = (0, 50, 80, 90, 95, 97, 98, 99, 99.5)
FAR = 10  # on an even axis the better half of such figures would stand in one heap
MOST = 99.9  # %: all above it is drawn there, as the rest to 100 % has no logarithm at 100


def stretch(axes: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic in what is missing to 100 %; its numbers are those of a locator."""
    set_scale = axes.set_xscale if which == "x" else axes.set_yscale
    set_scale("function", functions=(stretched, back))
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def stretch_accuracy(axes: Axes, percent: np.ndarray, which: Literal["x", "y"] = "y") -> None:
    """Stretch an axis, from the tick below all of percent to the one above."""
    stretch(axes, which)
    low, high = around(percent)
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator([tick for tick in TICKS if low <= tick <= high]))
    axes.set(**{f"{which}lim": (low, high)})


def are_far_apart(percent: np.ndarray) -> bool:
    """Whether one figure misses FAR times as much to 100 % as another one."""
    missing = 100 - percent[np.isfinite(percent)]
    return len(missing) > 0 and missing.max() > FAR * max(missing.min(), 100 - MOST)


def stretched(percent: np.ndarray) -> np.ndarray:
    """Where percents stand on the axis: 0 % at 0, 90 % at 1, 99 % at 2."""
    return -np.log10(1 - np.minimum(percent, MOST) / 100)


def back(place: np.ndarray) -> np.ndarray:
    """The percents at places of the axis."""
    return 100 * (1 - 10.0 ** -np.asarray(place))


def around(percent: np.ndarray) -> tuple[float, float]:
    """The ticks around all figures; those that are not finite are left out."""
    values = percent[np.isfinite(percent)]
    if not len(values):
        return 0.0, 99.0
    below = [tick for tick in TICKS if tick <= values.min()]
    above = [tick for tick in TICKS if tick > values.max()]
    return max(below), min(above, default=MOST)
