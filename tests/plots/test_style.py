"""The style: what two series look like, and what is written to files."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from PIL import Image

from ffcl_utils.plots import style


def drawn(title="title", note="note"):
    with style.frame(6, 3, title, note) as figure:
        axis = figure.subplots()
        image = axis.imshow(np.eye(3))
        figure.colorbar(image, ax=axis, label="label")
        axis.plot([0, 1], label="a line")
        style.legend(figure)
    return figure


@pytest.mark.parametrize(
    ("series", "count", "keys"),
    [
        (style.look, 252, ("color", "linestyle", "marker")),
        (style.dots, 63, ("color", "marker")),
        (style.fill, 56, ("color", "hatch")),
    ],
)
def test_no_two_series_look_alike(series, count, keys):
    assert len({tuple(series(k)[key] for key in keys) for k in range(count)}) == count
    assert series(count) == series(0)


def test_models_keep_their_colour_and_others_take_what_is_free():
    names = ["third", "BP", "FF, untrained", "FF", "BP, rate 0.01", "other", "third", "BPX"]
    found = style.places(names)
    assert list(found) == list(dict.fromkeys(names))
    colours = {name: k % len(style.COLOURS) for name, k in found.items()}
    for name in ("BP", "FF", "BP, rate 0.01"):
        assert colours[name] == style.MODELS[name]
    assert colours["FF, untrained"] == colours["FF"] and found["FF, untrained"] != found["FF"]
    others = {colours[name] for name in ("third", "other", "BPX")}
    assert len(others) == 3 and not others & {colours[n] for n in ("BP", "FF", "BP, rate 0.01")}


@pytest.mark.parametrize("count", [1, 7, 40])
def test_without_a_model_names_are_numbered_as_they_come(count):
    assert list(style.places(map(str, range(count))).values()) == list(range(count))


def test_no_two_of_many_series_have_one_place():
    names = [f"{model}, {k}" for model in style.MODELS for k in range(5)] + ["a", "b", "c"]
    assert len(set(style.places(names).values())) == len(names)


def test_a_saved_png_has_120_dots_per_inch(tmp_path):
    style.save(drawn(), tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        assert image.size == (720, 360)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_same_figure_gives_the_same_bytes(tmp_path, suffix):
    figure, other = drawn(), drawn()
    for k, one in enumerate((figure, figure, other)):
        style.save(one, tmp_path / f"{k}.{suffix}")
        figure.savefig(tmp_path / "between.png", dpi=50)  # as a notebook shows it
    written = {(tmp_path / f"{k}.{suffix}").read_bytes() for k in range(3)}
    assert len(written) == 1
    assert b"dc:date" not in written.pop()


def test_the_style_ends_with_the_frame(tmp_path):
    before = matplotlib.rcParams.copy()
    style.save(drawn(), tmp_path / "figure.png")
    assert matplotlib.rcParams.copy() == before


def test_importing_the_figures_changes_nothing_and_needs_no_torch():
    code = (
        "import matplotlib, sys; before = matplotlib.rcParams.copy(); import ffcl_utils.plots; "
        "assert matplotlib.rcParams.copy() == before; "
        "print([m for m in ('torch', 'IPython', 'matplotlib.pyplot') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_notebook_shows_figures_as_png_only_after_the_call():
    code = (
        "from IPython.core.interactiveshell import InteractiveShell as Shell\n"
        "from matplotlib.figure import Figure\n"
        "shell = Shell.instance()\n"
        "from ffcl_utils import plots\n"
        "figure = Figure(); figure.subplots()\n"
        "form = lambda: sorted(shell.display_formatter.format(figure)[0])\n"
        "print(form())\n"
        "for _ in range(2): plots.show_in_notebook(); print(form())\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shown = "['image/png', 'text/plain']"
    assert ran.stdout.splitlines() == ["['text/plain']", shown, shown]


def test_outside_a_notebook_the_call_does_nothing():
    style.show_in_notebook()


def test_title_and_note_stay_inside_the_figure():
    figure = drawn("A long title of many words " * 4, "a long note of many words · " * 8)
    heading, note = (text.get_window_extent() for text in figure.texts)
    for box in (heading, note):
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width
    title_lines = figure.get_suptitle().rstrip("\n").count("\n") + 1
    lines = figure.get_suptitle().count("\n") + 1
    assert title_lines > 1 and lines > title_lines
    assert note.y1 <= heading.y1 - heading.height * title_lines / lines + 2
    assert max(axis.get_tightbbox().y1 for axis in figure.axes) <= note.y0


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        ([f"{m}, layer {k}" for m in ("FF", "BP/FF") for k in (1, 2)], 2),
        ([f"{m}, layer {k}" for m in ("FF", "BP/FF") for k in range(5)], 5),
        ([f"FF, layer {k}" for k in range(7)], 5),
        (["FF, layer 1", "FF, layer 2", "BP, layer 1"], 3),
        (["alone"], 1),
    ],
)
def test_a_row_of_panels_is_a_model(names, columns):
    assert style.columns_of(names, 5) == columns


def test_a_log_axis_has_numbers_at_any_range(words):
    for values in ([1.5, 1.9], [1, 90], [3, 3], [1e-4, 1e3]):
        with style.frame(6, 3, "", "") as figure:
            axis = figure.subplots()
            axis.plot(values)
            assert style.log_axis(axis, np.array(values))
        low, high = axis.get_ylim()
        assert sum(low <= tick <= high for tick in axis.get_yticks()) >= 1, values
    for values in ([0, 1], [np.nan], []):
        assert not style.log_axis(axis, np.array(values, dtype=float))
