"""Learning from returns against a slow loop by hand, ridge regression and Monte Carlo."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from ffcl_utils.related.tabular_mdps import doors, expected_returns, plan, random_mdp
from ffcl_utils.related.trajectory_feedback import (
    METHODS,
    TIES,
    deviation,
    draw,
    learn,
    least_squares,
    play,
)

STEPS = 4


def problem(seed):
    return random_mdp(3, 2, STEPS, np.random.default_rng([seed, 0]))


def draws_for(seeds, episodes, pairs=6, steps=STEPS):
    return draw([np.random.default_rng([s, 1]) for s in seeds], episodes, pairs, steps)


def test_least_squares_are_ridge_regression():
    rng = np.random.default_rng(0)
    counts, returns = rng.integers(3, size=(2, 20, 5)).astype(float), rng.normal(size=(2, 20))
    gram = counts.swapaxes(1, 2) @ counts + 0.7 * np.eye(5)
    found = least_squares(gram, (counts * returns[..., None]).sum(1))
    for k in range(2):
        ridge = Ridge(0.7, fit_intercept=False).fit(counts[k], returns[k])
        np.testing.assert_allclose(found[k], ridge.coef_)


def test_the_deviation_has_the_inverse_as_its_covariance():
    rows = np.random.default_rng(0).normal(size=(9, 4))
    gram = rows.T @ rows
    # Linear in its normal numbers: the images of the unit vectors give the covariance exactly.
    images = deviation(np.tile(gram, (4, 1, 1)), np.eye(4))
    np.testing.assert_allclose(images.T @ images, np.linalg.inv(gram), rtol=1e-8)


def test_episodes_have_the_returns_that_are_expected():
    """Monte Carlo, within five of its own standard errors; the counts too."""
    mdp, episodes = problem(3), 20_000
    policy = np.random.default_rng(1).integers(2, size=(STEPS, 3))
    uniform = np.random.default_rng(2).random((episodes, STEPS, 2))
    below = np.tile(mdp.transitions.cumsum(-1)[..., :-1], (episodes, 1, 1, 1))
    rewards = np.tile(mdp.rewards, (episodes, 1, 1))
    pairs, paid, after = play(below, rewards, np.tile(policy, (episodes, 1, 1)), uniform)
    returns = paid.sum(1)
    error = returns.std() / episodes**0.5
    assert abs(returns.mean() - expected_returns(mdp, policy[None])[0]) < 5 * error
    assert (pairs[:, 0] // 2 == 0).all() and (after[:, :-1] == pairs[:, 1:] // 2).all()
    taken = policy[np.arange(STEPS), pairs // 2]
    assert (pairs % 2 == taken).all()
    last = after[pairs[:, -1] == pairs[0, -1], -1]
    shares = np.bincount(last, minlength=3) / len(last)
    expected = mdp.transitions.reshape(6, 3)[pairs[0, -1]]
    assert (
        abs(shares - expected) < 5 * (expected * (1 - expected) / len(last)) ** 0.5 + 1e-9
    ).all()


def by_hand(mdp, name, draws, ridge, bonus):
    """One seed, in plain loops; returns the policies and the last estimate."""
    method, (states, actions) = METHODS[name], mdp.rewards.shape
    episodes, pairs = draws.normal.shape[1:]
    heavier = 1 if method.every_step else mdp.steps
    seen_rows, seen_values = [], []  # of a regression: one row an episode, or one a step
    moves = [[[0] * states for _ in range(actions)] for _ in range(states)]
    policies = []
    for k in range(episodes):
        rows = np.array(seen_rows).reshape(-1, pairs)
        gram = heavier * ridge * np.eye(pairs) + rows.T @ rows
        estimate = np.linalg.inv(gram) @ rows.T @ np.array(seen_values)
        scale = 0.5 * heavier**0.5 * (1 if method.samples else TIES)
        root = np.linalg.inv(np.linalg.cholesky(gram)).T
        guess = (estimate + scale * root @ draws.normal[0, k]).reshape(states, actions)
        value, policy = [0.0] * states, np.zeros((mdp.steps, states), int)
        for left in range(1, mdp.steps + 1):
            new = []
            for s in range(states):
                promised = []
                for a in range(actions):
                    chances, extra = mdp.transitions[s, a], 0.0
                    if not method.known:
                        visits = sum(moves[s][a])
                        chances = [m / visits if visits else 1 / states for m in moves[s][a]]
                        log = np.log(states * actions * mdp.steps * episodes)
                        extra = bonus * mdp.steps * (log / max(visits, 1)) ** 0.5
                    future = sum(c * v for c, v in zip(chances, value, strict=True))
                    promised.append(guess[s, a] + extra + future)
                policy[mdp.steps - left, s] = int(np.argmax(promised))
                new.append(max(promised) if method.known else min(max(promised), left))
            value = new
        policies.append(policy)
        state, row, total = 0, np.zeros(pairs), 0
        for step in range(mdp.steps):
            a = policy[step, state]
            reward_at, next_at = draws.uniform[0, k, step]
            reward = int(reward_at < mdp.rewards[state, a])
            following = int(np.searchsorted(np.cumsum(mdp.transitions[state, a])[:-1], next_at,
                                            side="right"))  # fmt: skip
            one = np.eye(pairs)[state * actions + a]
            if method.every_step:
                seen_rows.append(one)
                seen_values.append(reward)
            moves[state][a][following] += 1
            row, total, state = row + one, total + reward, following
        if not method.every_step:
            seen_rows.append(row)
            seen_values.append(total)
    return np.array(policies), estimate


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_the_slow_loop(name):
    mdp, draws = problem(5), draws_for([5], 60)
    found = learn([mdp], METHODS[name], draws, 0.5, 0.2, np.array([0, 59]))
    policies, estimate = by_hand(mdp, name, draws, 0.5, 0.2)
    assert (found.policies[0] == policies).all()
    np.testing.assert_allclose(found.estimates[0, 1], estimate, atol=1e-9)
    assert (found.estimates[0, 0] == 0).all()


@pytest.mark.parametrize("name", METHODS)
def test_a_seed_is_the_same_alone_and_among_others(name):
    at = np.array([0, 39])
    many = learn(
        [problem(s) for s in range(5)], METHODS[name], draws_for(range(5), 40), 1.0, 0.2, at
    )
    for seed in (0, 3):
        alone = learn([problem(seed)], METHODS[name], draws_for([seed], 40), 1.0, 0.2, at)
        assert (alone.policies[0] == many.policies[seed]).all()
        assert (alone.estimates[0] == many.estimates[seed]).all()


def test_in_episodes_of_one_step_a_return_is_a_reward():
    mdps = [random_mdp(3, 2, 1, np.random.default_rng(seed)) for seed in range(2)]
    draws = draws_for(range(2), 50, steps=1)
    one, other = (
        learn(mdps, METHODS[f"Thompson, {told}"], draws, 1.0, 0.0, np.array([49]))
        for told in ("returns", "every step")
    )
    assert (one.policies == other.policies).all()
    np.testing.assert_allclose(one.estimates, other.estimates, atol=1e-12)


def test_it_finds_the_best_way_through_the_doors():
    mdps = [doors(np.array([[0.5, 0.5], [0.1, 0.2], [0.3, 1.0]]))] * 3
    draws = draws_for(range(3), 800, steps=2)
    found = learn(mdps, METHODS["Thompson, returns"], draws, 1.0, 0.0, np.array([799]))
    best = plan(mdps[0].transitions[None], mdps[0].rewards[None], 2)[1][0]
    for policies in found.policies:
        assert (expected_returns(mdps[0], policies[-100:]) == best).mean() > 0.8


def test_greedy_stays_behind_doors_that_thompson_opens():
    mdps = [doors(np.random.default_rng(seed).random((7, 2))) for seed in range(10)]
    draws = draws_for(range(10), 400, pairs=14, steps=3)
    value = {
        name: np.mean([
            expected_returns(mdp, policies[-100:]).mean()
            for mdp, policies in zip(
                mdps, learn(mdps, METHODS[name], draws, 1.0, 0.0, np.array([0])).policies,
                strict=True,
            )
        ])
        for name in ("Thompson, returns", "greedy, returns")
    }  # fmt: skip
    assert value["Thompson, returns"] > value["greedy, returns"] + 0.1
