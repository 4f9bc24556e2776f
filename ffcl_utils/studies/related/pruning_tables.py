"""Tables, figures' arrays and metrics of the pruned networks, and the worked example: notebook 31.

runs: of `pruning.run`, a row a trained network.
"""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ffcl_utils.claims.ledger import missing
from ffcl_utils.claims.summary import interval
from ffcl_utils.related.pruning import grasp, highest, magnitude, snip
from ffcl_utils.studies.related.pruning import (
    AFTER,
    AS_FOUND,
    DENSE,
    FRESH,
    GRASP,
    METHODS,
    SHUFFLED,
    SNIP,
    Config,
)

AT_INITIALISATION = (SNIP, GRASP)
NOTEBOOK, AT_CHECKED = "31_pruning", "/95"  # claims on the sanity check are about this level


def worked(weights: list[float], inputs: list[float], target: float, keep: int) -> pd.DataFrame:
    """A linear unit with half the squared error: a row a weight, its scores, and who keeps it.

    GraSP's column is −w ⊙ Hg, as it is published: the lowest are kept.
    """
    row, one = torch.tensor(inputs), [torch.tensor(weights)]

    def loss(of: list[Tensor]) -> Tensor:
        return (row @ of[0] - target).square() / 2

    scores = {"magnitude": magnitude(one), SNIP: snip(one, loss), GRASP: grasp(one, loss)}
    columns = {"weight": one[0], "input": row}
    columns |= {name: -s[0] if name == GRASP else s[0] for name, s in scores.items()}
    table = pd.DataFrame(columns).astype(float).round(2) + 0.0  # no −0
    return table.assign(
        **{f"{name} keeps": highest(s, keep)[0].bool().numpy() for name, s in scores.items()}
    )


def curves(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """By method, test accuracy with the masks as found: a row a share removed, a column a seed."""
    kept = runs[(runs.masks == AS_FOUND) & (runs.method != DENSE)]
    return {
        method: rows.pivot(index="removed", columns="seed", values="accuracy")
        for method, rows in kept.groupby("method", sort=False)
    }


def dense(runs: pd.DataFrame) -> np.ndarray:
    """Test accuracy (S,) of the networks that nothing is removed of."""
    return runs[runs.method == DENSE].accuracy.to_numpy()


def table(found: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Of `curves`: mean test accuracy over the seeds in %, a row a method, a column a share."""
    means = {name: 100 * of.mean(axis=1) for name, of in found.items()}
    named = pd.DataFrame(means).T.rename(columns=lambda share: f"{100 * share:g} % removed")
    return named.rename_axis(columns=None).round(2)


def layers_kept(runs: pd.DataFrame, config: Config) -> dict[str, np.ndarray]:
    """By method, the % of each layer's weights that the masks at `checked` keep, (layers, S)."""
    kept = runs[(runs.masks == AS_FOUND) & (runs.removed == config.checked)]
    columns = [name for name in runs.columns if name.startswith("layer ")]
    return {m: 100 * rows[columns].to_numpy().T for m, rows in kept.groupby("method", sort=False)}


def costs(runs: pd.DataFrame, config: Config) -> dict[str, np.ndarray]:
    """By "method, change": test error (S,) with changed masks or weights minus that as found."""
    at = runs[runs.removed == config.checked]
    by = at.pivot(index="seed", columns=["method", "masks"], values="accuracy")
    return {
        f"{method}, {change}": (by[method, AS_FOUND] - by[method, change]).to_numpy()
        for method in METHODS[1:]
        for change in (SHUFFLED, FRESH)
    }


def costs_table(found: dict[str, np.ndarray]) -> pd.DataFrame:
    """Of `costs`: name, mean, low, high in percentage points, ends of the 95 % interval (Student).

    Seeds that diverged are left out. Of one seed alone there is no interval.
    """
    rows = []
    for name, values in found.items():
        points = 100 * values[np.isfinite(values)]
        low, high = interval(points) or (np.nan, np.nan)
        mean = points.mean() if len(points) else np.nan
        rows.append({"name": name, "mean": mean, "low": low, "high": high})
    return pd.DataFrame(rows)


def metrics(runs: pd.DataFrame, config: Config) -> dict[str, np.ndarray]:
    """The metrics of LeNet-300-100, (S,) each. A level is named by the per cent removed.

    NaN for what a claim needs at another level of the sanity check.
    """
    whole = dense(runs)
    found = {f"{DENSE}/test_accuracy": whole}
    for method, of in curves(runs).items():
        for removed, accuracy in zip(of.index, of.to_numpy(), strict=True):
            at = f"{100 * removed:g}"
            found[f"{method}/test_accuracy/{at}"] = accuracy
            found[f"{method} - {DENSE}/test_error/{at}"] = whole - accuracy
    at, cost = f"{100 * config.checked:g}", costs(runs, config)
    found |= {f"{name} - as found/test_error/{at}": values for name, values in cost.items()}
    first = [values for name, values in cost.items() if name.startswith(AT_INITIALISATION)]
    found[f"at initialisation, changed - as found/test_error/{at}"] = np.mean(first, 0)
    best = np.max([found[f"{method}/test_accuracy/{at}"] for method in AT_INITIALISATION], 0)
    behind = found[f"{AFTER}/test_accuracy/{at}"] - best
    found[f"{AFTER} - best at initialisation/test_accuracy/{at}"] = behind
    return found | missing(NOTEBOOK, found, len(whole), AT_CHECKED)
