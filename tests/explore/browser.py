"""JupyterLab on loopback and a headless Chromium: for the browser tests, and README pictures."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Page, sync_playwright

from ffcl_utils.paths import ROOT

TOKEN = "loopback-only"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def chromium() -> str | None:
    """Where Chromium is, if it is there."""
    return shutil.which("chromium") or shutil.which("google-chrome")


@contextmanager
def page_of_chromium(width: int, height: int):
    """A page in a headless Chromium, and the list of what went wrong in it so far."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        page = browser.new_page(viewport={"width": width, "height": height})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
        page.on(
            "console",
            lambda said: problems.append(f"console: {said.text}") if said.type == "error" else None,
        )
        yield page, problems
        browser.close()


@contextmanager
def lab(folder: Path):
    """JupyterLab with copies of the notebooks in folder/notebooks; gives its address."""
    notebooks, settings = folder / "notebooks", folder / "settings"
    shutil.copytree(ROOT / "notebooks", notebooks, ignore=shutil.ignore_patterns(".ipynb_*"))
    chosen = {
        # Every cell is in the page, also those that one would have to scroll to.
        "notebook-extension/tracker": {"windowingMode": "none"},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    }
    for name, values in chosen.items():
        path = settings / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values))
    log = folder / "lab.log"
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=0", f"--IdentityProvider.token={TOKEN}", "--allow-root",
        f"--ServerApp.root_dir={notebooks}",
    ]  # fmt: skip
    environment = os.environ | {
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        # Signatures of notebooks, and the history of kernels: the home folder may be read-only.
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    with log.open("w") as out:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out)
    try:
        yield _address(folder / "runtime", server, log)
    finally:
        server.terminate()
        server.wait(30)


def _address(runtime: Path, server: subprocess.Popen, log: Path, seconds: float = 60) -> str:
    """Where the server listens, once it answers."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        for path in runtime.glob("jpserver-*.json"):
            try:
                address = json.loads(path.read_text())["url"]
                with urlopen(f"{address}api/status?token={TOKEN}", timeout=5):
                    return address
            except (ValueError, URLError):
                pass
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")


def run_all(page: Page, address: str, notebook: str, seconds: float = 300) -> None:
    """Open a notebook, Run All, and wait until its last code cell has run and the kernel is idle.

    Raises Playwright's TimeoutError where that does not happen.
    """
    limit = 1000 * seconds
    page.goto(f"{address}lab/tree/{notebook}.ipynb?token={TOKEN}&reset")
    idle = ".jp-Notebook-ExecutionIndicator[data-status='idle']"
    page.wait_for_selector(f"{idle}, .jp-Dialog", timeout=limit)
    page.wait_for_timeout(2000)
    # On a busy machine JupyterLab may ask for the kernel before it knows which ones there are.
    choice = page.locator(".jp-Dialog button.jp-mod-accept")
    if choice.count():
        choice.first.click()
    page.wait_for_selector(idle, timeout=limit)
    for _ in range(3):  # a click may come before JupyterLab has its kernel, and is then lost
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator(".lm-Menu").get_by_text("Run All Cells", exact=True).click()
        page.wait_for_timeout(3000)
        if page.locator(".jp-CodeCell .jp-InputPrompt").first.inner_text() != "[ ]:":
            break
    page.wait_for_function(
        r"""() => {
            // A cell whose source is hidden has no number beside it.
            const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]
                .map(p => p.textContent).filter(text => text);
            return prompts.length && prompts.every(text => /^\[\d+\]:$/.test(text));
        }""",
        timeout=limit,
    )
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']", timeout=limit)


def errors_shown(page: Page) -> list[str]:
    """Texts of error outputs and dialogs (such as a dead kernel's) in the page."""
    where = page.locator("[data-mime-type='application/vnd.jupyter.error'], .jp-Dialog-content")
    return where.all_inner_texts()
