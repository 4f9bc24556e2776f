"""What was found, in sentences: figures and verdicts are those of the rows."""

import pytest

from ffcl_utils.claims.findings import SENTENCES, sentences
from ffcl_utils.claims.ledger import claim

IDS = [id for ids, _ in SENTENCES for id in ids]


def rows(**changes):
    """A row for every claim of the sentences, as `assess` makes it; changes: of rows by id."""
    made = {}
    for id in IDS:
        ours = {"mean": 0.25, "std": 0.1, "max": 0.75, "n_seeds": 4, "n_missing": 0}
        unit = claim(id).unit
        made[id] = {"id": id, "unit": unit, "ours": ours, "verdict": "partly"}
    for id, change in changes.items():
        made[id] |= change
    return list(made.values())


def test_each_sentence_has_the_figures_and_verdicts_of_its_claims():
    said = sentences(rows(A1={"verdict": "not reproduced"}))
    assert len(said) == len(SENTENCES) == 6
    assert "get 25.0 % of MNIST's test images right" in said[0]
    assert "(best seed: 75.0 %)" in said[0]
    assert said[0].endswith("(A1: not reproduced, A1b: partly)")
    assert "for 1 of 4 seeds when the paper is read literally" in said[1]
    assert "The Hoyer sparsity of FF's first layer is 0.25," in said[3]


def test_a_sentence_is_true_of_a_negative_difference():
    lower = {"mean": -0.01, "std": 0.1, "max": 0.1, "n_seeds": 4, "n_missing": 0}
    said = sentences(rows(B3={"ours": lower}, B5={"ours": lower}))
    assert "In layers 1 and 2, FF's sparsity is -0.01 or more above BP's." in said[3]
    assert "BP's overlap minus FF's is -0.01." in said[4]


@pytest.mark.parametrize(
    "change", [{"verdict": "no result", "ours": None}, {"ours": {"mean": None, "n_missing": 4}}]
)
def test_a_claim_without_a_figure_is_named(change):
    said = sentences(rows(A1b=change))
    assert said[0] == "There is no result on A1b."
    assert sentences([row for row in rows() if row["id"] != "B1"])[2] == (
        "There is no result on B1."
    )


def test_a_sentence_compares_figures_of_one_preset():
    at_paper = {"place": "paper/", "verdict": "reproduced"}
    beside = {"id": "B1", "unit": "%", "verdict": "not reproduced"}
    beside["ours"] = {"mean": 0.5, "std": 0.1, "max": 0.75, "n_seeds": 4, "n_missing": 0}
    alone = sentences(rows(B1=at_paper | {"beside": beside}))[2]
    assert "(FF) get 50.0 % of" in alone and "(BP) get 25.0 %." in alone
    assert alone.endswith("(B1: not reproduced, B1c: partly)")
    together = sentences(rows(B1=at_paper | {"beside": beside}, B1c=at_paper))[2]
    assert "(FF) get 25.0 % of" in together
    assert together.endswith("(B1: reproduced, B1c: reproduced; at paper)")
