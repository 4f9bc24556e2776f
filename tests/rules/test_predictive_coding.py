"""Predictive coding against autograd, and against a slow training of one seed by formula."""

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from tests.rules.test_activation_relaxation import Plain, batch, in_float64, same_as_plain, upwards
from tests.rules.test_activation_relaxation import make as make_rule
from tests.small import small

ALL = {"backward_weights": "learned", "derivative": False, "error_weights": "learned"}
RELAXATIONS = [
    {},
    {"backward_weights": "learned"},
    {"backward_weights": "random"},
    {"derivative": False},
    {"error_weights": "learned"},
    {"error_weights": "random"},
    ALL,
]
both = pytest.mark.parametrize("predictions", ["fixed", "recomputed"])


def make(**overrides):
    return make_rule("predictive_coding", **overrides)


def gradients(rule, images, labels):
    """By every parameter, of the sum of the local losses."""
    local = sum(loss.sum() for loss in rule.losses(images, labels).values())
    return torch.autograd.grad(local, rule.network.parameters())


def squared(rule, images, labels):
    """The squared error of plain predictions, a mean over the batch, summed over the networks."""
    errors = upwards(rule.network, images)[-1] - one_hot(labels, 10)
    return errors.square().sum(-1).mean(-1).sum()


def test_with_fixed_predictions_the_update_is_backpropagations(digits):
    rule = in_float64(make(sweeps=400, step=0.1))
    images, labels = batch(rule, digits)
    expected = torch.autograd.grad(squared(rule, images, labels), rule.network.parameters())
    for mine, gradient in zip(gradients(rule, images, labels), expected, strict=True):
        torch.testing.assert_close(mine, gradient, atol=1e-5, rtol=1e-5)
    assert all(gradient.abs().max() > 0.01 for gradient in expected)


def test_with_fixed_predictions_errors_are_minus_half_the_gradient(digits):
    rule = in_float64(make(sweeps=400, step=0.1))
    images, labels = batch(rule, digits)
    outputs = upwards(rule.network, images)
    loss = (outputs[-1] - one_hot(labels, 10)).square().sum()
    _, errors = rule.inferred(outputs, labels)
    for error, gradient in zip(errors, torch.autograd.grad(loss, outputs), strict=True):
        torch.testing.assert_close(error, -gradient / 2, atol=1e-5, rtol=1e-5)


def test_with_fixed_predictions_dense_error_weights_settle_where_the_identity_does(digits):
    dense, plain = (
        in_float64(make(sweeps=400, step=0.1, error_weights=way, tolerance=0))
        for way in ("random", "identity")
    )
    assert torch.equal(dense.network.weights[0], plain.network.weights[0])
    images, labels = batch(plain, digits)
    outputs = upwards(plain.network, images)
    for one, other in zip(
        dense.inferred(outputs, labels)[1], plain.inferred(outputs, labels)[1], strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-8, rtol=1e-8)


def test_recomputed_predictions_settle_where_the_energy_is_least(digits):
    """Autograd's gradient of the energy by the hidden activations vanishes, and it is lower."""
    rule = in_float64(make(sweeps=3000, step=0.02, predictions="recomputed", tolerance=0))
    images, labels = batch(rule, digits, images=10)
    network = rule.network
    outputs, errors = rule.inferred(upwards(network, images), labels)
    settled = [e + h for e, h in zip(errors, outputs, strict=True)]
    hidden = [mu.detach().requires_grad_() for mu in settled[:-1]]
    energy = (hidden[0] - outputs[0].detach()).square().sum()
    for k, mu in enumerate([*hidden[1:], one_hot(labels, 10)], start=1):
        seen = hidden[k - 1] @ network.weights[k] + network.biases[k]
        energy = energy + (mu - (seen.relu() if k < 3 else seen)).square().sum()
    assert energy < 10 * squared(rule, images, labels)
    gradients = torch.cat(torch.autograd.grad(energy, hidden), -1)
    # Where a ReLU is at its corner there is no gradient, and an image may jump there for ever.
    at_rest = gradients.abs().amax(-1) < 1e-5
    assert at_rest.double().mean() > 0.5


class PlainCoding(Plain):
    def mixed(self, k, seen):
        return seen @ self.mixing[k] if k < len(self.mixing) else seen

    def step(self, images, target):
        settings, last = self.settings, len(self.w) - 1

        def predict(mu):
            """Inputs, outputs and slopes of all layers."""
            below, outputs, slopes = [images, *mu[:-1]], [], []
            for k in range(last + 1):
                a = below[k] @ self.w[k] + self.b[k]
                outputs.append(a if k == last else a.clamp(min=0))
                slopes.append(torch.ones_like(a) if k == last else (a > 0).float())
            return below, outputs, slopes

        mu = [images]
        for k in range(last):
            mu.append((mu[-1] @ self.w[k] + self.b[k]).clamp(min=0))
        mu = [*mu[1:], target]
        below, outputs, slopes = predict(mu)
        for _ in range(settings.sweeps):
            errors = [mu[k] - self.mixed(k, outputs[k]) for k in range(last + 1)]
            for k in range(last):
                f = slopes[k + 1] if settings.derivative else 1
                passed = (errors[k + 1] * f) @ self.down(k + 1).T
                mu[k] = mu[k] - settings.step * 2 * (errors[k] - passed)
            if settings.predictions == "recomputed":
                below, outputs, slopes = predict(mu)
        errors = [mu[k] - self.mixed(k, outputs[k]) for k in range(last + 1)]
        for k in range(last + 1):
            self.learn_layer(k, below[k], -2 * errors[k] * slopes[k])
        if settings.error_weights == "learned":
            for k, weight in enumerate(self.mixing):
                self.move(weight, -2 * outputs[k].T @ errors[k] / len(images))


@both
@pytest.mark.parametrize("relaxation", RELAXATIONS)
def test_training_is_the_plain_one(digits, relaxation, predictions):
    data = small(digits, 100)
    settings = {"seeds": 1, "sweeps": 20, "predictions": predictions, **relaxation}
    plain = PlainCoding(make(**settings)).train(data)
    rule = make(**settings)
    rule.fit(data)
    same_as_plain(rule, plain)


@both
def test_with_all_relaxations_a_seed_is_the_same_alone_and_among_others(digits, predictions):
    data, settings = small(digits, 100), ALL | {"predictions": predictions}
    together, alone = make(seeds=3, **settings), make(seeds=1, first_seed=1, **settings)
    together.fit(data)
    history = alone.fit(data)
    assert {"mixing1", "backward2"} < alone.tensors().keys()
    for name, values in alone.tensors().items():
        assert torch.equal(values, together.tensors()[name][1:2]), name
    for quantity, values in history.values.items():
        assert np.array_equal(values, together.history[quantity][:, 1:2]), quantity


def test_the_energy_is_the_squared_error_of_every_layer(digits):
    rule = in_float64(make(error_weights="learned"))
    images, labels = batch(rule, digits)
    _, errors = rule.inferred(upwards(rule.network, images), labels)
    found = rule.losses(images, labels)
    assert list(found) == ["layer1", "layer2", "layer3", "output"]
    for loss, error in zip(found.values(), errors, strict=True):
        torch.testing.assert_close(loss, (error**2).sum(2).mean(1))


def test_a_step_that_diverges_leaves_no_figure(digits):
    history = make(predictions="recomputed", step=0.95, sweeps=200).fit(small(digits, 100))
    assert np.isnan(history["train_loss/total"]).all()


def test_networks_learn_digits(digits):
    for predictions in ("fixed", "recomputed"):
        rule = make(seeds=1, epochs=2, layers=(784, 100, 50, 10), predictions=predictions)
        assert rule.fit(digits)["test_accuracy/all"][-1, 0] > 0.85
