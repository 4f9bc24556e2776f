"""The README's picture of JupyterLab: .venv/bin/python docs/pictures.py

Needs Chromium. Writes docs/lab.png.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.explore.browser import lab, page_of_chromium, run_all

HERE = Path(__file__).parent


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        lab(Path(folder)) as address,
        page_of_chromium(1400, 900) as (page, _),
    ):
        run_all(page, address, "20_explore_ensembles")
        page.locator(".widget-html-content img").first.scroll_into_view_if_needed()
        page.wait_for_timeout(1500)  # the page is still arranging itself
        page.screenshot(path=HERE / "lab.png")


if __name__ == "__main__":
    main()
