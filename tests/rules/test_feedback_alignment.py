"""Feedback alignment against autograd, closed forms and a plain training written by hand."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from ffcl_utils import rules
from ffcl_utils.config import ConfigError
from ffcl_utils.learning.feedback import direct_errors, layerwise_errors, output_error
from ffcl_utils.rules.feedback_alignment import FeedbackAlignment
from tests.small import small

BOTH = pytest.mark.parametrize("feedback", ["layerwise", "direct"])


def make(**overrides):
    few = {"seeds": 2, "epochs": 2, "batch_size": 48, "layers": (784, 24, 16, 12, 10)}
    return FeedbackAlignment(rules.configure("feedback_alignment", "smoke", **(few | overrides)))


def in_double(rule):
    """The same networks and backward weights in double precision."""
    network = rule.network
    network.weights = [w.detach().double().requires_grad_() for w in network.weights]
    network.biases = [b.detach().double().requires_grad_() for b in network.biases]
    rule.feedback = [b.double() for b in rule.feedback]
    return rule


def batch(seeds=2, images=9):
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randn(seeds, images, 784, generator=generator, dtype=torch.float64)
    return pixels, torch.randint(10, (seeds, images), generator=generator)


def gradients(rule, losses):
    return torch.autograd.grad(sum(losses.values()).sum(), rule.network.parameters())


def of_backprop(rule, images, labels):
    """Gradients of torch's cross-entropy of both seeds, by autograd through all layers."""
    loss = 0
    for k in range(len(images)):
        seen = images[k]
        for n, (w, b) in enumerate(zip(rule.network.weights, rule.network.biases, strict=True)):
            seen = (seen.relu() if n else seen) @ w[k] + b[k]
        loss = loss + nn.functional.cross_entropy(seen, labels[k])
    return torch.autograd.grad(loss, rule.network.parameters())


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-9)


def test_with_transposed_forward_weights_the_update_is_backpropagations():
    rule, (images, labels) = in_double(make()), batch()
    rule.feedback = [w.detach().transpose(1, 2) for w in rule.network.weights[1:]]
    assert_same(gradients(rule, rule.losses(images, labels)), of_backprop(rule, images, labels))


def test_direct_feedback_by_the_product_of_all_weights_above_is_backprop_while_no_unit_is_silent():
    rule, (images, labels) = in_double(make(feedback="direct")), batch()
    for k, bias in enumerate(rule.network.biases[:-1]):
        bias.data += 100**k * 20  # far above what the weights take off
    product = torch.eye(10, dtype=torch.float64).expand(2, -1, -1)
    for k, weight in reversed(list(enumerate(rule.network.weights[1:]))):
        product = product @ weight.detach().transpose(1, 2)
        rule.feedback[k] = product
    assert all((layer > 0).all() for layer in rule.network.forward(images)[:-1])
    assert_same(gradients(rule, rule.losses(images, labels)), of_backprop(rule, images, labels))


def test_with_random_feedback_only_the_output_layer_learns_as_by_backpropagation():
    rule, (images, labels) = in_double(make()), batch()
    found = gradients(rule, rule.losses(images, labels))
    expected = of_backprop(rule, images, labels)
    assert_same(found[-2:], expected[-2:])
    assert all(not torch.allclose(*pair) for pair in zip(found[:-2], expected[:-2], strict=True))


def test_with_one_hidden_layer_direct_feedback_is_layerwise_to_the_last_bit(digits):
    data, trained = small(digits, 100), []
    for feedback in ("layerwise", "direct"):
        rule = make(layers=(784, 20, 10), feedback=feedback)
        rule.fit(data)
        trained.append(rule)
    for name, values in trained[0].tensors().items():
        assert torch.equal(values, trained[1].tensors()[name]), name


def test_output_error_is_the_gradient_of_cross_entropy():
    logits = torch.randn(2, 7, 10, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(10, (2, 7))
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")
    (expected,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(output_error(logits, labels).detach(), expected)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_errors_are_those_of_a_slow_loop_over_images_and_units(units, images, seed):
    torch.manual_seed(seed)
    sizes = [*units, 10]
    error = torch.randn(1, images, 10)
    hidden = [torch.randn(1, images, n).relu() for n in units]
    down = [torch.randn(1, above, n) for n, above in zip(units, sizes[1:], strict=True)]
    across = [torch.randn(1, 10, n) for n in units]
    layerwise, direct = layerwise_errors(error, hidden, down), direct_errors(error, across)
    for image in range(images):
        came = error[0, image].tolist()
        for k in reversed(range(len(units))):
            by_unit = [
                sum(came[a] * down[k][0, a, u].item() for a in range(len(came)))
                for u in range(units[k])
            ]
            assert layerwise[k][0, image].tolist() == pytest.approx(by_unit, abs=1e-4)
            came = [e if hidden[k][0, image, u] > 0 else 0.0 for u, e in enumerate(by_unit)]
            straight = [
                sum(error[0, image, a].item() * across[k][0, a, u].item() for a in range(10))
                for u in range(units[k])
            ]
            assert direct[k][0, image].tolist() == pytest.approx(straight, abs=1e-4)


def plain_training(rule, data):
    """Seed by seed and layer by layer with written-out updates; Adam is torch's."""
    trained = []
    for k, generator in enumerate(rule.generators):
        weights = [w[k].detach().clone() for w in rule.network.weights]
        biases = [b[k, 0].detach().clone() for b in rule.network.biases]
        back = [b[k] for b in rule.feedback]
        adam = torch.optim.Adam([*weights, *biases], lr=rule.config.learning_rate)
        pixels = (data.train_images.float() / 255 - 0.1307) / 0.3081
        for _ in range(rule.config.epochs):
            for rows in torch.randperm(len(pixels), generator=generator).split(48):
                seen = [pixels[rows]]
                for w, b in zip(weights[:-1], biases[:-1], strict=True):
                    seen.append((seen[-1] @ w + b).clamp(min=0))
                scores = (seen[-1] @ weights[-1] + biases[-1]).exp()
                output = scores / scores.sum(1, keepdim=True)
                output[torch.arange(len(rows)), data.train_labels[rows]] -= 1
                output /= len(rows)
                delta = output
                for n in reversed(range(len(weights))):
                    weights[n].grad, biases[n].grad = seen[n].T @ delta, delta.sum(0)
                    if n:
                        source = output if rule.config.feedback == "direct" else delta
                        delta = (source @ back[n - 1]) * (seen[n] > 0)
                adam.step()
        trained.append(weights)
    return trained


@BOTH
def test_training_is_the_plain_one(digits, feedback):
    data = small(digits, 140)  # three steps an epoch, the last of them short
    plain = plain_training(make(feedback=feedback), data)
    rule = make(feedback=feedback)
    rule.fit(data)
    for seed, weights in enumerate(plain):
        for trained, expected in zip(rule.network.weights, weights, strict=True):
            torch.testing.assert_close(trained[seed], expected, atol=2e-4, rtol=1e-3)


@BOTH
def test_the_backward_weights_never_change_and_come_back_with_the_seed(digits, feedback):
    rule, alone = make(feedback=feedback), make(feedback=feedback, seeds=1, first_seed=1)
    before = [b.clone() for b in rule.feedback]
    rule.fit(small(digits, 100))
    for drawn, now, again in zip(before, rule.feedback, alone.feedback, strict=True):
        assert torch.equal(drawn, now)
        assert torch.equal(drawn[1:], again)
        assert not torch.equal(drawn[0], drawn[1])


@BOTH
def test_backward_weights_are_uniform_like_forward_ones_and_unlike_those(feedback):
    rule = make(feedback=feedback, layers=(784, 400, 300, 10))
    above = (300, 10) if feedback == "layerwise" else (10, 10)
    for back, forward, rows in zip(rule.feedback, rule.network.weights[1:], above, strict=True):
        units = forward.shape[1]
        assert back.shape == (2, rows, units)
        bound = units**-0.5
        assert back.abs().max() <= bound
        assert back.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
        if back.shape == forward.transpose(1, 2).shape:
            pair = torch.stack([back.flatten(), forward.transpose(1, 2).flatten()])
            assert abs(torch.corrcoef(pair)[0, 1]) < 0.06


def test_the_cosine_with_backprop_is_one_for_backprop_itself(digits):
    rule = make(layers=(784, 40, 30, 10), epochs=1)
    rule.feedback = [w.detach().transpose(1, 2) for w in rule.network.weights[1:]]  # views
    history = rule.fit(small(digits, 100))
    for k in (1, 2):
        assert history[f"cosine_with_backprop/layer{k}"] == pytest.approx(1, abs=1e-4)


@BOTH
def test_it_learns_digits_and_its_errors_turn_towards_backpropagations(digits, feedback):
    rule = FeedbackAlignment(rules.configure("feedback_alignment", "smoke", feedback=feedback))
    history = rule.fit(digits)
    assert (history["test_accuracy/all"][-1] > 0.8).all()
    for cosines in history.starting_with("cosine_with_backprop/").values():
        assert (cosines[-1] > 0.2).all()  # random ones would be near 0


@BOTH
def test_only_layerwise_feedback_goes_back_through_the_layers(feedback):
    assert make(feedback=feedback).backward_pass == (feedback == "layerwise")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"feedback": "random"}, "feedback='random': Input should be 'layerwise' or 'direct'"),
        ({"layers": (784, 10)}, "at least one hidden layer"),
        ({"layers": (784, 20, 9)}, "10 outputs"),
        ({"layers": (100, 20, 10)}, "needs 784 inputs"),
        ({"learning_rate": 0.0}, "learning_rate=0.0: Input should be greater than 0"),
    ],
)
def test_bad_settings_are_one_line_errors(override, message):
    with pytest.raises(ConfigError) as error:
        rules.configure("feedback_alignment", "smoke", **override)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
