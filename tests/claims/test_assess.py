"""Verdicts from a folder of records, and the committed reference held against the ledger."""

import json
import subprocess

import pytest

from ffcl_utils.claims.assess import assess
from ffcl_utils.claims.ledger import ledger
from ffcl_utils.errors import UserError
from ffcl_utils.files import read_json
from ffcl_utils.paths import RESULTS, ROOT
from ffcl_utils.records.metrics import RecordError
from tests.claims.records import AT_SHORT, OURS, PAPERS, write_records

REFERENCE = RESULTS / "short"
with_reference = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason="results/short is not committed yet"
)
with_references = pytest.mark.parametrize(
    "reference", sorted(path.parent for path in RESULTS.glob("*/claims.json")), ids=lambda p: p.name
)


def verdicts(folder):
    return {row["id"]: row["verdict"] for row in assess(folder)}


def rows(folder):
    return {row["id"]: row for row in assess(folder)}


def test_a_row_has_what_tables_need_and_is_json(tmp_path):
    write_records(tmp_path)
    row = rows(tmp_path)["A1"]
    fields = (
        "id paper where statement paper_value rule by_interval fixed run notebook metric unit ours"
    )
    assert " ".join(row) == f"{fields} verdict dataset preset reason"
    assert row["paper_value"] == "up to 63 %"
    assert row["rule"].startswith("best seed within 58–68 %: reproduced")
    assert row["ours"]["mean"] == pytest.approx(0.605)
    assert (row["dataset"], row["preset"], row["reason"]) == ("mnist", "short", "")
    assert json.loads(json.dumps(assess(tmp_path), allow_nan=False)) == assess(tmp_path)


def test_a_full_run_is_judged_in_the_order_of_the_ledger(tmp_path):
    write_records(tmp_path)
    found = verdicts(tmp_path)
    assert list(found) == [claim.id for claim in PAPERS]
    assert found["A1"] == "reproduced"
    assert found["A4"] == "not reproduced"
    assert found["B2"] == "partly"
    assert "B7" not in found  # its run is one of `make reproduce-all` at this preset


def test_our_own_questions_are_judged_where_they_were_run(tmp_path):
    write_records(tmp_path)
    assert not any(claim.id in verdicts(tmp_path) for claim in OURS)
    write_records(tmp_path, ledger())
    found = verdicts(tmp_path)
    assert list(found) == [claim.id for claim in AT_SHORT]
    assert found["X3"] == "supported"
    assert found["X1"] == "not supported"
    assert found["B7"] == "reproduced"
    assert rows(tmp_path)["B7"]["notebook"] == "04_sparse_ensembles"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dataset": "mnist_5k"}, "The data are mnist_5k, not mnist."),
        ({"dataset": "fashion_mnist"}, "The data are fashion_mnist, not mnist."),
        ({"preset": "smoke"}, "The preset smoke is for seeing that everything runs."),
        ({"changed": {"epochs": [2, 30]}}, "epochs is 2, not 30."),
        (
            {"changed": {"a": ["x", "y"], "b": [None, 1.5]}},
            "a is 'x', not 'y'. b is None, not 1.5.",
        ),
        ({"run": "08_beyond_63"}, "The record is of the run '08_beyond_63', not '02_loss_decay'."),
    ],
)
def test_other_data_presets_or_settings_are_not_comparable(tmp_path, change, reason):
    decay = [claim for claim in PAPERS if claim.run == "02_loss_decay"]
    write_records(tmp_path, decay, **change)
    found = rows(tmp_path)
    for claim in decay:
        assert found[claim.id]["verdict"] == "not comparable"
        assert found[claim.id]["reason"] == reason
        assert found[claim.id]["ours"]["n_seeds"] == 2


@pytest.mark.parametrize("preset", ["short", "paper"])
def test_what_a_presets_run_does_not_measure_is_not_comparable(tmp_path, preset):
    """Its metrics are there without a figure, which would be "not reproduced" otherwise."""
    neighbours = [claim for claim in ledger() if claim.run == "12_neighbours"]
    write_records(tmp_path, neighbours, preset=preset)
    found = rows(tmp_path)
    left_out = [claim.id for claim in neighbours if preset not in claim.presets]
    assert left_out == {"short": [], "paper": ["N1b", "N3", "N4", "N10"]}[preset]
    for claim in neighbours:
        row = found[claim.id]
        said = f"The run of the preset {preset} does not measure it."
        assert (row["verdict"] == "not comparable") is (claim.id in left_out)
        assert (row["reason"] == said) is (claim.id in left_out)


def test_an_interval_is_not_asked_of_a_single_seed(tmp_path):
    """It would be "not reproduced" for want of a second seed."""
    write_records(tmp_path, ledger(), values=(0.6,))
    found = rows(tmp_path)
    for claim in AT_SHORT:
        row = found[claim.id]
        said = "The run has a single seed, of which there is no interval."
        refused = "interval" in claim.rule  # in whichever metric
        assert (row["verdict"] == "not comparable") is (row["reason"] == said) is refused
    assert "not comparable" == found["B4"]["verdict"] == found["N9"]["verdict"]


def test_every_reason_is_said(tmp_path):
    write_records(tmp_path, preset="smoke", dataset="mnist_5k", changed={"epochs": [2, 30]})
    assert rows(tmp_path)["A1"]["reason"] == (
        "The preset smoke is for seeing that everything runs. The data are mnist_5k, not mnist. "
        "epochs is 2, not 30."
    )


def test_a_missing_run_has_no_result(tmp_path):
    found = assess(tmp_path)
    assert {row["verdict"] for row in found} == {"no result"}
    assert [row["id"] for row in found] == [claim.id for claim in PAPERS]
    assert found[0]["reason"] == "The run 01_improved_ffcl_accuracy left no metrics.json."
    assert (found[0]["ours"], found[0]["dataset"], found[0]["preset"]) == (None, None, None)


def test_seeds_without_a_figure_are_said_and_reproduce_nothing(tmp_path):
    write_records(tmp_path, ledger(), values=(0.6, 0.61, None))
    found = rows(tmp_path)
    assert not {"reproduced", "supported"} & {row["verdict"] for row in found.values()}
    assert found["A1"]["verdict"] == found["X3"]["verdict"] == "partly"
    assert found["A1"]["reason"] == "1 of 3 seeds has no figure."
    assert found["A1"]["ours"]["mean"] == pytest.approx(0.605)


@pytest.mark.parametrize("preset", ["smoke", "short"])
def test_a_metric_that_no_study_gives_is_noticed(tmp_path, preset):
    write_records(tmp_path)
    path = tmp_path / "02_loss_decay" / "metrics.json"
    content = read_json(path) | {"preset": preset}
    content["metrics"].pop("literal/train_loss_exponential")
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"^claim A2 needs the metric 'literal/") as error:
        assess(tmp_path)
    assert str(path) in str(error.value) and str(error.value).count("needs the metric") == 1


def test_a_record_of_another_run_need_not_have_the_metric(tmp_path):
    write_records(tmp_path, run="a_variant", metrics={})
    assert set(verdicts(tmp_path).values()) == {"not comparable"}
    assert all(row["ours"] is None for row in assess(tmp_path))


def test_a_broken_record_names_its_file(tmp_path):
    write_records(tmp_path)
    path = tmp_path / "05_unseen_classes" / "metrics.json"
    path.write_text(path.read_text()[:-10])
    with pytest.raises(RecordError) as error:
        assess(tmp_path)
    assert str(path) in str(error.value)


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UserError, match=r"no results in .*nowhere"):
        assess(tmp_path / "nowhere")


def test_what_paper_alone_trains_has_a_row_there_alone(tmp_path):
    alone = [claim.id for claim in ledger() if claim.presets == ["paper"]]
    assert alone == [
        "B1d",
        "B1e",
        "B1f",
        "B1g",
        "B2d",
        "B2e",
        "B2f",
        "B2g",
        "B2h",
        "B2i",
        "B3b",
        "B8c",
        "B8d",
    ]
    for preset in ("smoke", "short", "paper"):
        write_records(tmp_path / preset, preset=preset)
        assert [id for id in rows(tmp_path / preset) if id in alone] == alone * (preset == "paper")


@with_references
def test_committed_claims_are_what_the_ledger_says_of_the_committed_metrics(reference):
    assert read_json(reference / "claims.json") == assess(reference)


@with_reference
def test_every_claim_has_a_reference_result_on_the_full_data():
    judged = {"reproduced", "partly", "not reproduced", "supported", "not supported"}
    found = assess(REFERENCE)
    asked = [c for c in ledger() if "short" in c.presets]
    run = [c for c in asked if c.id[0] in "AB" or (REFERENCE / c.run).is_dir()]
    assert [row["id"] for row in found] == [claim.id for claim in run]
    for row in found:
        assert row["verdict"] in judged, row["id"]


@with_references
def test_reference_results_come_from_a_clean_commit(reference):
    paths = sorted(reference.glob("*/metrics.json"))
    assert paths
    for path in paths:
        origin = read_json(path.with_name("provenance.json"))
        assert origin["dirty"] is False
        assert len(origin["git_commit"]) == 40


@with_references
def test_reference_results_name_commits_of_this_history(reference):
    """Of the run and of every network: a commit that was replaced afterwards says nothing."""
    named = set()
    for path in reference.glob("*/provenance.json"):
        origin = read_json(path)
        commits = {origin["git_commit"], *(n["git_commit"] for n in origin["networks"])}
        named |= {(path.parent.name, commit) for commit in commits}
    history = _git("rev-list", "HEAD").split()
    if _git("rev-parse", "--is-shallow-repository").strip() != "false" or not history:
        pytest.skip("this checkout has no history")
    unknown = {(run, commit) for run, commit in named if commit not in history}
    if unknown == named:
        pytest.skip("this checkout has another history")
    assert not unknown


def _git(*words: str) -> str:
    """What git says of this repository; nothing where there is none."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""
