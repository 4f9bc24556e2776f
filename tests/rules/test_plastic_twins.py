"""Plastic twins: nothing added is improved FFCL; each addition against plain code; two tasks."""

import numpy as np
import pytest
import torch

from ffcl_utils import rules
from ffcl_utils.analysis.locality import off_layer_gradient
from ffcl_utils.config import ConfigError
from ffcl_utils.data.parts import spread
from ffcl_utils.learning.losses import cosine_embedding_loss
from ffcl_utils.rules.plastic_twins import STRETCHES, PlasticTwins, pixel_orders
from ffcl_utils.store.checkpoint import Checkpoint
from ffcl_utils.store.compact import read_compact, write_compact
from tests.small import small, small_rule

ADDITIONS = {
    "Oja": {"hebbian": 1e-3},
    "sparse": {"absent": 0.8},
    "rewired": {"absent": 0.8, "rewired": 0.3},
    "reward": {"modulator": "reward"},
    "surprise": {"modulator": "surprise"},
}
VARIANTS = ADDITIONS | {
    "all, there and back": {
        "hebbian": 1e-3, "absent": 0.8, "rewired": 0.3, "modulator": "surprise",
        "tasks": "there_and_back",
    }
}  # fmt: skip
each_addition = pytest.mark.parametrize("name", ADDITIONS)
each_variant = pytest.mark.parametrize("name", VARIANTS)


@pytest.fixture(scope="module")
def data(digits):
    return small(digits, 200)


def trained(data, **settings):
    rule = small_rule("plastic_twins", **settings)
    rule.fit(data)
    return rule


def same_tensors(one, other):
    return [
        name
        for name, tensor in one.tensors().items()
        if not torch.equal(tensor, other.tensors()[name])
    ]


def test_with_every_addition_off_it_is_improved_ffcl_bit_for_bit(data):
    ours = trained(data)
    rate = ours.config.learning_rate
    theirs = small_rule("improved_ffcl", pairing="balanced", margin=0.5, learning_rate=rate)
    expected = theirs.fit(data)
    assert list(ours.tensors()) == list(theirs.tensors())
    assert same_tensors(ours, theirs) == []
    assert list(ours.history.values) == list(expected.values)
    for name, values in expected.values.items():
        assert np.array_equal(ours.history[name], values), name


@each_addition
def test_each_addition_changes_what_is_learnt(name, data):
    plain, added = trained(data), trained(data, **ADDITIONS[name])
    assert not torch.equal(plain.hidden_weights()[0], added.hidden_weights()[0])


@each_variant
@pytest.mark.parametrize("layers", [(784, 12, 10), (784, 64, 64, 10)], ids=str)
def test_a_seed_is_the_same_alone_and_among_others(name, layers, data):
    settings = VARIANTS[name] | {"layers": layers, "epochs": 2}
    together = trained(data, seeds=3, **settings)
    for first, count in ((2, 1), (1, 2)):
        alone = trained(data, seeds=count, first_seed=first, **settings)
        for tensor, values in alone.tensors().items():
            assert torch.equal(values, together.tensors()[tensor][first : first + count]), tensor
        for quantity, values in alone.history.values.items():
            expected = together.history[quantity][:, first : first + count]
            assert np.array_equal(values, expected), quantity


@pytest.mark.parametrize("name", ["rewired", "all, there and back"])
def test_interrupted_after_any_epoch_and_resumed_equals_undisturbed(name, data, tmp_path):
    rule, files = small_rule("plastic_twins", **VARIANTS[name]), []

    def keep(state):
        files.append(tmp_path / f"{state.phase}-{state.epoch}")
        Checkpoint(files[-1], rule, snapshots=False).save(state, [])

    expected = rule.fit(data, keep)
    assert len(files) == rule.epochs_in_all(rule.config)
    for path in files:
        resumed = small_rule("plastic_twins", **VARIANTS[name])
        start, _ = Checkpoint(path, resumed, snapshots=False).load()
        history = resumed.fit(data, start=start)
        assert same_tensors(rule, resumed) == [], path.name
        for quantity, values in expected.values.items():
            assert np.array_equal(history[quantity], values), (path.name, quantity)


@each_variant
def test_no_gradient_crosses_a_layer(name, data):
    rule = trained(data, **VARIANTS[name])
    losses = rule.example_losses(spread(data, 101), images=100)
    assert (off_layer_gradient(losses, rule.layers()) == 0).all()


def seen_and_labels(rule, data, images=30):
    """Activations of both twins, (2S, B, units), for pairs of neighbours, and their labels."""
    rows = torch.stack([torch.arange(images), torch.arange(1, images + 1) * 5])
    rows = rows.repeat_interleave(rule.config.seeds, 0)
    shown = rule.scaled(data.train_images)[rows]
    return shown, rule.twins.both.forward(shown), data.train_labels[rows]


@pytest.mark.parametrize("absent", [0.0, 0.8])
def test_the_added_gradient_is_ojas_update_of_both_twins(absent, data):
    """Layer by layer, from what the layer saw; absent weights have none."""
    rules_ = [small_rule("plastic_twins", hebbian=h, absent=absent) for h in (0.5, 0.0)]
    gradients = []
    for rule in rules_:
        shown, seen, labels = seen_and_labels(rule, data)
        total = torch.stack(list(rule.losses_of_pairs(seen, labels).values())).sum()
        gradients.append(torch.autograd.grad(total, rule.twins.both.weights))
    stack, below = rules_[0].twins.both, [shown, *seen]
    for k in range(2):
        weight = stack.present()[k].detach()
        x, y = below[k].detach(), seen[k].detach()
        for network in range(4):
            update = torch.zeros_like(weight[network])
            for image, out in zip(x[network], y[network], strict=True):
                update += (torch.outer(image, out) - out**2 * weight[network]) / len(x[network])
            if absent:
                update *= stack.masks[k][network].detach()
            added = gradients[0][k][network] - gradients[1][k][network]
            torch.testing.assert_close(added, -0.5 * update, atol=2e-5, rtol=1e-3)
    assert torch.equal(gradients[0][2], gradients[1][2])  # the output layer has no such term


@pytest.mark.parametrize("modulator", ["reward", "surprise"])
def test_a_modulated_loss_is_that_of_the_pairs_each_times_its_factor(modulator, data):
    rule = trained(data, modulator=modulator)
    _, seen, labels = seen_and_labels(rule, data)
    losses = rule.losses_of_pairs(seen, labels)
    plain = super(PlasticTwins, rule).losses_of_pairs(seen, labels)
    assert torch.equal(losses["output"], plain["output"])
    for s in range(2):
        p = [seen[-1][half + s].softmax(-1)[torch.arange(30), labels[half + s]] for half in (0, 2)]
        right = (p[0] + p[1]).detach() / 2
        factor = right if modulator == "reward" else 1 - right
        for k in range(2):
            pair = seen[k][s].unsqueeze(1), seen[k][2 + s].unsqueeze(1)
            each = cosine_embedding_loss(*pair, labels[s, :, None], labels[2 + s, :, None], 0.5)
            expected = (each * factor).sum() / factor.sum()
            torch.testing.assert_close(losses[f"layer{k + 1}"][s], expected)


def test_sparsity_holds_and_rewiring_moves_it(data):
    for name in ("sparse", "rewired"):
        untrained = small_rule("plastic_twins", **ADDITIONS[name])
        rule = trained(data, **ADDITIONS[name])
        for k, size in ((1, 784 * 64), (2, 64 * 64)):
            for twin in ("first", "second"):
                mask, before = (r.tensors()[f"{twin}/mask{k}"] for r in (rule, untrained))
                assert (mask.sum((1, 2)) == size - round(0.8 * size)).all()
                assert torch.equal(mask, before) == (name == "sparse")
                assert not torch.equal(mask[0], mask[1])


def test_predictions_weights_and_copies_leave_absent_weights_out(data, tmp_path):
    rule = trained(data, seeds=1, **ADDITIONS["rewired"])
    for weight, mask in zip(rule.hidden_weights(), rule.twins.first.masks, strict=True):
        assert (weight[mask == 0] == 0).all()
        assert (rule.twins.first.weights[0] != 0).sum() > 0
    images = data.test_images[:50]
    expected = rule.predict(images)
    with torch.no_grad():
        for weight, mask in zip(rule.twins.both.weights, rule.twins.both.masks, strict=False):
            weight[mask == 0] = 7.0  # whatever stands there
    assert torch.equal(rule.predict(images), expected)
    path = tmp_path / "network"
    write_compact(path, rule)
    again = read_compact(path)
    for mask, stored in zip(rule.twins.first.masks, again.twins.first.masks, strict=True):
        assert torch.equal(mask != 0, stored != 0)


def test_there_and_back_begins_as_one_task_does(data):
    """Stretch A ends with the networks of one task: the second task is drawn apart."""
    at_end = {}
    rule = small_rule("plastic_twins", tasks="there_and_back", **ADDITIONS["rewired"])

    def keep(state):
        if state.phase == 0:
            at_end.update({n: t.detach().clone() for n, t in rule.tensors().items()})

    history = rule.fit(data, keep)
    one = trained(data, **ADDITIONS["rewired"])
    for name, tensor in one.tensors().items():
        assert torch.equal(at_end[name], tensor), name
    assert np.array_equal(history["test_accuracy/A/A"], one.history["test_accuracy/first"])
    for layer in ("layer1", "layer2", "output"):
        expected = one.history[f"train_loss/{layer}"]
        assert np.array_equal(history[f"train_loss/A/{layer}"], expected)
    assert list(history.starting_with("test_accuracy/")) == [
        f"{stretch}/{task}" for stretch in STRETCHES for task in "AB"
    ]


@pytest.mark.parametrize("predictor", ["first", "second", "mean"])
def test_accuracy_on_b_is_that_on_images_with_their_pixels_in_each_seeds_order(predictor, data):
    rule = trained(data, seeds=2, tasks="there_and_back", predictor=predictor)
    orders = pixel_orders([0, 1])
    for task in "AB":
        for k in range(2):
            images = data.test_images[:, orders[k]] if task == "B" else data.test_images
            right = rule.predict(images)[k].argmax(-1) == data.test_labels
            found = rule.accuracy_on(task, data)[k].item()
            assert found == pytest.approx(right.double().mean().item(), abs=0.0011)
    last = rule.history["test_accuracy/A again/B"][-1]
    assert np.array_equal(last, rule.accuracy_on("B", data).numpy())


def test_both_twins_of_a_seed_train_on_b_in_its_order(data):
    rule = small_rule("plastic_twins", seeds=3, first_seed=4)
    images = torch.rand(6, 5, 784, generator=torch.Generator().manual_seed(0))
    orders = pixel_orders([4, 5, 6])
    shown = rule.shown("B", images)
    for network in range(6):
        assert torch.equal(shown[network], images[network][:, orders[network % 3]])
    assert torch.equal(rule.shown("A", images), images)


def test_an_order_is_a_permutation_of_its_seeds_own():
    orders = pixel_orders([3, 4, 2**31 - 1])
    assert torch.equal(orders.sort(-1).values, torch.arange(784).expand(3, -1))
    assert torch.equal(pixel_orders([4])[0], orders[1])
    assert not torch.equal(orders[0], orders[1])


def test_it_forgets_a_and_learns_it_again(digits):
    history = trained(
        digits, tasks="there_and_back", epochs=3, learning_rate=5e-3, batch_size=64
    ).history
    figures = history.starting_with("test_accuracy/")
    assert (figures["A/A"][-1] > 0.6).all()
    assert (figures["B/A"][-1] < figures["A/A"][-1] - 0.1).all()
    assert (figures["B/B"][-1] > figures["A/B"][-1] + 0.2).all()
    assert (figures["A again/A"][-1] > figures["B/A"][-1] + 0.1).all()


def test_under_a_strong_oja_term_all_images_look_alike(digits):
    """What notebook 14 says of it: the cosine of any two images' activations is nearly 1."""
    cosines = []
    for hebbian in (0.0, 1e-2):
        rule = trained(digits, seeds=1, hebbian=hebbian, epochs=2, learning_rate=3e-3)
        shown = rule.representations(digits.test_images[::10])[1][0]
        shown = torch.nn.functional.normalize(shown, dim=-1)
        cosines.append((shown @ shown.T).mean().item())
    assert cosines[0] < 0.9 and cosines[1] > 0.99


def test_work_and_epochs_are_those_of_three_stretches():
    one, three = (
        rules.configure("plastic_twins", "short", tasks=tasks)
        for tasks in ("one", "there_and_back")
    )
    assert PlasticTwins.epochs_in_all(three) == 3 * PlasticTwins.epochs_in_all(one) == 30
    assert PlasticTwins.work(three) == 3 * PlasticTwins.work(one)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"hebbian": -1.0}, "hebbian=-1.0: Input should be greater than or equal to 0"),
        ({"absent": 1.0}, "absent=1.0: Input should be less than or equal to 0.99"),
        ({"rewired": 0.3}, "rewired needs absent above 0"),
        ({"rewired": 1.0, "absent": 0.5}, "rewired=1.0: Input should be less than 1"),
        ({"modulator": "dopamine"}, "modulator='dopamine': Input should be 'none', 'reward'"),
        ({"tasks": "two"}, "tasks='two': Input should be 'one' or 'there_and_back'"),
        (
            {"modulator": "reward", "representation_loss": "class_means"},
            "a modulator needs representation_loss='cosine_embedding'",
        ),
        ({"plasticity": 1}, "plasticity=1: Extra inputs"),
    ],
)
def test_bad_settings_are_one_line_errors(override, message):
    with pytest.raises(ConfigError) as error:
        rules.configure("plastic_twins", "smoke", **override)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
