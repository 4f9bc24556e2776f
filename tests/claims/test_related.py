"""The table of related works: a line a notebook, verdicts counted, links that lead somewhere."""

import pytest

from ffcl_utils.claims import related
from ffcl_utils.claims.assess import assess
from ffcl_utils.claims.ledger import ledger
from ffcl_utils.workflow.runs import RunEntry, of_parts
from tests.claims.records import write_records

ENTRIES = [
    RunEntry(name=name, notebook=name, title="T", question="why?", part="related", networks="n")
    for name in ("30_one", "31_two")
]


def row(id, run, verdict, preset="short"):
    return {"id": id, "run": run, "verdict": verdict, "preset": preset}


@pytest.fixture
def made_up(monkeypatch):
    monkeypatch.setattr(related, "of_parts", lambda *parts: ENTRIES if "related" in parts else [])


@pytest.mark.usefixtures("made_up")
def test_verdicts_are_counted_and_a_notebook_without_a_result_is_said():
    rows = [
        row("R1", "30_one", "reproduced"),
        row("R2", "30_one", "not reproduced"),
        row("R3", "30_one", "reproduced"),
        row("A1", "01_other", "partly"),
    ]
    assert related.table(rows, "../").splitlines()[2:] == [
        "| [30 T](../results/short/30_one/executed.ipynb) | why? "
        "| 2 reproduced, 1 not reproduced |",
        f"| [31 T](../notebooks/31_two.ipynb) | why? | {related.NOT_RUN} |",
    ]


def test_the_page_has_every_claim_of_the_related_works_and_no_other(tmp_path):
    write_records(tmp_path / "short", ledger())
    names = {entry.name for entry in of_parts("related")}
    page = related.for_page(assess(tmp_path / "short"))
    for claim in ledger():
        assert (f"\n| {claim.id} | {claim.statement} |" in page) == (claim.run in names)
