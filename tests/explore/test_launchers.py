"""Links to Binder and Colab, by their form, and the first cell of what Colab opens."""

import importlib.util
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest

from ffcl_utils.config import ConfigError
from ffcl_utils.explore.launchers import binder_address, colab_address
from ffcl_utils.paths import ROOT
from ffcl_utils.workflow.runs import of_parts

TO_EXPLORE = [entry.path for entry in of_parts("explore")]


def test_binder_opens_the_notebook_in_jupyterlab():
    """The form of Binder's documentation: /v2/gh/<owner>/<name>/<ref>?urlpath=<path>."""
    found = urlsplit(binder_address("some-one/the.copy", "20_explore_ensembles"))
    assert (found.scheme, found.netloc) == ("https", "mybinder.org")
    assert found.path == "/v2/gh/some-one/the.copy/HEAD"
    (path,) = parse_qs(found.query)["urlpath"]
    assert path.startswith("lab/tree/")
    assert (ROOT / path.removeprefix("lab/tree/")).is_file()
    assert (ROOT / "environment.yml").is_file()  # what Binder builds from


def test_colab_opens_the_notebook_of_a_branch():
    found = urlsplit(colab_address("some-one/the.copy", "21_draw_a_digit"))
    assert (found.scheme, found.netloc) == ("https", "colab.research.google.com")
    start, path = found.path.split("/blob/main/")
    assert start == "/github/some-one/the.copy"
    assert (ROOT / path).is_file()


@pytest.mark.parametrize("bad", ["", "name", "owner/name/more", "https://github.com/owner/name"])
def test_anything_but_owner_and_name_is_refused(bad):
    for address in (binder_address, colab_address):
        with pytest.raises(ConfigError, match="owner/name of a repository"):
            address(bad, "20_explore_ensembles")


@pytest.mark.parametrize("path", TO_EXPLORE, ids=lambda p: p.stem)
@pytest.mark.parametrize("installed", [True, False])
def test_the_first_cell_installs_only_where_needed(path, installed, monkeypatch):
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert "repository" in cells[0].source
    assert "ffcl_utils" in cells[1].source
    commands = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if installed else None)
    exec(cells[1].source, {"repository": "some-one/copy"})
    if installed:
        assert not commands
        return
    clone, install = commands
    assert clone[:2] == ["git", "clone"]
    assert "https://github.com/some-one/copy" in clone
    assert install[1:4] == ["-m", "pip", "install"]
    assert sys.path[0] == clone[-1]
