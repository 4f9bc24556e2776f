"""Planning and counting in small decision problems, against enumeration of all that can happen."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffcl_utils.errors import UserError
from ffcl_utils.related.tabular_mdps import (
    MDP,
    directions,
    doors,
    expected_counts,
    expected_returns,
    plan,
    random_mdp,
    river_swim,
)


def all_policies(mdp):
    states, actions = mdp.rewards.shape
    flat = list(product(range(actions), repeat=mdp.steps * states))
    return np.array(flat).reshape(-1, mdp.steps, states)


def by_hand(mdp, policy):
    """The expected return as a sum over all ways through the states, and the expected counts."""
    states, actions = mdp.rewards.shape
    total, counts = 0.0, np.zeros(states * actions)
    for way in product(range(states), repeat=mdp.steps - 1):
        chance, way = 1.0, (0, *way)
        taken = [int(policy[h, s]) for h, s in enumerate(way)]
        for h in range(mdp.steps - 1):
            chance *= mdp.transitions[way[h], taken[h], way[h + 1]]
        for s, a in zip(way, taken, strict=True):
            total += chance * mdp.rewards[s, a]
            counts[s * actions + a] += chance
    return total, counts


def tiny(seed, states=3, actions=2, steps=2):
    return random_mdp(states, actions, steps, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(3))
def test_returns_and_counts_are_sums_over_all_ways(seed):
    mdp = tiny(seed, 2, 2, 3)
    policies = all_policies(mdp)
    found, counts = expected_returns(mdp, policies), expected_counts(mdp, policies)
    for k in range(0, len(policies), 7):
        total, of_pairs = by_hand(mdp, policies[k])
        assert found[k] == pytest.approx(total)
        np.testing.assert_allclose(counts[k], of_pairs, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_plan_is_the_best_of_all_policies(seed):
    mdp = tiny(seed, 2, 3, 2) if seed % 2 else tiny(seed, 3, 2, 3)
    policy, value = plan(mdp.transitions[None], mdp.rewards[None], mdp.steps)
    every = expected_returns(mdp, all_policies(mdp))
    assert value[0] == pytest.approx(every.max())
    assert expected_returns(mdp, policy)[0] == pytest.approx(every.max())


def test_a_plan_of_a_problem_is_the_same_alone_and_among_others():
    mdps = [tiny(seed, 5, 2, 6) for seed in range(4)]
    stacked = [np.stack([getattr(m, part) for m in mdps]) for part in ("transitions", "rewards")]
    policies, values = plan(*stacked, 6)
    for k in range(4):
        policy, value = plan(stacked[0][k : k + 1], stacked[1][k : k + 1], 6)
        assert (policy[0] == policies[k]).all() and value[0] == values[k]


def test_the_cut_bounds_what_a_step_promises_and_not_what_is_chosen():
    mdp = tiny(0, 3, 2, 4)
    transitions = mdp.transitions[None]
    assert plan(transitions, mdp.rewards[None] + 5, 4, most=1.0)[1] == 4.0
    same = plan(transitions, mdp.rewards[None], 4, most=1.0)
    assert same[1] == plan(transitions, mdp.rewards[None], 4)[1]
    policy, _ = plan(transitions, np.array([[[7.0, 9], [9, 7], [7, 9]]]), 1, most=1.0)
    assert policy[0, 0].tolist() == [1, 0, 1]  # all promise more than 1, and still differ


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 3), st.integers(1, 5))
def test_counts_add_up_to_the_length_and_give_the_return(seed, states, actions, steps):
    rng = np.random.default_rng(seed)
    mdp = random_mdp(states, actions, steps, rng)
    policies = rng.integers(actions, size=(4, steps, states))
    counts = expected_counts(mdp, policies)
    np.testing.assert_allclose(counts.sum(1), steps)
    np.testing.assert_allclose(counts @ mdp.rewards.ravel(), expected_returns(mdp, policies))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["random", "doors", "one step"]))
def test_directions_are_orthonormal_and_do_what_they_are_called(seed, kind):
    rng = np.random.default_rng(seed)
    mdp = {
        "random": lambda: random_mdp(2, 2, 3, rng),
        "doors": lambda: doors(rng.random((3, 2))),
        "one step": lambda: random_mdp(3, 2, 1, rng),
    }[kind]()
    policies = all_policies(mdp)
    found = directions(expected_counts(mdp, policies))
    whole = np.concatenate(list(found.values()), 1)
    np.testing.assert_allclose(whole.T @ whole, np.eye(mdp.rewards.size), atol=1e-8)

    def moved(along):
        step = (found[along] @ rng.normal(size=found[along].shape[1])).reshape(mdp.rewards.shape)
        counts = expected_counts(mdp, policies)
        return counts @ step.ravel()

    np.testing.assert_allclose(moved("in no return"), 0, atol=1e-8)
    assert np.ptp(moved("shared by all policies")) < 1e-8 < abs(moved("shared by all policies")[0])
    if found["tells policies apart"].size:
        assert np.ptp(moved("tells policies apart")) > 1e-8
    # A constant in all rewards never tells policies apart.
    np.testing.assert_allclose(found["tells policies apart"].sum(0), 0, atol=1e-8)


def test_policies_by_chance_span_what_all_policies_do():
    mdp = tiny(1, 2, 2, 4)
    chance = np.random.default_rng(0).integers(2, size=(300, 4, 2))
    for one, other in zip(
        directions(expected_counts(mdp, chance)).values(),
        directions(expected_counts(mdp, all_policies(mdp))).values(),
        strict=True,
    ):
        np.testing.assert_allclose(one @ one.T, other @ other.T, atol=1e-7)


def test_the_returns_of_a_tree_know_its_ways_and_no_more():
    """2^H ways through H rooms: as many figures can be learnt of 2 (2^H − 1) rewards."""
    for rooms, ways in ((1, 2), (3, 4), (7, 8)):
        mdp = doors(np.random.default_rng(0).random((rooms, 2)))
        chance = np.random.default_rng(0).integers(2, size=(300, mdp.steps, rooms))
        counts = expected_counts(mdp, chance)
        assert len(np.unique(counts, axis=0)) == np.linalg.matrix_rank(counts) == ways
        sizes = [along.shape[1] for along in directions(counts).values()]
        assert sizes == [ways - 1, 1, 2 * rooms - ways]
        value = plan(mdp.transitions[None], mdp.rewards[None], mdp.steps)[1][0]
        assert value == pytest.approx((counts @ mdp.rewards.ravel()).max())


def test_the_river_by_hand():
    with_steps = [
        plan(m.transitions[None], m.rewards[None], m.steps)[1][0]
        for m in (river_swim(2, 1), river_swim(2, 2), river_swim(2, 3))
    ]
    # One step: the left bank. More: right, with 0.6, where a stroke pays 1 and stays with 0.6.
    two = 0.6 * 1 + 0.4 * 0.005
    three = 0.6 * (1 + 0.6 * 1 + 0.4 * 0.005) + 0.4 * two
    assert with_steps == pytest.approx([0.005, two, three])
    river = river_swim(5, 12)
    np.testing.assert_allclose(river.transitions[2, 1], [0, 0.05, 0.6, 0.35, 0])
    np.testing.assert_allclose(river.transitions[4, 1], [0, 0, 0, 0.4, 0.6])
    assert river.transitions[0, 0, 0] == river.transitions[3, 0, 2] == 1


def test_what_is_no_decision_problem_is_refused():
    fair = np.full((1, 1, 1), 1.0)
    with pytest.raises(UserError, match="an episode of length 0: it needs at least one step"):
        MDP(fair, np.zeros((1, 1)), 0)
    with pytest.raises(UserError, match="each row must add up to 1"):
        MDP(fair / 2, np.zeros((1, 1)), 1)
    with pytest.raises(UserError, match="outside of 0 to 1"):
        MDP(fair, np.full((1, 1), 1.5), 1)
    with pytest.raises(UserError, match="S, A, S"):
        MDP(fair, np.zeros((2, 1)), 1)
    with pytest.raises(UserError, match="4 rooms: a tree has 1, 3, 7"):
        doors(np.zeros((4, 2)))
    with pytest.raises(UserError, match="needs two banks"):
        river_swim(1, 3)
