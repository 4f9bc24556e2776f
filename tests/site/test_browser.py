"""The site in a browser: desktop, phone and dark, by keyboard, without a network."""

from pathlib import Path

import axe_playwright_python
import pytest

from tests.explore.browser import chromium, page_of_chromium
from tests.site.conftest import REFERENCE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not chromium(), reason="needs Chromium (Debian: apt install chromium)"),
]
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
# Width, height, colours.
VIEWS = {"desktop": (1300, 900, "light"), "phone": (390, 800, "light"), "dark": (1300, 900, "dark")}
PAGES = ("index", "claims", "01_improved_ffcl_accuracy", "04_sparse_ensembles")


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    from ffcl_utils import site

    if not REFERENCE.is_dir():
        pytest.skip("there is no results/short yet")
    folder = tmp_path_factory.mktemp("committed") / "site"
    site.build("", folder)
    return folder


@pytest.fixture(params=VIEWS)
def opened(request, committed):
    """Opens a page of the site in one of the views; nothing may go wrong, or leave the disk."""
    width, height, colours = VIEWS[request.param]
    with page_of_chromium(width, height) as (page, problems):
        page.emulate_media(color_scheme=colours)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.view = request.param

        def open_page(name):
            page.goto((committed / f"{name}.html").as_uri())
            return page

        yield open_page
        assert not problems
        assert asked and all(url.startswith(("file:", "data:", "blob:")) for url in asked), asked


def serious(page) -> list[str]:
    """What axe-core finds that is serious or worse."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations'], preload: false})")
    return [
        f"{rule['id']}: {rule['nodes'][0]['html']}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
    ]


def overflow(page) -> int:
    """By how many pixels the page is wider than the window."""
    return page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_everybody_can_read_it(name, opened):
    page = opened(name)
    assert overflow(page) <= 0
    assert not serious(page)
    for image in page.locator("article img").all():
        image.scroll_into_view_if_needed()
        assert image.evaluate("image => image.complete && image.naturalWidth > 0")


def test_the_navigation_can_be_collapsed(opened):
    page = opened("claims")
    if page.view == "phone":
        pytest.skip("a phone has a menu instead")
    side = page.locator("#pst-primary-sidebar")
    assert side.bounding_box()["width"] > 200
    page.locator("#pst-collapse-sidebar-button").click()
    page.wait_for_timeout(600)  # it moves
    assert side.bounding_box()["width"] < 100


def test_no_equation_and_no_table_of_text_scrolls_on_a_desktop(committed):
    # Notebooks' tables of figures may: their columns are as many as the seeds.
    hidden = """() => [...document.querySelectorAll("article .equation, article table.table")]
        .flatMap(box => [box, box.parentElement])
        .map(box => [box.scrollWidth - box.clientWidth, box.scrollHeight - box.clientHeight])
        .map(by => Math.max(...by))
    """
    found = {}
    width, height, _ = VIEWS["desktop"]
    with page_of_chromium(width, height) as (page, problems):
        for path in sorted(committed.glob("*.html")):
            page.goto(path.as_uri())
            found[path.name] = max(page.evaluate(hidden), default=None)
    assert not problems
    assert found["how_it_works.html"] is not None and found["neighbours.html"] is not None
    assert {name: by for name, by in found.items() if by and by > 0} == {}


def test_verdicts_are_seen_and_can_be_filtered(opened):
    page = opened("claims")
    rows = page.locator("table.claims tbody tr")
    every = rows.count()
    box = rows.first.locator("td.verdict").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= page.viewport_size["width"]
    # No column is cut off by a box that scrolls: neither of the claims nor of their rules.
    hidden = "box => box.scrollWidth - box.clientWidth"
    boxes = page.locator(":has(> table.claims), :has(> table.plain)").all()
    assert len(boxes) == 2 and max(box.evaluate(hidden) for box in boxes) <= 0
    button = page.get_by_role("button", name="partly")
    button.focus()
    page.keyboard.press("Enter")
    shown = page.locator("table.claims tbody tr:visible")
    assert 0 < shown.count() < every
    assert set(shown.locator("td.verdict").all_inner_texts()) == {"partly"}
    assert f"({shown.count()})" in button.inner_text()
    assert button.get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="all").click()
    assert page.locator("table.claims tbody tr:visible").count() == every


def test_code_is_folded_and_opens(opened):
    page = opened("01_improved_ffcl_accuracy")
    code = page.locator("details.hide div.highlight").first
    assert not code.is_visible()
    page.locator("details.hide summary").first.click()
    assert code.is_visible()


def test_the_search_finds_a_page(opened):
    page = opened("search")
    page.goto(page.url + "?q=Jaccard")
    # Results come one after the other: the first ones may be there without the glossary's.
    page.wait_for_selector("#search-results li a[href*='glossary.html']", timeout=20_000)


def test_equations_are_drawn(opened):
    page = opened("how_it_works")
    boxes = [math.bounding_box() for math in page.locator("math").all()]
    assert len(boxes) > 5 and all(box["width"] > 0 and box["height"] > 0 for box in boxes)
