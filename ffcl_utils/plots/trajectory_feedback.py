"""Figures of learning from returns: what is lost, how fast, and which rewards are learnt."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ffcl_utils.plots.finite import finite, finite_mean, with_gaps
from ffcl_utils.plots.style import (
    REFERENCE,
    bars,
    frame,
    legend,
    log_axis,
    look,
    nothing,
    places,
    reference_line,
)

Panels = dict[str, dict[str, np.ndarray]]  # by problem, by curve, (M, N): moments and seeds


def regret(panels: Panels, episodes: np.ndarray, note: str) -> Figure:
    """Regret up to some episodes: above on two log axes, below divided by the root of the episode.

    episodes: (M,), from 1. Dotted above: a line that grows as the root does; it starts on the
    highest mean, at the middle of `episodes`. A value of 0 is left out of the log axes.
    """
    title = "What is lost, up to each episode"
    if not panels:
        return nothing(title, note)
    looks = places(name for curves in panels.values() for name in curves)
    root = episodes**0.5
    with frame(4 * len(panels) + 1, 6.6, title, note) as figure:
        axes = figure.subplots(2, len(panels), squeeze=False)
        for (top, bottom), (name, curves) in zip(axes.T, panels.items(), strict=True):
            _curves(top, curves, episodes, looks, positive=True)
            _curves(bottom, {k: v / root[:, None] for k, v in curves.items()}, episodes, looks)
            start = len(episodes) // 2
            highest = max(np.nan_to_num(finite_mean(v))[start] for v in curves.values())
            if highest > 0:
                line = highest * root[start:] / root[start]
                top.plot(episodes[start:], line, **REFERENCE)
                top.set_yscale("log")
            top.set(title=with_gaps(name, curves))
            bottom.set(xlabel="episode k (log axis)", ylim=(0, None))
        axes[0, 0].set_ylabel("regret, rewards (log axis)")
        axes[1, 0].set_ylabel("regret / √k")
        legend(figure, reference_line("grows as √k"))
    return figure


def recovered(panels: Panels, episodes: np.ndarray, note: str) -> Figure:
    """How far the estimated rewards are from the true ones, along directions of several kinds.

    panels: by problem, by kind, root mean squares (M, N). episodes: (M,), from 1.
    """
    title = "Error of the estimated rewards, along three kinds of directions"
    if not panels:
        return nothing(title, note)
    looks = places(name for curves in panels.values() for name in curves)
    with frame(4 * len(panels) + 1, 4, title, note) as figure:
        axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axis, (name, curves) in zip(axes, panels.items(), strict=True):
            _curves(axis, curves, episodes, looks, positive=True)
            axis.set(xlabel="episode k (log axis)", title=with_gaps(name, curves))
        shown = [v.ravel() for curves in panels.values() for v in curves.values()]
        log_axis(axes[0], np.concatenate(shown))
        axes[0].set_ylabel("error, rewards (log axis)")
        legend(figure)
    return figure


def by_problem(
    values: dict[str, np.ndarray], problems: list[str], line: float, said: str, ylabel: str,
    title: str, note: str,
) -> Figure:  # fmt: skip
    """A bar per method and problem for the mean over seeds, and a point per seed.

    values: by method, (problems, N). line: a value to compare with, and what it is called.
    """
    if not values:
        return nothing(title, note)
    with frame(10, 4.4, title, note) as figure:
        axis = figure.subplots()
        bars(axis, values)
        axis.axhline(line, **REFERENCE)
        axis.set_xticks(range(len(problems)), problems)
        axis.set(ylabel=ylabel, title=with_gaps("", values))
        legend(figure, reference_line(said))
    return figure


def _curves(
    axis: Axes, curves: dict[str, np.ndarray], episodes: np.ndarray, looks: dict[str, int],
    positive: bool = False,
) -> None:  # fmt: skip
    """The mean of each curve, and a band from the lower to the upper quartile of its seeds.

    positive: what is not above 0 is left out, for a log axis.
    """
    for name, values in curves.items():
        values = finite(values)
        known = values[:, np.isfinite(values).all(0)]
        mean = finite_mean(values)
        if positive:
            mean = np.where(mean > 0, mean, np.nan)
        shown = look(looks[name]) | {"linewidth": 1.8, "markersize": 4.5}
        axis.plot(episodes, mean, label=name, markevery=max(1, len(mean) // 8), **shown)
        if known.size:
            low, high = np.quantile(known, (0.25, 0.75), axis=1)
            low = np.where(low > 0, low, np.nan) if positive else low
            axis.fill_between(episodes, low, high, color=shown["color"], alpha=0.15, linewidth=0)
    axis.set_xscale("log")
