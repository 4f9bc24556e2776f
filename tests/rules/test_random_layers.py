"""The control: hidden layers stay as they were drawn, and the output is a plain classifier."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import cross_entropy

from ffcl_utils import rules
from ffcl_utils.config import ConfigError
from tests.small import small, small_config, small_rule

NAME = "random_layers"


def test_hidden_layers_never_learn_and_the_output_does(digits):
    rule, before = small_rule(NAME), small_rule(NAME)
    rule.fit(small(digits))
    *hidden, output = rule.network.weights
    *hidden_before, output_before = before.network.weights
    assert all(torch.equal(a, b) for a, b in zip(hidden, hidden_before, strict=True))
    assert not torch.equal(output, output_before)
    assert all(
        torch.equal(a, b)
        for a, b in zip(rule.network.biases[:-1], before.network.biases[:-1], strict=True)
    )


def test_three_steps_are_those_of_a_classifier_of_the_random_features(digits):
    data = small(digits)
    settings = {"seeds": 1, "epochs": 1, "batch_size": 48, "learning_rate": 0.01}
    rule = small_rule(NAME, **settings)
    rows = torch.arange(3 * 48) % len(data.train_labels)
    pixels = (data.train_images[rows].float() / 255 - 0.1307) / 0.3081
    layer = pixels
    for weight, bias in zip(rule.network.weights[:-1], rule.network.biases[:-1], strict=True):
        layer = torch.relu(layer @ weight[0] + bias[0])
    head = torch.nn.Linear(layer.shape[1], 10)
    with torch.no_grad():
        head.weight.copy_(rule.network.weights[-1][0].T)
        head.bias.copy_(rule.network.biases[-1][0, 0])
    optimiser = torch.optim.Adam(head.parameters(), lr=0.01)
    batches = layer.detach().split(48), data.train_labels[rows].split(48)
    for features, labels in zip(*batches, strict=True):
        optimiser.zero_grad()
        cross_entropy(head(features), labels).backward()
        optimiser.step()

    (phase,) = rule.phases(data)
    ours = torch.optim.Adam(phase.parameters, lr=0.01)
    for chosen in rows.split(48):
        ours.zero_grad()
        phase.losses({"image": chosen[None]})["output"].sum().backward()
        ours.step()
    torch.testing.assert_close(rule.network.weights[-1][0], head.weight.T, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(rule.network.biases[-1][0, 0], head.bias, rtol=1e-4, atol=1e-6)


def test_its_output_is_nearly_what_can_be_had_from_its_layers(digits):
    """A control whose output has not learnt enough makes every rule look better than it is."""
    rule = rules.rule(NAME)(rules.configure(NAME, "smoke"))
    reached = rule.fit(digits)["test_accuracy/all"][-1]
    learnt, asked = (
        rule.representations(images)[-1].double()
        for images in (digits.train_images, digits.test_images)
    )
    for k, accuracy in enumerate(reached):
        size = learnt[k].square().mean().sqrt()
        solved = LogisticRegression(max_iter=1000).fit(learnt[k] / size, digits.train_labels)
        assert accuracy > solved.score(asked[k] / size, digits.test_labels) - 0.03


def test_its_networks_are_those_of_backprop_before_the_training():
    ours, plain = small_config(NAME), rules.configure("backprop", "smoke", seeds=2)
    one = rules.rule(NAME)(ours)
    other = rules.rule("backprop")(plain.model_copy(update={"layers": ours.layers}))
    for a, b in zip(one.network.weights, other.network.weights, strict=True):
        assert torch.equal(a, b)


def test_without_a_hidden_layer_there_is_nothing_random():
    with pytest.raises(ConfigError, match="at least one hidden layer"):
        rules.configure(NAME, "smoke", layers=(784, 10))
