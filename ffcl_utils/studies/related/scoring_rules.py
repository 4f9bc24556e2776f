"""Inference without a likelihood, by a generative network and the energy score: notebook 33.

How close the network's draws come to the posterior of three tasks, for several numbers of
simulations, beside the figures that arXiv 2205.15784 publishes.
"""

from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.random import default_rng
from pydantic import Field, PositiveFloat, PositiveInt, field_validator
from torch import Generator, Tensor
from tqdm import tqdm

from ffcl_utils.claims.ledger import missing
from ffcl_utils.config import ConfigError, ExperimentConfig, at_preset
from ffcl_utils.related.scoring_rules import generate, train
from ffcl_utils.related.simulation_tasks import TASKS
from ffcl_utils.related.two_samples import c2st

# C2ST by task and number of simulations. For SLCP and the mixture that number is not certain.
PUBLISHED = {
    ("two moons", 1000): 0.85,
    ("two moons", 10_000): 0.74,
    ("two moons", 100_000): 0.73,
    ("Gaussian mixture", 100_000): 0.81,
    ("SLCP", 100_000): 0.95,
}
NOTEBOOK = "33_scoring_rules"
HELD_OUT, MOST_HELD_OUT = 0.1, 1000  # simulations that choose when to stop
OBSERVATIONS = 33  # what the observations and their posterior draws are drawn from, for all seeds


class Config(ExperimentConfig):
    """Settings of the experiment.

    simulations: how many, one training each. draws: m, for each simulation in a batch. steps: of
    training, at most. every, patience: a held-out score each `every` steps, and how many without a
    new lowest one end the training. learning_rate: for Gaussian mixture and SLCP;
    two_moons_learning_rate: for two moons. observations: for each task. samples: of reference and
    network that C2ST compares. truths: of the Gaussian family.
    """

    dataset: Literal["synthetic"] = "synthetic"
    simulations: Annotated[tuple[PositiveInt, ...], Field(strict=False)]
    draws: Annotated[int, Field(ge=2, le=100)] = 20  # held at once: truths × draws² distances
    batch_size: PositiveInt = 32
    steps: PositiveInt
    every: PositiveInt
    patience: PositiveInt = 10
    learning_rate: PositiveFloat = 1e-3
    two_moons_learning_rate: PositiveFloat
    observations: PositiveInt
    samples: Annotated[int, Field(ge=10)]
    truths: PositiveInt

    @field_validator("simulations")
    @classmethod
    def _some_in_order(cls, simulations: tuple[int, ...]) -> tuple[int, ...]:
        if not simulations or simulations[0] < 20:
            raise ValueError("no simulations to learn from: give numbers of 20 or more")
        if list(simulations) != sorted(set(simulations)):
            raise ValueError("give different numbers of simulations, the smallest first")
        return simulations


_LARGE = {"seeds": 5, "simulations": (1000, 10_000, 100_000), "samples": 1000, "truths": 20_000}
PRESETS = {
    "smoke": {"seeds": 2, "simulations": (200, 1000), "steps": 60, "every": 20,
              "two_moons_learning_rate": 1e-3, "observations": 1, "samples": 100, "truths": 1000},
    "short": _LARGE | {"steps": 4000, "every": 100, "two_moons_learning_rate": 1e-3,
                       "observations": 3},
    "paper": _LARGE | {"steps": 200_000, "every": 1000, "two_moons_learning_rate": 1e-4,
                       "observations": 10},
}  # fmt: skip


def configure(preset: str, most_simulations: int = 100_000, **settings) -> dict[str, Config]:
    """The settings of the notebook, by the name "scoring rules"; None: as the preset says.

    most_simulations: larger numbers of the preset are left out. Raises ConfigError, one line, for
    settings that are unknown, invalid, or leave no simulations.
    """
    if isinstance(most_simulations, bool) or not isinstance(most_simulations, int):
        raise ConfigError(f"most_simulations={most_simulations!r}: a whole number is needed")
    config = at_preset(Config, PRESETS, preset, **settings)
    kept = tuple(count for count in config.simulations if count <= most_simulations)
    if not kept:
        raise ConfigError(
            f"most_simulations={most_simulations!r}: no simulations to learn from; the smallest "
            f"number of them is {config.simulations[0]}"
        )
    return {"scoring rules": config.model_copy(update={"simulations": kept})}


class Result(NamedTuple):
    """What one training gave.

    c2st: the mean over observations. score: the lowest held-out energy score, in units of the
    prior's bound. step: when it was reached. draws: of the first observation, (samples, d).
    """

    c2st: float
    score: float
    step: int
    draws: np.ndarray


Results = dict[tuple[str, int], list[Result]]  # by task and simulations, one a seed


class Observed(NamedTuple):
    """Observations x (observations, p) of a task, and draws (n, d) of the posterior of each."""

    x: np.ndarray
    references: list[np.ndarray]


def observe(config: Config) -> dict[str, Observed]:
    """The observations of every task, of parameters from the prior, the same for all seeds."""
    found = {}
    for number, (name, task) in enumerate(TASKS.items()):
        x, references = [], []
        for k in range(config.observations):  # each its own draws, however many there are
            rng = default_rng((OBSERVATIONS, number + 1, k + 1))  # zeros would be left out
            x.append(task.simulate(task.prior(1, rng), rng)[0])
            references.append(task.posterior(x[-1], config.samples, rng))
        found[name] = Observed(np.array(x), references)
    return found


def trainings(config: Config, observed: dict[str, Observed]) -> Results:
    """Every task trained with every number of simulations, for every seed by itself."""
    work = [(name, count) for name in TASKS for count in config.simulations]
    bar = tqdm(total=len(work) * config.seeds, desc="training", leave=False, disable=None)
    results = {}
    for name, count in work:
        results[name, count] = []
        for seed in config.seed_list:
            results[name, count].append(one_training(name, count, seed, config, observed[name]))
            bar.update()
    bar.close()
    return results


def one_training(name: str, count: int, seed: int, config: Config, observed: Observed) -> Result:
    """Simulate, train, and draw for the observations.

    The network sees θ in units of the prior's bound, and x less its mean over its standard
    deviation, both over all simulations. A network that diverged gives NaN.
    """
    task = TASKS[name]
    simulator = default_rng(seed)
    theta = task.prior(count, simulator)
    x = task.simulate(theta, simulator)
    mean, deviation = x.mean(0), x.std(0)
    theta, x = _tensor(theta / task.bound), _tensor((x - mean) / deviation)
    held = min(round(HELD_OUT * count), MOST_HELD_OUT)
    rate = config.two_moons_learning_rate if name == "two moons" else config.learning_rate
    rng = Generator().manual_seed(seed)
    trained = train(
        (theta[held:], x[held:]),
        (theta[:held], x[:held]),
        rng,
        noise=task.dimensions,
        learning_rate=rate,
        **config.model_dump(include={"draws", "batch_size", "steps", "every", "patience"}),
    )
    asked = _tensor((observed.x - mean) / deviation)
    noise = torch.randn(len(asked), config.samples, task.dimensions, generator=rng)
    with torch.no_grad():
        draws = task.bound * generate(trained.parameters, asked, noise).double().numpy()
    told = [c2st(*pair) for pair in zip(observed.references, draws, strict=True)]
    return Result(float(np.mean(told)), trained.score, trained.step, draws[0])


def _tensor(values: np.ndarray) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def of_seeds(results: Results) -> dict[str, dict[int, np.ndarray]]:
    """C2ST by task and number of simulations, one figure a seed (S,)."""
    found = {}
    for (name, count), runs in results.items():
        found.setdefault(name, {})[count] = np.array([run.c2st for run in runs])
    return found


def table(results: Results) -> pd.DataFrame:
    """A row a task and number of simulations: C2ST, its mean and standard deviation over seeds and
    what is published; the mean lowest held-out score, and the mean step at which it was reached."""
    rows = {}
    for key, runs in results.items():
        told = np.array([run.c2st for run in runs])
        rows[key] = {
            "C2ST": told.mean(),
            "std": told.std(ddof=1) if len(told) > 1 else np.nan,
            "published": PUBLISHED.get(key, np.nan),
            "held-out score": np.mean([run.score for run in runs]),
            "step": np.mean([run.step for run in runs]),
        }
    return pd.DataFrame(rows).T.rename_axis(["task", "simulations"])


def pictures(
    observed: dict[str, Observed], results: Results
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For the figure: by "task, simulations", draws (n, 2) of the posterior and of the first seed's
    network for the first observation: two parameters, of SLCP the third and the fourth."""
    found = {}
    for name, count in results:
        shown = [2, 3] if name == "SLCP" else [0, 1]
        draws = results[name, count][0].draws
        panel = f"{name}, {count:,}"
        found[panel] = (observed[name].references[0][:, shown], draws[:, shown])
    return found


def metrics(results: Results) -> dict[str, np.ndarray]:
    """C2ST of every task and number of simulations, and how far it falls from each number to the
    next one, one figure per seed each; NaN for what a claim needs at another number."""
    metrics = {}
    for name, of_counts in of_seeds(results).items():
        for count, told in of_counts.items():
            metrics[f"{name}, {count}/c2st"] = told
        for small, large in pairwise(of_counts):
            fall = of_counts[small] - of_counts[large]
            metrics[f"{name}, {small} - {large}/c2st"] = fall
    return metrics | missing(NOTEBOOK, metrics, len(next(iter(results.values()))), "/c2st")
