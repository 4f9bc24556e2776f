"""Figures over the depth of networks."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ffcl_utils.plots.finite import finite, finite_mean, with_gaps
from ffcl_utils.plots.stretched import stretch_accuracy
from ffcl_utils.plots.style import frame, grid, label_rows, legend, look, nothing, places, rows_of

ACROSS = 2  # panels in a row: without skip connections, and with


def accuracy_over(
    panels: dict[str, dict[str, dict[int, np.ndarray]]],
    xlabel: str,
    ylabel: str,
    title: str,
    note: str,
) -> Figure:
    """Accuracy over a whole number: a dot per seed, a line through the means, one panel a title.

    panels: by title, by curve, by number, (S,) shares of images. Numbers stand at equal distances.
    Accuracies are stretched towards 100 %, so that good networks do not lie on one another.
    """
    if not panels:
        return nothing(title, note)
    columns = min(ACROSS, len(panels))
    looks = places(name for curves in panels.values() for name in curves)
    height = 0.9 + 3.4 * rows_of(len(panels), columns)
    with frame(max(6, 3.6 * columns), height, title, note) as figure:
        axes = grid(figure, len(panels), columns, sharey=True)
        for axis, (panel, curves) in zip(axes, panels.items(), strict=True):
            numbers = sorted({number for curve in curves.values() for number in curve})
            for name, curve in curves.items():
                x = [numbers.index(number) for number in curve]
                values = 100 * finite(np.array(list(curve.values())))
                style = look(looks[name])
                dot = {"marker": ".", "linestyle": "", "alpha": 0.4, "color": style["color"]}
                axis.plot(x, values, **dot)
                axis.plot(x, finite_mean(values), **style, markersize=4, label=name)
            every = 1 + (len(numbers) - 1) // 10  # more than ten run into one another
            axis.set_xticks(range(0, len(numbers), every), numbers[::every])
            seeds = {name: np.array(list(curve.values())) for name, curve in curves.items()}
            axis.set_title(with_gaps(panel, seeds))
            axis.set_xlabel(xlabel)
        shown = [
            np.ravel(list(curve.values()))
            for curves in panels.values()
            for curve in curves.values()
        ]
        stretch_accuracy(axes[0], 100 * finite(np.concatenate(shown)))  # all panels share it
        label_rows(axes, columns, ylabel)
        legend(figure)
    return figure


def likeness_of_blocks(
    matrices: dict[str, np.ndarray], label: str, title: str, note: str
) -> Figure:
    """How alike every two blocks of a network are, (L, L) from 0 to 1, one panel a network.

    A cell without a figure is left grey.
    """
    if not matrices:
        return nothing(title, note)
    columns = min(ACROSS, len(matrices))
    height = 0.9 + 3.2 * rows_of(len(matrices), columns)
    with frame(max(6, 3.4 * columns), height, title, note) as figure:
        axes = grid(figure, len(matrices), columns)
        for axis, (name, cells) in zip(axes, matrices.items(), strict=True):
            edges = (0.5, len(cells) + 0.5)
            axis.set_facecolor("0.85")
            image = axis.imshow(
                finite(cells), "Blues", vmin=0, vmax=1, extent=(*edges, *edges[::-1])
            )
            axis.xaxis.set_major_locator(MaxNLocator(8, integer=True))
            axis.yaxis.set_major_locator(MaxNLocator(8, integer=True))
            axis.grid(False)
            axis.set(title=name, xlabel="block", ylabel="block")
        figure.colorbar(image, ax=axes, shrink=0.8, label=label)
    return figure
