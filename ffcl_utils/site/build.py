"""The results of a preset as a site: sources, Sphinx, and the swap into place."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from ffcl_utils.claims import related, tables
from ffcl_utils.claims.presets import PAPER, assess_both, paper_beside
from ffcl_utils.errors import UserError
from ffcl_utils.files import OutputError, read_json, swap_folder, write_json
from ffcl_utils.paths import RESULTS
from ffcl_utils.records.contents import files_of
from ffcl_utils.records.results import result_folder
from ffcl_utils.site import notebooks, pages, play
from ffcl_utils.workflow.runs import runs

# The list of its own files that a site has, by which it is known to be one.
CONTENTS = "site.json"
# The hand-written pages, in the order of the site's navigation.
WRITTEN = (
    "how_it_works",
    "questions",
    "glossary",
    "add_a_rule",
    "unknown",
    "cluster",
    "neighbours",
    "related",
)


class SiteError(UserError):
    """Sphinx could not make the pages; the message is its own."""


def build(results: str, target: Path, repository: str = "") -> None:
    """Make the site of a finished run; "" for the committed reference runs.

    Of results at short, those at paper that lie beside them have pages in a folder of their own.

    repository: "owner/name" on GitHub, for links that open the notebooks in Binder and Colab.
    Verdicts are computed anew. Raises FileNotFoundError where there are no results, RecordError
    for a broken record, OutputError for a target that holds anything else than a site, and
    SiteError where Sphinx fails.
    """
    folder = result_folder(results)
    _check_target(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".site-") as temporary:
        source, site = Path(temporary) / "source", Path(temporary) / "site"
        shown = _write_sources(folder, source, repository)
        _run_sphinx(source, site, Path(temporary) / "doctrees")
        for address, result in shown.items():
            _copy(result, site / address)
        play.export(site / "play")
        files = sorted(path.relative_to(site) for path in site.rglob("*") if path.is_file())
        write_json(site / CONTENTS, [path.as_posix() for path in files])
        swap_folder(site, target)


def _check_target(target: Path) -> None:
    """Raise OutputError where something would be lost that is not of a site made here."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise OutputError(f"{target} is not a folder of its own: give another folder")
    listed = read_json(target / CONTENTS) if (target / CONTENTS).is_file() else []
    if not isinstance(listed, list) or "index.html" not in listed:
        listed = []  # of somebody else
    ours = {target / str(name) for name in listed} | ({target / CONTENTS} if listed else set())
    there = (path for path in target.rglob("*") if path.is_symlink() or not path.is_dir())
    if foreign := sorted(path for path in there if path not in ours):
        raise OutputError(
            f"{foreign[0]} is not of a site, and would be lost: move it away, or give another "
            "folder"
        )


def _write_sources(folder: Path, source: Path, repository: str) -> dict[str, Path]:
    """Write what Sphinx reads; returns the folder of each result that has a page, by address."""
    rows, paper = assess_both(folder), paper_beside(folder)
    names = _with_a_page(folder)
    at_paper = _with_a_page(paper) if paper else []
    shown = {name: folder / name for name in names}
    shown |= {f"{PAPER}/{name}": paper / name for name in at_paper}
    shutil.copytree(pages.DOCS / "_static", source / "_static")
    for name in ("conf.py", "docutils.conf"):
        shutil.copyfile(pages.DOCS / name, source / name)
    written, modules = list(WRITTEN), set()
    for name in WRITTEN:
        text = (pages.DOCS / f"{name}.md").read_text(encoding="utf-8")
        if name == "related":  # its verdicts are those of this run
            text = tables.replace_table(pages.DOCS / "related.md", related.for_page(rows))
        text, named = pages.hand_written(text, shown)
        (source / f"{name}.md").write_text(text, encoding="utf-8")
        modules |= named
    if repository:
        (source / "launchers.md").write_text(pages.launchers(repository), encoding="utf-8")
        written.append("launchers")
    for name in names:
        nbformat.write(notebooks.page(folder, name), source / f"{name}.ipynb")
        modules |= notebooks.modules(folder, name)
    for name in at_paper:
        (source / PAPER).mkdir(exist_ok=True)
        nbformat.write(notebooks.page(paper, name, folder), source / PAPER / f"{name}.ipynb")
        modules |= notebooks.modules(paper, name)
    shutil.copytree(RESULTS / "studies", source / "studies")
    (source / "code").mkdir()
    for module in modules:
        path = source / f"{notebooks.code_page(module)}.md"
        path.write_text(pages.code(module), encoding="utf-8")
    with_a_page = [entry for entry in runs() if entry.name in {*names, *at_paper}]
    below = [entry for entry in with_a_page if entry.part == "related"]
    with (source / "related.md").open("a", encoding="utf-8") as page:
        page.write(f"\n{pages.tree(below, shown)}\n")
    tree = pages.tree([entry for entry in with_a_page if entry not in below], shown)
    nbformat.write(pages.claims(folder, rows, tree), source / "claims.ipynb")
    nbformat.write(pages.play(), source / "play.ipynb")
    alone = ["play", *written]
    nbformat.write(pages.front(folder, rows, ["claims", *alone]), source / "index.ipynb")
    with (source / "conf.py").open("a", encoding="utf-8") as conf:
        # Pages without others below them have no navigation at their side.
        sidebars: dict[str, list] = {name: [] for name in alone if name != "related" or not below}
        conf.write(f"html_sidebars = {sidebars!r}\n")
    return shown


def _with_a_page(folder: Path) -> list[str]:
    return [entry.name for entry in runs() if (folder / entry.name / "executed.ipynb").is_file()]


def _run_sphinx(source: Path, site: Path, doctrees: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", "-d"]
    ended = subprocess.run(
        [*command, str(doctrees), str(source), str(site)], capture_output=True, text=True
    )
    if ended.returncode:
        said = ended.stderr.strip().splitlines() or ["it said nothing"]
        raise SiteError(f"Sphinx could not make the pages: {said[0]}")


def _copy(result: Path, target: Path) -> None:
    """Copy what readers may want of a result: not the networks."""
    for name in files_of(result):
        if not name.startswith("networks/") and (result / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(result / name, target / name)
