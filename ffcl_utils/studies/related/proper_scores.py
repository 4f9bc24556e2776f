"""Where the energy score is lowest, on a family where the truth is known, and what it does to a
single draw: notebook 33.

Truths come from N(0, 1); a candidate is N(mean, scale²). Beside the energy score stands its first
sum alone, without the term that rewards spread.
"""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ffcl_utils.related.scoring_rules import energy_score, gaussian_energy_score

# By what is varied, the candidates' values; the other one stays at the truth.
GRIDS = {
    "mean": np.array([-0.5, -0.25, 0.0, 0.25, 0.5]),
    "scale": np.array([0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5]),
}
TRUTH = {"mean": 0.0, "scale": 1.0}
SCORES = {"energy score": True, "without spread": False}  # by name: with the second sum
Panels = dict[str, dict[str, np.ndarray]]  # by what is varied, by score


def estimates(seeds: list[int], truths: int, draws: int) -> Panels:
    """The mean score over `truths` truths, of `draws` draws each: (candidates, S).

    All candidates of a seed see the same truths, and the same normal numbers, moved and stretched.
    """
    found = {varied: {name: [] for name in SCORES} for varied in GRIDS}
    for seed in seeds:
        rng = torch.Generator().manual_seed(seed)
        truth = torch.randn(truths, 1, generator=rng)
        numbers = torch.randn(truths, draws, 1, generator=rng)
        for varied, grid in GRIDS.items():
            for name, spread in SCORES.items():
                scores = []
                for value in grid:
                    candidate = TRUTH | {varied: float(value)}
                    made = candidate["mean"] + candidate["scale"] * numbers
                    scores.append(energy_score(made, truth, spread).mean().item())
                found[varied][name].append(scores)
    return {
        varied: {name: np.array(scores).T for name, scores in of_scores.items()}
        for varied, of_scores in found.items()
    }


def exact() -> Panels:
    """The same in closed form: (candidates,)."""
    return {
        varied: {
            name: np.array([gaussian_energy_score(**(TRUTH | {varied: v}), spread=s) for v in grid])
            for name, s in SCORES.items()
        }
        for varied, grid in GRIDS.items()
    }


def lowest(found: Panels) -> dict[str, dict[str, np.ndarray]]:
    """The candidate with the lowest estimate of every seed, (S,), by what is varied and score."""
    return {
        varied: {name: GRIDS[varied][scores.argmin(0)] for name, scores in of_scores.items()}
        for varied, of_scores in found.items()
    }


def metrics(found: Panels) -> dict[str, np.ndarray]:
    """One figure per seed each: the scale at which each score is lowest, and whether the energy
    score is lowest at the true mean and at the true scale (1) or not (0)."""
    at = lowest(found)
    true = [at[varied]["energy score"] == TRUTH[varied] for varied in GRIDS]
    scales = {f"{name}/scale at lowest": at["scale"][name] for name in SCORES}
    return scales | {"energy score/lowest at truth": np.all(true, axis=0).astype(float)}


def worked(sets: dict[str, list[float]], truth: float) -> pd.DataFrame:
    """The energy score of named sets of draws of one number, part by part."""
    rows = {}
    for name, draws in sets.items():
        of_set, told = torch.tensor(draws)[:, None], torch.tensor([truth])
        error, score = (energy_score(of_set, told, spread).item() for spread in (False, True))
        rows[name] = {
            "draws": ", ".join(f"{draw:g}" for draw in draws),
            "2 × distance to the truth": error,
            "− distance of two draws": score - error,
            "energy score": score,
        }
    return pd.DataFrame(rows).T


def pulls(draws: Tensor, truth: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Where each draw (m, d) would go to lower the score: (m, d) by each of the two sums.

    Minus the gradient of each sum, by autograd, times m: a pull towards the truth, of length 2, and
    a push away from the other draws, of length 2 at most.
    """
    draws = draws.clone().requires_grad_()
    error, score = (energy_score(draws, truth, spread) for spread in (False, True))
    pull, both = (-torch.autograd.grad(part, draws)[0] * len(draws) for part in (error, score))
    return pull.numpy(), (both - pull).numpy()
