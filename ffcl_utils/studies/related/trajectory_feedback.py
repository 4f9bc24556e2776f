"""Learning from the sum of an episode's rewards, held against learning from each: notebook 34.

The problems are made here; `trajectory_identified` says what of their rewards can be learnt, and
`trajectory_bridge` tells FF one bit a trial.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field, PositiveInt

from ffcl_utils.claims.summary import interval
from ffcl_utils.config import ExperimentConfig, at_preset
from ffcl_utils.related.tabular_mdps import (
    MDP,
    doors,
    expected_returns,
    plan,
    random_mdp,
    river_swim,
)
from ffcl_utils.related.trajectory_feedback import METHODS, draw, learn

STATES, ACTIONS = 5, 2  # of the random problems; the river is as long
STEEPEST = 0.65  # a slope of ½ is √K; what is flatter learns faster
RANDOM, RIVER, DOORS = "random MDP", "RiverSwim", "doors"
MOMENTS = 60  # episodes at which the curves are drawn


class Config(ExperimentConfig):
    """episodes: K. episode_length: H of the random problems; the river has twice as many steps, and
    the doors have 3 always. ridge: λ for single rewards. bonus: c. The others are of the network
    that is told one bit a trial: passes over the 4,000 embedded training images, and its training.
    """

    dataset: Literal["synthetic"] = "synthetic"
    episodes: Annotated[int, Field(ge=10, le=200_000)] = 20_000
    episode_length: Annotated[int, Field(ge=1, le=50)] = 6
    ridge: Annotated[float, Field(ge=1e-6, le=1e6)] = 1.0
    bonus: Annotated[float, Field(ge=0, le=100)] = 0.2
    passes: PositiveInt = 40
    units: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (100, 100)
    batch_size: PositiveInt = 50
    learning_rate: Annotated[float, Field(gt=0, le=1000)] = 0.01
    threshold: Annotated[float, Field(gt=0, le=1000)] = 2.0


PRESETS = {
    "smoke": {"seeds": 2, "episodes": 300, "passes": 1},
    "short": {"seeds": 20, "episodes": 5000, "passes": 10},
    "paper": {"seeds": 20},
}


def configure(preset: str, **settings) -> dict[str, ExperimentConfig]:
    """The settings at a preset; None means "as the preset says". Raises ConfigError."""
    return {"trials": at_preset(Config, PRESETS, preset, **settings)}


def problems(config: Config) -> dict[str, list[MDP]]:
    """Of every kind a problem a seed; the river is the same for all."""
    rngs = [np.random.default_rng([seed, 0]) for seed in config.seed_list]
    length = config.episode_length
    return {
        RANDOM: [random_mdp(STATES, ACTIONS, length, rng) for rng in rngs],
        RIVER: [river_swim(STATES, 2 * length)] * len(rngs),
        DOORS: [doors(rng.random((7, 2))) for rng in rngs],
    }


@dataclass(frozen=True)
class Outcome:
    """regret: expected rewards lost up to each episode, (N, K). estimates: r̂ before the episodes
    `moments`, (N, M, S·A)."""

    regret: np.ndarray
    estimates: np.ndarray


Outcomes = dict[str, dict[str, Outcome]]  # by problem, by method


def moments(config: Config) -> np.ndarray:
    """Episodes evenly spread on a logarithmic axis, from 0 for the first; at most MOMENTS."""
    return np.unique(np.geomspace(1, config.episodes, MOMENTS).round().astype(int)) - 1


def compare(config: Config) -> Outcomes:
    """Every method on every problem, with the same chance for all methods of a seed."""
    found: Outcomes = {}
    for kind, mdps in problems(config).items():
        rngs = [np.random.default_rng([seed, 1]) for seed in config.seed_list]
        draws = draw(rngs, config.episodes, mdps[0].rewards.size, mdps[0].steps)
        found[kind] = {}
        for name, method in METHODS.items():
            said = f"{name}, {kind}"
            learnt = learn(mdps, method, draws, config.ridge, config.bonus, moments(config), said)
            lost = [regret(mdp, ran) for mdp, ran in zip(mdps, learnt.policies, strict=True)]
            found[kind][name] = Outcome(np.stack(lost), learnt.estimates)
    return found


def regret(mdp: MDP, policies: np.ndarray) -> np.ndarray:
    """Expected rewards lost up to each of K episodes, against the best policy: (K,), exactly."""
    _, best = plan(mdp.transitions[None], mdp.rewards[None], mdp.steps)
    lost = best - expected_returns(mdp, policies)
    return np.where(lost > 1e-12, lost, 0.0).cumsum()  # what is smaller is rounding


def slope(lost: np.ndarray) -> float:
    """Of log regret over log k, least squares over the second half of the K episodes (K,).

    0 where nothing more is lost there; NaN where the loss begins there, as log 0 is no number.
    """
    k = np.arange(len(lost) // 2, len(lost))
    if lost[k[0]] == lost[-1]:
        return 0.0
    return np.polyfit(np.log(k + 1), np.log(lost[k]), 1)[0] if lost[k[0]] > 0 else np.nan


def beyond(lost: np.ndarray) -> float:
    """How much regret (K,) exceeds growth by 2^0.65 from the middle to the end.

    Its mean over seeds is at most 0 exactly where the mean regret grew by 2^0.65 or less.
    """
    return lost[-1] - 2**STEEPEST * lost[len(lost) // 2 - 1]


def regret_table(outcomes: Outcomes) -> pd.DataFrame:
    """A row a problem and method: regret at the end (mean, 95 % interval, worst seed), the mean
    of the seeds' slopes, and the slope of the mean regret between half of the episodes and all."""
    rows = {}
    for kind, methods in outcomes.items():
        for name, outcome in methods.items():
            end = outcome.regret[:, -1]
            low, high = interval(end) or (np.nan, np.nan)
            mean = outcome.regret.mean(0)
            middle = mean[len(mean) // 2 - 1]
            rows[kind, name] = {
                "regret": end.mean(),
                "low": low,
                "high": high,
                "worst seed": end.max(),
                "slope": np.mean([slope(lost) for lost in outcome.regret]),
                "slope of the mean": np.log2(mean[-1] / middle) if middle else np.nan,
            }
    return pd.DataFrame(rows).T.rename_axis(["problem", "method"])


def prices(outcomes: Outcomes) -> pd.DataFrame:
    """Mean regret with returns alone, in multiples of that with each step's reward told;
    NaN where that is 0."""
    pairs = {
        "known transitions": ("Thompson, returns", "Thompson, every step"),
        "unknown transitions": ("optimism, returns", "UCBVI, every step"),
    }
    rows = {}
    for kind, methods in outcomes.items():
        end = {name: outcome.regret[:, -1].mean() for name, outcome in methods.items()}
        rows[kind] = {
            said: end[returns] / end[steps] if end[steps] else np.nan
            for said, (returns, steps) in pairs.items()
        }
    return pd.DataFrame(rows).T.rename_axis("problem")


def curves(outcomes: Outcomes, config: Config) -> dict[str, dict[str, np.ndarray]]:
    """For the figure: by problem and method, the regret at `moments`, (M, N)."""
    at = moments(config)
    return {
        kind: {name: outcome.regret[:, at].T for name, outcome in methods.items()}
        for kind, methods in outcomes.items()
    }


def slopes(outcomes: Outcomes) -> dict[str, np.ndarray]:
    """For the figure: by method, the slope of every seed, (problems, N)."""
    return {
        name: np.array([[slope(lost) for lost in of[name].regret] for of in outcomes.values()])
        for name in METHODS
    }


def metrics(outcomes: Outcomes) -> dict[str, np.ndarray]:
    """The metrics of the decision problems, one figure per seed each; regret in rewards."""
    found = {}
    for kind, methods in outcomes.items():
        end = {name: outcome.regret[:, -1] for name, outcome in methods.items()}
        for name, outcome in methods.items():
            found[f"{kind}/{name}/regret"] = end[name]
            found[f"{kind}/{name}/slope"] = np.array([slope(lost) for lost in outcome.regret])
            found[f"{kind}/{name}/beyond"] = np.array([beyond(lost) for lost in outcome.regret])
        thompson = end["Thompson, returns"]
        found[f"{kind}/greedy - Thompson/regret"] = end["greedy, returns"] - thompson
        found[f"{kind}/returns - every step/regret"] = thompson - end["Thompson, every step"]
    return found
