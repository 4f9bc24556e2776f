"""Small episodic decision problems (tabular MDPs): three kinds of them, and their exact planning.

Every episode begins in state 0 and has exactly H steps. A pair is a state s with an action a; pairs
are counted in the order s·A + a. A policy may depend on the step.
"""

from dataclasses import dataclass

import numpy as np

from ffcl_utils.errors import UserError

CONCENTRATION = 0.3  # of the Dirichlet law of random transitions: most go to one or two states


@dataclass(frozen=True)
class MDP:
    """transitions: (S, A, S), probabilities of the next state. rewards: (S, A), the chance of a
    reward of 1 in a step, else 0. steps: H. Raises UserError where it is no decision problem.
    """

    transitions: np.ndarray
    rewards: np.ndarray
    steps: int

    def __post_init__(self) -> None:
        states, actions = self.rewards.shape
        if self.steps < 1:
            raise UserError(f"an episode of length {self.steps}: it needs at least one step")
        if self.transitions.shape != (states, actions, states):
            raise UserError(f"transitions of shape {self.transitions.shape}: (S, A, S) is needed")
        if (self.transitions < 0).any() or not np.allclose(self.transitions.sum(-1), 1):
            raise UserError("transitions are no probabilities: each row must add up to 1")
        if (self.rewards < 0).any() or (self.rewards > 1).any():
            raise UserError("a mean reward lies outside of 0 to 1")


def random_mdp(states: int, actions: int, steps: int, rng: np.random.Generator) -> MDP:
    """Transitions from a Dirichlet law, mean rewards uniform between 0 and 1."""
    law = np.full(states, CONCENTRATION)
    return MDP(rng.dirichlet(law, (states, actions)), rng.random((states, actions)), steps)


def river_swim(states: int, steps: int) -> MDP:
    """A swimmer in a river: action 0 drifts left, action 1 swims right against the current.

    The left bank pays 0.005, the right one 1; to reach it takes many strokes to the right, of which
    none but the last is paid. The probabilities are the customary ones. Raises UserError for
    fewer than two states.
    """
    if states < 2:
        raise UserError(f"a river of {states} states: it needs two banks")
    transitions = np.zeros((states, 2, states))
    for s in range(states):
        left, right = max(s - 1, 0), min(s + 1, states - 1)
        transitions[s, 0, left] += 1
        transitions[s, 1, left] += 0.05
        transitions[s, 1, s] += 0.6
        transitions[s, 1, right] += 0.35
    transitions[0, 1, :2] = 0.4, 0.6
    transitions[-1, 1, -2:] = 0.4, 0.6
    rewards = np.zeros((states, 2))
    rewards[0, 0], rewards[-1, 1] = 0.005, 1.0
    return MDP(transitions, rewards, steps)


def doors(rewards: np.ndarray) -> MDP:
    """A tree of rooms with two doors each and no chance: state s leads to 2s + 1 and to 2s + 2.

    rewards: (S, 2), S = 2^H − 1. Each room is seen once at most, and the doors of the last rooms
    lead out (to state 0, where the episode is over). Raises UserError for another S.
    """
    states = len(rewards)
    steps = int(states + 1).bit_length() - 1
    if states < 1 or 2**steps != states + 1:
        raise UserError(f"{states} rooms: a tree has 1, 3, 7, … of them")
    transitions = np.zeros((states, 2, states))
    for s in range(states):
        for action in range(2):
            child = 2 * s + 1 + action
            transitions[s, action, child if child < states else 0] = 1
    return MDP(transitions, rewards, steps)


def plan(
    transitions: np.ndarray, rewards: np.ndarray, steps: int, most: float = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """The best policy of every problem by backward induction, and what it expects from state 0.

    transitions: (N, S, A, S). rewards: (N, S, A). most: no step is expected to pay more; what an
    action promises is compared before this cut, so that it makes no ties. Returns (N, H, S), the
    action in each step and state, and (N,). Each problem is computed by itself.
    """
    problems, states, _ = rewards.shape
    value = np.zeros((problems, states))
    policy = np.empty((problems, steps, states), dtype=np.int8)
    for step in reversed(range(steps)):
        promised = rewards + (transitions * value[:, None, None]).sum(-1)
        policy[:, step] = promised.argmax(-1)
        value = np.minimum(promised.max(-1), most * (steps - step))
    return policy, value[:, 0]


def expected_returns(mdp: MDP, policies: np.ndarray) -> np.ndarray:
    """What each of K policies (K, H, S) expects from state 0, by backward induction: (K,)."""
    states = np.arange(len(mdp.rewards))
    value = np.zeros((len(policies), len(states)))
    for step in reversed(range(mdp.steps)):
        chosen = policies[:, step]
        after = (mdp.transitions[states, chosen] * value[:, None]).sum(-1)
        value = mdp.rewards[states, chosen] + after
    return value[:, 0]


def expected_counts(mdp: MDP, policies: np.ndarray) -> np.ndarray:
    """How often each of K policies (K, H, S) visits every pair in an episode on average: (K, S·A).

    Its product with the rewards (S·A,) is the expected return.
    """
    states, actions = mdp.rewards.shape
    at = np.zeros((len(policies), states))
    at[:, 0] = 1
    counts = np.zeros((len(policies), states, actions))
    for step in range(mdp.steps):
        chosen = policies[:, step]
        counts[np.arange(len(policies))[:, None], np.arange(states), chosen] += at
        at = (at[:, :, None] * mdp.transitions[np.arange(states), chosen]).sum(1)
    return counts.reshape(len(policies), -1)


def directions(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Three orthogonal sets of directions of the rewards, each (S·A, number), from counts (K, S·A).

    "tells policies apart": expected returns of the policies differ by it. "shared by all policies":
    all returns shift alike, as where every reward grows by a constant. "in no return": no expected
    return depends on it, so that returns cannot teach it, and need not.
    """
    differences = _row_space(counts - counts.mean(0))
    rest = counts - counts @ differences @ differences.T
    shared = _row_space(rest)
    both = np.concatenate([differences, shared], 1)
    nowhere = _row_space(np.eye(counts.shape[1]) - both @ both.T)
    names = ("tells policies apart", "shared by all policies", "in no return")
    return dict(zip(names, (differences, shared, nowhere), strict=True))


def _row_space(matrix: np.ndarray) -> np.ndarray:
    """An orthonormal basis of the rows, as columns."""
    _, sizes, rows = np.linalg.svd(matrix, full_matrices=False)
    return rows[sizes > 1e-9 * max(1.0, sizes.max(initial=0.0))].T
