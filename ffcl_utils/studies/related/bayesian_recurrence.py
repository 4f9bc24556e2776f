"""Bayesian recurrent units: exactness, recovery of a known chain, and digits read row by row.

Notebook 32. The paper (arXiv 2207.10486) reports on speech only: the chain (recurrent_chain.py),
the networks that read digits (recurrent_readers.py) and all settings are ours.
"""

import itertools

import numpy as np
import pandas as pd
import torch
from pydantic import Field, PositiveFloat, PositiveInt
from tqdm import tqdm

from ffcl_utils.claims.summary import interval
from ffcl_utils.config import ExperimentConfig, Images, at_preset
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.related import bayesian_recurrence as recurrence
from ffcl_utils.studies.related import recurrent_chain as known
from ffcl_utils.studies.related import recurrent_readers as readers

SEPARATIONS = (1.5, 3.0, 6.0)  # of the means, in standard deviations; the chain learnt: the first
FORWARD, BOTH, GRU = "units, forward", "units, both ways", "GRU"
CLAIMED = ("p1", "p2")  # p0 is seen once a sequence only


class Config(ExperimentConfig):
    """sequences, steps: how many are simulated of the known chain, and how long each is.

    units: in the layer that reads digits; the GRU has about as many parameters. learning_rate: of
    Adam at the start, for the units; gru_learning_rate: for the GRU.
    """

    dataset: Images = "mnist"
    sequences: int = Field(200, ge=2, le=10_000)
    steps: int = Field(50, ge=2, le=1_000)
    units: int = Field(64, ge=2, le=1_024)
    epochs: PositiveInt = 8
    batch_size: PositiveInt = 256
    learning_rate: PositiveFloat = 0.1
    gru_learning_rate: PositiveFloat = 0.06


PRESETS = {
    "smoke": {
        "seeds": 2,
        "sequences": 40,
        "steps": 25,
        "units": 16,
        "epochs": 3,
        "batch_size": 128,
    },
    "short": {"seeds": 5},
    "paper": {"seeds": 10, "epochs": 30},
}


def configure(preset: str, **settings) -> dict[str, ExperimentConfig]:
    """The settings of the notebook; None: as the preset says. Raises ConfigError, one line."""
    return {"units": at_preset(Config, PRESETS, preset, **settings)}


def worked(ratios: list[float], p0: float, p1: float, p2: float) -> pd.DataFrame:
    """One unit by hand: r, p, α and γ of every step, and both beliefs by adding up all paths."""
    chain = recurrence.Chain(*torch.tensor([p0, p1, p2], dtype=torch.float64))
    r = torch.tensor(ratios, dtype=torch.float64)
    before, after = recurrence.filtered(r, chain)
    columns = {"r": r, "p": before, "α": after, "γ": recurrence.smoothed(before, after, chain)}
    counted = [_by_paths(ratios[: t + 1], p0, p1, p2)[t] for t in range(len(ratios))]
    columns |= {"α, all paths": counted, "γ, all paths": _by_paths(ratios, p0, p1, p2)}
    return pd.DataFrame(columns, index=pd.RangeIndex(1, len(r) + 1, name="step"))


def _by_paths(ratios: list[float], p0: float, p1: float, p2: float) -> np.ndarray:
    """P(state 1 | all ratios) of every step, (T,), from the weights of all 2^(T + 1) paths."""
    to_one, total, of_one = (p2, p1), 0.0, np.zeros(len(ratios))
    for path in itertools.product((0, 1), repeat=len(ratios) + 1):
        weight = p0 if path[0] else 1 - p0
        for last, state, r in zip(path[:-1], path[1:], ratios, strict=True):
            weight *= to_one[last] if state else r * (1 - to_one[last])
        total += weight
        of_one += weight * np.array(path[1:])
    return of_one / total


def one_sequence(config: Config) -> dict[str, np.ndarray]:
    """For the figure: states and beliefs in state 1 of the first sequence of the first seed, (T,).

    By name: states, filter, smoother.
    """
    drawn = config.first_seed, config.steps, config.sequences, SEPARATIONS[0]
    states, x = known.simulated(*drawn)
    after, smooth = known.beliefs(x, known.TRUTH, known.emissions_of(SEPARATIONS[0]))
    return {"states": states[:, 0], "filter": after[:, 0], "smoother": smooth[:, 0]}


def note(config: Config, seeds: list[int]) -> str:
    """What a figure of simulated sequences says below its title."""
    count = f"{len(seeds)} seed{'s' * (len(seeds) != 1)}"
    simulated = f"{config.sequences} simulated sequences of {config.steps} steps"
    return f"{simulated} · preset {config.preset} · {count}"


def differences(config: Config) -> pd.DataFrame:
    """One row per separation and seed: how far the units are from the exact beliefs at most.

    limited: share of the steps whose log ratio is above the published limit. filter, smoother:
    largest absolute difference over all steps and sequences.
    """
    rows = []
    for separation, seed in itertools.product(SEPARATIONS, config.seed_list):
        _, x = known.simulated(seed, config.steps, config.sequences, separation)
        emissions = known.emissions_of(separation)
        weights, bias = recurrence.gaussian_weights(emissions)
        ours, theirs = (f(x, known.TRUTH, emissions) for f in (known.beliefs, known.exact))
        after, smooth = (np.abs(a - b).max() for a, b in zip(ours, theirs, strict=True))
        limited = (x @ weights + bias > recurrence.MOST).double().mean().item()
        row = {"separation": separation, "seed": seed, "limited": limited}
        rows.append(row | {"filter": after, "smoother": smooth})
    return pd.DataFrame(rows)


def recovery(config: Config) -> pd.DataFrame:
    """One row per seed and parameter: truth, estimate, error and the standard error allowed."""
    emissions, found = known.emissions_of(SEPARATIONS[0]), []
    truth = known.named(known.TRUTH, emissions).numpy()
    for seed in tqdm(
        config.seed_list, unit="seed", desc="learning chains", leave=False, disable=None
    ):
        _, x = known.simulated(seed, config.steps, config.sequences, SEPARATIONS[0])
        estimate = known.named(*known.learnt(x, seed)).numpy()
        columns = {"parameter": known.NAMES, "truth": truth, "estimate": estimate}
        columns["error"] = estimate - truth
        columns["standard error"] = known.standard_errors(x, known.TRUTH, emissions)
        found.append(pd.DataFrame({"seed": seed} | columns))
    return pd.concat(found, ignore_index=True)


def recovery_table(found: pd.DataFrame) -> pd.DataFrame:
    """`recovery` over seeds, one row per parameter (name): truth; the error's mean and the ends of
    its 95 % interval, low and high; its mean size; the mean standard error allowed."""
    rows = []
    for name, of in found.groupby("parameter", sort=False):
        errors = of["error"].dropna().to_numpy()
        low, high = interval(errors) or (np.nan, np.nan)
        row = {"name": name, "truth": of["truth"].iloc[0], "mean": errors.mean()}
        row |= {"low": low, "high": high, "mean size": np.abs(errors).mean()}
        rows.append(row | {"standard error": of["standard error"].mean()})
    return pd.DataFrame(rows)


def read(config: Config, data: Dataset) -> dict[str, list[readers.Reading]]:
    """By reader, what it does after its training, one Reading per seed."""
    kinds = {
        FORWARD: (lambda seed: readers.units_reader(config.units, False, seed), False),
        BOTH: (lambda seed: readers.units_reader(config.units, True, seed), False),
        GRU: (lambda seed: readers.gru_reader(config.units, seed), True),
    }
    found: dict[str, list[readers.Reading]] = {name: [] for name in kinds}
    total = len(kinds) * config.seeds * config.epochs
    with tqdm(total=total, unit="epoch", desc="reading digits", leave=False, disable=None) as bar:
        for seed, (name, (untrained, is_gru)) in itertools.product(config.seed_list, kinds.items()):
            rate = config.gru_learning_rate if is_gru else config.learning_rate
            how = (config.epochs, config.batch_size, rate)
            found[name].append(readers.trained(untrained(seed), data, seed, *how, bar.update))
    return found


def sizes(config: Config) -> pd.DataFrame:
    """Of every reader: its units, and how many numbers it learns."""
    width, seed = readers.gru_units(config.units), config.first_seed
    one_way, both, gru = (
        readers.parameters_of(reader)
        for reader in (
            readers.units_reader(config.units, False, seed),
            readers.units_reader(config.units, True, seed),
            readers.gru_reader(config.units, seed),
        )
    )
    rows = {FORWARD: (config.units, one_way), BOTH: (config.units, both), GRU: (width, gru)}
    columns = ["units", "parameters"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def last(found: dict[str, list[readers.Reading]]) -> dict[str, np.ndarray]:
    """By reader, the test accuracy of every seed after the last epoch, (S,)."""
    return {name: np.array([r.accuracy[-1] for r in of]) for name, of in found.items()}


def curves(found: dict[str, list[readers.Reading]]) -> dict[str, np.ndarray]:
    """By reader, the test accuracy after every epoch, (E, S)."""
    return {name: np.stack([r.accuracy for r in of], 1) for name, of in found.items()}


def of_rows(found: dict[str, list[readers.Reading]]) -> dict[str, np.ndarray]:
    """By reader, the test accuracy by one row's scores alone, (28, S)."""
    return {name: np.stack([r.of_rows for r in of], 1) for name, of in found.items()}


def metrics(
    apart: pd.DataFrame, recovered: pd.DataFrame, found: dict[str, list[readers.Reading]]
) -> dict[str, np.ndarray]:
    """The metrics of notebook 32, one per seed each, of `differences`, `recovery` and `read`."""
    named = {}
    for separation, of in apart.groupby("separation", sort=False):
        largest = of[["filter", "smoother"]].max(axis=1).to_numpy()
        named[f"separation {separation:g}/largest_difference"] = largest
    for name, of in recovered.groupby("parameter", sort=False):
        named[f"{name}/error"] = of["error"].to_numpy()
    sizes = [np.abs(named[f"{name}/error"]) for name in CLAIMED]
    named["p1 and p2/mean_absolute_error"] = np.mean(sizes, axis=0)
    accuracy = last(found)
    named |= {f"{name}/test_accuracy": values for name, values in accuracy.items()}
    for other in (FORWARD, GRU):
        named[f"{BOTH} - {other}/test_accuracy"] = accuracy[BOTH] - accuracy[other]
    named[f"{FORWARD} - {GRU}/test_accuracy"] = accuracy[FORWARD] - accuracy[GRU]
    return named
