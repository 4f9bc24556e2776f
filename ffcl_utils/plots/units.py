"""Figures of images, weights and units: what they look like, respond to, and have in common."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ffcl_utils.plots.finite import finite, gaps
from ffcl_utils.plots.style import (
    COLOURS,
    REFERENCE,
    class_ticks,
    frame,
    grid,
    label_rows,
    legend,
    log_axis,
    look,
    nothing,
    places,
    reference_line,
    rows_of,
    say,
    write_cells,
)


def digits(images: np.ndarray, captions: Sequence[str], title: str, note: str) -> Figure:
    """A grid of square images (N, side²) with a caption above each.

    Raises ValueError for images that are not square.
    """
    if not len(images):
        return nothing(title, note)
    side = _side(images.shape[1])
    columns = min(10, len(images))
    captions = [textwrap.fill(caption, 15) for caption in captions]
    lines = max(caption.count("\n") for caption in captions)
    height = (1.35 + 0.13 * lines) * rows_of(len(images), columns) + 0.9
    with frame(max(6, 1.1 * columns), height, title, note) as figure:
        axes = grid(figure, len(images), columns)
        for axis, image, caption in zip(axes, images, captions, strict=True):
            axis.imshow(image.reshape(side, side), cmap="gray_r")
            axis.set_title(caption, fontsize=8)
            axis.axis("off")
    return figure


def receptive_fields(
    panels: dict[str, np.ndarray], title: str, note: str, units: int = 32, side: int = 28
) -> Figure:
    """First-layer weights as images, blue negative and red positive, one scale for all.

    panels: by title, (side², units); the first `units` of each are shown. Raises ValueError for
    weights of other inputs than the pixels of an image.
    """
    if not panels:
        return nothing(title, note)
    for name, weights in panels.items():
        if np.ndim(weights) != 2 or len(weights) != side**2:
            raise ValueError(
                f"{name}: weights of shape {np.shape(weights)} are no images of {side} × {side} "
                f"pixels; give those of a first layer, ({side**2}, units)"
            )
    panels = {name: finite(weights[:, :units]) for name, weights in panels.items()}
    magnitudes = np.abs(np.concatenate(list(panels.values()), 1))
    magnitudes = magnitudes[np.isfinite(magnitudes)]
    limit = (np.quantile(magnitudes, 0.99) if len(magnitudes) else 0) or 1.0
    across = min(8, max(weights.shape[1] for weights in panels.values()))
    columns = min(3, len(panels))
    height = 0.8 + 2.6 * rows_of(len(panels), columns)
    with frame(max(6, 4.6 * columns), height, title, note) as figure:
        axes = grid(figure, len(panels), columns)
        for axis, (name, weights) in zip(axes, panels.items(), strict=True):
            lack = gaps(weights, "unit")
            axis.set_title(f"{name}\n{lack}" if lack else name)
            axis.axis("off")
            image = tiles(weights, across) if weights.size else np.zeros((1, 1))
            shown = axis.imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit)
            if not weights.size:
                say(axis, "no unit")
        figure.colorbar(shown, ax=axes, shrink=0.8, label="weight")
    return figure


def tiles(weights: np.ndarray, columns: int) -> np.ndarray:
    """Square images (side², units) as one, `columns` in a row, with a blank line between them.

    Returns (rows·(side + 1) − 1, columns·(side + 1) − 1), NaN where nothing is. Raises ValueError
    for images that are not square, and for no image.
    """
    pixels, units = weights.shape
    side = _side(pixels)
    if not units or columns < 1:
        raise ValueError(f"{units} images in rows of {columns} are nothing to show")
    rows, step = rows_of(units, columns), side + 1
    canvas = np.full((step * rows - 1, step * columns - 1), np.nan)
    for k in range(units):
        top, left = step * (k // columns), step * (k % columns)
        canvas[top : top + side, left : left + side] = weights[:, k].reshape(side, side)
    return canvas


def _side(pixels: int) -> int:
    side = round(pixels**0.5)
    if side**2 != pixels or not pixels:
        raise ValueError(f"{pixels} values are no square image; 784 are one of 28 × 28")
    return side


def activation_maps(
    activations: dict[str, np.ndarray],
    labels: np.ndarray,
    classes: Sequence[str],
    preferred: dict[str, np.ndarray],
    note: str,
    layer: str = "",
) -> Figure:
    """Activations with images and units sorted by class: ensembles are blocks on the diagonal.

    activations: by model, (N, units). labels: (N,). preferred: by model, (units,), the class that
    each unit prefers, −1 for none. layer: for the title, such as "layer 1". Each unit is divided
    by its largest activation. Units without a class, and those that are 0 for every image, come
    last, behind a thin line.
    """
    title = f"Activations{f' of {layer}' if layer else ''}, images and units sorted by class"
    if not activations:
        return nothing(title, note)
    columns = min(3, len(activations))
    height = 0.6 + 3.6 * rows_of(len(activations), columns)
    rows = np.argsort(labels, kind="stable")
    with frame(max(6.5, 3.3 * columns), height, title, note) as figure:
        axes = grid(figure, len(activations), columns)
        for axis, (name, values) in zip(axes, activations.items(), strict=True):
            values = finite(values)
            lack = gaps(values, "unit")
            values = np.nan_to_num(values)
            has_class = (np.asarray(preferred[name]) >= 0) & (values != 0).any(0)
            order = np.argsort(np.where(has_class, preferred[name], len(classes)), kind="stable")
            largest = values.max(0, initial=0)
            shown = (values / np.where(largest > 0, largest, 1))[rows][:, order]
            if not shown.size:
                shown = np.zeros((1, 1))
            image = axis.imshow(
                shown, aspect="auto", cmap="gray_r", vmin=0, vmax=1, interpolation="antialiased"
            )
            none = int((~has_class).sum())
            lines = [name, f"{none} of {len(order)} units without a class" if none else "", lack]
            axis.set_title("\n".join(filter(None, lines)))
            if 0 < none < len(order):
                axis.axvline(len(order) - none - 0.5, color=COLOURS[1], linewidth=1)
            _mark_classes(axis, labels, classes)
            axis.set_xlabel("unit, sorted by preferred class")
            axis.grid(False)
        label_rows(axes, columns, "image, sorted by class")
        figure.colorbar(image, ax=axes, shrink=0.8, label="activation / largest of the unit")
    return figure


def _mark_classes(axis: Axes, labels: np.ndarray, classes: Sequence[str]) -> None:
    """Name each class in the middle of its images; a class without images has no place."""
    counts = np.bincount(labels, minlength=len(classes))
    middles = np.cumsum(counts) - counts / 2 - 0.5
    present = [c for c in range(len(classes)) if counts[c]]
    axis.set_yticks(middles[present], [classes[c] for c in present])


def class_matrices(
    matrices: dict[str, np.ndarray],
    classes: Sequence[str],
    title: str,
    note: str,
    shown: str = "{:.2f}",
    label: str = "overlap of two classes",
) -> Figure:
    """Overlaps (classes, classes) by title, one colour scale for all; the diagonal is left empty.

    shown: how a cell's figure is written. label: of the colour bar. A dash stands where two classes
    have no overlap to speak of (NaN).
    """
    if not matrices:
        return nothing(title, note)
    columns = min(3, len(matrices))
    height = 0.8 + 4.9 * rows_of(len(matrices), columns)
    diagonal = np.eye(len(classes), dtype=bool)
    cells = {name: np.where(diagonal, np.nan, finite(m)) for name, m in matrices.items()}
    largest = max(np.nan_to_num(values).max(initial=0) for values in cells.values()) or 1.0
    with frame(max(6.5, 5.2 * columns), height, title, note) as figure:
        axes = grid(figure, len(matrices), columns)
        for axis, (name, values) in zip(axes, cells.items(), strict=True):
            image = axis.imshow(values, cmap="Blues", vmin=0, vmax=largest)
            write_cells(axis, values, shown, 0.6 * largest)
            for row, column in zip(*np.nonzero(np.isnan(values) & ~diagonal), strict=True):
                axis.text(column, row, "–", ha="center", va="center", fontsize=8, color="0.5")
            class_ticks(axis, classes)
            axis.set(title=name, xlabel="class", ylabel="class")
        figure.colorbar(image, ax=axes, shrink=0.8, label=label)
    return figure


def weight_histograms(weights: dict[str, list[np.ndarray]], note: str) -> Figure:
    """Distribution of the weights of every layer, in units of the layer's root mean square.

    weights: by model, per layer an array of any shape; models may have unequally many layers. A
    layer without a finite weight other than 0 has no curve; the panel's title names its model.
    """
    title = "Distribution of weights"
    layers = max(map(len, weights.values()), default=0)
    if not layers:
        return nothing(title, note)
    bins = np.linspace(-5, 5, 101)
    looks = places(weights)
    columns = min(4, layers)
    height = 0.9 + 3.1 * rows_of(layers, columns)
    with frame(max(6.5, 3.6 * columns), height, title, note) as figure:
        axes = grid(figure, layers, columns)
        for k, axis in enumerate(axes):
            lines, densities = [f"layer {k + 1}"], []
            for name, stack in weights.items():
                if k >= len(stack):
                    continue
                values = finite(stack[k]).ravel()
                values = values[np.isfinite(values)]
                if not values.any():
                    lack = "weight but 0" if len(values) else "finite weight"
                    lines.append(f"{name}: no {lack}")
                    continue
                count, _ = np.histogram(values / np.sqrt(np.mean(np.square(values))), bins)
                density = count / (len(values) * np.diff(bins))
                density = np.where(density > 0, density, np.nan)
                style = look(looks[name]) | {"marker": ""}
                axis.plot((bins[1:] + bins[:-1]) / 2, density, label=name, **style)
                densities.append(density)
            if densities:
                log_axis(axis, np.concatenate(densities))
            axis.set(title="\n".join(lines), xlabel="weight / root mean square", xlim=(-5, 5))
        label_rows(axes, columns, "density (log axis)")
        legend(figure)
    return figure


def unit_scatter(
    panels: dict[str, tuple[np.ndarray, np.ndarray]],
    xlabel: str,
    ylabel: str,
    threshold: float,
    title: str,
    note: str,
) -> Figure:
    """One panel per title, one point (x, y) per unit, each (R,); a line at the threshold of y.

    A unit without a finite x and y is left out, and the panel's title counts it.
    """
    if not panels:
        return nothing(title, note)
    columns = min(4, len(panels))
    height = 0.8 + 3.2 * rows_of(len(panels), columns)
    with frame(max(6, 4 * columns), height, title, note) as figure:
        axes = grid(figure, len(panels), columns, sharey=True)
        for axis, (name, (x, y)) in zip(axes, panels.items(), strict=True):
            x, y = finite(x), finite(y)
            lack = gaps(x + y, "unit")
            style = {"marker": "o", "markersize": 3, "color": COLOURS[0], "alpha": 0.4}
            usable = np.isfinite(x + y)
            axis.plot(x[usable], y[usable], linestyle="", **style)
            axis.axhline(threshold, **REFERENCE)
            axis.set(title=f"{name}\n{lack}" if lack else name, xlabel=xlabel)
        label_rows(axes, columns, ylabel)
        legend(figure, reference_line(f"threshold, {threshold:g}"))
    return figure
