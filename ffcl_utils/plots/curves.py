"""Figures of quantities per epoch: accuracy, error, loss, goodness, similarity."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ffcl_utils.plots.finite import finite, gaps, with_gaps
from ffcl_utils.plots.style import (
    COLOURS,
    REFERENCE,
    columns_of,
    frame,
    grid,
    label_rows,
    legend,
    log_axis,
    nothing,
    places,
    reference_line,
    rows_of,
    say,
    seed_curves,
)

if TYPE_CHECKING:  # only for annotations: drawing a fit does not need what fits it
    from ffcl_utils.analysis.decay import Decay

MEASURED = {"color": COLOURS[0], "marker": ".", "linestyle": "", "markersize": 4, "alpha": 0.5}
FITTED = {"color": COLOURS[1], "linewidth": 0.8, "alpha": 0.7}
DECADES = 1000  # the largest ratio of the ends of the log axis of a loss above its floor
LONG = 100  # from more epochs on their axis is logarithmic: most happens in the first few

Panels = dict[str, dict[str, np.ndarray]]  # by panel, by curve, (E, S)


def accuracy_curves(
    panels: Panels, note: str, reference: float | None = None, reference_name: str = ""
) -> Figure:
    """Accuracy per epoch: a thin line per seed, a thick one for their mean, one panel a reading.

    panels: by title, by curve name, (E, S) shares of images. reference: the paper's figure, if any.
    """
    title = "Accuracy per epoch"
    if not panels:
        return nothing(title, note)
    panels = {name: {k: 100 * finite(v) for k, v in p.items()} for name, p in panels.items()}
    values = [v[~np.isnan(v)] for p in panels.values() for v in p.values()]
    known = np.concatenate([*values, [] if reference is None else [100 * reference]])
    lowest = 10 * np.floor(known.min() / 10) if len(known) else 0
    columns = min(4, len(panels))
    height = 0.9 + 3.4 * rows_of(len(panels), columns)
    with frame(max(6.5, min(4.6, 14 / columns) * columns), height, title, note) as figure:
        axes = grid(figure, len(panels), columns, sharey=True)
        _fill_panels(axes, panels)
        for axis in axes:
            if reference is not None:
                axis.axhline(100 * reference, **REFERENCE)
            axis.set(ylim=(lowest, 100))
        _label_epochs(axes, panels)
        label_rows(axes, columns, "accuracy, % of images")
        legend(figure, *([] if reference is None else [reference_line(reference_name)]))
    return figure


def error_curves(curves: dict[str, np.ndarray], title: str, note: str) -> Figure:
    """Test error per epoch on a log axis (linear where an error is zero).

    curves: by name, shares of images (E, S).
    """
    if not curves:
        return nothing(title, note)
    curves = {name: 100 * finite(values) for name, values in curves.items()}
    with frame(8, 4.6, title, note) as figure:
        axis = figure.subplots()
        _fill_panels([axis], {"": curves})
        log = log_axis(axis, np.concatenate([values.ravel() for values in curves.values()]))
        axis.set(xlabel="epoch", ylabel=f"test error, % of images{' (log axis)' * log}")
        legend(figure)
    return figure


def goodness_curves(
    panels: Panels, threshold: float | None, note: str, ylabel: str = "goodness (L2 norm)"
) -> Figure:
    """Mean goodness of positive and negative data per epoch, one panel per model and layer.

    panels: by "model, layer", by curve name, (E, S). threshold: a line to compare with, if any.
    """
    title = "Goodness of positive and negative data"
    if not panels:
        return nothing(title, note)
    columns = columns_of(panels, 5)
    height = 0.9 + 2.7 * rows_of(len(panels), columns)
    with frame(min(14, max(6.5, 3.4 * columns)), height, title, note) as figure:
        axes = grid(figure, len(panels), columns)
        _fill_panels(axes, panels)
        for axis in axes:
            if threshold is not None:
                axis.axhline(threshold, **REFERENCE)
            axis.set(ylim=(0, None))
        _label_epochs(axes, panels)
        label_rows(axes, columns, ylabel)
        legend(figure, *([] if threshold is None else [reference_line("threshold")]))
    return figure


def similarity_curves(panels: Panels, ylabel: str, title: str, note: str) -> Figure:
    """Similarity of pairs of networks per epoch, from before the training; one row per model.

    panels: by "model, layer", by curve name, (1 + E, S), at most 1.
    """
    if not panels:
        return nothing(title, note)
    columns = columns_of(panels, 5)
    height = 0.9 + 2.7 * rows_of(len(panels), columns)
    all_values = [np.nan_to_num(finite(v)) for p in panels.values() for v in p.values()]
    lowest = min((values.min() for values in all_values), default=0)
    with frame(min(14, max(6.5, 4.4 * columns)), height, title, note) as figure:
        axes = grid(figure, len(panels), columns, sharey=True)
        _fill_panels(axes, panels, first=0)
        for axis in axes:
            axis.set(xlabel="epoch (0: before training)", ylim=(min(0, 1.05 * lowest), 1))
        label_rows(axes, columns, ylabel)
        legend(figure)
    return figure


def loss_decay(
    losses: dict[str, np.ndarray], decays: "dict[str, list[Decay | None]]", title: str, note: str
) -> Figure:
    """Loss curves with their exponential fits: above as they are, below L − L∞ on a log axis.

    losses: by layer, (E, S). decays: by layer, the fits of every seed; None for a seed without one.
    On the lower axis an exponential is a straight line. The axis spans what was measured there,
    three decades at most. A fit whose floor lies further below the lowest loss than the loss fell
    says nothing about the measured part, and would be a flat line: it is left out and counted.
    """
    if not losses:
        return nothing(title, note)
    with frame(min(16, max(6.5, 2.9 * len(losses))), 6.2, title, note) as figure:
        axes = figure.subplots(2, len(losses), squeeze=False)
        for (top, bottom), (layer, values) in zip(axes.T, losses.items(), strict=True):
            values, fits = finite(values), [_exponential(d) for d in decays[layer]]
            epochs = np.arange(1, len(values) + 1)
            for loss, fit in zip(values.T, fits, strict=True):
                top.plot(epochs, loss, **MEASURED)
                if fit is not None:
                    top.plot(epochs, finite(fit.curve), **FITTED)
            exponential = sum(d is not None and d.exponential for d in decays[layer])
            lines = [layer, f"exponential: {exponential} of {values.shape[1]} seeds", gaps(values)]
            top.set_title("\n".join(filter(None, lines)))
            bottom.set(xlabel="epoch", xlim=top.get_xlim())
            _above_floor(bottom, epochs, values, fits)
        axes[0, 0].set_ylabel("loss")
        axes[1, 0].set_ylabel("loss − fitted L∞ (log axis)")
        measured = Line2D([], [], **MEASURED | {"alpha": 1, "label": "measured, every seed"})
        fitted = Line2D([], [], **FITTED | {"alpha": 1, "label": "exponential fit, one per seed"})
        legend(figure, measured, fitted)
    return figure


def _exponential(decay: "Decay | None"):
    """The exponential fit of a falling loss; None where there is none."""
    fit = None if decay is None else decay.fits["exponential"]
    return fit if fit is not None and fit.values else None


def _above_floor(axis: Axes, epochs: np.ndarray, values: np.ndarray, fits: list) -> None:
    measured, far = [], 0
    for loss, fit in zip(values.T, fits, strict=True):
        if fit is None or not fit.parameters["amplitude"] > 0 or not np.isfinite(loss).any():
            continue
        floor, low, high = fit.parameters["floor"], np.nanmin(loss), np.nanmax(loss)
        if not floor >= low - (high - low):
            far += 1
        elif high > floor:
            above = np.where(loss > floor, loss - floor, np.nan)
            axis.plot(epochs, above, **MEASURED)
            curve = finite(fit.curve) - floor
            axis.plot(epochs, np.where(curve > 0, curve, np.nan), **FITTED)
            measured.append(above[np.isfinite(above)])
    if far:
        axis.set_title(f"{far} fitted floor{'s' * (far > 1)} far below the data: not shown")
        axis.title.set_fontsize(8)
    if not measured:
        say(axis, "no falling fit" if not far else "no floor near the data")
        return
    axis.set_yscale("log")
    measured = np.concatenate(measured)
    highest = measured.max()
    axis.set_ylim(max(measured.min() / 1.5, highest / DECADES), 1.5 * highest)


def _label_epochs(axes: list[Axes], panels: Panels) -> None:
    """Name the axis of the epochs, which is logarithmic in a panel of long trainings."""
    for axis, curves in zip(axes, panels.values(), strict=True):
        long = max((len(values) for values in curves.values()), default=0) > LONG
        axis.set(xlabel=f"epoch{' (log axis)' * long}", xscale="log" if long else "linear")
        if long:
            axis.xaxis.set_major_formatter("{x:g}")


def _fill_panels(axes: list[Axes], panels: Panels, first: int = 1) -> None:
    """Curves of seeds into their panels; a curve's name has the same look in all of them."""
    looks = places(name for curves in panels.values() for name in curves)
    for axis, (title, curves) in zip(axes, panels.items(), strict=True):
        for name, values in curves.items():
            seed_curves(axis, values, looks[name], name, first)
        axis.set_title(with_gaps(title, curves))
