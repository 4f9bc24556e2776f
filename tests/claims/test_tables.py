"""The claims as text: every claim is there, links lead somewhere, and warnings are said."""

import pytest

from ffcl_utils.claims.assess import assess
from ffcl_utils.claims.ledger import ledger
from ffcl_utils.claims.presets import assess_both
from ffcl_utils.claims.tables import (
    END,
    HEADLINES,
    PAGE,
    START,
    MarkerError,
    beside_in_words,
    for_page,
    for_readme,
    headlines,
    in_brief,
    in_sentences,
    markdown_table,
    plain_table,
    publish,
    replace_table,
    rules_table,
    warnings,
    with_preset,
)
from ffcl_utils.claims.texts import texts
from ffcl_utils.paths import ROOT
from tests.claims.records import AT_SHORT, OURS, PAPERS, write_records
from tests.claims.test_assess import REFERENCE, with_reference


def cells(line):
    """The cells of a line of a Markdown table, whose text may hold escaped bars."""
    inside = line.removeprefix("| ").removesuffix(" |").replace(r"\|", "\0")
    return [cell.replace("\0", "|") for cell in inside.split(" | ")]


def test_tables_show_every_claim(tmp_path):
    write_records(tmp_path, ledger())
    rows = assess(tmp_path)
    for claim in AT_SHORT:
        assert claim.statement in markdown_table(rows)
        assert f"\n{claim.id} " in "\n" + plain_table(rows)
        assert f"| {claim.id} | {claim.rule} | {claim.fixed} |" in rules_table(rows)
    assert "60.5 ± 0.7 %, best 61.0 % (2 seeds)" in markdown_table(rows)
    assert len(markdown_table(rows).splitlines()) == len(AT_SHORT) + 2


def test_links_lead_to_the_executed_notebook_of_the_run(tmp_path):
    write_records(tmp_path, [claim for claim in AT_SHORT if claim.id == "B7"])
    lines = {
        line.split(" | ")[0]: line for line in markdown_table(assess(tmp_path), True).split("\n")
    }
    assert cells(lines["| B7"])[-1] == (
        "[04](results/short/04_sparse_ensembles-fashion_mnist/executed.ipynb)"
    )
    assert cells(lines["| B8"])[-1] == "05"  # there is nothing to link to
    unlinked = markdown_table(assess(tmp_path)).splitlines()
    assert cells(unlinked[2])[-1] == "01_improved_ffcl_accuracy"


def test_a_bar_in_a_text_does_not_end_its_cell(tmp_path):
    write_records(tmp_path)
    rows = assess(tmp_path)[:1]
    rows[0] |= {"statement": "|h| grows\nover time", "rule": "p(a|b) > 0", "fixed": "a | b"}
    assert cells(markdown_table(rows).splitlines()[-1])[1] == "|h| grows over time"
    assert cells(rules_table(rows).splitlines()[-1])[1:] == ["p(a|b) > 0", "a | b"]


def test_a_plain_line_fits_its_terminal(tmp_path):
    lines = plain_table(assess(tmp_path), width=60).splitlines()
    assert len(lines) == 2 * len(PAPERS)
    assert all(len(line) <= 60 for line in lines[::2])
    assert lines[0].endswith("…")


def test_a_missing_run_is_said(tmp_path):
    write_records(tmp_path, [claim for claim in PAPERS if claim.run != "02_loss_decay"])
    assert warnings(assess(tmp_path)) == ["No result from 02_loss_decay: run these notebooks."]


def test_a_run_that_is_missing_at_paper_alone_is_said_with_its_preset(tmp_path):
    write_records(tmp_path / "short")
    there = [claim for claim in PAPERS if claim.run == "01_improved_ffcl_accuracy"]
    write_records(tmp_path / "paper", there, preset="paper")
    (said,) = warnings(assess_both(tmp_path / "short"))
    runs = "03_forward_forward, 03_forward_forward-fashion_mnist, 05_unseen_classes-fashion_mnist"
    assert said == f"No result at paper from {runs}: run these notebooks."


def test_the_embedded_subset_is_said_loudly(tmp_path):
    write_records(tmp_path, dataset="mnist_5k")
    said = " ".join(warnings(assess(tmp_path)))
    assert "embedded subset (mnist_5k)" in said
    assert "set FFCL_DATA_DIR" in said
    write_records(tmp_path, dataset="mnist_5k", preset="smoke")
    assert "FFCL_DATA_DIR" not in " ".join(warnings(assess(tmp_path)))


def test_changed_settings_are_said_once_with_their_claims(tmp_path):
    write_records(tmp_path)
    assert warnings(assess(tmp_path)) == []
    of_09 = [claim for claim in OURS if claim.run == "09_mirror_neurons"]
    write_records(tmp_path, of_09, changed={"epochs": [2, 30]})
    assert warnings(assess(tmp_path)) == ["Not comparable: X4, X5, X6. epochs is 2, not 30."]


def test_a_table_replaces_the_one_between_the_markers(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{START}\nold\n{END}\nafter\n", encoding="utf-8")
    assert replace_table(readme, "new") == f"before\n{START}\nnew\n{END}\nafter\n"


def test_readme_without_markers_is_refused(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("nothing here")
    with pytest.raises(MarkerError, match="no markers"):
        replace_table(readme, "table")


@with_reference
@pytest.mark.parametrize("name", ["README.md", PAGE, "docs/neighbours.md", "docs/related.md"])
def test_texts_show_the_committed_claims(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text.split(START)[1].split(END)[0].strip() == texts(REFERENCE)[name]


def test_readme_and_page_link_to_the_result_of_each_claim(tmp_path):
    write_records(tmp_path / "short", ledger())
    rows = assess(tmp_path / "short")
    assert for_readme(rows, "", "").count("results/short/") == len(headlines(rows))
    assert for_page(rows).count("../results/short/") == len(rows)


def test_publishing_writes_all_texts_or_none(tmp_path):
    before = f"before\n{START}\nold\n{END}\nafter\n"
    (tmp_path / "one.md").write_text(before, encoding="utf-8")
    (tmp_path / "two.md").write_text("no markers", encoding="utf-8")
    new = {"one.md": "first", "two.md": "second"}
    with pytest.raises(MarkerError, match=r"two\.md has no markers"):
        publish(new, tmp_path)
    assert (tmp_path / "one.md").read_text(encoding="utf-8") == before
    (tmp_path / "two.md").write_text(before, encoding="utf-8")
    publish(new, tmp_path)
    for name, text in new.items():
        assert (tmp_path / name).read_text(encoding="utf-8") == before.replace("old", text)


def test_the_headlines_are_claims_of_the_ledger():
    assert [row["id"] for row in headlines([{"id": claim.id} for claim in ledger()])] == list(
        HEADLINES
    )
    assert [row["id"] for row in headlines([{"id": "B1"}, {"id": "B2"}, {"id": "A1"}])] == [
        "B1",
        "A1",
    ]


@pytest.mark.parametrize(
    ("statement", "brief"),
    [
        (
            "It decays (literal reading: margin 0, batch 64) for all",
            "It decays (literal reading) for all",
        ),
        (
            "It is small (layer 1, all units): overlap (Jaccard)",
            "It is small (layer 1): overlap (Jaccard)",
        ),
        ("Nothing to leave out: in points", "Nothing to leave out: in points"),
    ],
)
def test_a_brief_statement_has_the_beginning_of_its_parentheses(statement, brief):
    assert in_brief(statement) == brief


def test_the_sentences_count_verdicts_and_name_the_readings():
    def row(id, paper, verdict):
        return {"id": id, "paper": paper, "verdict": verdict}

    rows = [
        row("A1", "improved FFCL", "reproduced"),
        row("A6-bal", "improved FFCL", "reproduced"),
        row("A7-bal", "improved FFCL", "reproduced"),
        row("A8-bal", "improved FFCL", "reproduced"),
        row("A6-rand", "improved FFCL", "reproduced"),
        row("A7-rand", "improved FFCL", "partly"),
        row("A8-rand", "improved FFCL", "reproduced"),
        row("X1", "ours", "supported"),
        row("N1", "other papers", "partly"),
        row("R3", "ours", "not supported"),
    ]
    assert in_sentences(rows) == (
        "The claims of improved FFCL: 6 reproduced, 1 partly. "
        "Our own questions: 1 supported, 1 not supported. "
        "The claims of other papers: 1 partly. "
        "The reading *balanced, margin 0, batch 512* is confirmed on new seeds. "
        "The reading *random, margin 0.2, batch 512* is not confirmed on new seeds."
    )
    without = [row | {"verdict": "not comparable"} for row in rows]
    assert "confirmed" not in in_sentences(without)


def test_an_interval_is_shown_where_the_rule_asks_for_one():
    ours = {"mean": 0.25, "std": 0.02, "max": 0.3, "n_seeds": 3, "n_missing": 0}
    ours["ci95"] = [0.2, 0.301]
    row = {"ours": ours, "unit": "number", "preset": "paper", "by_interval": True}
    assert (
        with_preset(row, two=True) == "0.25 ± 0.02 (3 seeds), 95 % interval 0.2 to 0.301 at paper"
    )
    assert with_preset(row | {"unit": "points"}, two=False).endswith("95 % interval 20 to 30.1")
    short = row | {"verdict": "partly"}
    beside = beside_in_words(row | {"beside": short})
    assert beside == "0.25 ± 0.02 (3 seeds), 95 % interval 0.2 to 0.301: partly"
    for other in ({"by_interval": False}, {"ours": ours | {"ci95": None}}):
        assert "interval" not in with_preset(row | other, two=True)
