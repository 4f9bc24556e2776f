"""What of the rewards can be learnt from the returns of whole episodes: notebook 34."""

import numpy as np
import pandas as pd

from ffcl_utils.related.tabular_mdps import MDP, directions, doors, expected_counts
from ffcl_utils.related.trajectory_feedback import least_squares
from ffcl_utils.studies.related.trajectory_feedback import Config, Outcomes, problems

POLICIES = 300  # drawn by chance: their expected counts span those of all policies
# Mean rewards of the worked example: of both doors of the hall, the left room and the right one.
WORKED = np.array([[0.6, 0.0], [0.0, 0.2], [0.4, 1.0]])
PLACES = ("hall", "left room", "right room")
SIDES = ("left", "right")


def worked_trials() -> pd.DataFrame:
    """Every way through a hall and one of two rooms: counts of the six pairs, and the return."""
    mdp = doors(WORKED)
    rows = {}
    for first in range(2):
        for second in range(2):
            policy = np.array([[[first, second, second]] * 2])
            counts = expected_counts(mdp, policy)[0]
            named = dict(zip(_pairs(), counts.astype(int), strict=True))
            way = f"{SIDES[first]}, then {SIDES[second]}"
            rows[way] = named | {"return": counts @ WORKED.ravel()}
    return pd.DataFrame(rows).T.rename_axis("way").astype(dict.fromkeys(_pairs(), int))


def worked_rewards(ridge: float = 1e-6) -> pd.DataFrame:
    """What least squares make of `worked_trials`: the rewards, their estimate, and one direction
    in which the rewards can move without any return changing."""
    trials = worked_trials()
    counts, returns = trials[list(_pairs())].to_numpy(float), trials["return"].to_numpy(float)
    gram = counts.T @ counts + ridge * np.eye(counts.shape[1])
    estimate = least_squares(gram[None], (counts.T @ returns)[None])[0]
    unseen = np.array([1.0, 0, -1, -1, 0, 0])
    table = {"reward": WORKED.ravel(), "estimate": estimate, "changes no return": unseen}
    return pd.DataFrame(table, index=pd.Index(_pairs(), name="pair"))


def _pairs() -> list[str]:
    return [f"{place}: {side}" for place in PLACES for side in SIDES]


def basis(mdp: MDP) -> dict[str, np.ndarray]:
    """The `directions` of a problem's rewards, from the expected counts of policies by chance."""
    shape = (POLICIES, mdp.steps, len(mdp.rewards))
    policies = np.random.default_rng(0).integers(mdp.rewards.shape[1], size=shape)
    return directions(expected_counts(mdp, policies))


def errors(config: Config, outcomes: Outcomes) -> dict[str, dict[str, np.ndarray]]:
    """By problem and kind of direction: root mean square of r̂ − r along it, per moment, (M, N).

    Of Thompson sampling from returns. A kind of which no seed has a direction is left out.
    """
    found = {}
    for kind, mdps in problems(config).items():
        estimates = outcomes[kind]["Thompson, returns"].estimates
        by_kind: dict[str, list] = {}
        for mdp, estimate in zip(mdps, estimates, strict=True):
            for name, along in basis(mdp).items():
                parts = (estimate - mdp.rewards.ravel()) @ along
                size = np.sqrt((parts**2).mean(1)) if along.size else np.full(len(parts), np.nan)
                by_kind.setdefault(name, []).append(size)
        stacked = {name: np.stack(sizes, 1) for name, sizes in by_kind.items()}
        found[kind] = {name: s for name, s in stacked.items() if not np.isnan(s).all()}
    return found


def ranks(config: Config) -> pd.DataFrame:
    """A row a problem: its pairs, the rank of the expected counts, and how many directions of the
    rewards are of each kind; of the first seed."""
    rows = {}
    for kind, mdps in problems(config).items():
        found = {name: along.shape[1] for name, along in basis(mdps[0]).items()}
        pairs = mdps[0].rewards.size
        rows[kind] = {"pairs": pairs, "rank": pairs - found["in no return"], **found}
    return pd.DataFrame(rows).T.rename_axis("problem")
