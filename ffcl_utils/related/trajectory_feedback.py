"""Reinforcement learning where only the sum of an episode's rewards is told (arXiv 2008.06036).

Of episode k the learner sees which pairs of state and action it visited, as counts d_k (S·A,), and
the return V_k = d_kᵀ r + noise; r are the mean rewards. Least squares estimate them: with
A_k = λI + Σ d dᵀ and b = Σ d V, r̂ = A_k⁻¹ b. Thompson sampling plans with r̃ = r̂ + N(0, v² A_k⁻¹).

What is not published, or deviates: no experiments are known, so λ, v and the bonus are ours. v is
the scale of the noise itself and has no logarithm; transitions are estimated by their frequencies,
with a bonus c·H·√(log(S·A·H·K)/n) for a pair that was visited n times.
"""

from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from ffcl_utils.related.tabular_mdps import MDP, plan

STEP_NOISE = 0.5  # a reward of 0 or 1 is sub-Gaussian with this scale; the sum of H with √H of it
TIES = 1e-6  # of v: pairs that were never seen are tried in random order, not the first of them


@dataclass(frozen=True)
class Method:
    """every_step: each reward is told, else their sum alone. samples: rewards by Thompson sampling,
    else the estimate itself. known: the transitions are known, else estimated with a bonus.
    """

    every_step: bool
    samples: bool
    known: bool


METHODS = {
    "Thompson, returns": Method(every_step=False, samples=True, known=True),
    "greedy, returns": Method(every_step=False, samples=False, known=True),
    "Thompson, every step": Method(every_step=True, samples=True, known=True),
    "optimism, returns": Method(every_step=False, samples=True, known=False),
    "UCBVI, every step": Method(every_step=True, samples=False, known=False),
}


@dataclass(frozen=True)
class Learnt:
    """policies: (N, K, H, S), int8. estimates: r̂ before the episodes `at`, (N, len(at), S·A)."""

    policies: np.ndarray
    estimates: np.ndarray


@dataclass(frozen=True)
class Draws:
    """All chance of K episodes for N seeds: normal (N, K, S·A), for sampled rewards; uniform
    (N, K, H, 2), for the reward and for the next state of each step."""

    normal: np.ndarray
    uniform: np.ndarray


def draw(rngs: list[np.random.Generator], episodes: int, pairs: int, steps: int) -> Draws:
    """From each seed's own generator what it needs, so that all methods meet the same chance."""
    normal = np.stack([rng.standard_normal((episodes, pairs)) for rng in rngs])
    uniform = np.stack([rng.random((episodes, steps, 2)) for rng in rngs])
    return Draws(normal, uniform)


def least_squares(gram: np.ndarray, target: np.ndarray) -> np.ndarray:
    """r̂ = A⁻¹ b for A (N, m, m) and b (N, m); returns (N, m)."""
    return np.linalg.solve(gram, target[..., None])[..., 0]


def deviation(gram: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """A draw (N, m) from N(0, A⁻¹), from standard normal numbers (N, m): L⁻ᵀ z where A = L Lᵀ."""
    root = np.linalg.cholesky(gram)
    return np.linalg.solve(root.swapaxes(-1, -2), normal[..., None])[..., 0]


def play(
    below: np.ndarray, rewards: np.ndarray, policy: np.ndarray, uniform: np.ndarray
) -> tuple[np.ndarray, ...]:
    """One episode of each of N problems from state 0; the state after the last step is seen too.

    below: (N, S, A, S − 1), the probabilities of the next states added up, without the last sum.
    rewards: (N, S, A), the chance of a reward of 1. policy: (N, H, S). uniform: (N, H, 2). Returns
    the visited pairs, the rewards and the next states, (N, H) each.
    """
    rows, state = np.arange(len(policy)), np.zeros(len(policy), dtype=int)
    pairs, paid, after = (np.empty(uniform.shape[:2], dtype=int) for _ in range(3))
    for step in range(policy.shape[1]):
        action = policy[rows, step, state]
        pairs[:, step] = state * rewards.shape[-1] + action
        paid[:, step] = uniform[:, step, 0] < rewards[rows, state, action]
        state = (uniform[:, step, 1, None] >= below[rows, state, action]).sum(-1)
        after[:, step] = state
    return pairs, paid, after


def learn(
    mdps: list[MDP], method: Method, draws: Draws, ridge: float, bonus: float, at: np.ndarray,
    name: str = "",
) -> Learnt:  # fmt: skip
    """K episodes of each of N problems, of equal size, one a seed; seeds do not touch each other.

    ridge: λ for rewards told one by one; H times as much for returns, which is the same prior, as
    the noise of a return is √H times that of a reward. bonus: c. at: the episodes, from 0, before
    which r̂ is kept. name: of the progress bar.
    """
    states, steps = len(mdps[0].rewards), mdps[0].steps
    (seeds, episodes, pairs), rows = draws.normal.shape, np.arange(len(mdps))[:, None]
    truth = np.stack([mdp.transitions for mdp in mdps])
    rewards, below = np.stack([mdp.rewards for mdp in mdps]), truth.cumsum(-1)[..., :-1]
    per_noise = 1 if method.every_step else steps
    gram = np.tile(per_noise * ridge * np.eye(pairs), (seeds, 1, 1))
    target = np.zeros((seeds, pairs))
    seen = np.zeros((seeds, pairs, states))
    scale = STEP_NOISE * per_noise**0.5 * (1 if method.samples else TIES)
    logarithm = np.log(pairs * steps * episodes)
    policies = np.empty((seeds, episodes, steps, states), dtype=np.int8)
    kept = {}
    for k in tqdm(range(episodes), desc=name, unit="episode", leave=False, disable=None):
        estimate = least_squares(gram, target)
        if k in at:
            kept[k] = estimate
        guess = estimate + scale * deviation(gram, draws.normal[:, k])
        transitions, most = truth, np.inf
        if not method.known:
            visits, most = seen.sum(-1), 1.0
            shares = np.where(visits[..., None] > 0, seen, 1 / states)
            transitions = shares / np.maximum(visits, 1)[..., None]
            transitions = transitions.reshape(truth.shape)
            guess = guess + bonus * steps * np.sqrt(logarithm / np.maximum(visits, 1))
        policy, _ = plan(transitions, guess.reshape(rewards.shape), steps, most)
        policies[:, k] = policy
        visited, paid, after = play(below, rewards, policy, draws.uniform[:, k])
        np.add.at(seen, (rows, visited, after), 1)
        if method.every_step:
            np.add.at(gram, (rows, visited, visited), 1)
            np.add.at(target, (rows, visited), paid)
        else:
            counts = np.zeros((seeds, pairs))
            np.add.at(counts, (rows, visited), 1)
            gram += counts[:, :, None] * counts[:, None]
            target += counts * paid.sum(-1, keepdims=True)
    return Learnt(policies, np.stack([kept[k] for k in at], 1))
