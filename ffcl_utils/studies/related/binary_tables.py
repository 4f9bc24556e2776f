"""What the bounds of binary networks come to: a worked example, tables and metrics of notebook 30.

found: of `binary_pac_bayes.runs`. voted: of `binary_votes.votes`.
"""

import numpy as np
import pandas as pd
import torch

from ffcl_utils.analysis.statistics import mean_interval
from ffcl_utils.related import binary_pac_bayes as networks
from ffcl_utils.studies.related.binary_pac_bayes import (
    CHANCE,
    EXACT,
    ONCE,
    PRIORS,
    TREE,
    Config,
    named,
)
from ffcl_utils.studies.related.binary_votes import FF, UNTRAINED

BOUND, TEST = "bound", "test images"  # of the expected share of errors
QUANTITIES = ("bound on the errors", "errors on test images")
NARROW = "narrow network"
# Both units of layer 2 follow the first unit of layer 1, which tosses a coin.
EXAMPLE = [
    torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]]),
    torch.tensor([[4.0, 0.0, 0.0], [4.0, 0.0, 0.0]]),
    torch.tensor([[2.0, 2.0, 2.0]]),
]


def worked(weights: networks.Weights = EXAMPLE, pixels: tuple[float, float] = (1.0, 0.0)):
    """A network of two hidden layers of two units and one image, a row a binary representation.

    The columns are: the probability of the representation in layer 1 and in layer 2, then in layer
    2 as if its units were independent, and the expected output given it in layer 2.
    """
    image = torch.tensor(pixels)
    inputs = networks.directions(image[None])
    first, second = networks.laws(weights, inputs)
    said = networks.signs(2)
    above = networks.expected_signs(networks.directions(said), weights[2])[:, 0]
    as_if = networks.joint(second @ said)
    names = ["".join("−+"[int(s > 0)] for s in row) for row in said.tolist()]
    columns = {
        "layer 1": first[0], "layer 2": second[0], "layer 2, independent": as_if[0],
        "output": above,
    }  # fmt: skip
    return pd.DataFrame({name: v.numpy() for name, v in columns.items()}, index=names)


def outputs(table: pd.DataFrame) -> pd.Series:
    """The expected output of a `worked` network by both laws of layer 2."""
    laws = ["layer 2", "layer 2, independent"]
    return table[laws].mul(table["output"], axis=0).sum().rename("expected output")


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds for each task, hidden layers, prior and kind; holds: the share of seeds
    whose test figure is not above the bound."""
    marked = found.assign(holds=(found["test"] <= found["bound"]).where(found["bound"].notna()))
    columns = ["n", "kl", "train", "exact train", "test", "error", "bound", "holds"]
    groups = marked.groupby(["task", "hidden", "prior", "kind"], sort=False)
    return groups[columns].agg(lambda values: values.astype(float).mean())


def by_architecture(found: pd.DataFrame, config: Config) -> tuple[dict, list[str]]:
    """For the figure: by prior, bound and test figure (architectures, S) of the exact networks on
    the task `swept`, and the architectures' names."""
    names = [named(hidden) for hidden in config.architectures]
    exact = found[(found.kind == EXACT) & (found.task == config.swept)]
    return _panels(exact, "hidden", names), names


def by_task(found: pd.DataFrame, config: Config) -> dict:
    """For the figure: the same of each task, (tasks, S), for the hidden layers that all have."""
    exact = found[(found.kind == EXACT) & (found.hidden == named(config.hidden))]
    return _panels(exact, "task", list(config.tasks))


def _panels(exact: pd.DataFrame, column: str, names: list[str]) -> dict:
    return {
        f"errors, {prior} prior": {
            BOUND: _of_places(of, column, names, "bound"),
            TEST: _of_places(of, column, names, "test"),
        }
        for prior in PRIORS
        for of in [exact[exact.prior == prior]]
    }


def _of_places(rows: pd.DataFrame, column: str, names: list[str], metric: str) -> np.ndarray:
    return rows.pivot(index=column, columns="seed", values=metric).reindex(names).to_numpy(float)


def differences(found: pd.DataFrame) -> pd.DataFrame:
    """Rows hidden, seed: what the bound of the exact network has to be compared with, minus it.

    own weights: the tree's bound, trained by it. same weights: the tree's bound with the weights of
    the exact network. counted once: the number of independent units that count each weight once.
    """
    deep = found[(found.prior == PRIORS[0]) & (found.layers > 1)]
    deep = deep[deep.task.isin(deep.task[deep.kind == TREE])]
    of = {kind: rows.set_index(["hidden", "seed"]) for kind, rows in deep.groupby("kind")}
    exact = of[EXACT]["bound"]
    return pd.DataFrame({
        "own weights": of[TREE]["bound"] - exact,
        "same weights": of[EXACT]["same weights"] - exact,
        "counted once": of[ONCE]["bound"] - exact,
    })  # fmt: skip


def effects(table: pd.DataFrame) -> pd.DataFrame:
    """For the figure: mean and 95 % interval over seeds of every column of `differences`."""
    rows = []
    for what in table:
        for hidden, values in table[what].groupby("hidden", sort=False):
            values = values.to_numpy()
            low, high = mean_interval(values) if len(values) > 1 else (np.nan, np.nan)
            rows.append({"name": f"{what}, {hidden}", "mean": values.mean(), "low": low,
                         "high": high})  # fmt: skip
    return pd.DataFrame(rows)


def beside_narrow(found: pd.DataFrame, voted: pd.DataFrame, config: Config) -> dict:
    """For the figure: by quantity, by network, (tasks, S): the narrow network with the initial
    prior, the vote of FF's first layer, and that of the layer before its training."""
    exact = found[(found.kind == EXACT) & (found.hidden == named(config.hidden))]
    of = {FF: voted[voted.network == FF], UNTRAINED: voted[voted.network == UNTRAINED]}
    of[NARROW] = exact[exact.prior == PRIORS[0]]
    return {
        label: {
            name: _of_places(rows, "task", list(config.tasks), metric) for name, rows in of.items()
        }
        for label, metric in zip(QUANTITIES, ("bound", "test"), strict=True)
    }


def vote_summary(voted: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds for each task and network."""
    columns = ["n", "sigma", "units", "kl", "train", "test", "bound", "whole layer"]
    return voted.groupby(["task", "network"], sort=False)[columns].mean()


def metrics(found: pd.DataFrame, voted: pd.DataFrame, config: Config) -> dict[str, np.ndarray]:
    """The metrics of notebook 30, one figure per seed each."""
    exact, sound = found[found.kind == EXACT], found[found.kind != ONCE]
    rows = ["seed", "bound", "test"]
    every = pd.concat([sound[rows], voted[rows]])
    apart = differences(found)
    gains = apart.groupby("seed").agg(lambda v: v.mean(skipna=False))
    worst = apart["own weights"].groupby("seed").agg(lambda v: v.min(skipna=False))
    of_tasks = voted.pivot(index="seed", columns=["network", "task"], values="bound")
    of = {
        "exact/bounds below 0.5": _share(exact, exact["bound"] < CHANCE),
        "exact/bounds below 0.25": _share(exact, exact["bound"] < CHANCE / 2),
        "all/bounds that hold on test": _share(every, every["test"] <= every["bound"]),
        "tree - exact/bound": gains["own weights"],
        "tree - exact/bound, worst": worst,
        "tree - exact/bound, same weights": gains["same weights"],
        "counted once - exact/number": gains["counted once"],
        "FF/bound": of_tasks[FF].mean(axis=1, skipna=False),
        "FF, untrained/bound": of_tasks[UNTRAINED].mean(axis=1, skipna=False),
        "untrained - FF/bound": (of_tasks[UNTRAINED] - of_tasks[FF]).mean(axis=1, skipna=False),
    }
    named_ones = exact[exact.hidden == named(config.hidden)]
    for (task, prior), rows in named_ones.groupby(["task", "prior"], sort=False):
        by_seed = rows.set_index("seed")
        of[f"{task}, {prior} prior/bound"] = by_seed["bound"]
        of[f"{task}, {prior} prior/test_loss"] = by_seed["test"]
        of[f"{task}, {prior} prior/test_error"] = by_seed["error"]
    return {name: s.reindex(config.seed_list).to_numpy(float) for name, s in of.items()}


def _share(rows: pd.DataFrame, passed: pd.Series) -> pd.Series:
    """By seed, the share of its rows that pass; NaN where a row has no figure: it diverged."""
    known = rows[["bound", "test"]].notna().all(axis=1)
    return (
        passed.astype(float).where(known).groupby(rows["seed"]).agg(lambda v: v.mean(skipna=False))
    )
