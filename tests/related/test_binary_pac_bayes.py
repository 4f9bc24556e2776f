"""Binary networks: outputs against enumeration and drawn weights, bounds against closed forms."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from ffcl_utils.related import binary_pac_bayes as bpb

# Of whole numbers: hypothesis refuses floats where denormal numbers are zeros, as they are here.
probabilities = st.integers(0, 10**6).map(lambda k: k / 10**6)
budgets = st.integers(0, 10**6).map(lambda k: 5 * k / 10**6)


def network(sizes, seed=0, scale=3.0):
    """Weights large enough that units are coupled, in float64."""
    weights = bpb.initial(sizes, torch.Generator().manual_seed(seed))
    return [scale * weight.double() for weight in weights]


def images(count, inputs, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return bpb.directions(torch.randn(count, inputs, generator=generator).double())


def said_above(weight, below):
    """P(unit = +1) of every unit, by hand, for a list of numbers below and a constant 1."""
    row = [*below, 1.0]
    length = math.sqrt(sum(v * v for v in row))
    sums = [sum(w * v for w, v in zip(unit, row, strict=True)) for unit in weight.tolist()]
    return [norm.cdf(total / length) for total in sums]


def by_enumeration(weights, image):
    """The expected output, over all paths of binary representations from bottom to top."""
    spaces = [list(product((-1, 1), repeat=len(weight))) for weight in weights]
    total = 0.0
    for path in product(*spaces):
        probability, below = 1.0, image
        for weight, says in zip(weights, path, strict=True):
            ups = said_above(weight, below)
            for up, sign in zip(ups, says, strict=True):
                probability *= up if sign > 0 else 1 - up
            below = says
        total += probability * path[-1][0]
    return total


@pytest.fixture(autouse=True)
def in_float64(monkeypatch):
    """The layers' representations in the precision of the weights."""
    monkeypatch.setattr(bpb, "signs", lambda units, signs=bpb.signs: signs(units).double())


@pytest.mark.parametrize("hidden", [(1,), (3,), (2, 3), (3, 2), (2, 2, 3)])
def test_the_exact_output_is_the_sum_over_all_paths(hidden):
    weights = network((4, *hidden, 1))
    rows = torch.randn(3, 4, generator=torch.Generator().manual_seed(5)).double()
    expected = [by_enumeration(weights, row) for row in rows.tolist()]
    inputs = bpb.directions(rows)
    assert bpb.exact(weights, inputs).tolist() == pytest.approx(expected, abs=1e-12)
    last = bpb.laws(weights, inputs)[-1]
    above = bpb.expected_signs(bpb.directions(bpb.signs(hidden[-1])), weights[-1])[:, 0]
    assert (last @ above).tolist() == pytest.approx(expected, abs=1e-12)


def drawn(weights, inputs, draws, generator):
    """Outputs (draws,) of networks with weights drawn from N(W, I), for one direction (1, d)."""
    below = inputs.expand(draws, -1)
    for weight in weights:
        own = weight + torch.randn(draws, *weight.shape, generator=generator).double()
        below = torch.einsum("nui,ni->nu", own, below).sign()
        below = torch.cat([below, below.new_ones(draws, 1)], 1)
    return below[:, 0]


def drawn_tree(weights, inputs, draws, generator):
    """The same, where every unit of a layer has a copy of all layers below it for itself."""

    def whole(layer, units):
        """(draws, units, inputs + 1) of what `units` copies of a layer say, the constant behind."""
        if layer < 0:
            return inputs[:, None].expand(draws, units, -1)
        weight = weights[layer]
        below = whole(layer - 1, units * len(weight)).unflatten(1, (units, len(weight)))
        own = weight + torch.randn(draws, units, *weight.shape, generator=generator).double()
        says = torch.einsum("nkui,nkui->nku", own, below).sign()
        return torch.cat([says, says.new_ones(draws, units, 1)], 2)

    return whole(len(weights) - 1, 1)[:, 0, 0]


@pytest.mark.parametrize("output, draw", [(bpb.exact, drawn), (bpb.independent, drawn_tree)])
def test_outputs_are_means_over_drawn_weights(output, draw):
    """Independent units are a tree's; on these weights the two differ by eight standard errors."""
    weights, inputs = network((3, 3, 2, 1), seed=1), images(1, 3)
    found = draw(weights, inputs, 200_000, torch.Generator().manual_seed(2))
    error = found.std().item() / math.sqrt(len(found))
    assert abs(found.mean().item() - output(weights, inputs).item()) < 4 * error
    apart = bpb.exact(weights, inputs) - bpb.independent(weights, inputs)
    assert abs(apart.item()) > 8 * error


def test_the_tree_has_as_many_weights_as_its_divergence_counts():
    """A unit of the last hidden layer has each layer below once; one below that, once for it."""
    weights, prior = network((4, 2, 3, 5, 1), seed=1), network((4, 2, 3, 5, 1), seed=2)

    def tree(layer):
        moved = (weights[layer] - prior[layer]).square().sum().item() / 2
        return moved + (len(weights[layer]) * tree(layer - 1) if layer else 0.0)

    # All units of a layer are in `moved` once, and each has the layers below it for itself.
    found = bpb.divergence(weights, prior, bpb.copies((2, 3, 5))).item()
    assert found == pytest.approx(tree(3))
    assert bpb.copies((4,)) == [1, 1]


def test_the_divergence_is_that_of_the_gaussians():
    weights, prior = network((3, 2, 1), seed=1), network((3, 2, 1), seed=2)
    normals = [
        torch.distributions.kl_divergence(*(torch.distributions.Normal(m, 1) for m in pair)).sum()
        for pair in zip(weights, prior, strict=True)
    ]
    found = bpb.divergence(weights, prior, [1, 1]).item()
    assert found == pytest.approx(sum(normals).item())


@given(st.lists(probabilities.map(lambda p: 2 * p - 1), min_size=1, max_size=6))
def test_a_joint_law_is_a_law_with_its_expectations(expected):
    expected = torch.tensor([expected], dtype=torch.float64)
    law, said = bpb.joint(expected), bpb.signs(expected.shape[1])
    assert law.min() >= 0
    assert law.sum().item() == pytest.approx(1)
    assert (law @ said)[0].tolist() == pytest.approx(expected[0].tolist(), abs=1e-12)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.sampled_from([(2,), (4,)]))
def test_one_hidden_layer_has_independent_units(seed, hidden):
    weights, inputs = network((3, *hidden, 1), seed), images(5, 3, seed)
    assert torch.allclose(bpb.exact(weights, inputs), bpb.independent(weights, inputs), atol=1e-12)


@given(probabilities, budgets)
def test_the_inverse_of_kl_gives_the_budget_back(q, c):
    p = bpb.inverse_kl(q, c)
    assert q <= p <= 1
    if p < 1 - 1e-6:
        assert bpb.kl(q, p) == pytest.approx(c, abs=1e-7)


@given(probabilities, budgets, probabilities, budgets)
def test_the_inverse_of_kl_rises_with_both(q, c, other_q, other_c):
    low, high = sorted((q, other_q)), sorted((c, other_c))
    assert bpb.inverse_kl(low[0], high[0]) <= bpb.inverse_kl(low[1], high[1]) + 1e-12


@pytest.mark.parametrize("c", [0.0, 1e-6, 0.01, 1.0, 20.0])
def test_the_closed_ends_of_the_inverse(c):
    assert bpb.inverse_kl(0.0, c) == pytest.approx(1 - math.exp(-c), abs=1e-12)
    assert bpb.inverse_kl(1.0, c) == 1
    assert bpb.inverse_kl(0.3, 0.0) == 0.3
    assert math.isnan(bpb.inverse_kl(math.nan, c))
    half = bpb.inverse_kl(0.5, c)  # kl(½ ‖ p) = −½ ln 4p(1 − p)
    assert half == pytest.approx(0.5 + math.sqrt(1 - math.exp(-2 * c)) / 2, abs=1e-9)


def test_the_bound_of_a_network_without_errors():
    expected = 1 - (2 * math.sqrt(400) * 8 / 0.05) ** (-1 / 400) * math.exp(-3 / 400)
    assert bpb.bound(0.0, 3.0, 400, 0.05, 8) == pytest.approx(expected)


def test_what_is_minimised_has_the_gradient_of_the_bound():
    risk = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    divergence = torch.tensor(40.0, dtype=torch.float64, requires_grad=True)
    bpb.with_gradient_of_bound(risk, divergence, 500, 0.05).backward()
    step = 1e-5

    def slope(by_risk, by_divergence):
        ends = [
            bpb.bound(0.2 + sign * step * by_risk, 40 + sign * step * by_divergence, 500, 0.05)
            for sign in (1, -1)
        ]
        return (ends[0] - ends[1]) / (2 * step)

    assert risk.grad.item() == pytest.approx(slope(1, 0), rel=1e-4)
    assert divergence.grad.item() == pytest.approx(slope(0, 1), rel=1e-4)


@pytest.mark.parametrize("risk, divergence", [(1.0, 0.0), (0.0, 1e9), (math.nan, 1.0), (0.5, 1e12)])
def test_what_has_diverged_raises_nothing(risk, divergence):
    risk, divergence = torch.tensor(risk), torch.tensor(divergence)
    bpb.with_gradient_of_bound(risk, divergence, 100, 0.05)


HOW = {"epochs": 40, "batch_size": 32, "learning_rate": 0.05, "delta": 0.05}


def test_a_posterior_has_a_smaller_bound_than_its_prior_and_is_the_same_each_time():
    generator = torch.Generator().manual_seed(0)
    inputs = bpb.directions(torch.randn(200, 5, generator=generator).double())
    targets = inputs[:, 0].sign()
    start = [w.double() for w in bpb.initial((5, 2, 2, 1), generator)]

    def posterior():
        again = torch.Generator().manual_seed(3)
        return bpb.learnt(start, bpb.exact, inputs, targets, again, times=[1, 1, 1], **HOW)

    def bound(weights):
        risk = bpb.linear_loss(bpb.exact(weights, inputs), targets).item()
        return bpb.bound(risk, bpb.divergence(weights, start, [1, 1, 1]).item(), 200, 0.05)

    found = posterior()
    assert bound(found) < bound(start) - 0.1
    assert all(torch.equal(a, b) for a, b in zip(found, posterior(), strict=True))


def test_a_prior_learns_the_linear_loss_alone():
    """Where nothing can be learnt the bound stays where it is, and the plain loss moves on."""
    generator = torch.Generator().manual_seed(0)
    inputs = bpb.directions(torch.randn(64, 5, generator=generator).double())
    targets = torch.randn(64, generator=generator).double().sign()
    start = [w.double() for w in bpb.initial((5, 2, 1), generator)]
    risk = {}
    for times in (None, [1, 1]):
        weights = bpb.learnt(start, bpb.exact, inputs, targets, generator, times=times, **HOW)
        risk[times is None] = bpb.linear_loss(bpb.exact(weights, inputs), targets).item()
    assert risk[True] < risk[False] - 0.02
