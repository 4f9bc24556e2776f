"""Activation relaxation against autograd, and against a slow training of one seed by formula."""

from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch.nn.functional import cross_entropy, one_hot

from ffcl_utils import rules
from ffcl_utils.config import ConfigError
from ffcl_utils.learning import inference, relaxation
from ffcl_utils.learning.relaxation import Sweeps, relaxed_errors
from tests.small import small

NAME = "activation_relaxation"
LAYERS = (784, 24, 20, 16, 10)
CONDITIONS = [
    {"backward_weights": way, "derivative": derivative}
    for way in ("transposed", "learned", "random")
    for derivative in (True, False)
]
PLAIN = {"errors": "backpropagated"}
each_condition = pytest.mark.parametrize("condition", CONDITIONS)


def make(name=NAME, **overrides):
    plain = {"seeds": 2, "epochs": 1, "batch_size": 32, "layers": LAYERS}
    return rules.rule(name)(rules.configure(name, "smoke", **(plain | overrides)))


def in_float64(rule):
    """The rule with larger weights, so that errors reach the first layer, in double precision."""
    for stack in rule.stacks()[""].__dict__.values():
        for k, tensor in enumerate(stack if isinstance(stack, list) else ()):
            stack[k] = (3 * tensor.detach().double()).requires_grad_()
    return rule


def batch(rule, digits, images=40):
    labels = digits.train_labels[:images].expand(rule.config.seeds, -1)
    return rule.scaled(digits.train_images[:images]).double(), labels


def upwards(network, images):
    """All activations of every network by autograd, one after the other, and those of all."""
    found, seen = [], images.expand(len(network.weights[0]), -1, -1)
    for weight, bias in zip(network.weights, network.biases, strict=True):
        seen = torch.einsum("sbi,sio->sbo", seen, weight) + bias
        seen = seen if len(found) == len(network.weights) - 1 else torch.relu(seen)
        found.append(seen)
    return found


def test_what_settles_is_autograds_gradient_by_the_activations(digits):
    rule = in_float64(make(sweeps=400, step=0.2, tolerance=0))
    images, labels = batch(rule, digits)
    activations = upwards(rule.network, images)
    loss = cross_entropy(activations[-1].transpose(1, 2), labels, reduction="sum")
    expected = torch.autograd.grad(loss, activations)
    for mine, gradient in zip(rule.relaxed(activations, labels), expected, strict=True):
        torch.testing.assert_close(mine, gradient, atol=1e-5, rtol=1e-5)
        assert gradient.abs().max() > 0.01


def test_the_update_of_every_parameter_is_backpropagations(digits):
    rule = in_float64(make(sweeps=400, step=0.2))
    images, labels = batch(rule, digits)
    local = sum(loss.sum() for loss in rule.losses(images, labels).values())
    found = torch.autograd.grad(local, rule.network.parameters())
    logits = upwards(rule.network, images)[-1].transpose(1, 2)
    loss = cross_entropy(logits, labels, reduction="none").mean(-1).sum()
    for mine, gradient in zip(
        found, torch.autograd.grad(loss, rule.network.parameters()), strict=True
    ):
        torch.testing.assert_close(mine, gradient, atol=1e-5, rtol=1e-5)


@each_condition
def test_every_condition_settles_at_its_own_recursion(digits, condition):
    """x_l = (x_{l+1} ⊙ f′) Bᵀ from the top down in one pass: the fixed point, without sweeps."""
    rule = in_float64(make(sweeps=400, step=0.2, **condition))
    images, labels = batch(rule, digits)
    activations = upwards(rule.network, images)
    expected = [activations[-1].softmax(-1) - one_hot(labels, 10)]
    own = rule.network.weights if condition["backward_weights"] == "transposed" else None
    down = own[1:] if own else rule.network.backward
    for k in (2, 1, 0):
        gate = (activations[k + 1] > 0) if k < 2 and condition["derivative"] else 1
        expected.insert(0, torch.einsum("sbo,sio->sbi", expected[0] * gate, down[k]))
    for mine, wanted in zip(rule.relaxed(activations, labels), expected, strict=True):
        torch.testing.assert_close(mine, wanted, atol=1e-5, rtol=1e-5)


@given(st.integers(0, 999), st.floats(0.3, 1.5), st.booleans(), st.integers(2, 5))
@settings(max_examples=25, deadline=None)
def test_any_network_settles_at_its_gradient_from_anywhere(seed, step, downwards, depth):
    torch.manual_seed(seed)
    sizes = torch.randint(1, 7, (depth + 1,)).tolist()
    weights = [torch.randn(2, a, b).double() for a, b in pairwise(sizes)]
    first = torch.randn(2, 3, sizes[0]).double().relu_().requires_grad_()
    activations = [first]
    for k, weight in enumerate(weights, start=1):
        seen = activations[-1] @ weight
        activations.append(seen if k == depth else seen.relu())
    top = torch.randn(2, 3, sizes[-1]).double()
    expected = torch.autograd.grad((activations[-1] * top).sum(), activations)
    start = [torch.randn_like(x) for x in activations[:-1]] + [top]
    found = relaxed_errors(start, activations, weights, Sweeps(step, 400, 0), downwards)
    for mine, gradient in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, gradient, atol=1e-7, rtol=1e-7)


class Plain:
    """One seed, layer by layer and formula by formula; each tensor has an Adam of its own."""

    def __init__(self, rule):
        network, self.settings = rule.network, rule.config
        self.generator = rule.generators[0]
        stacks = network.weights, network.biases, network.backward, network.mixing
        self.w, self.b, self.back, self.mixing = (
            [tensor[0].detach().clone() for tensor in stack] for stack in stacks
        )
        self.adams = {}

    def move(self, tensor, gradient):
        if id(tensor) not in self.adams:
            self.adams[id(tensor)] = torch.optim.Adam([tensor], lr=self.settings.learning_rate)
        tensor.grad = gradient
        self.adams[id(tensor)].step()

    def down(self, k):
        """The weights by which errors leave layer k, from 0."""
        return self.w[k] if self.settings.backward_weights == "transposed" else self.back[k - 1]

    def learn_layer(self, k, below, error):
        """Descend by belowᵀ error, error being by the pre-activations."""
        gradient = below.T @ error / len(below)
        self.move(self.w[k], gradient.clone())
        self.move(self.b[k], error.mean(0, keepdim=True))
        if k and self.settings.backward_weights == "learned":
            self.move(self.back[k - 1], gradient.clone())

    def train(self, data):
        images = data.train_images.float() / 255
        for _ in range(self.settings.epochs):
            order = torch.randperm(len(images), generator=self.generator)
            for rows in order.split(self.settings.batch_size):
                self.step(images[rows], one_hot(data.train_labels[rows], 10).float())
        return self


class PlainRelaxation(Plain):
    def step(self, images, target):
        h, last = [images], len(self.w) - 1
        for k in range(last + 1):
            a = h[-1] @ self.w[k] + self.b[k]
            h.append(a if k == last else a.clamp(min=0))
        slope = [(a > 0).float() for a in h[:-1]] + [torch.ones_like(target)]
        x = [layer.clone() for layer in h[:-1]] + [h[-1].softmax(1) - target]
        for _ in range(self.settings.sweeps):
            for k in range(last, 0, -1):
                f = slope[k + 1] if self.settings.derivative else 1
                x[k] = x[k] - self.settings.step * (x[k] - (x[k + 1] * f) @ self.down(k).T)
        for k in range(last + 1):
            self.learn_layer(k, h[k], x[k + 1] * slope[k + 1])


def same_as_plain(rule, plain):
    pairs = {"weights": plain.w, "biases": plain.b, "backward": plain.back, "mixing": plain.mixing}
    for name, expected in pairs.items():
        for mine, wanted in zip(getattr(rule.network, name), expected, strict=True):
            torch.testing.assert_close(mine[0], wanted, atol=1e-4, rtol=1e-3, msg=name)


@each_condition
def test_training_is_the_plain_one(digits, condition):
    data, condition = small(digits, 100), {"seeds": 1, "sweeps": 20, "step": 0.3} | condition
    plain = PlainRelaxation(make(**condition)).train(data)
    rule = make(**condition)
    rule.fit(data)
    same_as_plain(rule, plain)


@pytest.mark.parametrize("name", [NAME, "predictive_coding"])
def test_with_settled_errors_training_is_backpropagations(digits, name):
    """From the same first weights, on the same images, with the same optimiser and loss."""
    data = small(digits, 100)
    settled = make(name, sweeps=600, step=0.2, tolerance=0, products="float32")
    plain = make(name, errors="backpropagated")
    for one, other in zip(settled.tensors().values(), plain.tensors().values(), strict=True):
        assert torch.equal(one, other)
    before = {n: tensor.detach().clone() for n, tensor in plain.tensors().items()}
    settled.fit(data)
    plain.fit(data)
    for tensor, trained in plain.tensors().items():
        torch.testing.assert_close(settled.tensors()[tensor], trained, atol=2e-5, rtol=1e-3)
        assert not torch.equal(trained, before[tensor])
    accuracies = (rule.history["test_accuracy/all"] for rule in (settled, plain))
    np.testing.assert_allclose(*accuracies, atol=0.003)


@pytest.mark.parametrize("name", [NAME, "predictive_coding"])
def test_the_control_is_one_loss_that_changes_every_layer(digits, name):
    rule = make(name, errors="backpropagated")
    (loss,) = rule.example_losses(small(digits, 100)).values()
    gradients = torch.autograd.grad(loss.sum(), rule.network.parameters())
    assert all(gradient.abs().max() > 0 for gradient in gradients)
    assert not rule.local and rule.backward_pass and make(name).local


@pytest.mark.parametrize("name", [NAME, "predictive_coding"])
def test_backward_weights_learn_as_much_as_the_weights_or_never_and_are_stored(digits, name):
    for way in ("learned", "random"):
        rule = make(name, backward_weights=way)
        before = {n: tensor.detach().clone() for n, tensor in rule.tensors().items()}
        rule.fit(small(digits, 100))
        moved = {n: tensor.detach() - before[n] for n, tensor in rule.tensors().items()}
        for k in (2, 3, 4):
            expected = moved[f"weight{k}"] if way == "learned" else torch.zeros(())
            expected = expected.expand_as(moved[f"backward{k}"])
            torch.testing.assert_close(moved[f"backward{k}"], expected, atol=1e-6, rtol=0)
            assert not torch.equal(before[f"backward{k}"], before[f"weight{k}"])
            assert moved[f"weight{k}"].abs().max() > 1e-4


def test_stopping_moves_an_error_by_no_more_than_the_tolerance(digits):
    """Of rate 1/2, a layer is as far from its target as it moved; layers above pass on theirs."""
    rule = in_float64(make(sweeps=400, step=0.5))
    images, labels = batch(rule, digits)
    activations = upwards(rule.network, images)
    start = [*activations[:-1], activations[-1].softmax(-1) - one_hot(labels, 10)]
    weights, reached = rule.network.weights[1:], {}
    for tolerance in (0, 1e-3, 1e-6):
        sweeps = Sweeps(0.5, 400, tolerance)
        reached[tolerance] = relaxed_errors(start, activations, weights, sweeps, True)
    for tolerance in (1e-3, 1e-6):
        far = 0
        for k in (2, 1, 0):
            norm = weights[k].detach().abs().sum(2).amax()
            far = tolerance * start[-1].abs().amax() + norm * far
            assert (reached[tolerance][k] - reached[0][k]).abs().amax() <= far
    assert not torch.equal(reached[1e-3][0], reached[1e-6][0])  # one did stop before the other


@pytest.mark.parametrize(
    ("name", "sweeping"),
    [
        (NAME, {"sweeps": 200, "step": 0.2}),
        ("predictive_coding", {"sweeps": 400, "step": 0.05}),
        # With f′, units near 0 go on and off, and it never stops.
        (
            "predictive_coding",
            {"sweeps": 300, "step": 0.2, "predictions": "recomputed", "derivative": False},
        ),
    ],
    ids=["AR", "PC", "PC, recomputed"],
)
def test_stopping_changes_no_figure_and_saves_sweeps(digits, monkeypatch, name, sweeping):
    data, done = small(digits, 200), []
    original = relaxation.settled

    def counting(sweep, *arguments):
        return original(lambda: (sweep(), done.append(1)), *arguments)

    for module in (relaxation, inference):
        monkeypatch.setattr(module, "settled", counting)
    histories, counts = [], []
    for tolerance in (0, 1e-6):
        done.clear()
        histories.append(make(name, tolerance=tolerance, **sweeping).fit(data))
        counts.append(len(done))
    assert counts[1] < 0.9 * counts[0]
    # Of tolerance 0 it stops where not a bit changes any more.
    assert counts[0] <= 2 * 7 * sweeping["sweeps"]
    for quantity, values in histories[0].values.items():
        # Of 1,000 test images, one may lie between two classes as good as halfway.
        near = 1.1e-3 if quantity.startswith("test_accuracy") else 1e-5
        np.testing.assert_allclose(histories[1][quantity], values, rtol=1e-4, atol=near)


def test_a_relaxation_that_diverges_has_no_figure_and_disturbs_no_other():
    torch.manual_seed(0)
    weights = [torch.randn(2, 5, 5), torch.randn(2, 5, 3)]
    start = [torch.randn(2, 4, 5), torch.randn(2, 4, 5), torch.randn(2, 4, 3)]
    for rate, sweeps in ((2.2, 60), (2.2, 5000), (50.0, 100)):  # it grows; it overflows; at once
        found = relaxed_errors(start, None, weights, Sweeps(rate, sweeps, 0), True)
        assert all(x.isnan().all() for x in found[:-1])
    start[1][0, 0, 0] = torch.inf
    one, other = relaxed_errors(start, None, weights, Sweeps(0.5, 60, 0), False)[0]
    assert one.isnan().all()
    alone = [tensor[1:] for tensor in start], [w[1:] for w in weights]
    assert torch.equal(
        other, relaxed_errors(alone[0], None, alone[1], Sweeps(0.5, 60, 0), False)[0][0]
    )


@pytest.mark.parametrize("name", [NAME, "predictive_coding"])
def test_networks_relaxed_all_at_once_as_on_a_gpu_settle_as_one_by_one(digits, name, monkeypatch):
    more = {"predictions": "recomputed", "error_weights": "random"} if name != NAME else {}
    rule = in_float64(make(name, tolerance=0, step=0.02, **more))
    images, labels = batch(rule, digits)
    one_by_one = rule.losses(images, labels)
    for module in (relaxation, inference):
        monkeypatch.setattr(module, "of_networks", lambda relax, _: relax(slice(None)))
    for layer, loss in rule.losses(images, labels).items():
        torch.testing.assert_close(loss, one_by_one[layer], atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        (NAME, {"step": 2.0}, "step=2.0: Input should be less than 2"),
        (NAME, {"step": 0.0}, "step=0.0: Input should be greater than 0"),
        (NAME, {"sweeps": 0}, "sweeps=0: Input should be greater than 0"),
        (NAME, {"tolerance": -1e-3}, "tolerance=-0.001: Input should be greater than or equal"),
        (NAME, {"backward_weights": "fixed"}, "backward_weights='fixed': Input should be 'transp"),
        (NAME, {"layers": (784, 10)}, "layers begin with 784 pixels and end with 10 classes"),
        (NAME, {"layers": (100, 20, 10)}, "layers begin with 784 pixels and end with 10 classes"),
        (
            NAME,
            {"errors": "exact"},
            "errors='exact': Input should be 'settled'",
        ),
        (
            NAME,
            PLAIN | {"derivative": False},
            'errors="backpropagated" needs backward_weights="tra',
        ),
        (
            NAME,
            PLAIN | {"backward_weights": "random"},
            'errors="backpropagated" needs backward_wei',
        ),
        ("predictive_coding", PLAIN | {"error_weights": "random"}, "needs predictions="),
        ("predictive_coding", PLAIN | {"predictions": "recomputed"}, "needs predictions="),
        ("predictive_coding", {"step": 1.0}, "step=1.0: Input should be less than 1"),
        ("predictive_coding", {"predictions": "held"}, "predictions='held': Input should be 'fix"),
        ("predictive_coding", {"error_weights": "dense"}, "error_weights='dense': Input should be"),
    ],
)
def test_bad_settings_are_named(name, override, message):
    with pytest.raises(ConfigError) as error:
        rules.configure(name, "smoke", **override)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_networks_learn_digits(digits):
    rule = make(seeds=1, epochs=3, layers=(784, 100, 100, 50, 10))
    assert rule.fit(digits)["test_accuracy/all"][-1, 0] > 0.85
