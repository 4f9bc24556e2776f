"""Layers told one bit: goodness by hand, gradients by autograd, answers against the softmax."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize, one_hot

from ffcl_utils.related.one_bit import (
    accuracies,
    answers_by_chance,
    bit_losses,
    draw_layers,
    goodness,
    label_losses,
    learn,
)

PIXELS = 12


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def toy():
    """Ten classes on ten pixels of twelve, with noise: easy."""
    generator = seeded(7)
    labels = torch.arange(200) % 10
    images = one_hot(labels, PIXELS).float() + 0.1 * torch.rand(200, PIXELS, generator=generator)
    return normalize(images, dim=-1), labels


def test_goodness_by_hand(toy):
    images, _ = toy
    layers = draw_layers(PIXELS, (7, 5), seeded())
    found = goodness(layers, images[:3], torch.eye(10)).detach().numpy()
    first, second = (weights.detach().numpy() for weights in layers)
    for b in range(3):
        for label in (0, 4, 9):
            entered = np.concatenate([images[b].numpy(), np.eye(10)[label]])
            hidden = np.maximum(entered / np.linalg.norm(entered) @ first, 0)
            top = np.maximum(hidden / np.linalg.norm(hidden) @ second, 0)
            expected = [np.linalg.norm(hidden), np.linalg.norm(top)]
            np.testing.assert_allclose(found[:, b, label], expected, rtol=1e-5)


def test_no_layers_loss_reaches_another_layer(toy):
    images, labels = toy
    layers = draw_layers(PIXELS, (7, 5, 4), seeded())
    answers = one_hot(labels[:8], 10).float().unsqueeze(1)
    found = goodness(layers, images[:8], answers)[..., 0]
    losses = bit_losses(found, torch.tensor([0.0, 1] * 4), 0.1, 2.0)
    for k in range(3):
        reached = torch.autograd.grad(losses[k], layers, retain_graph=True, allow_unused=True)
        changed = [g is not None and bool(g.any()) for g in reached]
        assert changed == [j == k for j in range(3)]


def test_the_bit_says_up_or_down_and_rare_answers_weigh_more():
    found = torch.full((1, 4), 2.0, requires_grad=True)
    bits = torch.tensor([1.0, 0, 0, 0])
    loss = bit_losses(found, bits, 0.1, 2.0)
    assert loss.item() == pytest.approx((0.9 + 3 * 0.1) * np.log(2) / 4, rel=1e-5)
    (slope,) = torch.autograd.grad(loss.sum(), found)  # half of softplus' slope at 0
    np.testing.assert_allclose(4 * slope[0].numpy(), [-0.45, 0.05, 0.05, 0.05], rtol=1e-5)


def test_half_bits_and_half_not_are_the_loss_of_ff():
    """With the baseline at a half, told by pairs: FF's own loss, at half its weight."""
    generator = seeded()
    positive, negative = (3 * torch.rand(2, 6, generator=generator) for _ in range(2))
    both = torch.cat([positive, negative], 1)
    bits = torch.tensor([1.0] * 6 + [0.0] * 6)
    np.testing.assert_allclose(
        bit_losses(both, bits, 0.5, 2.0), 0.5 * label_losses(positive, negative, 2.0), rtol=1e-5
    )


def test_answers_have_the_chances_of_the_softmax(toy):
    images, count = toy[0][:1], 4000
    layers = draw_layers(PIXELS, (7, 5), seeded())
    answers = answers_by_chance(layers, images.expand(count, -1), seeded(1))
    chances = goodness(layers, images, torch.eye(10)).sum(0)[0].softmax(-1).detach().numpy()
    shares = np.bincount(answers.numpy(), minlength=10) / count
    assert (abs(shares - chances) < 5 * (chances * (1 - chances) / count) ** 0.5).all()


def after(told, toy, passes=1, batch=20, rate=0.01, seed=0):
    layers = draw_layers(PIXELS, (16, 16), seeded(seed))
    shares = list(learn(layers, *toy, told, seeded(seed + 1), passes, batch, rate, 2.0))
    return layers, shares


def test_a_bit_teaches_and_a_coin_does_not(toy):
    for told, least, most in (("one bit", 0.8, 1), ("the label", 0.9, 1), ("a coin", 0, 0.5)):
        layers, shares = after(told, toy, passes=20)
        *_, both = accuracies(layers, *toy)
        assert least <= both <= most
        assert np.isnan(shares).all() == (told == "the label")
    assert after("one bit", toy, passes=20)[1][-1] > 2 * after("one bit", toy)[1][0]


def test_two_batches_by_hand(toy):
    """The order of the draws, the baseline that follows, and Adam's first two steps."""
    images, labels = toy[0][:40], toy[1][:40]
    learnt, (share,) = after("one bit", (images, labels))
    layers, generator = draw_layers(PIXELS, (16, 16), seeded()), seeded(1)
    moments = [[torch.zeros_like(w)] * 2 for w in layers]
    usual, right = 0.1, 0
    batches = torch.randperm(40, generator=generator).split(20)
    for step, rows in enumerate(batches, start=1):
        answers = answers_by_chance(layers, images[rows], generator)
        bits = (answers == labels[rows]).float()
        found = goodness(layers, images[rows], one_hot(answers, 10).float()[:, None])[..., 0]
        loss = torch.where(bits == 1, (2 - found).exp(), (found - 2).exp()).log1p()
        weight = torch.where(bits == 1, 1 - usual, usual)
        slopes = torch.autograd.grad((weight * loss).mean(-1).sum(), layers)
        for k, slope in enumerate(slopes):
            mean, square = moments[k]
            moments[k] = [0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2]
            size = (moments[k][1] / (1 - 0.999**step)).sqrt() + 1e-8
            moved = layers[k] - 0.01 * moments[k][0] / (1 - 0.9**step) / size
            layers[k] = moved.detach().requires_grad_()
        right += bits.sum().item()
        usual = 0.98 * usual + 0.02 * bits.mean().item()
    assert share == pytest.approx(right / 40)
    for one, other in zip(learnt, layers, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_one_trial_alone_leaves_nothing_to_deal_out(toy):
    one = toy[0][:1], toy[1][:1]
    bit, coin = (after(told, one)[0] for told in ("one bit", "a coin"))
    assert all((a == b).all() for a, b in zip(bit, coin, strict=True))


@pytest.mark.parametrize("told", ["the label", "one bit", "a coin"])
def test_the_same_seed_learns_the_same(told, toy):
    one, other = (after(told, toy)[0] for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, other, strict=True))
    third, _ = after(told, toy, seed=5)
    assert not (one[0] == third[0]).all()


@pytest.mark.parametrize("told", ["the label", "one bit"])
def test_what_diverges_has_no_accuracy_and_raises_nothing(told, toy):
    layers, _ = after(told, toy, passes=3, rate=1e30)
    assert np.isnan(accuracies(layers, *toy)).any()


def test_accuracy_is_of_the_label_of_highest_goodness():
    images = torch.eye(PIXELS)[:2]
    first = torch.zeros(PIXELS + 10, 3)
    first[PIXELS + 4, 0] = 1.0  # speaks for the label 4, whatever the image
    layers = [first, torch.zeros(3, 2)]
    assert accuracies(layers, images, torch.tensor([4, 1])) == [0.5, 0.0, 0.5]
