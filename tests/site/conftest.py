"""Sites of made-up and of the committed results, and what a page consists of."""

import ast
import json
from html.parser import HTMLParser

import nbformat
import pytest

from ffcl_utils import site
from ffcl_utils.claims.assess import assess
from ffcl_utils.claims.ledger import ledger
from ffcl_utils.paths import RESULTS
from ffcl_utils.workflow import runs
from tests.claims.records import write_records

REFERENCE = RESULTS / "short"
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
        self.handlers = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids += [given["id"]] if "id" in given else []
        self.handlers += [name for name in given if name.startswith("on")]
        if tag == "a":
            self.links.append(given.get("href", ""))
        if tag == "img":
            self.images.append(given)
        if tag in {"script", "iframe", "object", "video"}:
            self.loads.append(given.get("src"))
        if tag == "link" and given.get("rel") in {"stylesheet", "preload", "icon"}:
            self.loads.append(given.get("href"))

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


def make_results(folder) -> None:
    """Results of every run, with made-up figures."""
    write_records(folder, ledger())
    for entry in runs.of_parts("overview", "claims", "studies", "related"):
        if entry.part == "overview" or (folder / entry.name).is_dir():
            execute_in_name_only(folder, entry)
    (folder / "claims.json").write_text(json.dumps(assess(folder)), encoding="utf-8")


@pytest.fixture(scope="package", params=["made up", "committed"])
def results(request, tmp_path_factory):
    """Results of every run with made-up figures, and the committed ones where they are there."""
    if request.param == "committed":
        if not REFERENCE.is_dir():
            pytest.skip("there is no results/short yet")
        return REFERENCE
    folder = tmp_path_factory.mktemp("results") / "short"
    make_results(folder)
    return folder


@pytest.fixture(scope="package")
def built(results, tmp_path_factory):
    """A site of the results."""
    folder = tmp_path_factory.mktemp("built") / "site"
    site.build(str(results), folder)
    return folder
