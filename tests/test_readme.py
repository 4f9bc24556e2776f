"""The README: its tables are those of the code, and its links and commands are there."""

import re

import pytest

from ffcl_utils.paths import ROOT
from ffcl_utils.workflow.runs import markdown_of_runs

README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = ROOT / "results" / "short"


def test_the_table_of_notebooks_is_that_of_the_runs():
    table = README.split("<!-- notebooks: generated from workflow/runs.toml -->")[1]
    table = table.split("<!-- end of notebooks -->")[0].strip().splitlines()[2:]
    parts = ("overview", "claims", "studies", "explore")
    expected = "\n".join(markdown_of_runs(part, "notebooks/") for part in parts)
    assert table == expected.splitlines()


def test_every_local_link_leads_somewhere():
    for target in re.findall(r"\]\((?!http|#)([^)]+)\)", README):
        if target.startswith("results/short") and not REFERENCE.is_dir():
            pytest.skip("no results/short")
        assert (ROOT / target).exists(), target


def test_every_make_target_and_command_is_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", README, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    commands = (ROOT / "ffcl_utils" / "__main__.py").read_text(encoding="utf-8")
    for command in set(re.findall(r"-m ffcl_utils ([a-z]+)", README)):
        assert re.search(rf'def {command}\(|command\("{command}"\)', commands), command
