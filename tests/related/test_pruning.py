"""Pruning: scores, masks and masked training, against closed forms, enumeration and torch.optim."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

from ffcl_utils.related import pruning

SIZES = (5, 4, 3)


def generator(seed=0):
    return Generator().manual_seed(seed)


def network(seed=0, sizes=SIZES):
    return pruning.drawn(sizes, generator(seed))


def batch(count=16, seed=1, sizes=SIZES):
    g = generator(seed)
    inputs = torch.randn(count, sizes[0], generator=g)
    return inputs, torch.randint(sizes[-1], (count,), generator=g)


def test_first_weights_have_the_variance_two_over_fan_in():
    weights = network(sizes=(300, 200)).weights[0].double()
    standard_error = (2 / 300) * math.sqrt(2 / weights.numel())
    assert abs(weights.square().mean().item() - 2 / 300) < 4 * standard_error
    assert abs(weights.mean().item()) < 4 * math.sqrt(2 / 300 / weights.numel())
    assert all((bias == 0).all() for bias in network().biases)


def test_the_output_is_that_of_the_same_layers_in_torch():
    one, (inputs, labels) = network(), batch()
    one = pruning.Network(one.weights, [torch.randn(b.shape, generator=generator(5))
                                        for b in one.biases])  # fmt: skip
    modules = []
    for weight, bias in zip(one.weights, one.biases, strict=True):
        layer = torch.nn.Linear(*weight.shape)
        layer.weight.data, layer.bias.data = weight.T, bias
        modules += [layer, torch.nn.ReLU()]
    by_torch = torch.nn.Sequential(*modules[:-1])(inputs)
    assert torch.allclose(one.logits(inputs), by_torch, atol=1e-6)
    right = sum(row.argmax().item() == label for row, label in zip(by_torch, labels, strict=True))
    assert one.accuracy(inputs, labels) == right / len(labels)


def test_snip_is_weight_times_gradient_of_a_softmax_regression():
    """Its gradient is known in closed form: Xᵀ (p − y) / B."""
    one, (inputs, labels) = network(sizes=(5, 3)), batch(sizes=(5, 3))
    x, w = inputs.double().numpy(), one.weights[0].double().numpy()
    p = np.exp(x @ w)
    p /= p.sum(1, keepdims=True)
    expected = np.abs(w * (x.T @ (p - np.eye(3)[labels]) / len(x)))
    (found,) = pruning.snip(one.weights, one.loss_on(inputs, labels))
    assert found.numpy() == pytest.approx(expected, abs=1e-6)


def tanh_loss(weights):
    """A smooth loss of two layers in float64."""
    g = generator(7)
    inputs = torch.randn(8, 3, generator=g, dtype=torch.float64)
    targets = torch.randn(8, 2, generator=g, dtype=torch.float64)
    return ((inputs @ weights[0]).tanh() @ weights[1] - targets).square().mean()


def smooth_weights():
    return [w.double() for w in network(3, (3, 4, 2)).weights]


def test_grasp_is_weight_times_hessian_times_gradient():
    weights = smooth_weights()
    flat = torch.cat([w.flatten() for w in weights])

    def loss(vector):
        parts = vector.split([w.numel() for w in weights])
        return tanh_loss([p.view_as(w) for p, w in zip(parts, weights, strict=True)])

    hessian = torch.autograd.functional.hessian(loss, flat)
    gradient = torch.autograd.functional.jacobian(loss, flat)
    found = torch.cat([s.flatten() for s in pruning.grasp(weights, tanh_loss)])
    assert torch.allclose(found, flat * (hessian @ gradient), atol=1e-12)


def test_a_weight_of_high_grasp_score_carries_the_gradient():
    """Its score is what half of the squared gradient loses, per share of the weight taken away."""
    weights, step = smooth_weights(), 1e-5

    def flow(of):
        leaves = [w.clone().requires_grad_() for w in of]
        gradients = torch.autograd.grad(tanh_loss(leaves), leaves)
        return sum((g**2).sum() for g in gradients).item() / 2

    scores = pruning.grasp(weights, tanh_loss)
    for layer, row, column in [(0, 0, 0), (0, 2, 3), (1, 1, 0), (1, 3, 1)]:
        ends = []
        for factor in (1 - step, 1 + step):
            changed = [w.clone() for w in weights]
            changed[layer][row, column] *= factor
            ends.append(flow(changed))
        loses = (ends[1] - ends[0]) / (2 * step)
        assert scores[layer][row, column].item() == pytest.approx(loses, rel=1e-5, abs=1e-9)


def test_scores_leave_the_weights_and_the_graph_alone():
    one, (inputs, labels) = network(), batch()
    before = [w.clone() for w in one.weights]
    for score in (pruning.snip, pruning.grasp):
        found = score(one.weights, one.loss_on(inputs, labels))
        assert not any(s.requires_grad for s in found)
    assert all(torch.equal(a, b) for a, b in zip(before, one.weights, strict=True))


def test_a_temperature_divides_the_logits():
    one, (inputs, labels) = network(), batch()
    hot = one.loss_on(inputs, labels, 200.0)(one.weights).item()
    by_hand = -(one.logits(inputs) / 200).log_softmax(-1)[range(16), labels].mean().item()
    assert hot == pytest.approx(by_hand)


scores_of_layers = st.lists(
    st.lists(st.integers(-3, 3), min_size=1, max_size=12), min_size=1, max_size=4
)


@settings(max_examples=60, deadline=None)
@given(scores_of_layers, st.data())
def test_exactly_the_highest_stay_whatever_their_layer(rows, data):
    """Against sorting; scores are often equal."""
    scores = [torch.tensor([row], dtype=torch.float32) for row in rows]
    joined = [score for row in rows for score in row]
    keep = data.draw(st.integers(1, len(joined)))
    masks = torch.cat([mask.flatten() for mask in pruning.highest(scores, keep)]).tolist()
    assert sorted(set(masks)) in ([0, 1], [1]) and sum(masks) == keep
    kept = sorted((s for s, m in zip(joined, masks, strict=True) if m), reverse=True)
    assert kept == sorted(joined, reverse=True)[:keep]


@pytest.mark.parametrize("keep", [0, -1, 13])
def test_a_mask_that_keeps_nothing_is_an_error(keep):
    with pytest.raises(ValueError, match="cannot be kept"):
        pruning.highest([torch.rand(3, 4)], keep)


def test_scores_that_are_no_numbers_give_a_network_without_a_figure():
    one, (inputs, labels) = network(), batch()
    scores = [w.clone() for w in one.weights]
    scores[1][0, 0] = torch.nan
    masks = pruning.highest(scores, 6)
    assert math.isnan(pruning.masked(one, masks).accuracy(inputs, labels))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=3), st.integers(0, 2**31))
def test_shuffling_keeps_as_many_in_each_layer(counts, seed):
    masks = [(torch.arange(12) < count).float().view(3, 4) for count in counts]
    found = pruning.shuffled(masks, generator(seed))
    again = pruning.shuffled(masks, generator(seed))
    for mask, other, same in zip(masks, found, again, strict=True):
        assert other.shape == mask.shape and other.sum() == mask.sum()
        assert torch.equal(other, same)


def test_every_place_is_as_likely_in_a_shuffled_mask():
    mask, g, draws = torch.tensor([[1.0, 1, 0, 0, 0, 0]]), generator(), 3000
    mean = sum(pruning.shuffled([mask], g)[0] for _ in range(draws)) / draws
    standard_error = math.sqrt(1 / 3 * 2 / 3 / draws)
    assert (mean - 1 / 3).abs().max().item() < 4 * standard_error


def some_masks(one):
    return pruning.highest([torch.rand(w.shape, generator=generator(2)) for w in one.weights], 14)


def test_masked_training_is_torchs_sgd_on_masked_weights():
    """A slow loop: the mask is a factor in the network, and torch.optim takes the steps."""
    one, (inputs, labels) = network(), batch(22)
    masks, epochs, size, rate, momentum = some_masks(one), 3, 5, 0.2, 0.9
    found = pruning.trained(one, masks, inputs, labels, generator(4), epochs, size, rate, momentum)
    weights = [(w * m).clone().requires_grad_() for w, m in zip(one.weights, masks, strict=True)]
    biases = [b.clone().requires_grad_() for b in one.biases]
    optimiser = torch.optim.SGD([*weights, *biases], lr=rate, momentum=momentum)
    drawn, step = generator(4), 0
    for _ in range(epochs):
        order = torch.randperm(22, generator=drawn)
        for k in range(4):  # 22 images are four whole batches of five
            optimiser.param_groups[0]["lr"] = rate * (12 - step) / 12
            rows = order[5 * k : 5 * k + 5]
            hidden = (inputs[rows] @ (weights[0] * masks[0]) + biases[0]).relu()
            output = hidden @ (weights[1] * masks[1]) + biases[1]
            loss = torch.nn.functional.nll_loss(output.log_softmax(-1), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
    for name, ours, theirs in (("W", found.weights, weights), ("b", found.biases, biases)):
        for a, b in zip(ours, theirs, strict=True):
            assert torch.allclose(a, b, atol=1e-5), name


def test_what_was_removed_stays_zero_and_the_rest_learns():
    one, (inputs, labels) = network(), batch(20)
    before = [w.clone() for w in one.weights]
    masks = some_masks(one)
    found = pruning.trained(one, masks, inputs, labels, generator(), 2, 5, 0.1, 0.9)
    for weight, mask, first in zip(found.weights, masks, before, strict=True):
        assert (weight[mask == 0] == 0).all()
        assert (weight != first)[mask == 1].any()
    assert all(torch.equal(a, b) for a, b in zip(before, one.weights, strict=True))
    assert all((bias == 0).all() for bias in one.biases)


def test_a_training_that_diverges_has_no_figure():
    one, (inputs, labels) = network(), batch(20)
    every = [torch.ones_like(w) for w in one.weights]
    found = pruning.trained(one, every, inputs, labels, generator(), 9, 5, 1e20, 0.9)
    assert math.isnan(found.accuracy(inputs, labels))


def test_batches_that_cannot_be_filled_are_an_error():
    one, (inputs, labels) = network(), batch(4)
    every = [torch.ones_like(w) for w in one.weights]
    with pytest.raises(ValueError, match="4 images do not fill a batch of 5"):
        pruning.trained(one, every, inputs, labels, generator(), 1, 5, 0.1, 0.9)
