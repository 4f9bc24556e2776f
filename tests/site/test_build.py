"""The site: whole, readable without a network, its links and figures there."""

import contextlib
import json
import re
import shutil
import tomllib
from urllib.parse import unquote

import nbformat
import pytest

from ffcl_utils import site
from ffcl_utils.claims import tables
from ffcl_utils.claims.findings import sentences
from ffcl_utils.claims.presets import assess_both
from ffcl_utils.files import OutputError
from ffcl_utils.paths import NOTEBOOKS
from ffcl_utils.site import pages as site_pages
from ffcl_utils.site.build import SiteError, _run_sphinx
from ffcl_utils.site.notebooks import ALTERNATIVES
from ffcl_utils.workflow import runs
from tests.claims.records import PAPERS, write_records
from tests.site.conftest import REFERENCE, Page, execute_in_name_only, figures_made, make_results

IMAGES = {"image/png", "image/svg+xml"}


@pytest.fixture(scope="module")
def pages(built):
    """Every page of Sphinx, by its path."""
    paths = [
        path for path in sorted(built.rglob("*.html")) if not {"play", "_static"} & set(path.parts)
    ]
    return {path.relative_to(built).as_posix(): Page(path) for path in paths}


def test_every_claim_leads_to_its_notebook_with_where_it_was_run(results, pages):
    claims = json.loads((results / "claims.json").read_text(encoding="utf-8"))
    shown = pages["claims.html"]
    for claim in claims:
        assert f"{claim['run']}.html" in shown.links, claim["id"]
        assert claim["verdict"] in shown.text
        assert " ".join(claim["statement"].split()) in shown.text
        commit = json.loads((results / claim["run"] / "provenance.json").read_text())
        notebook = pages[f"{claim['run']}.html"]
        assert commit["git_commit"][:12] in notebook.text
        assert f"{claim['run']}/provenance.json" in notebook.links


def test_the_first_page_says_what_was_found(results, pages):
    rows = assess_both(results)
    first = pages["index.html"]
    for sentence in sentences(rows):
        assert sentence in first.text
    for waiting in tables.waiting(rows):  # of claims about paper alone, before it was run
        assert waiting["rule"] in pages["claims.html"].text
    assert "claims.html" in first.links and "play.html" in first.links
    assert "play/index.html" in pages["play.html"].links


def test_related_works_have_a_page_with_the_verdicts_of_this_run(results, pages):
    rows = json.loads((results / "claims.json").read_text(encoding="utf-8"))
    shown = pages["related.html"]
    text = shown.text.replace("’", "'")  # Sphinx writes apostrophes as printers do
    for row in rows:
        if row["id"].startswith("R"):
            assert " ".join(row["statement"].split()) in text
            assert tables.ours_in_words(row) in text
            assert f"{row['run']}.html" in shown.links


def test_the_overview_which_measures_nothing_has_its_page_too(results, pages):
    assert (results / "00_overview" / "provenance.json").is_file()
    assert "00_overview/provenance.json" in pages["00_overview.html"].links
    assert "00_overview/metrics.json" not in pages["00_overview.html"].links


def test_pages_load_only_files_of_the_site_and_every_link_leads_somewhere(built, pages):
    for name, page in pages.items():
        folder = (built / name).parent
        for address in filter(None, page.loads):
            assert "//" not in address, (name, address)
            assert (folder / address.partition("?")[0]).is_file(), (name, address)
        for link in page.links:
            if link.startswith(("https://arxiv.org/", "https://github.com/")):
                continue
            path, _, anchor = unquote(link).partition("#")
            assert "//" not in path, (name, link)
            place = folder / path if path else built / name
            assert place.is_file(), (name, link)
            if anchor and place.suffix == ".html" and "play" not in place.parts:
                assert anchor in pages[place.resolve().relative_to(built).as_posix()].ids
    for style in built.rglob("*.css"):
        loaded = re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", style.read_text("utf-8"))
        assert not loaded, style


def test_every_figure_is_there_as_svg_with_a_text_alternative_of_its_own(results, built, pages):
    for path in results.glob("*/executed.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        shown = [output for output in outputs if IMAGES & output.get("data", {}).keys()]
        images = pages[f"{path.parent.name}.html"].images
        assert len(images) == len(shown), path
        for image in images:
            assert image["src"].endswith(".svg") and (built / image["src"]).is_file()
            assert image["src"] in pages[f"{path.parent.name}.html"].links  # to enlarge it
        words = [image["alt"] for image in images]
        assert len(set(words)) == len(words) and all(len(text) > 60 for text in words), path


def test_every_committed_figure_is_described_and_nothing_else():
    """Of a notebook without a result yet: the figures that its cells name."""
    if not REFERENCE.is_dir():
        pytest.skip("there is no results/short yet")
    described = tomllib.loads(ALTERNATIVES.read_text(encoding="utf-8"))
    there = {}
    for figure in REFERENCE.glob("*/figures/*.svg"):
        there.setdefault(figure.parts[-3].partition("-")[0], set()).add(figure.stem)
    for name in described.keys() - there.keys():
        cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
        made = [figures_made(cell) for cell in cells if cell.cell_type == "code"]
        there[name] = {figure for of_cell in made for figure in of_cell}
    assert {name: set(figures) for name, figures in described.items()} == there


def test_no_page_shows_the_marks_of_generated_text(pages):
    assert "notebook 12" in pages["neighbours.html"].text
    for name, page in pages.items():
        if not name.startswith("code/"):
            assert "generated from results" not in page.text, name


def test_code_that_a_notebook_names_is_a_page(pages):
    shown = pages["01_improved_ffcl_accuracy.html"]
    link = "code/ffcl_utils.rules.improved_ffcl.html"
    assert link in shown.links
    assert "class ImprovedFFCL" in pages[link].text


@pytest.mark.parametrize("name", ["thesis.tex", "index.html"])
def test_another_folder_is_not_overwritten(results, tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(OutputError, match=f"{name} is not of a site, and would be lost"):
        site.build(str(results), tmp_path)
    assert (tmp_path / name).exists()


def test_a_thesis_inside_a_site_is_not_lost(built, results, tmp_path):
    shutil.copytree(built, tmp_path / "site")
    (tmp_path / "site" / "thesis.tex").touch()
    with pytest.raises(OutputError, match=r"thesis\.tex is not of a site"):
        site.build(str(results), tmp_path / "site")


def test_what_sphinx_says_against_a_page_is_one_line_and_the_old_site_stays(tmp_path, monkeypatch):
    folder, docs = tmp_path / "short", tmp_path / "docs"
    make_results(folder)
    shutil.copytree(site_pages.DOCS, docs)
    (docs / "glossary.md").write_text("# Glossary\n\n[nowhere](nowhere.md)\n", encoding="utf-8")
    monkeypatch.setattr(site_pages, "DOCS", docs)
    target = tmp_path / "site"
    target.mkdir()
    with pytest.raises(SiteError, match=r"Sphinx could not make the pages: .*nowhere"):
        site.build(str(folder), target)
    assert not list(target.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"short", "docs", "site"}


EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script><a href='javascript:alert(3)'>x</a>"
# Ways in which the text of a notebook could bring in HTML or a file.
DIRECTIVES = {
    "raw": "```{raw} html\n<script>alert(6)</script>\n```",
    "eval-rst": "```{eval-rst}\n.. raw:: html\n\n   <script>alert(7)</script>\n```",
    "include": "```{include} /etc/passwd\n```",
    "literalinclude": "```{literalinclude} /etc/passwd\n```",
}


@pytest.fixture(scope="module")
def of_a_forger(tmp_path_factory):
    """A site, for a public copy, of results into which somebody wrote scripts and verdicts."""
    folder = tmp_path_factory.mktemp("forged") / "short"
    make_results(folder)
    rows = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    for row in rows:
        row["verdict"] = "reproduced beyond doubt"
    (folder / "claims.json").write_text(json.dumps(rows), encoding="utf-8")
    name = "01_improved_ffcl_accuracy"
    record = json.loads((folder / name / "metrics.json").read_text())
    record["changed"] = {EVIL: [EVIL, 1]}
    (folder / name / "metrics.json").write_text(json.dumps(record))
    notebook = nbformat.read(folder / name / "executed.ipynb", as_version=4)
    cells = nbformat.v4
    outputs = [
        cells.new_output("display_data", {"text/html": EVIL}),
        cells.new_output("display_data", {"text/markdown": EVIL}),
        cells.new_output("display_data", {"application/javascript": "alert(8)"}),
        cells.new_output("stream", name="stdout", text=EVIL),
    ]
    notebook.cells = [
        cells.new_markdown_cell(f"# Title\n\n{EVIL}"),
        cells.new_code_cell("1", outputs=outputs),
    ]
    nbformat.write(notebook, folder / name / "executed.ipynb")
    target = folder.parent / "site"
    site.build(str(folder), target, "some-one/copy")
    site.build(str(folder), target, "some-one/copy")  # and once more, over the old one
    return target


def test_what_somebody_wrote_into_a_result_is_not_executed(of_a_forger):
    for name in ("index.html", "claims.html", "01_improved_ffcl_accuracy.html"):
        text = (of_a_forger / name).read_text(encoding="utf-8")
        shown = Page(of_a_forger / name)
        assert "alert(2)</script>" not in text and "alert(8)" not in text, name
        assert not [link for link in shown.links if link.startswith("javascript")], name
        assert not shown.handlers, name
        assert "beyond doubt" not in text


@pytest.mark.parametrize("name", DIRECTIVES)
def test_no_directive_brings_in_html_or_a_file(name, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for file in ("conf.py", "docutils.conf"):
        shutil.copyfile(site_pages.DOCS / file, source / file)
    shutil.copytree(site_pages.DOCS / "_static", source / "_static")
    evil = f"# Title\n\n{EVIL}\n\n$\\text{{<script>alert(5)</script>}}$\n\n{DIRECTIVES[name]}\n"
    (source / "index.md").write_text(evil, encoding="utf-8")
    with contextlib.suppress(SiteError):  # most are refused, and with them the page
        _run_sphinx(source, tmp_path / "site", tmp_path / "doctrees")
    page = tmp_path / "site" / "index.html"
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    assert "root:" not in text and not any(f"alert({n})</script>" in text for n in range(8))
    assert not page.is_file() or not Page(page).handlers


def test_a_public_copy_gets_links_to_binder_and_colab(pages, of_a_forger):
    hosts = ("mybinder.org", "colab.research.google.com")
    assert "launchers.html" not in pages
    links = Page(of_a_forger / "launchers.html").links
    binder, colab = ([link for link in links if host in link] for host in hosts)
    assert len(binder) == len(list(NOTEBOOKS.glob("*.ipynb")))
    assert len(colab) == 3
    assert all("some-one/copy" in link for link in binder + colab)


def test_pictures_of_the_first_page_are_at_paper_where_they_can_be(tmp_path):
    """As its sentences are."""
    accuracy, maps = (f"{run}/figures/{name}.svg" for run, name in site_pages.PICTURES)
    for place in (f"short/{accuracy}", f"short/{maps}", f"paper/{accuracy}"):
        path = tmp_path / place
        path.parent.mkdir(parents=True)
        path.touch()
        (path.parents[1] / "metrics.json").touch()
    shown = str(site_pages.front(tmp_path / "short", [], []))
    assert f'src="paper/{accuracy}"' in shown and f'src="{accuracy}"' not in shown
    assert f'src="{maps}"' in shown


def test_results_at_paper_have_pages_of_their_own(tmp_path):
    run = "03_forward_forward"
    claims = [claim for claim in PAPERS if claim.run in (run, "01_improved_ffcl_accuracy")]
    alone = [claim for claim in PAPERS if claim.run == "05_unseen_classes"]
    at_paper = [claim for claim in claims if claim.run == run] + alone
    for preset, chosen in (("short", claims), ("paper", at_paper)):
        write_records(tmp_path / preset, chosen, preset=preset)
        for name in {claim.run for claim in chosen}:
            execute_in_name_only(tmp_path / preset, runs.run(name))
    folder = tmp_path / "site"
    site.build(str(tmp_path / "short"), folder)
    shown = Page(folder / "claims.html")
    assert f"paper/{run}.html" in shown.links and f"{run}.html" in shown.links
    assert "paper/05_unseen_classes.html" in shown.links
    assert "at paper" in shown.text and "At short :" in shown.text
    # In one cell: a column more would not fit beside the navigation.
    beside = (folder / "claims.html").read_text(encoding="utf-8").count('<div class="beside">')
    assert beside == sum(claim.run == run and claim.presets != ["paper"] for claim in PAPERS)
    page = Page(folder / "paper" / f"{run}.html")
    assert page.images
    for link in [image["src"] for image in page.images] + page.links:
        address = unquote(link.partition("#")[0])
        if address and ":" not in address:
            assert (folder / "paper" / address).exists(), link
    assert "../01_improved_ffcl_accuracy.html" in page.links
    assert (folder / "paper" / run / "metrics.json").is_file()
