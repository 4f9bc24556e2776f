"""An executed notebook as a page: figures as SVG with a text alternative, code folded, links to
pages, and the parameters and origin of its run in a box."""

import base64
import html
import re
import tomllib
from functools import cache, partial
from pathlib import Path

from nbconvert.filters import markdown2html
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from ffcl_utils.paths import ROOT
from ffcl_utils.records.contents import read_notebook, read_origin
from ffcl_utils.records.results import run_summary
from ffcl_utils.site.safe import cleaned

ALTERNATIVES = Path(__file__).with_name("figures.toml")
_RUN_FIGURE = re.compile(r'run\.figure\(\s*"([\w-]+)"')
_SHOWN_FIGURE = re.compile(r'figure_of\(folder, "([\w-]+)", "(\w+)"\)')
_LINK = re.compile(r"\[([^]]+)\]\((?:\.\./)*(?:notebooks/)?(\d\d_[\w-]+)(?:/executed)?\.ipynb\)")
_MODULE = re.compile(r"`(ffcl_utils/[\w/]+\.py)`")


def page(folder: Path, name: str, above: Path | None = None) -> NotebookNode:
    """The source of a run's page.

    folder: of a preset's results. above: the results whose pages lie one folder higher than this
    one; None for a page at the top. Its links to code need `code_page` of every module that
    `modules` names.
    """
    executed = read_notebook(folder / name / "executed.ipynb")
    cells = []
    for cell in executed.cells:
        if cell.cell_type == "markdown":
            cells.append(new_markdown_cell(_with_links(folder, above, cell.source)))
        elif cell.cell_type == "code":
            saved = _saved_figure(folder, name, cell.source)
            outputs = [shown for out in cell.outputs if (shown := _output(out, saved))]
            folded = {"tags": ["hide-input"]}
            cells.append(new_code_cell(cell.source, outputs=outputs, metadata=folded))
    cells.insert(1, html_cell(_origin(folder, name)))
    return notebook(cells)


def notebook(cells: list[NotebookNode]) -> NotebookNode:
    """Cells as a notebook of Python."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    language = {"name": "python", "pygments_lexer": "ipython3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": language})


def html_cell(text: str) -> NotebookNode:
    """A cell that shows HTML, cleaned, and no code."""
    shown = new_output("display_data", {"text/html": cleaned(text)})
    # A cell without a source has no outputs for myst-nb.
    return new_code_cell("...", outputs=[shown], metadata={"tags": ["remove-input"]})


def modules(folder: Path, name: str) -> set[str]:
    """The files of the package, from the repository's top, that a run's notebook names."""
    cells = read_notebook(folder / name / "executed.ipynb").cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return {path for path in _MODULE.findall(text) if (ROOT / path).is_file()}


def code_page(module: str) -> str:
    """The name of the page that shows a module."""
    return "code/" + module.removesuffix(".py").replace("/", ".")


def alternative(name: str, figure: str) -> str:
    """What a figure of a run shows, in words; its name where nobody has said so."""
    notebook = name.partition("-")[0]
    return _alternatives().get(notebook, {}).get(figure, f"Figure: {figure.replace('_', ' ')}")


def figure(folder: Path, name: str, figure: str, place: str = "") -> str:
    """HTML of a figure of a run, which a click enlarges; "" where the run has none of that name.

    A page that shows it lies beside the folders of its results: at the top, or in paper/. place:
    the way from the page to them, such as "paper/", where it does not.
    """
    address = f"{name}/figures/{figure}.svg"
    if not (folder / address).is_file():
        return ""
    return _figure(place + address, alternative(name, figure))


@cache
def _alternatives() -> dict[str, dict[str, str]]:
    return tomllib.loads(ALTERNATIVES.read_text(encoding="utf-8"))


def _with_links(folder: Path, above: Path | None, text: str) -> str:
    text = _LINK.sub(partial(_page_link, folder, above), text)
    return _MODULE.sub(partial(_module_link, "../" if above else ""), text)


def _page_link(folder: Path, above: Path | None, link: re.Match) -> str:
    """A link to a notebook as one to its page; those that are there to explore have none."""
    text, name = link.groups()
    if (folder / name).is_dir():
        return f"[{text}]({name}.ipynb)"
    if above and (above / name).is_dir():
        return f"[{text}](../{name}.ipynb)"
    return f"{text} (`make lab`)"


def _module_link(top: str, named: re.Match) -> str:
    path = named[1]
    return f"[`{path}`]({top}{code_page(path)}.md)" if (ROOT / path).is_file() else named[0]


def _saved_figure(folder: Path, name: str, source: str) -> str:
    """HTML of the saved figure that a cell shows; "" for none."""
    if shown := _SHOWN_FIGURE.search(source):
        return figure(folder, *shown.groups())
    made = _RUN_FIGURE.search(source)
    return figure(folder, name, made[1]) if made else ""


def _output(output: NotebookNode, saved: str) -> NotebookNode | None:
    """An output that a page may show: text, or cleaned HTML; None for progress bars and errors."""
    if output.output_type == "stream":
        return output if output.name == "stdout" else None
    data = output.get("data", {})
    if "image/png" in data or "image/svg+xml" in data:
        shown = saved or _embedded(data)
    elif "text/html" in data:
        shown = data["text/html"]
    elif "text/markdown" in data:
        shown = markdown2html(data["text/markdown"])
    elif "text/plain" in data:
        shown = f"<pre>{html.escape(data['text/plain'])}</pre>"
    else:
        return None
    return new_output("display_data", {"text/html": cleaned(shown)})


def _embedded(data: NotebookNode) -> str:
    if "image/png" in data:
        kind, image = "image/png", data["image/png"].replace("\n", "")
    else:
        kind = "image/svg+xml"
        image = base64.b64encode(data[kind].encode()).decode()
    return _figure(f"data:{kind};base64,{image}", "A figure that was not saved")


def _figure(address: str, text: str) -> str:
    image = f'<img src="{address}" alt="{html.escape(text, quote=True)}">'
    if address.startswith("data:"):
        return f"<figure>{image}</figure>"
    return f'<figure><a href="{address}" title="The figure alone, to enlarge">{image}</a></figure>'


def _origin(folder: Path, name: str) -> str:
    """The box above a notebook: the parameters of its run, and where and on what it ran."""
    files = [f'<a href="{name}/executed.ipynb">notebook</a>']
    lines = []
    if (folder / name / "provenance.json").is_file():
        origin = read_origin(folder / name, "parameters")
        summary = run_summary(folder)
        summary = summary.loc[name] if name in summary.index else {}
        preset = origin["parameters"].get("preset", folder.name)
        lines = [f"preset: {preset}", *(f"{key}: {value}" for key, value in summary.items())]
        files += [
            f'<a href="{name}/{file}.json">{text}</a>'
            for file, text in (("provenance", "parameters and provenance"), ("metrics", "metrics"))
            if (folder / name / f"{file}.json").is_file()
        ]
    text = " · ".join([*map(html.escape, lines), *files])
    return f'<p class="origin">Where this was run: {text}</p>'
