"""Figures of the energy score, and of draws beside the posterior that they should come from."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ffcl_utils.plots.finite import finite, finite_mean, gaps
from ffcl_utils.plots.style import (
    COLOURS,
    REFERENCE,
    dots,
    frame,
    grid,
    legend,
    look,
    nothing,
    places,
    reference_line,
    rows_of,
)

Curves = dict[str, dict[str, np.ndarray]]  # by panel, by score


def scores_of_candidates(
    grids: dict[str, np.ndarray],
    estimated: Curves,
    exact: Curves,
    truth: dict[str, float],
    title: str,
    note: str,
) -> Figure:
    """Mean scores over the candidates (G,), a panel for what is varied: a dot a seed, (G, S), and a
    line for the closed form, (G,); a vertical line at the truth."""
    if not grids:
        return nothing(title, note)
    with frame(10, 4.4, title, note) as figure:
        axes = grid(figure, len(grids), len(grids))
        for axis, (varied, values) in zip(axes, grids.items(), strict=True):
            for name, k in places(exact[varied]).items():
                line = look(k) | {"marker": ""}
                axis.plot(values, exact[varied][name], **line, label=f"{name}, closed form")
                seeds = finite(estimated[varied][name])
                axis.plot(values, seeds, **dots(k), markersize=4, alpha=0.7)
            axis.axvline(truth[varied], **REFERENCE)
            axis.set(xlabel=f"{varied} of the candidate", ylabel="mean score")
        seed = Line2D([], [], marker="o", markersize=4, linestyle="", color="0.3", label="one seed")
        legend(figure, seed, reference_line("truth"))
    return figure


def pulls(
    draws: np.ndarray, truth: np.ndarray, pull: np.ndarray, push: np.ndarray, title: str, note: str
) -> Figure:
    """Draws (m, 2) of two numbers and a truth (2,), with two arrows from each draw, (m, 2) each."""
    if not len(draws):
        return nothing(title, note)
    with frame(6.5, 5.2, title, note) as figure:
        axis = figure.subplots()
        arrows = {"angles": "xy", "scale_units": "xy", "scale": 4, "width": 0.007}
        for k, (name, moves) in enumerate({"pull to the truth": pull, "push apart": push}.items()):
            axis.quiver(*draws.T, *moves.T, color=COLOURS[k], label=name, **arrows)
        axis.plot(*draws.T, "ko", markersize=5, label="draw")
        axis.plot(*truth, marker="*", markersize=15, linestyle="", color=COLOURS[4], label="truth")
        axis.set(xlabel="first parameter", ylabel="second parameter", aspect="equal")
        axis.margins(0.25)
        legend(figure)
    return figure


def samples(
    panels: dict[str, tuple[np.ndarray, np.ndarray]], columns: int, title: str, note: str
) -> Figure:
    """Draws of the posterior and of a network over each other, (n, 2) each, by the panel's title.

    columns: panels in a row. The axes are those of the posterior; what is outside is counted.
    """
    if not panels:
        return nothing(title, note)
    rows = rows_of(len(panels), columns)
    with frame(3.5 * columns, 0.9 + 3.1 * rows, title, note) as figure:
        axes = grid(figure, len(panels), columns)
        for axis, (name, (reference, made)) in zip(axes, panels.items(), strict=True):
            low, high = reference.min(0), reference.max(0)
            room = 0.15 * (high - low)
            axis.plot(*reference.T, **dots(0), markersize=2.5, alpha=0.35, label="posterior")
            axis.plot(*made.T, **dots(1), markersize=2.5, alpha=0.35, label="network")
            (left, bottom), (right, top) = low - room, high + room
            outside = (~((made >= low - room) & (made <= high + room)).all(1)).sum()
            axis.set_title(f"{name}\n{outside} of the network's {len(made)} are outside")
            axis.set(xlim=(left, right), ylim=(bottom, top))
            axis.set(xlabel="first parameter shown", ylabel="second")
        legend(figure)
    return figure


def told_apart(
    tasks: dict[str, dict[int, np.ndarray]],
    published: dict[tuple[str, int], float],
    title: str,
    note: str,
) -> Figure:
    """C2ST over the number of simulations, a panel a task: a dot a seed (S,), a line through the
    means, crosses for what is published, and a line at .5, where nothing can be told apart."""
    if not tasks:
        return nothing(title, note)
    with frame(3.6 * len(tasks), 4.2, title, note) as figure:
        axes = grid(figure, len(tasks), len(tasks), sharey=True)
        for axis, (name, of_counts) in zip(axes, tasks.items(), strict=True):
            counts = list(of_counts)
            seeds = finite(np.array(list(of_counts.values())))
            axis.plot(counts, seeds, **dots(0), markersize=4, alpha=0.6)
            axis.plot(counts, finite_mean(seeds), color=COLOURS[0], label="mean over seeds")
            known = [(count, v) for (task, count), v in published.items() if task == name]
            cross = {"marker": "X", "color": COLOURS[1], "markersize": 9, "linestyle": ""}
            axis.plot(*zip(*known, strict=True), **cross, label="published")
            axis.axhline(0.5, **REFERENCE)
            lack = gaps(seeds)
            axis.set(title=f"{name}\n{lack}" if lack else name, xlabel="simulations (log axis)")
            axis.set(xscale="log", ylim=(0.45, 1.02))
        axes[0].set_ylabel("C2ST")
        seed = Line2D([], [], **dots(0), markersize=4, alpha=0.6, label="one seed")
        legend(figure, seed, reference_line("cannot be told apart"))
    return figure
