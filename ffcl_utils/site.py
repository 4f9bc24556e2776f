"""The results as a static site: the claims first, each beside its executed notebook.

Pages need no network and no script, and work from the file system. Figures are the SVG files of the
results, each with a text alternative.
"""

import base64
import html
import re
import shutil
import tempfile
from functools import partial
from pathlib import Path
from string import Template

import bleach
import nbformat
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from ffcl_utils.claims import tables as report
from ffcl_utils.claims.assess import assess
from ffcl_utils.explore.launchers import binder_address, colab_address
from ffcl_utils.files import OutputError, read_json, swap_folder, write_json
from ffcl_utils.records.contents import files_of
from ffcl_utils.records.results import result_folder, run_summary
from ffcl_utils.workflow.runs import notebooks, runs

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
_LINK = re.compile(r"\[([^]]+)\]\((?:\.\./)*(?:notebooks/)?(\d\d_[\w-]+)(?:/executed)?\.ipynb\)")
_NOT_TEXT = re.compile(r"<(style|script)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_TABLE = re.compile(r"<table.*?</table>", re.DOTALL)
# The list of its own files that a site has, by which it is known to be one.
CONTENTS = "site.json"
# What a page may show: a result is a file, and somebody may have written a script into it.
TAGS = {
    "a", "abbr", "b", "blockquote", "br", "code", "dd", "del", "details", "div", "dl", "dt", "em",
    "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "li", "ol", "p", "pre", "s",
    "small", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th",
    "thead", "tr", "u", "ul", "var",
}  # fmt: skip
ATTRIBUTES = {"href", "src", "alt", "title", "class", "id", "colspan", "rowspan", "scope"}


def build(results: str, target: Path, repository: str = "") -> None:
    """Make the site of a finished run; "" for the committed reference run.

    repository: "owner/name" on GitHub, for links that open the notebooks in Binder and Colab.
    Verdicts are computed anew. Raises FileNotFoundError where there are no results, RecordError
    for a broken record, and OutputError for a target that holds anything else than a site.
    """
    folder = result_folder(results)
    _check_target(target)
    pages = [entry.name for entry in runs() if (folder / entry.name / "executed.ipynb").is_file()]
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".site-") as temporary:
        site = Path(temporary) / "site"
        site.mkdir()
        for name in pages:
            _copy(folder / name, site / name)
        style = STYLE + HtmlFormatter().get_style_defs(".highlight")
        (site / "style.css").write_text(style, encoding="utf-8")
        index = _claims(folder) + (_launchers(repository) if repository else "")
        _write(site / "index.html", TITLE, index, pages)
        for name in pages:
            content = _origin(folder, name) + _notebook(folder, name)
            _write(site / f"{name}.html", short_name(name), content, pages)
        files = sorted(path.relative_to(site) for path in site.rglob("*") if path.is_file())
        write_json(site / CONTENTS, [path.as_posix() for path in files])
        swap_folder(site, target)


def _check_target(target: Path) -> None:
    """Raise OutputError where something would be lost that is not of a site made here."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise OutputError(f"{target} is not a folder of its own: give another folder")
    listed = read_json(target / CONTENTS) if (target / CONTENTS).is_file() else []
    ours = {target / str(name) for name in listed} | ({target / CONTENTS} if listed else set())
    there = (path for path in target.rglob("*") if path.is_symlink() or not path.is_dir())
    if foreign := sorted(path for path in there if path not in ours):
        raise OutputError(
            f"{foreign[0]} is not of a site, and would be lost: move it away, or give another "
            "folder"
        )


def _copy(result: Path, target: Path) -> None:
    """Copy what readers may want of a result: not the networks."""
    for name in files_of(result):
        if not name.startswith("networks/") and (result / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(result / name, target / name)


def short_name(notebook: str) -> str:
    """A results folder's name for a reader: "01 improved ffcl accuracy"."""
    return notebook.replace("_", " ")


def _write(path: Path, title: str, content: str, notebooks: list[str]) -> None:
    links = " ".join(f'<a href="{name}.html">{short_name(name)}</a>' for name in notebooks)
    content = _NOT_TEXT.sub("", content)  # bleach would leave the text of these as a paragraph
    content = bleach.clean(
        content, TAGS, _is_shown, protocols={"http", "https", "mailto", "data"}, strip=True
    )
    content = _TABLE.sub(lambda found: f'<div class="scroll">{found[0]}</div>', content)
    page = PAGE.substitute(title=html.escape(title), links=links, content=content)
    path.write_text(page, encoding="utf-8")


def _is_shown(tag: str, name: str, value: str) -> bool:
    return name in ATTRIBUTES and (tag == "img" or not value.strip().lower().startswith("data:"))


def _claims(folder: Path) -> str:
    rows = [
        {name: html.escape(x, quote=False) if isinstance(x, str) else x for name, x in row.items()}
        for row in assess(folder)
    ]
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
    data = output.get("data", {})
    if not {"image/png", "image/svg+xml"} & data.keys():
        return output
    kind = "image/png" if "image/png" in data else "image/svg+xml"
    image = data[kind].replace("\n", "")
    if kind == "image/svg+xml":
        image = base64.b64encode(data[kind].encode()).decode()
    address = saved or f"data:{kind};base64,{image}"
    text = html.escape(f"Figure: {heading}", quote=True)
    output.data = {"text/html": f'<figure><img src="{address}" alt="{text}"></figure>'}
    return output
