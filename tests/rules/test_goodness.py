"""FF, BP/FF and BP against slow plain implementations; label overlay and wrong labels."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from ffcl_utils import rules
from ffcl_utils.data.negatives import wrong_pairs
from ffcl_utils.data.pixels import MASKS, pixel_masks, wrong_labels
from ffcl_utils.learning.apart import generator_apart
from ffcl_utils.learning.goodness import goodness_loss, relu_goodness
from tests.small import small
from tests.small import small_rule as make

RULES = ("forward_forward", "bp_ff", "backprop")
WHITE = (1 - 0.1307) / 0.3081  # a white pixel, standardised with MNIST's printed figures


def generator(seed):
    return torch.Generator().manual_seed(seed)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=60), st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_wrong_labels_are_never_right_and_never_of_an_absent_class(drawn, seed):
    labels = torch.tensor([*drawn, 3, 8])
    wrong = wrong_labels(labels, generator(seed))
    assert (wrong != labels).all()
    assert set(wrong.tolist()) <= set(labels.tolist())


def test_wrong_labels_are_uniform():
    labels = torch.full((9000,), 4)
    labels[:10] = torch.arange(10)
    counts = wrong_labels(labels, generator(0))[10:].bincount(minlength=10)
    assert counts[4] == 0
    assert abs(np.delete(counts.numpy(), 4) - 999).max() < 4 * 999**0.5


@given(st.lists(st.integers(0, 9), min_size=2, max_size=60), st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_wrong_pairs_are_drawn_without_replacement_from_every_wrong_overlay(drawn, seed):
    labels = torch.tensor([*drawn, 3, 8])
    images, wrong = wrong_pairs(labels, generator(seed))
    assert len(images) == len(wrong) == len(labels)
    pairs = set(zip(images.tolist(), wrong.tolist(), strict=True))
    assert len(pairs) == len(labels)
    every = {(i, w) for i, right in enumerate(labels.tolist()) for w in set(labels.tolist())}
    assert pairs <= every - set(enumerate(labels.tolist()))


def test_wrong_pairs_are_uniform_over_images_and_labels():
    labels = torch.arange(10).repeat(900)
    images, wrong = wrong_pairs(labels, generator(0))
    # Nine overlays of an image, each kept with one chance in nine: some thrice, a third never.
    kept = images.bincount(minlength=9000).bincount(minlength=10)[:2] / 9000
    expected = torch.tensor([(8 / 9) ** 9, 9 * (1 / 9) * (8 / 9) ** 8])
    torch.testing.assert_close(kept, expected, atol=0.02, rtol=0)
    steps = (wrong - labels[images]) % 10
    assert abs(steps.bincount(minlength=10)[1:] - 1000).max() < 4 * 1000**0.5


def test_goodness_loss_is_the_papers_formula():
    positive, negative = torch.tensor([[4.0, 1.0]]), torch.tensor([[2.0, 5.0]])
    expected = np.mean(np.log1p(np.exp([3 - 4, 3 - 1, 2 - 3, 5 - 3])))
    assert goodness_loss(positive, negative, 3.0).item() == pytest.approx(expected, rel=1e-6)


def test_relu_goodness_is_direction_and_length_after_relu_with_their_gradients():
    z = torch.randn(3, 5, 7, dtype=torch.float64)
    z[0, 0] = -1.0  # a silent image has no gradient
    mine, plain = z.clone().requires_grad_(), z.clone().requires_grad_()
    weigh = torch.randn(3, 5, 7, dtype=torch.float64)
    expected = plain.relu()
    length, direction = expected.norm(dim=-1), nn.functional.normalize(expected, dim=-1)
    for by_goodness, by_directions in ((1, 0), (0, 1), (1, 1)):
        directions, goodness = relu_goodness(mine * 1.0)
        torch.testing.assert_close(directions, direction)
        torch.testing.assert_close(goodness, length)
        mine.grad = plain.grad = None
        found = [goodness.square().sin().sum()] * by_goodness
        found += [(directions * weigh).sum()] * by_directions
        sum(found).backward()
        wanted = by_goodness * length.square().sin().sum()
        (wanted + by_directions * (direction * weigh).sum()).backward(retain_graph=True)
        torch.testing.assert_close(mine.grad, plain.grad)


def overlaid(images, labels):
    """Images as the paper describes them, one by one."""
    seen = (images.float() / 255 - 0.1307) / 0.3081
    seen[:, :10] = 0
    for image, label in zip(seen, labels, strict=True):
        image[label] = WHITE
    return seen


def plain_forward(linears, seen, local):
    """Activations of every layer, each layer's input divided by its length."""
    activations = []
    for linear in linears:
        seen = linear(nn.functional.normalize(seen)).relu()
        activations.append(seen)
        seen = seen.detach() if local else seen
    return activations


def plain_layers(layers, k=0):
    linears = []
    for weight, bias in zip(layers.weights, layers.biases, strict=True):
        linear = nn.Linear(*weight.shape[1:])
        linear.weight.data = weight[k].T.detach().clone()
        linear.bias.data = bias[k, 0].detach().clone()
        linears.append(linear)
    return linears


def test_the_shared_first_layer_gives_the_plain_result(digits):
    rule = make("forward_forward")
    images, labels = digits.test_images[::50], digits.test_labels[::50]
    for k in range(2):
        plain = plain_forward(plain_layers(rule.network.layers, k), overlaid(images, labels), True)
        for shared, expected in zip(rule.representations(images, labels), plain, strict=True):
            torch.testing.assert_close(shared[k], expected)


@pytest.mark.parametrize("prediction", ["softmax", "sum"])
def test_prediction_over_ten_labels_is_ten_plain_passes(digits, prediction):
    rule = make("bp_ff", prediction=prediction)
    images = digits.test_images[::25]
    linears = plain_layers(rule.network.layers, 1)
    every = [
        plain_forward(linears, overlaid(images, [label] * len(images)), True) for label in range(10)
    ]
    by_layer = torch.stack([torch.stack([a.norm(dim=1) for a in layers]) for layers in every], -1)
    expected = (by_layer.softmax(-1) if prediction == "softmax" else by_layer).sum(0)
    torch.testing.assert_close(rule.predict(images)[1], expected)


def test_a_prediction_does_not_depend_on_its_batch(digits):
    rule = make("forward_forward")
    together = rule.predict(digits.test_images[:40])
    alone = torch.cat([rule.predict(image[None]) for image in digits.test_images[:40]], 1)
    torch.testing.assert_close(together, alone)


def plain_ff(rule, data, epochs_of, local):
    """The paper's training of one seed: `epochs_of` lists the layers that learn, phase by phase."""
    settings, g = rule.config, rule.generators[0]
    linears = plain_layers(rule.network.layers)
    for learning in epochs_of:
        parameters = [p for k in learning for p in linears[k].parameters()]
        adam = torch.optim.Adam(parameters, lr=settings.learning_rate)
        for _ in range(settings.epochs):
            order = torch.randperm(len(data.train_images), generator=g)
            if settings.negatives == "unpaired":
                others, wrong = wrong_pairs(data.train_labels, generator_apart(0))
            else:
                source = g if settings.negatives == "redrawn" else generator_apart(0)
                others, wrong = torch.arange(200), wrong_labels(data.train_labels, source)
            for rows in order.split(settings.batch_size):
                images, labels = data.train_images[rows], data.train_labels[rows]
                right = plain_forward(linears, overlaid(images, labels), local)
                other = plain_forward(
                    linears, overlaid(data.train_images[others[rows]], wrong[rows]), local
                )
                pairs = [(a.norm(dim=1), b.norm(dim=1)) for a, b in zip(right, other, strict=True)]
                if local:
                    pairs = [pairs[k] for k in learning]
                else:
                    pairs = [tuple(map(sum, zip(*pairs, strict=True)))]
                adam.zero_grad()
                for good, bad in pairs:
                    nn.functional.softplus(
                        torch.cat([settings.threshold - good, bad - settings.threshold])
                    ).mean().backward()
                adam.step()
    return linears


@pytest.mark.parametrize(
    ("system", "overrides", "phases"),
    [
        ("forward_forward", {"training": "simultaneous"}, [[0, 1, 2]]),
        ("forward_forward", {"training": "simultaneous", "negatives": "paired"}, [[0, 1, 2]]),
        ("forward_forward", {"negatives": "redrawn"}, [[0], [1], [2]]),
        ("forward_forward", {"negatives": "paired"}, [[0], [1], [2]]),
        ("forward_forward", {}, [[0], [1], [2]]),
        ("bp_ff", {}, [[0, 1, 2]]),
        ("bp_ff", {"negatives": "paired"}, [[0, 1, 2]]),
    ],
)
def test_training_is_the_plain_one(digits, system, overrides, phases):
    data = small(digits, 200)
    overrides |= {"seeds": 1, "learning_rate": 1e-3}
    plain = plain_ff(make(system, **overrides), data, phases, local=system == "forward_forward")
    rule = make(system, **overrides)
    rule.fit(data)
    for k, linear in enumerate(plain):
        trained = rule.network.layers.weights[k][0]
        torch.testing.assert_close(trained, linear.weight.T, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("dropout, schedule", [(0.0, "constant"), (0.2, "one_cycle")])
def test_backprop_is_torch_nns(digits, dropout, schedule):
    data = small(digits, 200)
    more = {"input_dropout": dropout, "schedule": schedule}
    rule = make("backprop", seeds=1, learning_rate=1e-3, **more)
    linears = plain_layers(rule.network)
    network = nn.Sequential(linears[0], nn.ReLU(), linears[1], nn.ReLU(), linears[2])
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    cycle = torch.optim.lr_scheduler.OneCycleLR(adam, 1e-3, total_steps=2 * 5)
    if schedule == "constant":
        adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    g = make("backprop", seeds=1).generators[0]
    masks = pixel_masks(MASKS, 784, dropout)
    for _ in range(2):
        order = torch.randperm(200, generator=g)
        mask = masks[torch.randint(MASKS, (200,), generator=g)] if dropout else torch.ones(200, 784)
        for rows, seen in zip(order.split(48), mask.split(48), strict=True):
            images = (data.train_images[rows].float() / 255 - 0.1307) / 0.3081
            adam.zero_grad()
            output = network(images * seen)
            nn.functional.cross_entropy(output, data.train_labels[rows]).backward()
            adam.step()
            if schedule == "one_cycle":
                cycle.step()
    rule.fit(data)
    for k, linear in enumerate(linears):
        torch.testing.assert_close(
            rule.network.weights[k][0], linear.weight.T, atol=2e-4, rtol=1e-3
        )


def test_kept_negatives_are_the_same_in_every_epoch_and_redrawn_ones_are_not(digits, monkeypatch):
    data = small(digits, 50)
    cases = ("paired", wrong_labels, 1), ("unpaired", wrong_pairs, 1), ("redrawn", wrong_labels, 3)
    for negatives, draw, distinct in cases:
        seen = []
        monkeypatch.setattr(
            f"ffcl_utils.rules._goodness.{draw.__name__}",
            lambda labels, g, seen=seen, draw=draw: seen.append(draw(labels, g)) or seen[-1],
        )
        make("bp_ff", negatives=negatives, seeds=1, epochs=3).fit(data)
        assert len({str(found) for found in seen}) == distinct


@pytest.mark.parametrize("system", RULES)
def test_rules_learn_digits(digits, system):
    overrides = {"learning_rate": 0.01 if system == "forward_forward" else 1e-3, "epochs": 6}
    config = rules.configure(system, "smoke", seeds=1, batch_size=128, **overrides)
    rule = rules.rule(system)(config)
    rule.fit(digits)
    accuracy = (rule.predict(digits.test_images).argmax(-1) == digits.test_labels).double().mean()
    assert accuracy > 0.8


def test_goodness_of_positive_and_negative_data_is_watched(digits):
    history = make("forward_forward").fit(small(digits, 200))
    for name in ("positive", "negative"):
        assert list(history.starting_with(f"{name}_goodness/")) == ["layer1", "layer2", "layer3"]
    assert list(history.starting_with("train_loss/")) == ["layer1", "layer2", "layer3"]
