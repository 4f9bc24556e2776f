"""SCFF against a slow loop over joined images, closed forms and a plain training of one seed."""

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy.ndimage import shift as scipy_shift
from torch import nn

from ffcl_utils import rules
from ffcl_utils.config import ConfigError
from ffcl_utils.learning.self_contrast import joined_pairs
from ffcl_utils.learning.shifts import framed, moved, windows
from tests.small import small, small_rule

LAYERS = (784, 24, 16)


def make(**overrides):
    return small_rule("self_contrastive_ff", **({"layers": LAYERS} | overrides))


def standardised(images):
    return (images.float() / 255 - 0.1307) / 0.3081


def plain_layers(stack, k=0):
    linears = []
    for weight, bias in zip(stack.weights, stack.biases, strict=True):
        linear = nn.Linear(*weight.shape[1:])
        linear.weight.data = weight[k].T.detach().clone()
        linear.bias.data = bias[k, 0].detach().clone()
        linears.append(linear)
    return linears


def joined_forward(linears, one, other):
    """Activations of every layer for two images joined to one vector, both halves of length 1."""
    seen = torch.cat([one / one.norm(), other / other.norm()])
    twice = torch.cat([linears[0].weight, linears[0].weight], 1)  # the same for both halves
    activations = [(twice @ seen + linears[0].bias).clamp(min=0)]
    for linear in linears[1:]:
        below = activations[-1].detach()
        activations.append((linear(below / below.norm().clamp(min=1e-12))).clamp(min=0))
    return activations


def slow_losses(linears, images, threshold):
    """The loss of every layer, pair after pair, and the activations of the positive pairs."""
    losses, positives = [0.0] * len(linears), []
    for k, image in enumerate(images):
        positives.append(joined_forward(linears, image, image))
        negative = joined_forward(linears, image, images[k - 1])
        for layer, (good, bad) in enumerate(zip(positives[-1], negative, strict=True)):
            loss = torch.log1p((threshold - (good**2).sum()).exp())
            loss = loss + torch.log1p(((bad**2).sum() - threshold).exp())
            losses[layer] = losses[layer] + loss / len(images)
    return losses, [torch.stack(layer).detach() for layer in zip(*positives, strict=True)]


def features(activations):
    """Layers at a root mean square of 1, side by side."""
    return torch.cat(
        [a / a.square().mean(1, keepdim=True).sqrt().clamp(min=1e-9) for a in activations], 1
    )


@given(st.integers(1, 3), st.integers(2, 9), st.integers(1, 5), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_every_image_is_joined_with_itself_and_once_with_another(seeds, batch, units, seed):
    drawn = torch.Generator().manual_seed(seed)
    x = torch.rand(seeds, batch, 6, generator=drawn, dtype=torch.float64)
    weight = torch.rand(seeds, 6, units, generator=drawn, dtype=torch.float64)
    bias = torch.rand(seeds, 1, units, generator=drawn, dtype=torch.float64)
    found = joined_pairs(x @ weight + bias / 2)
    assert found.shape == (seeds, 2 * batch, units)
    others = [(k - 1) % batch for k in range(batch)]
    assert sorted(others) == list(range(batch))
    assert all(other != k for k, other in enumerate(others))
    for s in range(seeds):
        both = torch.cat([weight[s], weight[s]])
        for k in range(batch):
            for row, other in ((k, k), (batch + k, others[k])):
                expected = torch.cat([x[s, k], x[s, other]]) @ both + bias[s, 0]
                torch.testing.assert_close(found[s, row], expected)


def test_a_batch_has_the_losses_and_gradients_of_a_loop_over_its_pairs(digits):
    rule = make(threshold=0.4)
    images, labels = standardised(digits.train_images[:14]), digits.train_labels[:14]
    found = rule.losses(images.expand(2, -1, -1), labels.expand(2, -1))
    names = ["layer1", "layer2"]
    assert list(found) == [*names, "read_out"]
    gradients = torch.autograd.grad(sum(found[name].sum() for name in names), rule.network.weights)
    for seed in range(2):
        linears = plain_layers(rule.network, seed)
        losses, own = slow_losses(linears, images, 0.4)
        sum(losses).backward()
        for name, loss, linear, gradient in zip(names, losses, linears, gradients, strict=True):
            torch.testing.assert_close(found[name][seed].detach(), loss.detach())
            torch.testing.assert_close(gradient[seed].T, linear.weight.grad, atol=1e-6, rtol=1e-3)
        (read_out,) = plain_layers(rule.read_out.stack, seed)
        expected = nn.functional.cross_entropy(read_out(features(own)), labels)
        torch.testing.assert_close(found["read_out"][seed], expected)


def test_the_gradient_of_the_first_layer_is_the_closed_form(digits):
    """−2σ(θ − g⁺)(x + x) h⁺ + 2σ(g⁻ − θ)(x + y) h⁻, averaged over the batch."""
    rule = make(threshold=0.4)
    images, labels = standardised(digits.train_images[:9]), digits.train_labels[:9]
    losses = rule.losses(images.expand(2, -1, -1), labels.expand(2, -1))
    found = torch.autograd.grad(losses["layer1"].sum(), rule.network.weights[0])[0]
    x = nn.functional.normalize(images)
    weight, bias = (t[0][1].detach() for t in (rule.network.weights, rule.network.biases))
    expected = torch.zeros_like(weight)
    for k in range(9):
        for pair, sign in ((x[k] + x[k], -1), (x[k] + x[k - 1], 1)):
            h = (pair @ weight + bias[0]).clamp(min=0)
            by_goodness = sign * (sign * ((h**2).sum() - 0.4)).sigmoid()
            expected += by_goodness * torch.outer(pair, 2 * h) / 9
    torch.testing.assert_close(found[1], expected, atol=1e-6, rtol=1e-4)


def test_the_hidden_layers_see_no_label(digits):
    one, other = make(), make()
    data = small(digits, 100)
    one.fit(data)
    other.fit(replace(data, train_labels=(data.train_labels + 1) % 10))
    for name, values in one.tensors().items():
        assert torch.equal(values, other.tensors()[name]) != name.startswith("read_out"), name


@pytest.mark.parametrize("schedule", ["one_cycle", "constant"])
def test_three_steps_are_the_plain_ones(digits, schedule):
    """With torch.nn, an Adam a layer and images moved by scipy, pair after pair."""
    data = small(digits, 60)
    chosen = {"seeds": 1, "epochs": 1, "batch_size": 20, "learning_rate": 0.01, "shift": 1}
    chosen["schedule"] = schedule
    plain = make(**chosen)
    linears, (read_out,) = plain_layers(plain.network), plain_layers(plain.read_out.stack)
    adams = [torch.optim.Adam(layer.parameters(), lr=0.01) for layer in [*linears, read_out]]
    cycles = [
        torch.optim.lr_scheduler.OneCycleLR(adam, 0.01, total_steps=3)
        for adam in adams
        if schedule == "one_cycle"
    ]
    order = torch.randperm(60, generator=plain.generators[0])
    shifts = torch.randint(9, (60,), generator=plain.generators[0])
    for rows, steps in zip(order.split(20), shifts.split(20), strict=True):
        pictures = data.train_images[rows].unflatten(1, (28, 28)).numpy()
        # Window (0, 0) of the framed image is the one in which the digit stands lowest.
        pictures = [
            scipy_shift(picture, (1 - step // 3, 1 - step % 3), order=0)
            for picture, step in zip(pictures, steps.tolist(), strict=True)
        ]
        images = standardised(torch.from_numpy(np.stack(pictures)).flatten(1))
        losses, own = slow_losses(linears, images, plain.config.threshold)
        losses.append(nn.functional.cross_entropy(read_out(features(own)), data.train_labels[rows]))
        for adam, loss in zip(adams, losses, strict=True):
            adam.zero_grad()
            loss.backward()
            adam.step()
        for cycle in cycles:
            cycle.step()
    rule = make(**chosen)
    rule.fit(data)
    for stack, layers in ((rule.network, linears), (rule.read_out.stack, [read_out])):
        for weight, bias, linear in zip(stack.weights, stack.biases, layers, strict=True):
            torch.testing.assert_close(weight[0], linear.weight.T, atol=2e-4, rtol=1e-3)
            torch.testing.assert_close(bias[0, 0], linear.bias, atol=2e-4, rtol=1e-3)


def test_an_image_is_evaluated_joined_with_itself(digits):
    rule, images = make(), digits.test_images[::90]
    linears, (read_out,) = plain_layers(rule.network, 1), plain_layers(rule.read_out.stack, 1)
    own = [joined_forward(linears, image, image) for image in standardised(images)]
    expected = [torch.stack(layer).detach() for layer in zip(*own, strict=True)]
    for found, layer in zip(rule.representations(images), expected, strict=True):
        torch.testing.assert_close(found[1], layer)
    torch.testing.assert_close(rule.predict(images)[1], read_out(features(expected)))


@given(st.integers(0, 4), st.integers(0, 999))
@settings(max_examples=25, deadline=None)
def test_a_shift_is_scipys_with_black_behind(most, seed):
    drawn = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (3, 49), generator=drawn, dtype=torch.uint8)
    places = windows(49, most)
    assert places.shape == ((2 * most + 1) ** 2, 49)
    shifts = torch.arange(len(places)).expand(3, -1)
    found = moved(framed(images, most), places, torch.arange(3)[:, None].expand_as(shifts), shifts)
    steps = range(most, -most - 1, -1)
    for image, rows in zip(images, found, strict=True):
        by = [(down, right) for down in steps for right in steps]
        for row, amount in zip(rows, by, strict=True):
            expected = scipy_shift(image.unflatten(0, (7, 7)).numpy(), amount, order=0)
            assert np.array_equal(row.unflatten(0, (7, 7)).numpy(), expected)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"layers": (100, 20)}, "begin with 784"),
        ({"batch_size": 1}, "batch_size=1"),
        ({"shift": -1}, "shift=-1"),
        ({"threshold": -2.0}, "threshold=-2.0"),
    ],
)
def test_bad_settings_are_one_line_errors(override, message):
    with pytest.raises(ConfigError) as error:
        rules.configure("self_contrastive_ff", "smoke", **override)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_image_that_would_be_alone_in_its_batch_is_refused_before_training(digits):
    with pytest.raises(ConfigError, match="batch_size=11: of 100 images one would be alone"):
        make(batch_size=11).fit(small(digits, 100))


def test_it_learns_digits_and_tells_pairs_of_unseen_images_apart(digits):
    """Goodness lies above the threshold for an image with itself, and below it with another."""
    rule = rules.rule("self_contrastive_ff")(
        rules.configure("self_contrastive_ff", "smoke", seeds=1)
    )

    def told_apart():
        rows = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
        images = rule.scaled(digits.test_images[rows])
        with torch.no_grad():
            layers = [g.square() for _, g in rule.forward(images[None], joined_pairs)]
        sides = [(g > rule.config.threshold).chunk(2, -1) for g in layers]
        return [(good.float().mean() + (~bad).float().mean()).item() / 2 for good, bad in sides]

    assert told_apart() == pytest.approx([0.5, 0.5], abs=0.01)
    rule.fit(digits)
    assert min(told_apart()) > 0.7
    accuracy = (rule.predict(digits.test_images).argmax(-1) == digits.test_labels).double().mean()
    assert accuracy > 0.85
