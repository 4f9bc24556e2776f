"""The ledger: verdict rules at their edges, and the committed results held against it."""

import json
import re

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from ffcl_utils.claims import assess as claims
from ffcl_utils.claims.tables import (
    END,
    START,
    markdown_table,
    plain_table,
    replace_table,
    warnings,
)
from ffcl_utils.files import read_json
from ffcl_utils.paths import NOTEBOOKS, RESULTS, ROOT
from ffcl_utils.records.results import read_metrics

REFERENCE = RESULTS / "paper"


@pytest.mark.parametrize(
    ("accuracies", "verdict"),
    [
        ([0.30, 0.40], "not reproduced"),
        ([0.30, 0.579], "not reproduced"),
        ([0.30, 0.58], "reproduced"),
        ([0.63, 0.68], "reproduced"),
        ([0.63, 0.681], "partly"),
        ([0.90, 0.95], "partly"),
    ],
)
def test_up_to_63_percent_is_about_the_best_seed(accuracies, verdict):
    assert claims.best_seed_within(0.58, 0.68)(np.array(accuracies)) == verdict


@pytest.mark.parametrize(
    ("passes", "verdict"),
    [(10, "reproduced"), (8, "reproduced"), (7, "partly"), (5, "partly"), (4, "not reproduced")],
)
def test_exponential_for_a_share_of_seeds(passes, verdict):
    values = np.array([1.0] * passes + [0.0] * (10 - passes))
    assert claims.share_of_seeds(0.8, 0.5)(values) == verdict


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.93, 0.95], "reproduced"),
        ([0.91, 0.96], "reproduced"),  # the mean is within
        ([0.92, 0.925], "partly"),
        ([0.96, 0.97], "partly"),
        ([0.90, 0.91], "not reproduced"),
        ([0.98, 0.99], "not reproduced"),
    ],
)
def test_mean_within_the_printed_range(values, verdict):
    assert claims.mean_within(0.93, 0.958, 0.01)(np.array(values)) == verdict


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.30, 0.31, 0.32], "reproduced"),
        ([0.05, 0.06, 0.07], "partly"),
        ([0.30, 0.01, 0.02], "not reproduced"),  # a wide interval shows nothing
        ([-0.1, -0.11, -0.12], "not reproduced"),
        ([0.5], "not reproduced"),  # one seed has no interval
    ],
)
def test_difference_with_its_interval_above_a_bound(values, verdict):
    assert claims.interval_above(0.1)(np.array(values)) == verdict


def test_difference_of_either_sign():
    for values, verdict in (
        ([0.3, 0.31], "reproduced"),
        ([-0.3, -0.31], "reproduced"),
        ([0.3, -0.31], "not reproduced"),
        ([0.3], "not reproduced"),
    ):
        assert claims.interval_excludes_zero(np.array(values)) == verdict


def test_exactly_zero_is_exact():
    assert claims.exactly(0.0)(np.zeros(3)) == "reproduced"
    assert claims.exactly(0.0)(np.array([0.0, 1e-30])) == "not reproduced"


def test_interval_of_a_mean_is_students():
    values = np.array([0.3, 0.5, 0.4, 0.45])
    expected = ttest_1samp(values, 0).confidence_interval()
    assert claims.summary(values, "%")["ci95"] == pytest.approx([expected.low, expected.high])
    assert claims.summary(values[:1], "%")["ci95"] is None


def test_interval_of_a_share_is_wilsons():
    # Brown, Cai and DasGupta 2001 for 10 of 10: 1 / (1 + z²/n) to 1
    low, high = claims.summary(np.ones(10), "seeds")["ci95"]
    assert (low, high) == (pytest.approx(1 / (1 + 1.959964**2 / 10), rel=1e-5), pytest.approx(1))


def write_metrics(folder, which=claims.CLAIMS, **changes):
    content = {
        "dataset": "mnist",
        "preset": "paper",
        "overrides": {},
        "seeds": [0, 1],
        "metrics": {claim.metric: [0.6, 0.61] for claim in which},
    } | changes
    for name in {claim.folder for claim in which}:
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "metrics.json").write_text(json.dumps(content))


def verdicts(folder):
    return {row["id"]: row["verdict"] for row in claims.assess(folder)}


def test_a_full_run_is_judged(tmp_path):
    write_metrics(tmp_path)
    assert verdicts(tmp_path)["A1"] == "reproduced"
    assert verdicts(tmp_path)["B7"] == "not comparable"  # it is about Fashion-MNIST


def test_a_study_is_judged_where_it_was_run(tmp_path):
    write_metrics(tmp_path)
    assert not any(claim.id in verdicts(tmp_path) for claim in claims.STUDIES)
    write_metrics(tmp_path, claims.CLAIMS + claims.STUDIES)
    assert all(claim.id in verdicts(tmp_path) for claim in claims.STUDIES)


@pytest.mark.parametrize(
    "change", [{"dataset": "mnist_5k"}, {"preset": "smoke"}, {"overrides": {"epochs": 2}}]
)
def test_other_data_presets_or_settings_are_not_comparable(tmp_path, change):
    write_metrics(tmp_path, **change)
    assert set(verdicts(tmp_path).values()) == {"not comparable"}


def test_a_missing_notebook_has_no_result_and_is_said(tmp_path):
    rows = claims.assess(tmp_path)
    assert {row["verdict"] for row in rows} == {"no result"}
    assert "No result from 01_improved_ffcl_accuracy" in warnings(rows)[0]


def test_the_embedded_subset_is_said_loudly(tmp_path):
    write_metrics(tmp_path, dataset="mnist_5k")
    said = " ".join(warnings(claims.assess(tmp_path)))
    assert "embedded subset (mnist_5k)" in said
    assert "set FFCL_DATA_DIR" in said


def test_tables_show_every_claim(tmp_path):
    write_metrics(tmp_path)
    rows = claims.assess(tmp_path)
    for claim in claims.CLAIMS:
        assert claim.statement in markdown_table(rows)
        assert f"\n{claim.id} " in "\n" + plain_table(rows)
    assert "60.5 ± 0.7 %, best 61.0 % (2 seeds)" in markdown_table(rows)


def test_readme_without_markers_is_refused(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("nothing here")
    with pytest.raises(ValueError, match="no markers"):
        replace_table(readme, "table")


def test_ids_are_unique_and_notebooks_exist():
    every = (*claims.CLAIMS, *claims.STUDIES)
    assert len({claim.id for claim in every}) == len(every)
    for claim in every:
        text = (NOTEBOOKS / f"{claim.notebook}.ipynb").read_text()
        assert re.search(rf"\*\*[^*]*\b{claim.id}\b[^*]*\*\*", text), claim.id


def test_committed_claims_are_what_the_ledger_says_of_the_committed_metrics():
    assert read_json(REFERENCE / "claims.json") == claims.assess(REFERENCE)


def test_every_claim_has_a_reference_result_on_the_full_data():
    for row in claims.assess(REFERENCE):
        assert row["verdict"] in ("reproduced", "partly", "not reproduced"), row["id"]


def test_readme_shows_the_committed_claims():
    readme = (ROOT / "README.md").read_text()
    table = readme.split(START)[1].split(END)[0].strip()
    assert table == markdown_table(claims.assess(REFERENCE), links=True)


def test_reference_results_come_from_a_clean_commit():
    metrics = read_metrics(REFERENCE)
    assert metrics
    for name in metrics:
        origin = read_json(REFERENCE / name / "provenance.json")
        assert origin["dirty"] is False
        assert len(origin["git_commit"]) == 40
        assert origin["seeds"] == metrics[name]["seeds"]
