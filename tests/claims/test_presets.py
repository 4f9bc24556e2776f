"""Two presets side by side: what was judged at the preset paper comes first."""

import shutil
from pathlib import Path

import pytest

from ffcl_utils.claims.assess import NO_RESULT, assess
from ffcl_utils.claims.ledger import claim, ledger
from ffcl_utils.claims.presets import assess_both, paper_beside, published_with
from ffcl_utils.claims.tables import (
    BESIDE,
    at_paper_in_words,
    for_page,
    for_readme,
    markdown_table,
)
from tests.claims.records import PAPERS, write_records

OF_FF = [claim for claim in PAPERS if claim.run == "03_forward_forward"]


@pytest.fixture
def results(tmp_path):
    """All claims of the papers at short; those of notebook 03 at paper too."""
    write_records(tmp_path / "short")
    write_records(tmp_path / "paper", OF_FF, (0.94, 0.95, 0.96), preset="paper")
    return tmp_path


def test_rows_are_those_of_paper_where_it_has_them_with_short_beside(results):
    rows = {row["id"]: row for row in assess_both(results / "short")}
    at_short = {row["id"]: row for row in assess(results / "short")}
    at_paper = {row["id"]: row for row in assess(results / "paper")}
    # B7 was run at neither: its run is of `make reproduce-all` at short, and is missing at paper.
    assert at_paper["B7"]["verdict"] == NO_RESULT and "B7" not in at_short
    assert list(rows) == [c.id for c in ledger() if c.id in at_short | at_paper and c.id != "B7"]
    for id, row in rows.items():
        if id in {claim.id for claim in OF_FF}:
            assert row == at_paper[id] | {"beside": at_short[id], "place": "paper/"}
        elif claim(id).presets == ["paper"]:
            judged = claim(id).run == "03_forward_forward"
            assert row == at_paper[id] | {"beside": None, "place": "paper/" * judged}
            assert (row["verdict"] == NO_RESULT) is not judged
        else:
            assert row == at_short[id] | {"beside": None, "place": ""}
    assert rows["B1"]["preset"] == "paper" and rows["B1"]["ours"]["n_seeds"] == 3


def test_tables_have_both_figures_and_verdicts(results):
    rows = assess_both(results / "short")
    lines = {line.split(" | ")[0]: line for line in markdown_table(rows, True).splitlines()}
    assert BESIDE in lines["| "]
    assert "95.0 ± 1.0 %, best 96.0 % (3 seeds) at paper" in lines["| B1"]
    assert "(2 seeds) at short" in lines["| A1"]
    assert "60.5 ± 0.7 %, best 61.0 % (2 seeds): not reproduced" in lines["| B1"]
    assert "results/paper/03_forward_forward/executed.ipynb" in lines["| B1"]
    assert "results/short/01_improved_ffcl_accuracy/executed.ipynb" in lines["| A1"]
    assert len({line.count(" | ") for line in lines.values()}) == 1
    judged = sum(claim.run == "03_forward_forward" for claim in ledger())
    settings = "the papers' settings where they are known"
    said = f"Judged at the preset *paper*, {settings}: {judged} of {len(rows)};"
    assert said in at_paper_in_words(rows) and said in for_page(rows)


def test_the_readme_has_both_verdicts_and_the_preset_of_each_figure(results):
    # Both figures in every row would take a page: docs/claims.md has them.
    lines = {
        line.split(" | ")[0]: line
        for line in for_readme(assess_both(results / "short"), "", "").splitlines()
    }
    assert lines["| B1"].split(" | ")[3:6] == [
        "95.0 ± 1.0 %, best 96.0 % (3 seeds)",
        "**reproduced**",
        "not reproduced",
    ]
    assert "[03, paper](results/paper/" in lines["| B1"]
    assert "[01, short](results/short/" in lines["| A1"]
    assert lines["| A1"].split(" | ")[5] == ""


def test_without_results_at_paper_all_is_as_it_was(results):
    write_records(results / "alone" / "short")
    rows = assess_both(results / "alone" / "short")
    alone = assess(results / "alone" / "short")
    assert rows == [row | {"beside": None, "place": ""} for row in alone]
    assert BESIDE not in markdown_table(rows) and at_paper_in_words(rows) == ""


def test_what_cannot_be_judged_at_paper_is_left_to_short(results):
    for changed, preset in (({"epochs": [3, 1200]}, "paper"), ({}, "smoke")):
        write_records(results / "paper", OF_FF, changed=changed, preset=preset)
        (row,) = (row for row in assess_both(results / "short") if row["id"] == "B1")
        assert (row["preset"], row["beside"], row["place"]) == ("short", None, "")


def test_what_was_judged_at_paper_alone_has_nothing_beside_it(results):
    (results / "short" / "03_forward_forward" / "metrics.json").unlink()
    (row,) = (row for row in assess_both(results / "short") if row["id"] == "B1")
    assert (row["preset"], row["beside"]) == ("paper", None)


def test_rules_about_paper_alone_can_be_read_before_it_was_run(results):
    shutil.rmtree(results / "paper")
    page = for_page(assess_both(results / "short"))
    assert f"| B1d | {claim('B1d').rule} |" in page
    assert claim("B1d").statement not in page


def test_either_folder_leads_to_both(results, monkeypatch):
    short, paper = results / "short", results / "paper"
    assert paper_beside(short) == paper and paper_beside(paper) is None
    assert published_with(paper) == published_with(short) == short
    assert published_with(results / "runs") == results / "runs"
    monkeypatch.chdir(paper)
    assert published_with(Path()) == short.resolve() and paper_beside(Path("../short")) == paper
