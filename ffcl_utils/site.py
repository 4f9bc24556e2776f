"""The results as a static site: the claims first, each beside its executed notebook.

Pages need no network and no script, and work from the file system. Figures are the SVG files of the
results, each with a text alternative.
"""

import html
import re
import shutil
import tempfile
from functools import partial
from pathlib import Path
from string import Template

import nbformat
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from ffcl_utils.claims import tables as report
from ffcl_utils.explore.launchers import binder_address, colab_address
from ffcl_utils.files import OutputError, read_json
from ffcl_utils.records.results import result_folder, run_summary
from ffcl_utils.workflow.runs import notebooks

TITLE = "Learning without backpropagation: what became of the claims"
INTRODUCTION = """
Two papers on learning without backpropagation, run again on MNIST: *Improved Forward-Forward
Contrastive Learning* ([arXiv 2405.03432](https://arxiv.org/abs/2405.03432)) and *Emergent
representations in networks trained with the Forward-Forward algorithm*
([arXiv 2305.18353](https://arxiv.org/abs/2305.18353)). Every verdict is computed from a run with
all its seeds, by a rule that stands below. ± is the standard deviation over seeds. The last
column leads to the executed notebook, with its parameters and where it was run.
"""
PAGE = Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css">
</head>
<body>
<nav><a href="index.html">Claims</a> $links</nav>
<main>
$content
</main>
</body>
</html>
"""
)
STYLE = """body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; margin: 0; }
main { max-width: 60rem; margin: 0 auto; padding: 0 1rem 4rem; overflow-wrap: break-word; }
nav { padding: .6rem 1rem; border-bottom: 1px solid #ccc; background: #f4f4f4; line-height: 2; }
nav a { margin-right: .8rem; white-space: nowrap; }
a { color: #005a9c; }
img { max-width: 100%; height: auto; }
figure { margin: 1rem 0; }
pre { overflow-x: auto; background: #f6f6f6; padding: .6rem; font-size: .85rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; margin: 1rem 0; }
th, td { border-bottom: 1px solid #ddd; padding: .35rem .6rem; vertical-align: top; }
th, td { text-align: left; }
.origin { background: #f4f4f4; padding: .6rem 1rem; font-size: .9rem; }
.prompt, .anchor-link, .output_stderr { display: none; }
"""
_RUN_FIGURE = re.compile(r'run\.figure\(\s*"([\w-]+)"')
_SHOWN_FIGURE = re.compile(r'figure_of\(folder, "([\w-]+)", "(\w+)"\)')
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[([^]]+)\]\((\d\d_\w+)\.ipynb\)")
_TABLE = re.compile(r"<table.*?</table>", re.DOTALL)


def build(results: str, target: Path, repository: str = "") -> None:
    """Make the site of a finished run; "" for the committed reference run.

    repository: "owner/name" on GitHub, for links that open the notebooks in Binder and Colab.
    Raises FileNotFoundError where there are no results, and OutputError for a target that is there
    and is not a site.
    """
    folder = result_folder(results)
    if target.exists() and not (target / "index.html").is_file():
        raise OutputError(f"{target} is there and is not a site: give another folder")
    pages = sorted(path.parent.name for path in folder.glob("*/executed.ipynb"))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".site-") as temporary:
        site = Path(temporary) / "site"
        shutil.copytree(
            folder, site, ignore=shutil.ignore_patterns("networks", "*.png", ".*", "logs")
        )
        style = STYLE + HtmlFormatter().get_style_defs(".highlight")
        (site / "style.css").write_text(style, encoding="utf-8")
        index = _claims(folder) + (_launchers(repository) if repository else "")
        _write(site / "index.html", TITLE, index, pages)
        for name in pages:
            content = _origin(folder, name) + _notebook(folder, name)
            _write(site / f"{name}.html", short_name(name), content, pages)
        shutil.rmtree(target, ignore_errors=True)
        site.rename(target)


def short_name(notebook: str) -> str:
    """A results folder's name for a reader: "01 improved ffcl accuracy"."""
    return notebook.replace("_", " ")


def _write(path: Path, title: str, content: str, notebooks: list[str]) -> None:
    links = " ".join(f'<a href="{name}.html">{short_name(name)}</a>' for name in notebooks)
    content = _TABLE.sub(lambda found: f'<div class="scroll">{found[0]}</div>', content)
    page = PAGE.substitute(title=html.escape(title), links=links, content=content)
    path.write_text(page, encoding="utf-8")


def _claims(folder: Path) -> str:
    rows = read_json(folder / "claims.json")
    table = report.markdown_table(rows, links=True)
    table = re.sub(r"\(results/\w+/([\w-]+)/executed\.ipynb\)", r"(\1.html)", table)
    parts = [f"# {TITLE}", INTRODUCTION, *(f"> **{text}**" for text in report.warnings(rows))]
    parts += ["## The claims", table, "## What each verdict rests on"]
    parts += [report.rules_table(rows), "## Where the figures come from"]
    summary = run_summary(folder).to_html(border=0)
    return markdown2html("\n\n".join(parts)) + summary


def _launchers(repository: str) -> str:
    rows = ["", "## Open the notebooks", ""]
    for entry in notebooks():
        links = f"[Binder]({binder_address(repository, entry.notebook)})"
        if entry.part == "explore":  # their first cell installs what Colab lacks
            links += f" · [Colab]({colab_address(repository, entry.notebook)})"
        rows.append(f"- {entry.heading}: {links}")
    return markdown2html("\n".join(rows))


def _origin(folder: Path, name: str) -> str:
    """The box above a notebook: the parameters of its run, and where and on what it ran."""
    files = [f'<a href="{name}/executed.ipynb">notebook</a>']
    lines = []
    if (folder / name / "provenance.json").is_file():
        origin = read_json(folder / name / "provenance.json")
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
    return f'<p class="origin">{text}</p>\n'


def _notebook(folder: Path, name: str) -> str:
    notebook = nbformat.read(folder / name / "executed.ipynb", as_version=4)
    heading = short_name(name)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = (_HEADING.findall(cell.source) or [heading])[-1]
            cell.source = _LINK.sub(partial(_page_link, folder), cell.source)
        else:
            saved = _saved_figure(folder, name, cell.source)
            cell.outputs = [_with_figure(output, saved, heading) for output in cell.outputs]
    return HTMLExporter(template_name="basic", exclude_anchor_links=True).from_notebook_node(
        notebook
    )[0]


def _page_link(folder: Path, link: re.Match) -> str:
    """A link to a notebook as one to its page; those that are there to explore have none."""
    text, name = link.groups()
    return f"[{text}]({name}.html)" if (folder / name).is_dir() else f"{text} (`make lab`)"


def _saved_figure(folder: Path, name: str, source: str) -> str | None:
    """The SVG file, from the site's top, of the figure that a cell shows; None for none."""
    if shown := _SHOWN_FIGURE.search(source):
        name, figure = shown.groups()
    elif made := _RUN_FIGURE.search(source):
        figure = made[1]
    else:
        return None
    path = f"{name}/figures/{figure}.svg"
    return path if (folder / path).is_file() else None


def _with_figure(output: NotebookNode, saved: str | None, heading: str) -> NotebookNode:
    """The output with its image as an img element that has a text alternative."""
    if "image/png" not in output.get("data", {}):
        return output
    image = output.data["image/png"].replace("\n", "")
    address = saved or f"data:image/png;base64,{image}"
    text = html.escape(f"Figure: {heading}", quote=True)
    output.data = {"text/html": f'<figure><img src="{address}" alt="{text}"></figure>'}
    return output
