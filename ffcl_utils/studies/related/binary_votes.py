"""A PAC-Bayes bound for the first layer of Forward-Forward, whose units vote: notebook 30.

A layer of 784 units is too wide for the exact sum, but a vote needs none. Draw one unit j and a
sign ± with probability ρ(j, ±), then its weights from N(w_j, σ² I), and say ± the unit's sign. The
expected share of errors is linear in the units' expectations, and only the drawn unit has to be
told from its prior: KL = KL(ρ ‖ uniform) + Σ ρ_j ‖w_j − w_j⁰‖² / 2σ². The prior's w⁰ are the
network's own initial weights, which no image has touched.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from ffcl_utils.data.datasets import Dataset
from ffcl_utils.related.binary_pac_bayes import bound
from ffcl_utils.rules.base import Rule
from ffcl_utils.studies.related.binary_pac_bayes import Config, targets

# Written down before anything was computed: powers of two from 1/32 to 2, in the units of the
# weights; one of them is picked, and the bound pays for the choice.
SIGMAS = tuple(2.0**k for k in range(-5, 2))
SHARPNESS = np.logspace(-3, 1, 41)  # of ρ: a posterior may be chosen freely
CHUNK = 2000  # images at once
FF, UNTRAINED = "FF", "FF, untrained"


class Vote(NamedTuple):
    """rho: (2, units), for and against. kl. risk: of the vote on the training images."""

    rho: np.ndarray
    kl: float
    risk: float


def best_vote(risks: np.ndarray, costs: np.ndarray, n: int, delta: float, choices: int) -> Vote:
    """The vote with the smallest bound among ρ ∝ exp(−β n risk − cost), for β in SHARPNESS.

    risks: (2, units), share of errors of each voter. costs: (units,), the KL of a unit's weights.
    For each β this ρ makes β n · risk + KL as small as can be.
    """
    votes = []
    for beta in SHARPNESS:
        weight = -beta * n * risks - costs
        rho = np.exp(weight - weight.max())
        rho /= rho.sum()
        uniform = np.sum(rho * np.log(np.maximum(rho, 1e-300) * rho.size))
        votes.append(Vote(rho, float(uniform + np.sum(rho * costs)), float(np.sum(rho * risks))))
    return min(votes, key=lambda vote: bound(vote.risk, vote.kl, n, delta, choices))


@torch.no_grad()
def voter_risks(inputs: Tensor, wanted: Tensor, weight: Tensor, bias: Tensor) -> np.ndarray:
    """Expected share of errors (sigmas, tasks, 2, units) of each unit, taken as it is or turned.

    inputs: (N, d). wanted: (tasks, N), +1, −1 or 0 (not of the task). weight: (d, units), bias:
    (1, units), which counts as the weight of a constant input of 1.
    """
    agreement = torch.zeros(len(SIGMAS), len(wanted), weight.shape[1], dtype=torch.float64)
    for rows in torch.arange(len(inputs)).split(CHUNK):
        lengths = (inputs[rows].square().sum(1, keepdim=True) + 1).sqrt()
        sums = (inputs[rows] @ weight + bias) / (lengths * math.sqrt(2))
        for k, sigma in enumerate(SIGMAS):
            agreement[k] += (wanted[:, rows] @ torch.erf(sums / sigma)).double()
    agreement /= wanted.abs().sum(1).double()[:, None]
    return torch.stack([1 - agreement, 1 + agreement], 2).numpy() / 2


def votes(config: Config, trained: Rule, data: Dataset) -> pd.DataFrame:
    """One row a task and seed, of FF's first layer and of the same layer before its training.

    network, task, seed, n, sigma (the one with the smallest bound), kl, train and test (expected
    share of errors), bound, units (how many have a say: exp of the entropy of ρ), whole layer (the
    bound where all units are drawn: its KL has the cost of every one).
    """
    untrained = type(trained)(trained.config)
    wanted, tested = (
        torch.stack([targets(labels, task) for task in config.tasks])
        for labels in (data.train_labels, data.test_labels)
    )
    images = (data.train_images, data.test_images)
    seen, shown = (trained.network.prepare(each)[0].cpu() for each in images)
    rows = []
    for k, seed in enumerate(tqdm(config.seed_list, "votes", leave=False, disable=None)):
        first = _first_layer(untrained, k)
        for name, rule in ((FF, trained), (UNTRAINED, untrained)):
            layer = _first_layer(rule, k)
            moved = sum((a - b).square().sum(0) for a, b in zip(layer, first, strict=True)).numpy()
            train, test = (voter_risks(*of, *layer) for of in ((seen, wanted), (shown, tested)))
            for t, task in enumerate(config.tasks):
                n = int(wanted[t].abs().sum())
                row = _best_row(train[:, t], test[:, t], moved, n, config.delta)
                rows.append({"network": name, "task": task, "seed": seed, "n": n} | row)
    return pd.DataFrame(rows)


def _first_layer(rule: Rule, k: int) -> tuple[Tensor, Tensor]:
    layers = rule.network.layers
    return layers.weights[0][k].detach().cpu(), layers.biases[0][k].detach().cpu()


def _best_row(train: np.ndarray, test: np.ndarray, moved: np.ndarray, n: int, delta: float) -> dict:
    """train, test: (sigmas, 2, units). moved: (units,), the squared distance from the prior."""
    rows = []
    for sigma, risks, tested in zip(SIGMAS, train, test, strict=True):
        costs = moved / (2 * sigma**2)
        rho, kl, risk = best_vote(risks, costs, n, delta, len(SIGMAS))
        whole = kl - np.sum(rho * costs) + costs.sum()
        share = rho.sum(0)
        rows.append({
            "sigma": sigma, "kl": kl, "train": risk, "test": float(np.sum(rho * tested)),
            "bound": bound(risk, kl, n, delta, len(SIGMAS)),
            "units": float(np.exp(-np.sum(share * np.log(np.maximum(share, 1e-300))))),
            "whole layer": bound(risk, whole, n, delta, len(SIGMAS)),
        })  # fmt: skip
    return min(rows, key=lambda row: row["bound"])
