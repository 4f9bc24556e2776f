"""Figures of Bayesian recurrent units: beliefs over time, and accuracy row by row."""

import numpy as np
from matplotlib.figure import Figure

from ffcl_utils.plots.finite import finite, with_gaps
from ffcl_utils.plots.style import frame, legend, look, nothing, places, seed_curves

STATE = {"color": "0.85", "step": "mid", "linewidth": 0}  # where the hidden state is 1


def beliefs(states: np.ndarray, curves: dict[str, np.ndarray], title: str, note: str) -> Figure:
    """Beliefs in state 1 over time, on grey where the state is 1.

    states: (T,), 0 or 1. curves: by name, (T,), from 0 to 1.
    """
    if not curves or not len(states):
        return nothing(title, note)
    looks, steps = places(curves), 1 + np.arange(len(states))
    with frame(9, 3.4, title, note) as figure:
        axis = figure.subplots()
        axis.fill_between(steps, 0, states, **STATE, label="the hidden state is 1")
        for name, values in curves.items():
            axis.plot(steps, finite(values), **look(looks[name]), markersize=3.5, label=name)
        axis.set(xlabel="step", ylabel="belief in state 1", ylim=(-0.03, 1.03))
        legend(figure)
    return figure


def accuracy_by_row(curves: dict[str, np.ndarray], title: str, note: str) -> Figure:
    """Accuracy by what one row's output says alone: a thin line per seed, a thick one their mean.

    curves: by name, shares of images (rows, S), from the top row of the image to the lowest.
    """
    if not curves:
        return nothing(title, note)
    looks = places(curves)
    with frame(8, 4.2, title, note) as figure:
        axis = figure.subplots()
        for name, values in curves.items():
            seed_curves(axis, 100 * finite(values), looks[name], name)
        axis.set(xlabel="row of the image, from the top", ylabel="accuracy, % of images")
        axis.set(ylim=(0, 100), title=with_gaps("", curves))
        legend(figure)
    return figure
