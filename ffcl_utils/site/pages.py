"""The pages that are not notebooks: the first page, the claims, and the package's code."""

import html
import re
from collections.abc import Collection
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from ffcl_utils.claims import findings, tables
from ffcl_utils.claims.presets import PAPER, paper_beside
from ffcl_utils.explore.launchers import binder_address, colab_address
from ffcl_utils.paths import ROOT
from ffcl_utils.records.results import run_summary
from ffcl_utils.site.notebooks import code_page, figure, html_cell, notebook
from ffcl_utils.workflow.runs import RunEntry, notebooks

DOCS = ROOT / "docs"
PICTURES = (
    ("01_improved_ffcl_accuracy", "accuracy"),
    ("04_sparse_ensembles", "activation_maps"),
)
OPEN, PLAY = "Open the page", "play/index.html"
# In a page in docs/: a mark of where generated text begins or ends. The site shows HTML as text.
_COMMENT = re.compile(r"<!--.*?-->\n?")
_OUTSIDE = re.compile(r"\[([^]]+)\]\((\.\./[^)]+)\)")
CLAIMS = """# The claims

Every verdict is computed from a run with all its seeds, by a rule that stands below. ± is the
standard deviation over seeds. The last column leads to the executed notebook, with its parameters
and where it was run."""
LAUNCHERS = "# Open the notebooks\n\nEach in the browser, on a machine of Binder or Colab.\n"


def front(folder: Path, rows: list[dict], pages: list[str]) -> NotebookNode:
    """The first page: what this is, what was found, two pictures, the headline claims.

    rows: of `assess_both`. pages: those that the site's navigation names, in their order.
    """
    text = (DOCS / "front.md").read_text(encoding="utf-8")
    cells = [new_markdown_cell(text), *map(html_cell, _warnings(rows))]
    found = "".join(f"<li>{html.escape(text)}</li>" for text in findings.sentences(rows))
    cells += [new_markdown_cell("## What was found"), html_cell(f"<ul>{found}</ul>")]
    cells += [html_cell(shown) for place in PICTURES if (shown := _picture(folder, *place))]
    cells += [new_markdown_cell("## Headline claims"), html_cell(_claims(tables.headlines(rows)))]
    cells += [new_markdown_cell(f"[All {len(rows)} claims, and the rule of each](claims.ipynb)")]
    return notebook([*cells, new_markdown_cell(_tree(pages))])


def _picture(folder: Path, run: str, name: str) -> str:
    """HTML of a figure, from the preset paper where it is there: so are the sentences above it."""
    paper = paper_beside(folder)
    return (paper and figure(paper, run, name, f"{PAPER}/")) or figure(folder, run, name)


def claims(folder: Path, rows: list[dict], tree: str) -> NotebookNode:
    """All claims, with what each verdict rests on, and where the runs come from.

    rows: of `assess_both`. tree: of the pages of runs, below this one in the navigation.
    """
    said = CLAIMS + tables.at_paper_in_words(rows)
    cells = [new_markdown_cell(said), *map(html_cell, _warnings(rows)), html_cell(_claims(rows))]
    rules = _table(
        ("", "rule of the verdict", "fixed"),
        [
            [html.escape(row[key]) for key in ("id", "rule", "fixed")]
            for row in rows + tables.waiting(rows)
        ],
    )
    cells += [new_markdown_cell("## What each verdict rests on"), html_cell(rules)]
    cells += [new_markdown_cell("## Where the figures come from")]
    if paper := paper_beside(folder):
        cells += [new_markdown_cell(f"At *{PAPER}*:")]
        cells += [html_cell(run_summary(paper).to_html(border=0)), new_markdown_cell("At *short*:")]
    cells += [html_cell(run_summary(folder).to_html(border=0))]
    return notebook([*cells, new_markdown_cell(tree)])


def tree(entries: list[RunEntry], addresses: Collection[str]) -> str:
    """Markdown that places the pages of runs below this one in the navigation.

    addresses: of all pages of runs; those at the preset paper begin with its name.
    """
    titles = [
        f"{entry.heading}{words} <{address}>"
        for entry in entries
        for address, words in ((entry.name, ""), (f"{PAPER}/{entry.name}", ", at paper"))
        if address in addresses
    ]
    return _tree(titles)


def hand_written(text: str, addresses: Collection[str]) -> tuple[str, set[str]]:
    """Markdown of a page in docs/, with links that lead to pages, and the modules it links to.

    text: of the page. addresses: of the runs' pages, without their ending. A link to anything else
    than a page becomes its text: the site may lie on another machine than the repository.
    """
    modules = set()

    def page_link(link: re.Match) -> str:
        text, address = link.groups()
        if address.startswith("../ffcl_utils/") and address.endswith(".py"):
            module = address.removeprefix("../")
            modules.add(module)
            return f"[{text}]({code_page(module)}.md)"
        run = re.fullmatch(r"\.\./results/(\w+/([\w-]+))/executed\.ipynb", address)
        pages = [page for page in (run.groups() if run else ()) if page in addresses]
        return f"[{text}]({pages[0]}.ipynb)" if pages else text

    text = _COMMENT.sub("", text)
    text = text.replace("](../results/studies/", "](studies/").replace(
        "(claims.md)", "(claims.ipynb)"
    )
    return _OUTSIDE.sub(page_link, text), modules


def launchers(repository: str) -> str:
    """Markdown with links that open every notebook of a public copy, "owner/name" on GitHub."""
    lines = [LAUNCHERS]
    for entry in notebooks():
        links = f"[Binder]({binder_address(repository, entry.notebook)})"
        if entry.part == "explore":  # their first cell installs what Colab lacks
            links += f" · [Colab]({colab_address(repository, entry.notebook)})"
        lines.append(f"- {entry.heading}: {links}")
    return "\n".join(lines)


def play() -> NotebookNode:
    """The page that leads to the one to play on, which is no page of Sphinx."""
    before, after = (DOCS / "play.md").read_text(encoding="utf-8").split(f"{OPEN}\n")
    link = html_cell(f'<p><a class="open" href="{PLAY}">{OPEN}</a></p>')
    return notebook([new_markdown_cell(before), link, new_markdown_cell(after)])


def code(module: str) -> str:
    """Markdown of a page that shows a module of the package, by its path from the top."""
    text = (ROOT / module).read_text(encoding="utf-8")
    fence = "`" * 8  # longer than any in a docstring
    return f"---\norphan: true\n---\n# {module}\n\n{fence}python\n{text}{fence}\n"


def _warnings(rows: list[dict]) -> list[str]:
    return [f'<p class="warning">{html.escape(text)}</p>' for text in tables.warnings(rows)]


def _claims(rows: list[dict]) -> str:
    """Claims as a table whose rows can be filtered by verdict (docs/_static/claims.js)."""
    two = tables.are_of_two_presets(rows)
    lines = [
        [
            html.escape(row["id"]),
            f'<span class="verdict {row["verdict"].replace(" ", "-")}">{row["verdict"]}</span>',
            html.escape(row["statement"]),
            html.escape(row["paper_value"]),
            html.escape(tables.with_preset(row, two)) + _beside(row),
            _link(row),
        ]
        for row in rows
    ]
    return _table(("", "verdict", "claim", "paper", "ours", "notebook"), lines, "claims")


def _beside(row: dict) -> str:
    """What short said of a claim that was judged at paper: a line of its own in the cell."""
    said = tables.beside_in_words(row)
    return f'<div class="beside">{tables.BESIDE}: {html.escape(said)}</div>' if said else ""


def _link(row: dict) -> str:
    number = row["notebook"].partition("_")[0]
    return f'<a href="{row["place"]}{row["run"]}.html">{number}</a>' if row["preset"] else number


def _table(columns: tuple[str, ...], rows: list[list[str]], kind: str = "plain") -> str:
    """A table of HTML cells. Each cell has its column as a class: on a phone a row is a card."""
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    classes = [name.replace(" ", "-") or "id" for name in columns]
    lines = [
        "".join(f'<td class="{name}">{cell}</td>' for name, cell in zip(classes, row, strict=True))
        for row in rows
    ]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _tree(pages: list[str]) -> str:
    return "\n".join([":::{toctree}", ":hidden:", "", *pages, ":::"])
