"""Does one run agree with another? Metric by metric, with the spread over seeds as the measure."""

from pathlib import Path

import numpy as np
import pandas as pd

from ffcl_utils.analysis.statistics import mean_of_known
from ffcl_utils.errors import UserError
from ffcl_utils.records.changes import NOT_COUNTED
from ffcl_utils.records.contents import read_origin
from ffcl_utils.records.metrics import read_record
from ffcl_utils.records.results import read_metrics

SAME_MACHINE = ("machine", "versions", "device")
STANDARD_ERRORS = 3.0
SHOWN = 5  # differences of two runs in an error's message


class NotTheSameExperimentError(UserError):
    """Two runs cannot be compared: their settings or data differ."""


def compare_runs(ours: Path, reference: Path) -> pd.DataFrame:
    """One row per metric of the reference: both means, what is required, and whether they agree.

    Where machine, versions, device, seeds and the precision of products are the same, every seed's
    figure must be the same to the last bit. Otherwise the means, of the seeds that have a figure,
    may differ by 3 standard errors of their difference; a single seed is taken to vary as those of
    the other run. A metric that one run lacks does not agree.
    Raises NotTheSameExperimentError where preset, data or settings of a run differ,
    FileNotFoundError where a folder holds no results.
    """
    found, expected = read_metrics(ours), read_metrics(reference)
    for folder, records in ((ours, found), (reference, expected)):
        if not records:
            raise FileNotFoundError(f"no results in {folder}: no */metrics.json there")
    rows = []
    for run, record in expected.items():
        mine = found.get(run, {"metrics": {}})
        exact = run in found and _same_conditions(run, ours, reference)
        for name, values in record["metrics"].items():
            row = {"run": run, "metric": name}
            rows.append(row | _compare(mine["metrics"].get(name), values, exact))
    return pd.DataFrame(rows, columns=["run", "metric", "reference", "ours", "required", "agrees"])


def _same_conditions(run: str, ours: Path, reference: Path) -> bool:
    """Whether figures must be equal to the last bit; raises where they cannot be compared."""
    records = [
        read_record(folder / run / "metrics.json").model_dump() for folder in (ours, reference)
    ]
    needed = (*SAME_MACHINE, "configs", "dataset", "data_sha256", "parameters")
    origins = [read_origin(folder / run, *needed) for folder in (ours, reference)]
    measured = [_measured(*pair) for pair in zip(records, origins, strict=True)]
    names = list(measured[1] | measured[0])
    mine, theirs = ([_text(side, name) for name in names] for side in measured)
    differ = [
        f"{name} is {a}, not {b}" for name, a, b in zip(names, mine, theirs, strict=True) if a != b
    ]
    if differ:
        more = f"; and {len(differ) - SHOWN} more" if len(differ) > SHOWN else ""
        raise NotTheSameExperimentError(
            f"{run}: {ours} and {reference} are not the same experiment: "
            f"{'; '.join(differ[:SHOWN])}{more}"
        )
    one, other = origins
    return records[0]["seeds"] == records[1]["seeds"] and all(
        one[key] == other[key] for key in (*SAME_MACHINE, "configs")
    )


def _text(measured: dict, name: str) -> str:
    return repr(measured[name]) if name in measured else "missing"


def _measured(record: dict, origin: dict) -> dict:
    """Everything that decides what a run measures, by a name for messages.

    A parameter that is a setting of a network counts as it was resolved there.
    """
    configs = origin["configs"]
    settings = {name for config in configs.values() for name in config}
    return (
        {"preset": record["preset"], "dataset": origin["dataset"]}
        | {f"SHA-256 of {file}": value for file, value in origin["data_sha256"].items()}
        | {
            f"{network}: {name}": value
            for network, config in configs.items()
            for name, value in config.items()
            if name not in NOT_COUNTED
        }
        | {
            name: value
            for name, value in origin["parameters"].items()
            if name not in settings | NOT_COUNTED
        }
    )


def _compare(mine: list | None, theirs: list, exact: bool) -> dict:
    """Both means, what is required of them, and whether it holds; None: a seed without a figure."""
    reference = np.array(theirs, dtype=float)
    row = {"reference": mean_of_known(reference), "ours": np.nan}
    if mine is None:
        return row | {"required": "to be there", "agrees": False}
    found = np.array(mine, dtype=float)
    row["ours"] = mean_of_known(found)
    if exact:
        agrees = np.array_equal(found, reference, equal_nan=True)
        return row | {"required": "every seed equal", "agrees": agrees}
    if np.isnan(reference).all() or np.isnan(found).all():
        agrees = bool(np.isnan(reference).all() and np.isnan(found).all())
        return row | {"required": "a figure in both or in neither", "agrees": agrees}
    bound = STANDARD_ERRORS * _standard_error(found, reference)
    agrees = bool(abs(row["ours"] - row["reference"]) <= bound)
    return row | {"required": f"|Δ mean| ≤ {bound:.3g}", "agrees": agrees}


def _standard_error(found: np.ndarray, reference: np.ndarray) -> float:
    """Of the difference of two means. A single seed is taken to vary as the other run's do.

    Of one seed in both nothing is known: 0, so that they have to be equal.
    """
    known = [values[~np.isnan(values)] for values in (found, reference)]
    spreads = [values.std(ddof=1) for values in known if len(values) > 1]
    if not spreads:
        return 0.0
    return np.hypot(
        *(
            (values.std(ddof=1) if len(values) > 1 else spreads[0]) / len(values) ** 0.5
            for values in known
        )
    )
