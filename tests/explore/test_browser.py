"""The notebooks in JupyterLab, in a browser: Run All, move a slider, draw, look at the page."""

import time

import pytest

from tests.explore.browser import chromium, errors_shown, lab, page_of_chromium, run_all

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not chromium(), reason="needs Chromium (Debian: apt install chromium)"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with lab(tmp_path_factory.mktemp("lab")) as address:
        yield address


@pytest.fixture
def opened():
    with page_of_chromium(1300, 1000) as (page, problems):
        yield page
        assert not errors_shown(page)
        assert not problems


def sentence(page) -> str:
    return page.locator(".widget-html-content").first.inner_text()


def picture(page) -> str:
    return page.locator(".widget-html-content img").first.get_attribute("src")


def wait_for(page, found, message: str, seconds: float = 20) -> float:
    """Seconds until `found` is true of the page."""
    started = time.monotonic()
    while not found():
        assert time.monotonic() - started < seconds, message
        page.wait_for_timeout(20)
    return time.monotonic() - started


def test_a_slider_moves_the_ensemble(address, opened):
    page = opened
    run_all(page, address, "20_explore_ensembles")
    wait_for(page, lambda: ". Accuracy" in sentence(page), "no ensemble")
    for handle, what in ((1, "above"), (0, "class")):
        before, drawn = sentence(page), picture(page)
        page.locator(".noUi-handle").nth(handle).focus()
        page.keyboard.press("ArrowRight")
        wait_for(page, lambda: sentence(page) != before, f"the slider {what!r} changes nothing")  # noqa: B023
        wait_for(page, lambda: picture(page) != drawn, f"the slider {what!r} draws nothing new")  # noqa: B023
    assert "class 1" in sentence(page)
    page.locator(".jp-OutputArea-output select").first.select_option("improved FFCL, balanced")
    wait_for(page, lambda: "improved FFCL" in sentence(page), "the model does not change")
    assert "of 64 units" in sentence(page)


def test_a_stroke_is_answered_by_every_network(address, opened):
    page = opened
    run_all(page, address, "21_draw_a_digit")
    assert sentence(page) == "Draw a digit."
    canvas = page.locator(".jp-OutputArea-output canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 140, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 138, box["y"] + 140, steps=8)
    page.mouse.move(box["x"] + 136, box["y"] + 230, steps=8)
    page.mouse.up()
    wait_for(page, lambda: sentence(page).startswith("Predictions: FF "), "no prediction")
    # An upright stroke is a 1, to networks that are right in 19 of 20 cases.
    assert "FF 1;" in sentence(page)
    assert "BP 1;" in sentence(page)
    page.get_by_role("button", name="wipe").click()
    wait_for(page, lambda: sentence(page) == "Draw a digit.", "the canvas is not wiped")


@pytest.mark.parametrize("notebook", ["22_your_own_rule", "06_excitation_inhibition"])
def test_a_notebook_runs_to_its_end(address, opened, notebook):
    run_all(opened, address, notebook)
    assert opened.locator(".jp-OutputArea-output table, .jp-OutputArea-output img").count() > 0
