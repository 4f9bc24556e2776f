"""The site: whole, readable without a network, its links and figures there."""

import ast
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from urllib.parse import unquote

import nbformat
import pytest

from ffcl_utils import site
from ffcl_utils.claims.assess import assess
from ffcl_utils.claims.ledger import ledger
from ffcl_utils.files import OutputError
from ffcl_utils.paths import NOTEBOOKS, RESULTS
from ffcl_utils.workflow import runs
from tests.claims.records import write_records

REFERENCE = RESULTS / "short"
IMAGES = {"image/png", "image/svg+xml"}
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
ORIGIN = {
    "git_commit": "0123456789abcdef", "dirty": False, "source_changed": False, "parameters": {},
    "machine": "a machine", "device": "cpu", "versions": {"torch": "2"}, "seconds": 1.5,
    "finished": "2026-01-01T00:00:00+00:00",
}  # fmt: skip


class Page(HTMLParser):
    """Links, images, what the page loads, and its text."""

    def __init__(self, path):
        super().__init__()
        self.links, self.images, self.loads, self.words, self.ids = [], [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids += [given["id"]] if "id" in given else []
        if tag == "a":
            self.links.append(given.get("href", ""))
        if tag == "img":
            self.images.append(given)
        if tag in {"script", "iframe", "object", "video"} or given.get("rel") == "stylesheet":
            self.loads.append((tag, given.get("href") or given.get("src")))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def figures_made(cell) -> list[str]:
    """The names that a code cell gives to its figures, as Python reads them."""
    calls = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Call)]
    return [
        ast.literal_eval(call.args[0])
        for call in calls
        if ast.unparse(call.func) == "run.figure" and isinstance(call.args[0], ast.Constant)
    ]


def execute_in_name_only(folder, entry) -> None:
    """What a run leaves: its notebook with a dot for every figure, the figures, its origin."""
    notebook = nbformat.read(entry.path, as_version=4)
    place = folder / entry.name
    (place / "figures").mkdir(parents=True, exist_ok=True)
    for cell in notebook.cells:
        for name in figures_made(cell) if cell.cell_type == "code" else []:
            dot = nbformat.v4.new_output("display_data", {"image/png": PIXEL})
            cell.outputs.append(dot)
            (place / "figures" / f"{name}.svg").write_text(
                "<svg xmlns='http://www.w3.org/2000/svg'/>"
            )
    nbformat.write(notebook, place / "executed.ipynb")
    files = [f"figures/{path.name}" for path in sorted((place / "figures").iterdir())]
    origin = json.dumps(ORIGIN | {"files": files})
    (place / "provenance.json").write_text(origin, encoding="utf-8")


@pytest.fixture(scope="module", params=["made up", "committed"])
def results(request, tmp_path_factory):
    """Results of every run with made-up figures, and the committed ones where they are there."""
    if request.param == "committed":
        if not REFERENCE.is_dir():
            pytest.skip("there is no results/short yet")
        return REFERENCE
    folder = tmp_path_factory.mktemp("results") / "short"
    write_records(folder, ledger())
    for entry in runs.of_parts("overview", "claims", "studies"):
        if entry.part == "overview" or (folder / entry.name).is_dir():
            execute_in_name_only(folder, entry)
    (folder / "claims.json").write_text(json.dumps(assess(folder)), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def built(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "site"
    site.build(str(results), folder)
    return folder


@pytest.fixture(scope="module")
def pages(built):
    return {path.name: Page(path) for path in sorted(built.glob("*.html"))}


def test_every_claim_leads_to_its_notebook_with_where_it_was_run(results, pages):
    claims = json.loads((results / "claims.json").read_text(encoding="utf-8"))
    first = pages["index.html"]
    for claim in claims:
        assert f"{claim['run']}.html" in first.links, claim["id"]
        assert claim["verdict"] in first.text
        commit = json.loads((results / claim["run"] / "provenance.json").read_text())
        notebook = pages[f"{claim['run']}.html"]
        assert commit["git_commit"][:12] in notebook.text
        assert f"{claim['run']}/provenance.json" in notebook.links
    assert " ".join(claims[0]["statement"].split()) in first.text


def test_the_overview_which_measures_nothing_has_its_page_too(results, pages):
    assert (results / "00_overview" / "provenance.json").is_file()
    assert "00_overview/provenance.json" in pages["00_overview.html"].links
    assert "00_overview/metrics.json" not in pages["00_overview.html"].links


def test_pages_load_nothing_but_their_style_and_every_link_leads_somewhere(results, built, pages):
    assert len(pages) == 1 + len(list(results.glob("*/executed.ipynb")))
    for name, page in pages.items():
        assert page.loads == [("link", "style.css")], name
        local = [link for link in page.links if not link.startswith("https://")]
        for link in local:
            path, _, anchor = unquote(link).partition("#")
            assert not path or (built / path).is_file(), (name, link)
            assert path or not anchor or anchor in page.ids, (name, link)
    assert "@import" not in (built / "style.css").read_text(encoding="utf-8")


def test_every_figure_is_there_as_svg_with_a_text_alternative(results, built, pages):
    for path in results.glob("*/executed.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        shown = [output for output in outputs if IMAGES & output.get("data", {}).keys()]
        images = pages[f"{path.parent.name}.html"].images
        assert len(images) == len(shown), path
        for image in images:
            assert (built / image["src"]).suffix == ".svg", (path, image["src"][:80])
            assert (built / image["src"]).is_file()
            assert re.fullmatch(r"Figure: .{3,}", image["alt"]), path


def test_pages_fit_a_phone_and_can_be_rebuilt(results, built, tmp_path):
    page = (built / "index.html").read_text(encoding="utf-8")
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in page
    for path in built.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert text.count("<table") == text.count('<div class="scroll"><table'), path.name
    copied = tmp_path / "site"
    shutil.copytree(built, copied)
    before = sorted(path.name for path in copied.rglob("*"))
    site.build(str(results), copied)
    assert sorted(path.name for path in copied.rglob("*")) == before


def test_a_public_copy_gets_links_to_binder_and_colab(results, pages, tmp_path):
    hosts = ("mybinder.org", "colab.research.google.com")
    assert not [link for link in pages["index.html"].links if any(h in link for h in hosts)]
    site.build(str(results), tmp_path / "site", "some-one/copy")
    links = Page(tmp_path / "site" / "index.html").links
    binder, colab = ([link for link in links if host in link] for host in hosts)
    assert len(binder) == len(list(NOTEBOOKS.glob("*.ipynb")))
    assert len(colab) == 3
    assert all("some-one/copy" in link for link in binder + colab)


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


def test_a_verdict_is_computed_not_copied(results, tmp_path):
    copied = tmp_path / "short"
    shutil.copytree(results, copied)
    rows = json.loads((copied / "claims.json").read_text(encoding="utf-8"))
    for row in rows:
        row["verdict"] = "reproduced beyond doubt"
    (copied / "claims.json").write_text(json.dumps(rows), encoding="utf-8")
    site.build(str(copied), tmp_path / "site")
    assert "beyond doubt" not in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")


EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script><a href='javascript:alert(3)'>x</a>"


def test_what_somebody_wrote_into_a_result_is_not_executed(results, tmp_path):
    copied = tmp_path / "short"
    shutil.copytree(results, copied)
    name = "01_improved_ffcl_accuracy"
    record = json.loads((copied / name / "metrics.json").read_text())
    record["changed"] = {EVIL: [EVIL, 1]}
    (copied / name / "metrics.json").write_text(json.dumps(record))
    notebook = nbformat.read(copied / name / "executed.ipynb", as_version=4)
    cells = nbformat.v4
    notebook.cells = [
        cells.new_markdown_cell(EVIL),
        cells.new_code_cell("1", outputs=[cells.new_output("display_data", {"text/html": EVIL})]),
    ]
    nbformat.write(notebook, copied / name / "executed.ipynb")
    site.build(str(copied), tmp_path / "site")
    for page in ("index.html", f"{name}.html"):
        shown = Page(tmp_path / "site" / page)
        assert ("script", None) not in shown.loads
        assert not [link for link in shown.links if link.startswith("javascript")]
        assert all(set(image) <= {"src", "alt"} for image in shown.images)


def test_chromium_shows_the_pages_without_an_error(built, tmp_path):
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("needs Chromium")
    for name in ("index.html", "01_improved_ffcl_accuracy.html"):
        shown = subprocess.run(
            [
                chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", f"--user-data-dir={tmp_path}", "--enable-logging=stderr",
                "--window-size=390,800", "--dump-dom", (built / name).as_uri(),
            ],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        assert "<main>" in shown.stdout
        assert ":CONSOLE" not in shown.stderr, shown.stderr
