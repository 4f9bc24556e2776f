"""Bayesian recurrent units: enumeration of all paths, closed forms, a general forward-backward."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm

from ffcl_utils.related import bayesian_recurrence as recurrence
from ffcl_utils.related.bayesian_recurrence import Chain, Emissions

inside = st.floats(0.02, 0.98)
CHAIN = Chain(*torch.tensor([0.3, 0.85, 0.25], dtype=torch.float64))
EMISSIONS = Emissions(
    torch.tensor([[0.2, -0.4], [1.1, 0.7]], dtype=torch.float64),
    torch.tensor(0.8, dtype=torch.float64),
)


def chain_of(p0, p1, p2):
    return Chain(*torch.tensor([p0, p1, p2], dtype=torch.float64))


def all_paths(densities, p0, p1, p2):
    """P(all observations), and P(state 1 at t | all), adding up the paths s_0 … s_T one by one.

    densities: (T, 2), of the observation at t in each state.
    """
    one_after = {1: p1, 0: p2}
    evidence, ones = 0.0, np.zeros(len(densities))
    for path in itertools.product((0, 1), repeat=len(densities) + 1):
        weight = p0 if path[0] == 1 else 1 - p0
        for t, density in enumerate(densities):
            step = one_after[path[t]]
            weight *= (step if path[t + 1] == 1 else 1 - step) * density[path[t + 1]]
        evidence += weight
        ones += weight * np.array(path[1:])
    return evidence, ones / evidence


def densities_of(x):
    return np.stack(
        [multivariate_normal(mean, 0.8**2 * np.eye(2)).pdf(x) for mean in EMISSIONS.means.numpy()],
        axis=-1,
    )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-6, 6, allow_subnormal=False), min_size=1, max_size=6),
    inside,
    inside,
    inside,
)
def test_filter_and_smoother_are_what_all_paths_add_up_to(logs, p0, p1, p2):
    ratios = np.exp(logs)
    densities = np.stack([ratios, np.ones_like(ratios)], 1)  # r: state 0 over state 1
    chain = chain_of(p0, p1, p2)
    before, after = recurrence.filtered(torch.tensor(ratios), chain)
    smooth = recurrence.smoothed(before, after, chain)
    for t in range(len(logs)):
        # The belief before t is the filtered one with an observation that says nothing.
        silent = np.concatenate([densities[:t], np.ones((1, 2))])
        assert before[t].item() == pytest.approx(all_paths(silent, p0, p1, p2)[1][-1], abs=1e-10)
        so_far = all_paths(densities[: t + 1], p0, p1, p2)[1]
        assert after[t].item() == pytest.approx(so_far[t], abs=1e-10)
    assert smooth.numpy() == pytest.approx(all_paths(densities, p0, p1, p2)[1], abs=1e-10)


def test_the_textbooks_recursions_add_up_all_paths_of_three_states():
    draw = np.random.default_rng(1)
    start, transitions = draw.dirichlet(np.ones(3)), draw.dirichlet(np.ones(3), 3)
    densities = draw.uniform(0.1, 2, (4, 2, 3))
    so_far, everything = recurrence.forward_backward(densities, start, transitions)
    for n in range(2):
        for steps in (1, 2, 3, 4):
            marginals = np.zeros((steps, 3))
            for path in itertools.product(range(3), repeat=steps):
                weight = start[path[0]] * densities[0, n, path[0]]
                for t in range(1, steps):
                    weight *= transitions[path[t - 1], path[t]] * densities[t, n, path[t]]
                marginals[range(steps), path] += weight
            marginals /= marginals.sum(1, keepdims=True)
            assert so_far[steps - 1, n] == pytest.approx(marginals[-1])
        assert everything[:, n] == pytest.approx(marginals)


def test_long_sequences_neither_vanish_nor_overflow():
    draw = np.random.default_rng(0)
    ratios = np.exp(draw.normal(0, 8, (2000, 3)).clip(max=10))
    before, after = recurrence.filtered(torch.tensor(ratios), CHAIN)
    smooth = recurrence.smoothed(before, after, CHAIN).numpy()
    p0, p1, p2 = (p.item() for p in CHAIN)
    transitions = np.array([[1 - p2, p2], [1 - p1, p1]])
    densities = np.stack([ratios, np.ones_like(ratios)], -1)
    exact = recurrence.forward_backward(densities, [1 - p0, p0] @ transitions, transitions)
    assert np.abs(after.numpy() - exact[0][..., 1]).max() < 1e-12
    assert np.abs(smooth - exact[1][..., 1]).max() < 1e-11


def test_the_ratio_of_gaussians_is_state_0_over_state_1():
    x = torch.tensor(np.random.default_rng(2).normal(size=(5, 3, 2)))
    ratios = recurrence.ratio(x, *recurrence.gaussian_weights(EMISSIONS))
    assert ratios.shape == (5, 3, 1)
    densities = densities_of(x.numpy())
    assert ratios[..., 0].numpy() == pytest.approx(densities[..., 0] / densities[..., 1])


def test_the_ratio_is_limited_above_and_not_below():
    x = torch.tensor([[10.5], [9.0], [-30.0], [1e6]], dtype=torch.float64)
    ratios = recurrence.ratio(x, torch.ones(1, 1, dtype=torch.float64), torch.zeros(1))[:, 0]
    assert ratios.numpy() == pytest.approx(np.exp([10, 9, -30, 10]), rel=1e-12)


def test_the_bias_is_zero_only_where_the_means_are_equally_far_from_the_origin():
    means = torch.tensor([[3.0, 4.0], [-5.0, 0.0]], dtype=torch.float64)
    _, bias = recurrence.gaussian_weights(Emissions(means, torch.tensor(2.0)))
    assert bias.item() == pytest.approx(0)
    _, bias = recurrence.gaussian_weights(EMISSIONS)
    # At the origin the log ratio is the bias.
    zero, one = densities_of(np.zeros(2))
    assert bias.item() == pytest.approx(np.log(zero / one))


def test_the_likelihood_adds_up_all_paths():
    x = np.random.default_rng(3).normal(0.5, 1, (5, 2, 2))
    p0, p1, p2 = (p.item() for p in CHAIN)
    by_hand = sum(np.log(all_paths(densities_of(x[:, n]), p0, p1, p2)[0]) for n in range(2))
    found = recurrence.log_likelihood(torch.tensor(x), CHAIN, EMISSIONS)
    assert found.item() == pytest.approx(by_hand, rel=1e-12)


@settings(max_examples=20, deadline=None)
@given(inside, inside, inside)
def test_other_names_of_the_states_turn_beliefs_round_and_keep_the_likelihood(p0, p1, p2):
    x = torch.tensor(np.random.default_rng(4).normal(0.5, 1, (6, 2, 2)))
    chain = chain_of(p0, p1, p2)
    other = recurrence.relabelled(chain, EMISSIONS)
    one, two = (recurrence.log_likelihood(x, *model) for model in ((chain, EMISSIONS), other))
    assert one.item() == pytest.approx(two.item(), rel=1e-12)
    smooth = []
    for probabilities, emissions in ((chain, EMISSIONS), other):
        ratios = recurrence.ratio(x, *recurrence.gaussian_weights(emissions))[..., 0]
        found = recurrence.filtered(ratios, probabilities)
        smooth.append(recurrence.smoothed(*found, probabilities))
    assert (smooth[0] + smooth[1]).numpy() == pytest.approx(np.ones((6, 2)), abs=1e-10)


def test_gradients_are_those_of_finite_differences():
    logs = torch.tensor(np.random.default_rng(5).normal(0, 1, (5, 2)), requires_grad=True)
    logits = torch.tensor([0.2, 1.0, -0.7], dtype=torch.float64, requires_grad=True)

    def smooth(logs, logits):
        chain = Chain(*recurrence.probability(logits))
        return recurrence.smoothed(*recurrence.filtered(logs.exp(), chain), chain)

    assert torch.autograd.gradcheck(smooth, (logs, logits))


def test_learnt_probabilities_keep_away_from_0_and_1_in_float32():
    logits = torch.tensor([-200.0, 0.0, 200.0, 1.0])
    found = recurrence.probability(logits)
    assert ((found > 0) & (found < 1)).all()
    assert found[[1, 3]].tolist() == pytest.approx([0.5, 1 / (1 + np.exp(-1))])
    # Saturated chains and observations that say everything still give beliefs.
    chain = Chain(*(found[k].expand(3) for k in (0, 2, 0)))
    ratios = torch.tensor([0.0, 1.0, 22026.0]).expand(20, 3)
    before, after = recurrence.filtered(ratios, chain)
    smooth = recurrence.smoothed(before, after, chain)
    assert ((smooth > -1e-6) & (smooth < 1 + 1e-6)).all()


def test_simulated_sequences_have_the_chains_frequencies_and_the_emissions_moments():
    steps, count = 3, 40_000
    states, x = recurrence.simulated(np.random.default_rng(6), steps, count, CHAIN, EMISSIONS)
    assert states.shape == (steps, count) and x.shape == (steps, count, 2)
    p0, p1, p2 = (p.item() for p in CHAIN)

    def near(values, expected, deviation):  # within five standard errors
        assert abs(values.mean() - expected) < 5 * deviation / len(values) ** 0.5

    first = p1 * p0 + p2 * (1 - p0)
    near(states[0], first, (first * (1 - first)) ** 0.5)
    for last, p in ((1, p1), (0, p2)):
        near(states[2][states[1] == last], p, (p * (1 - p)) ** 0.5)
        of_state = x[1][states[1] == last]
        for axis, mean in enumerate(EMISSIONS.means[last].tolist()):
            near(of_state[:, axis], mean, 0.8)
    noise = (x - EMISSIONS.means.numpy()[states])[..., 0].ravel() / 0.8
    assert np.quantile(noise, 0.9) == pytest.approx(norm.ppf(0.9), abs=0.03)
