"""The verdict on every claim, from the records in the results folder of a preset."""

from pathlib import Path

from ffcl_utils.claims.ledger import Claim, ledger
from ffcl_utils.claims.summary import in_words, missing_in_words, summary
from ffcl_utils.records.metrics import Record, RecordError, read_record
from ffcl_utils.workflow.runs import run

NOT_COMPARABLE, NO_RESULT = "not comparable", "no result"


def assess(folder: Path) -> list[dict]:
    """One row per claim that `make reproduce` answers at the preset, and per other one whose run is
    there. Claims about the preset paper alone have a row there alone.

    folder: of a preset; <folder>/<run>/metrics.json are read. A row is ready for JSON: id, paper,
    where, statement, paper_value, rule and fixed (sentences), by_interval (as in Claim), run,
    notebook, metric, unit, ours (a summary, or None), verdict, dataset and preset (of the run, or
    None), reason (a sentence where the run is not comparable, left nothing, or has seeds without a
    figure; else "").
    Raises RecordError for a folder that is not there, a broken record, or a record without a
    claim's metric.
    """
    records = _records(folder)
    if unknown := _unknown(folder, records):
        raise RecordError(
            f"{'; '.join(unknown)}. The run's study and the ledger must use the same name"
        )
    at_paper = any(record.preset == "paper" for record in records.values())
    preset = "paper" if at_paper else "short"
    return [
        _row(claim, records.get(claim.run))
        for claim in ledger()
        if claim.run in records or run(claim.run).is_with_claims(preset)
        if at_paper or claim.presets != ["paper"]
    ]


def _unknown(folder: Path, records: dict[str, Record]) -> list[str]:
    """A sentence for every claim whose run has a record, but one without the claim's metric.

    Records of another run than the claim's are left out: their claims are not comparable anyway.
    """
    return [
        f"claim {claim.id} needs the metric {metric!r}, which {_path(folder, claim.run)} "
        "does not have"
        for claim in ledger()
        if claim.run in records and records[claim.run].run == claim.run
        for metric in claim.metrics
        if metric not in records[claim.run].metrics
    ]


def ours_in_words(row: dict) -> str:
    """The figure of a row of `assess`, with its spread and number of seeds."""
    return in_words(row["ours"], row["unit"])


def _path(folder: Path, run: str) -> Path:
    return folder / run / "metrics.json"


def _records(folder: Path) -> dict[str, Record]:
    """The records of the claims' runs that are in the folder, by the run's name."""
    folder = Path(folder)
    if not folder.is_dir():
        raise RecordError(f"there are no results in {folder}: run `make reproduce` first")
    names = sorted({claim.run for claim in ledger()})
    return {
        name: read_record(_path(folder, name)) for name in names if _path(folder, name).exists()
    }


def _row(claim: Claim, record: Record | None) -> dict:
    row = {
        "id": claim.id,
        "paper": claim.paper,
        "where": claim.where,
        "statement": claim.statement,
        "paper_value": claim.paper_says,
        "rule": claim.rule,
        "by_interval": claim.by_interval,
        "fixed": claim.fixed,
        "run": claim.run,
        "notebook": claim.notebook,
        "metric": claim.metric,
        "unit": claim.unit,
    }
    if record is None:
        found = {"ours": None, "verdict": NO_RESULT, "dataset": None, "preset": None}
        return row | found | {"reason": f"The run {claim.run} left no metrics.json."}
    measured = claim.metric in record.metrics  # it may not be, in the record of another run
    ours = summary(record.values(claim.metric), claim.unit) if measured else None
    reason = " ".join(_differences(claim, record))
    if reason:
        verdict = NOT_COMPARABLE
    else:
        verdict = claim.verdict({name: record.values(name) for name in claim.metrics})
        missing = missing_in_words(ours)
        reason = f"{missing}." if missing else ""
    return row | {
        "ours": ours,
        "verdict": verdict,
        "dataset": record.dataset,
        "preset": record.preset,
        "reason": reason,
    }


def _differences(claim: Claim, record: Record) -> list[str]:
    """Why a run says nothing about a claim: sentences, none where it is comparable."""
    found = []
    if record.run != claim.run:
        found.append(f"The record is of the run {record.run!r}, not {claim.run!r}.")
    if record.preset == "smoke":
        found.append("The preset smoke is for seeing that everything runs.")
    elif record.preset not in claim.presets:
        found.append(f"The run of the preset {record.preset} does not measure it.")
    if record.dataset != claim.dataset:
        found.append(f"The data are {record.dataset}, not {claim.dataset}.")
    if claim.needs_interval and len(record.metrics.get(claim.metric, ())) == 1:
        found.append("The run has a single seed, of which there is no interval.")
    found += [
        f"{name} is {value!r}, not {expected!r}."
        for name, (value, expected) in record.changed.items()
    ]
    return found
