"""Does one run agree with another? Metric by metric, with the spread over seeds as the measure."""

from pathlib import Path

import numpy as np
import pandas as pd

from ffcl_utils.errors import UserError
from ffcl_utils.files import read_json
from ffcl_utils.records.results import read_metrics

SAME_MACHINE = ("machine", "versions", "device", "threads")
# Change how exactly a figure comes out again, but not what is measured.
CONDITIONS = ("seeds", "first_seed", "products")
STANDARD_ERRORS = 3.0


class NotTheSameExperimentError(UserError):
    """Two runs cannot be compared: their settings or data differ."""


def compare_runs(ours: Path, reference: Path) -> pd.DataFrame:
    """One row per metric of the reference: both means, what was asked, and whether they agree.

    Where machine, versions, device, threads, seeds and the precision of products are the same,
    every seed's figure must be the same to the last bit. Otherwise the means may differ by 3
    standard errors of their difference. A metric that one run lacks does not agree. Raises
    NotTheSameExperimentError where dataset or settings differ, FileNotFoundError where a folder
    holds no results.
    """
    found, expected = read_metrics(ours), read_metrics(reference)
    for folder, metrics in ((ours, found), (reference, expected)):
        if not metrics:
            raise FileNotFoundError(f"no results in {folder}: no */metrics.json there")
    rows = []
    for notebook, content in expected.items():
        if notebook in found:
            exact = _same_conditions(ours / notebook, reference / notebook)
        for name, values in content["metrics"].items():
            mine = found.get(notebook, {}).get("metrics", {}).get(name)
            row = {"notebook": notebook, "metric": name, "reference": np.mean(values)}
            if mine is None:
                rows.append(row | {"ours": np.nan, "asked": "to be there", "agrees": False})
            else:
                rows.append(row | _compare(np.array(mine), np.array(values), exact))
    return pd.DataFrame(rows)


def _same_conditions(ours: Path, reference: Path) -> bool:
    mine, theirs = (read_json(folder / "provenance.json") for folder in (ours, reference))
    for key in ("config", "data_sha256"):
        if _measured(mine[key]) != _measured(theirs[key]):
            raise NotTheSameExperimentError(f"{ours} and {reference} differ in {key}")
    return all(mine[key] == theirs[key] for key in (*SAME_MACHINE, "seeds", "config"))


def _measured(content: dict) -> dict:
    """Settings of every training that decide what is measured."""
    return {
        name: {k: v for k, v in value.items() if k not in CONDITIONS}
        if isinstance(value, dict)
        else value
        for name, value in content.items()
    }


def _compare(mine: np.ndarray, theirs: np.ndarray, exact: bool) -> dict:
    row = {"ours": mine.mean()}
    if exact:
        return row | {"asked": "every seed equal", "agrees": bool(np.array_equal(mine, theirs))}
    bound = STANDARD_ERRORS * np.hypot(_standard_error(mine), _standard_error(theirs))
    agrees = abs(mine.mean() - theirs.mean()) <= bound
    return row | {"asked": f"|Δ mean| ≤ {bound:.3g}", "agrees": bool(agrees)}


def _standard_error(values: np.ndarray) -> float:
    return values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
