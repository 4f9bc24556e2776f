"""The one style of all figures: colours, the frame with title and note, saving, and small helpers.

Importing this module changes nothing: the style holds while a figure is drawn in `frame` and while
`save` writes it.
"""

import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from ffcl_utils.plots.finite import finite, finite_mean

# Okabe and Ito 2008: colour-blind readers can tell them apart; line styles and markers carry the
# difference in greyscale. Their numbers, 7, 4 and 9, have no common divisor, so that `look` repeats
# a combination only after 7 · 4 · 9 series.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "<", ">")
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++", "ooo", "---")
REFERENCE = {"color": "black", "linewidth": 1, "linestyle": (0, (1, 1))}  # a value to compare with
# A model has one colour, its number in COLOURS, in all figures. A series is named by its model, or
# by its model, a comma and what else sets it apart, such as "FF, untrained".
MODELS = {
    "FF": 0,
    "BP/FF": 1,
    "BP": 2,
    "BP, rate 0.01": 3,
    "mirror contrast": 4,
    "improved FFCL": 5,
    "untrained": 6,
    "backprop": 2,
    "backprop, same ingredients": 3,
}
DPI = 120  # of saved PNG files
STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "savefig.dpi": DPI,
    "figure.dpi": 80,
    "svg.hashsalt": "ffcl",
}


def look(k: int) -> dict:
    """Colour, line style and marker of the k-th series; no two of the first 252 are equal."""
    return {
        "color": COLOURS[k % len(COLOURS)],
        "linestyle": LINES[k % len(LINES)],
        "marker": MARKERS[k % len(MARKERS)],
    }


def dots(k: int) -> dict:
    """Colour and marker of the k-th group of points; no two of the first 63 are equal."""
    return look(k) | {"linestyle": ""}


def fill(k: int) -> dict:
    """Colour and hatch of the k-th series of bars; no two of the first 56 are equal."""
    hatch = HATCHES[k // len(COLOURS) % len(HATCHES)]
    return {"color": COLOURS[k % len(COLOURS)], "hatch": hatch, "alpha": 0.45}


def places(names: Iterable[str]) -> dict[str, int]:
    """For every name the k of its `look` and `fill`: a model's colour is the same everywhere.

    Series of one model differ in line, marker and hatch alone. Names of no model take the colours
    that the models beside them leave free.
    """
    names = list(dict.fromkeys(names))
    known = {name: _colour_of(name) for name in names}
    taken = {colour for colour in known.values() if colour is not None}
    free = [k for k in range(len(COLOURS)) if k not in taken] or [0]
    found, used, others = {}, dict.fromkeys(range(len(COLOURS)), 0), 0
    for name in names:
        colour = known[name]
        if colour is None:
            colour = free[others % len(free)]
            others += 1
        found[name] = colour + len(COLOURS) * used[colour]
        used[colour] += 1
    return found


def _colour_of(name: str) -> int | None:
    """The number in COLOURS of the model that a series' name begins with; None: of no model."""
    begins = [model for model in MODELS if name == model or name.startswith(f"{model}, ")]
    return MODELS[max(begins, key=len)] if begins else None


@contextmanager
def frame(width: float, height: float, title: str, note: str) -> Iterator[Figure]:
    """A figure of the size in inches, in the style, with its title and the note below the title.

    Title and note are wrapped to the figure's width; every line beyond their first adds height. The
    layout is computed at the end and then fixed: computed anew at every drawing, it would move.
    """
    width = max(width, 5.0)
    titles = textwrap.wrap(title, int(9.5 * width)) or [""]
    notes = textwrap.wrap(note, int(14 * width)) or [""]
    height += 0.2 * (len(titles) + len(notes) - 2)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        # The empty lines below the title keep the place of the note free.
        heading = "\n".join(titles) + "\n" * len(notes)
        figure.suptitle(heading, fontsize=12, fontweight="bold")
        top = 1 - (0.05 + 0.21 * len(titles)) / height
        figure.text(0.5, top, "\n".join(notes), ha="center", va="top", fontsize=9, color="0.3")
        yield figure
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def save(figure: Figure, path: Path) -> None:
    """Write a figure as the file type of the path's suffix; the same figure gives the same bytes.

    PNG files have 120 dots per inch. SVG files have fixed identifiers; they and PDF files no date.
    """
    path = Path(path)
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix)
    with matplotlib.rc_context(STYLE):
        figure.savefig(path, dpi=DPI, metadata=metadata)


def show_in_notebook() -> None:
    """Let IPython show a Figure that was made without pyplot, as PNG; nothing outside IPython."""
    from IPython import get_ipython
    from IPython.core.pylabtools import select_figure_formats

    if shell := get_ipython():
        select_figure_formats(shell, {"png"})


def nothing(title: str, note: str) -> Figure:
    """The figure of an empty input: title, note, and a sentence that there is nothing to show."""
    with frame(6, 1.8, title, note) as figure:
        axis = figure.subplots()
        axis.axis("off")
        say(axis, "nothing to show")
    return figure


def say(axis: Axes, text: str) -> None:
    """Write a sentence on an axis that has nothing else to show, in place of its ticks."""
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center")
    axis.set(xticks=[], yticks=[])
    axis.grid(False)


def columns_of(names: Iterable[str], most: int = 4) -> int:
    """How many panels go in a row: one row per model where the names are "model, layer".

    Where the models have unequally many layers, or more than `most`: as many as fit, up to `most`.
    """
    names = list(names)
    models = [name.rsplit(", ", 1)[0] for name in names]
    per_model = {models.count(model) for model in models}
    if len(per_model) == 1 and 1 < max(per_model) <= most:
        return max(per_model)
    return min(most, len(names))


def grid(figure: Figure, count: int, columns: int, **shared) -> list[Axes]:
    """`count` axes in rows of `columns`; shared: what `Figure.subplots` takes."""
    axes = list(figure.subplots(rows_of(count, columns), columns, squeeze=False, **shared).flat)
    for axis in axes[count:]:
        axis.remove()
    return axes[:count]


def label_rows(axes: list[Axes], columns: int, label: str) -> None:
    """Name the y axis of the first panel of every row; a long name takes several lines."""
    for axis in axes[::columns]:
        axis.set_ylabel(textwrap.fill(label, 28))


def rows_of(count: int, columns: int) -> int:
    """How many rows of `columns` hold `count` panels."""
    return -(-count // columns)


def legend(figure: Figure, *extra) -> None:
    """One legend of all axes below them, where it hides nothing; extra: further artists.

    A label that several axes share stands once.
    """
    labelled = {}
    for axis in figure.axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            labelled.setdefault(label, handle)
    labelled |= {handle.get_label(): handle for handle in extra}
    if labelled:
        room = 0.6 + 0.075 * max(map(len, labelled))  # inches, at 9 points
        columns = int(np.clip(figure.get_figwidth() / room, 1, len(labelled)))
        figure.legend(
            list(labelled.values()),
            list(labelled),
            loc="outside lower center",
            ncols=columns,
            fontsize=9,
        )


def reference_line(label: str) -> Line2D:
    """A legend's entry for a line drawn as REFERENCE."""
    return Line2D([], [], **REFERENCE, label=label)


def seed_curves(axis: Axes, values: np.ndarray, k: int, name: str, first: int = 1) -> None:
    """A thin line per seed and a thick one, the k-th look, for the mean over the finite seeds.

    values: (E, S). first: the epoch of the first row.
    """
    values = finite(values)
    epochs = first + np.arange(len(values))
    thin = {"linewidth": 0.6, "alpha": 0.35, "marker": "." if len(values) == 1 else ""}
    axis.plot(epochs, values, color=look(k)["color"], **thin)
    every = max(1, len(values) // 8)
    thick = look(k) | {"linewidth": 2, "markersize": 4.5, "markevery": every}
    axis.plot(epochs, finite_mean(values), label=name, **thick)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def log_axis(axes: Axes, values: np.ndarray, which: Literal["x", "y"] = "y") -> bool:
    """Make an axis logarithmic with plain numbers at it; not where a value is zero or none is.

    values: all that is shown, of any shape. Returns whether the axis is logarithmic.
    """
    values = values[np.isfinite(values)]
    if not len(values) or values.min() <= 0:
        return False
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    ratio = values.max() / values.min()
    wide = LogLocator(subs=(1, 2, 5) if ratio < 3e3 else (1,))
    axis.set_major_locator(wide if ratio > 4 else MaxNLocator(6))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())
    return True


def class_ticks(axis: Axes, classes: Iterable[str], both: bool = True) -> None:
    """Name the classes on the x axis, slanted where the names are long, and on the y axis too."""
    classes = list(classes)
    long = max(map(len, classes), default=0) > 2
    slant = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if long else {}
    axis.set_xticks(range(len(classes)), classes, **slant)
    if both:
        axis.set_yticks(range(len(classes)), classes)
    axis.grid(False)


def write_cells(axis: Axes, values: np.ndarray, shown: str, dark: float) -> None:
    """Write values (rows, columns) into their cells, white above `dark`.

    Nothing is written where the text would be that of zero.
    """
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value) and shown.format(value) != shown.format(0):
            colour = "white" if value > dark else "black"
            look = {"ha": "center", "va": "center", "fontsize": 8, "color": colour}
            axis.text(column, row, shown.format(value), **look)


def bars(axis: Axes, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A bar for the mean over the finite seeds of each model and place, and a point per seed.

    values: by model, (places, S), drawn at x = 0, 1, …. Returns the x of the bars by model.
    """
    width = 0.8 / max(len(values), 1)
    looks, where = places(values), {}
    for k, (name, of_places) in enumerate(values.items()):
        of_places = finite(of_places)
        x = np.arange(len(of_places)) + (k - (len(values) - 1) / 2) * width
        axis.bar(x, finite_mean(of_places), 0.9 * width, label=name, **fill(looks[name]))
        axis.plot(x, of_places, "k.", markersize=3)
        where[name] = x
    axis.grid(axis="x", visible=False)
    return where
