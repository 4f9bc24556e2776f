"""The ledger as data: what it holds, and one clear error for every mistake in it."""

import re
import subprocess
import sys

import numpy as np
import pytest

from ffcl_utils.claims.ledger import LedgerError, claim, ledger, missing, read_ledger
from ffcl_utils.config import SYNTHETIC
from ffcl_utils.paths import NOTEBOOKS, ROOT
from ffcl_utils.workflow.runs import run

ONE = """
[[claim]]
id = "A1"
paper = "improved FFCL"
where = "abstract"
statement = "It learns"
paper_says = "63 %"
run = "01_accuracy"
metric = "accuracy"
unit = "%"
dataset = "mnist"
fixed = "before the first run"
judge = { name = "best_seed_within", low = 0.58, high = 0.68 }
"""


def test_claims_are_in_the_order_of_the_papers():
    ids = (
        "A1 A1b A2 A2b A3 A3b A4 A5 A6-bal A7-bal A8-bal "
        "A6-rand A7-rand A8-rand "
        "B1 B1b B1c B1d B1e B1f B1g B2 B2b B2c B2d B2e B2f B2g B2h B2i B3 B3b "
        "B4 B4b B4c B5 B5b B6 B7 B8 B8b B8c B8d B9 "
        "X1 X2 X2s X8 X3 X4 X5 X6 X9 X9b N1 N1b N2 N3 N4 N5 N6 N7 N8 N9 N10 D1 D2 D3 D4 D5 "
        "P1 P2 P3 P4 P4b P4c "
        "R1 R1b R2 R3 R4 R4b R5 R5b R6 R7 R8 R9 R9b R10 R11 R11b R12 R13 R13b R14 R15 R16"
    )
    assert [claim.id for claim in ledger()] == ids.split()
    ours = [claim for claim in ledger() if claim.ours]
    assert {claim.id[0] for claim in ours} == {"X", "D", "P", "R"}
    assert all(claim in ours for claim in ledger() if claim.id[0] in "XDP")


@pytest.mark.parametrize("claim", ledger(), ids=lambda claim: claim.id)
def test_a_claims_notebook_exists_and_names_it(claim):
    text = (NOTEBOOKS / f"{claim.notebook}.ipynb").read_text(encoding="utf-8")
    assert re.search(rf"\*\*[^*]*\b{claim.id}\b[^*]*\*\*", text)


def test_every_run_is_in_the_table_of_runs_with_the_claims_dataset():
    for each in ledger():
        entry = run(each.run)
        assert entry.notebook == each.notebook
        assert entry.parameters_at("paper").get("dataset", SYNTHETIC) == each.dataset


def test_what_the_paper_prints_is_the_band_of_the_judge():
    bands = [
        each
        for each in ledger()
        if not each.ours and getattr(each.judge, "name", "") == "mean_within"
    ]
    assert len(bands) == 9
    for each in bands:
        assert f"within {each.paper_says}:" in each.rule


def test_a_single_printed_run_is_the_figure_of_the_judge():
    runs = [each for each in ledger() if getattr(each.judge, "name", "") == "mean_near"]
    assert len(runs) == 9
    for each in runs:
        number = f"{each.judge.figure:.3f}" if each.unit == "number" else each.paper_says
        assert each.paper_says == number and f" from {each.paper_says.rstrip('0')}" in each.rule


def test_an_interval_decides_only_where_the_rule_asks_for_the_metrics_own():
    """B4 and B8 ask for the interval of another figure; B9's is of the one that is shown."""
    assert [claim(id).by_interval for id in ("B3", "B8b", "B9")] == [True] * 3
    assert [claim(id).by_interval for id in ("B1", "B4", "B8")] == [False] * 3
    assert all("interval" in each.rule for each in ledger() if each.by_interval)


def test_our_targets_are_those_of_the_judges():
    for id in ("X1", "X2", "X2s", "X8"):
        assert f" reach {100 * claim(id).judge.low:.10g} % " in claim(id).statement


def test_the_criterion_of_an_exponential_is_that_of_the_analysis():
    from ffcl_utils.analysis.decay import MIN_R_SQUARED

    for id in ("A2", "A2b", "A3", "A3b"):
        assert f"R² ≥ {MIN_R_SQUARED:g}," in claim(id).judge.criterion


def _verdict(id, value):
    return claim(id).verdict({claim(id).metric: np.array([value])})


def test_words_are_the_papers_or_our_own():
    assert _verdict("A4", 0.0) == "reproduced"
    assert _verdict("A4", 0.1) == "not reproduced"
    assert _verdict("X1", 0.983) == "supported"
    assert _verdict("X1", 0.98) == "partly"
    assert _verdict("X1", 0.97) == "not supported"


def test_an_unknown_claim_is_refused():
    with pytest.raises(LedgerError, match=r"no claim 'A9'.*A1, A1b"):
        claim("A9")


def test_callers_cannot_change_the_ledger():
    ledger().clear()
    assert len(ledger()) == 98
    with pytest.raises(ValueError, match="frozen"):
        claim("A1").judge.low = 0.0


def test_texts_have_no_stray_spaces():
    for each in ledger():
        for text in (each.statement, each.fixed, each.paper_says, each.rule):
            assert "  " not in text
            assert text == text.strip()
            assert "\n" not in text


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("best_seed_within", "best_seed", "claim A1 .*judge.*best_seed.*'best_seed_within'"),
        (", high = 0.68", "", "claim A1 .*high: Field required"),
        ("high = 0.68", "high = 0.68, margin = 1", "claim A1 .*margin: Extra"),
        ("low = 0.58", 'low = "0.58"', "claim A1 .*low: Input should be a valid number"),
        ("low = 0.58", "low = 0.78", "claim A1 .*low = 0.78 is above high = 0.68"),
        ('name = "best_seed_within", ', "", "claim A1 .*judge"),
        ('id = "A1"', "", "claim number 1 .*id: Field required"),
        ('unit = "%"', 'unit = "percent"', "claim A1 .*unit: "),
        ('fixed = "before', 'since = ""\nfixed = "before', "claim A1 .*since: Extra"),
        ('id = "A1"', 'id = "A1', "is not TOML"),
        ("[[claim]]", "[[claims]]", r"must hold \[\[claim\]\] tables and nothing else"),
        ("[[claim]]", "[claim]", r"must hold \[\[claim\]\] tables and nothing else"),
    ],
)
def test_a_mistake_in_the_ledger_is_one_clear_error(tmp_path, before, after, message):
    path = tmp_path / "ledger.toml"
    assert before in ONE
    path.write_text(ONE.replace(before, after), encoding="utf-8")
    with pytest.raises(LedgerError, match=message) as error:
        read_ledger(path)
    assert "\n" not in str(error.value)


def test_the_example_itself_is_right_and_stands_once(tmp_path):
    path = tmp_path / "ledger.toml"
    path.write_text(ONE, encoding="utf-8")
    assert read_ledger(path)[0].judge.high == 0.68
    path.write_text(ONE + ONE, encoding="utf-8")
    with pytest.raises(LedgerError, match=r"claim A1 .*twice"):
        read_ledger(path)


def test_assessing_imports_nothing_slow():
    """And importing does not even read it."""
    code = (
        "import sys\n"
        "import ffcl_utils.claims.assess, ffcl_utils.claims.tables\n"
        "from ffcl_utils.claims import ledger\n"
        "slow = {'torch', 'scipy', 'papermill', 'pandas', 'matplotlib', 'ffcl_utils.rules'}\n"
        "print(sorted(slow & set(sys.modules)), ledger._committed.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout.strip(), done.stderr) == ("[] 0", "")


def test_metrics_that_a_run_lacks_are_named():
    asked = set(claim("R11").metrics)
    lacking = missing("33_scoring_rules", {"SLCP, 100000/c2st"}, 2, "/c2st")
    assert asked <= lacking.keys() and "SLCP, 100000/c2st" not in lacking
    assert "energy score/lowest at truth" not in lacking  # another ending
    assert all(np.isnan(values).all() and values.shape == (2,) for values in lacking.values())
