"""Local losses against slow loops, torch, numpy and a plain training; heads belong to a layer."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from ffcl_utils import rules
from ffcl_utils.analysis.locality import off_layer_gradient
from ffcl_utils.config import ConfigError
from ffcl_utils.data.pixels import MASKS, pixel_masks
from ffcl_utils.learning.heads import similarity_matching_loss
from ffcl_utils.rules.local_losses import LocalLosses
from tests.small import small

EACH = pytest.mark.parametrize("local_loss", ["pred", "sim", "predsim"])


def make(**overrides):
    few = {"seeds": 2, "epochs": 2, "batch_size": 48, "layers": (784, 24, 16, 10)}
    return LocalLosses(rules.configure("local_losses", "smoke", **(few | overrides)))


def some(images=12, units=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    found = torch.randn(2, images, units, generator=generator, dtype=torch.float64)
    return found, torch.randint(10, (2, images), generator=generator)


@given(st.integers(2, 8), st.integers(2, 6), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_similarity_matching_is_the_slow_loop_over_pairs(images, units, seed):
    found, labels = some(images, units, seed)
    loss = similarity_matching_loss(found, labels)
    one_hot = np.eye(10)
    for k in range(2):
        total = 0
        for i in range(images):
            for j in range(images):
                a, b = (found[k, n].numpy() for n in (i, j))
                ours = np.corrcoef(a, b)[0, 1]
                wanted = np.corrcoef(one_hot[labels[k, i]], one_hot[labels[k, j]])[0, 1]
                total += (ours - wanted) ** 2
        assert loss[k].item() == pytest.approx(total / images**2, rel=1e-9, abs=1e-12)


def test_similarity_matching_is_zero_for_the_labels_themselves_and_known_for_silence():
    labels = torch.tensor([[0, 1, 1, 9, 4]])
    one_hot = nn.functional.one_hot(labels, 10).double()
    assert similarity_matching_loss(3 * one_hot + 2, labels).item() == pytest.approx(0, abs=1e-12)
    # Without activations every similarity is 0: 7 of 25 pairs of one class, 18 of two.
    silent = similarity_matching_loss(torch.zeros(1, 5, 8), labels).item()
    assert silent == pytest.approx((7 + 18 / 81) / 25, rel=1e-6)


@given(st.integers(0, 99), st.floats(0.1, 9), st.integers(-3, 3))
@settings(max_examples=30, deadline=None)
def test_similarity_matching_knows_no_order_size_or_mean_of_units_and_no_order_of_images(
    seed, size, mean
):
    found, labels = some(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    order, images = (torch.randperm(n, generator=generator) for n in (7, 12))
    sizes = size * (1 + torch.rand(2, 12, 1, generator=generator, dtype=torch.float64))
    other = (sizes * found[..., order] + mean)[:, images]
    torch.testing.assert_close(
        similarity_matching_loss(other, labels[:, images]), similarity_matching_loss(found, labels)
    )


def first_layer(rule, data, k=0):
    """Activations of the first hidden layer of seed k, by torch alone, with their labels."""
    seen = (data.train_images[:64].float() / 255 - 0.1307) / 0.3081
    network = rule.network
    return (seen @ network.weights[0][k] + network.biases[0][k]).relu(), data.train_labels[:64]


def test_pred_is_torchs_cross_entropy_with_its_gradients(digits):
    rule, data = make(local_loss="pred"), small(digits, 100)
    losses = rule.example_losses(data, images=64)
    head = rule.network.heads[0]
    assert list(head) == ["readout", "readout_bias"]
    parameters = [rule.network.weights[0], rule.network.biases[0], *head.values()]
    for k in range(2):
        layer, labels = first_layer(rule, data, k)
        logits = nn.functional.linear(layer, head["readout"][k].T, head["readout_bias"][k, 0])
        expected = nn.functional.cross_entropy(logits, labels)
        torch.testing.assert_close(losses["layer1"][k], expected)
        ours = torch.autograd.grad(losses["layer1"][k], parameters, retain_graph=True)
        for one, other in zip(ours, torch.autograd.grad(expected, parameters), strict=True):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_predsim_is_the_weighted_mean_of_both_losses_of_the_same_heads(digits, share):
    data = small(digits, 100)
    both = make(sim_weight=share)
    alone = {}
    for name in ("pred", "sim"):
        rule = make(local_loss=name)
        rule.network.weights, rule.network.biases = both.network.weights, both.network.biases
        rule.network.heads = both.network.heads
        alone[name] = rule.example_losses(data)
    found = both.example_losses(data)
    for layer in ("layer1", "layer2"):
        expected = (1 - share) * alone["pred"][layer] + share * alone["sim"][layer]
        torch.testing.assert_close(found[layer], expected)


@pytest.mark.parametrize("projection", ["linear", "none"])
def test_sim_compares_the_projection_of_the_activations_or_these_themselves(digits, projection):
    rule, data = make(local_loss="sim", projection=projection), small(digits, 100)
    layer, labels = first_layer(rule, data, 1)
    if projection == "linear":
        layer = layer @ rule.network.heads[0]["projection"][1]
    else:
        assert rule.network.heads == [{}, {}]
    one_hot = np.eye(10)[labels.numpy()]
    gap = np.corrcoef(layer.detach().double().numpy()) - np.corrcoef(one_hot)
    found = rule.example_losses(data, images=64)["layer1"][1].item()
    assert found == pytest.approx((gap**2).mean(), rel=1e-5)


@EACH
def test_every_layer_and_its_heads_learn_from_its_loss_and_from_no_other(digits, local_loss):
    rule = make(local_loss=local_loss)
    losses, layers = rule.example_losses(small(digits, 100)), rule.layers()
    assert list(losses) == list(layers) == ["layer1", "layer2", "output"]
    for name, parameters in layers.items():
        for gradient in torch.autograd.grad(
            losses[name].sum(), parameters, retain_graph=True, allow_unused=True
        ):
            assert gradient is not None
            assert gradient.abs().amax() > 0
    assert (off_layer_gradient(losses, layers) == 0).all()
    assert rule.local
    assert not rule.backward_pass


def test_the_control_has_the_same_losses_and_gradients_across_layers(digits):
    data = small(digits, 100)
    across, local = make(across=True), make()
    crossed = across.example_losses(data)
    for name, loss in local.example_losses(data).items():
        assert torch.equal(loss, crossed[name])
    assert (off_layer_gradient(crossed, across.layers()) > 0).all()
    assert not across.local
    assert across.backward_pass


def test_heads_have_no_part_in_what_is_predicted(digits):
    rule = make()
    before = rule.predict(digits.test_images[:20])
    for head in rule.network.heads:
        for tensor in head.values():
            tensor.data.fill_(7)
    assert torch.equal(rule.predict(digits.test_images[:20]), before)


def plain_training(rule, data):
    """One seed in modules of torch.nn: a block a layer with its heads, dropout after the loss."""
    config, (generator,) = rule.config, rule.generators
    blocks = []
    for k, (weight, bias) in enumerate(zip(rule.network.weights, rule.network.biases, strict=True)):
        block = nn.ModuleDict({"main": nn.Linear(*weight.shape[1:])})
        block["main"].load_state_dict({"weight": weight[0].T, "bias": bias[0, 0]})
        head = rule.network.heads[k] if k < len(rule.network.heads) else {}
        if "readout" in head:
            block["readout"] = nn.Linear(*head["readout"].shape[1:])
            state = {"weight": head["readout"][0].T, "bias": head["readout_bias"][0, 0]}
            block["readout"].load_state_dict(state)
        if "projection" in head:
            block["projection"] = nn.Linear(*head["projection"].shape[1:], bias=False)
            block["projection"].load_state_dict({"weight": head["projection"][0].T})
        blocks.append(block)
    adam = torch.optim.Adam(nn.ModuleList(blocks).parameters(), lr=config.learning_rate)
    images, labels = (data.train_images.float() / 255 - 0.1307) / 0.3081, data.train_labels
    steps = -(-len(images) // config.batch_size) * config.epochs
    cycle = torch.optim.lr_scheduler.OneCycleLR(adam, config.learning_rate, total_steps=steps)
    masks = [pixel_masks(MASKS, w.shape[2], config.dropout) for w in rule.network.weights[:-1]]
    for _ in range(config.epochs):
        order = torch.randperm(len(images), generator=generator)
        drawn = torch.randint(MASKS, (len(masks), len(images)), generator=generator)
        for rows, mask in zip(order.split(48), drawn.split(48, 1), strict=True):
            seen, total, own = images[rows], 0, labels[rows]
            for k, block in enumerate(blocks):
                seen = block["main"](seen)
                if k == len(masks):
                    total = total + nn.functional.cross_entropy(seen, own)
                    break
                seen = seen.relu()
                total = total + local_loss(config, block, seen, own)
                seen = seen if config.across else seen.detach()
                length = seen.square().mean(1, keepdim=True).sqrt()
                seen = seen / length * masks[k][mask[k]]
            adam.zero_grad()
            total.backward()
            adam.step()
            cycle.step()
    return blocks


def local_loss(config, block, seen, labels):
    """The loss of one layer, from torch's cross-entropy and correlation."""
    found = {}
    if config.local_loss != "sim":
        found["pred"] = nn.functional.cross_entropy(block["readout"](seen), labels)
    if config.local_loss != "pred":
        compared = block["projection"](seen) if config.projection == "linear" else seen
        wanted = torch.corrcoef(nn.functional.one_hot(labels, 10).float())
        found["sim"] = nn.functional.mse_loss(torch.corrcoef(compared), wanted)
    if len(found) == 1:
        return next(iter(found.values()))
    return (1 - config.sim_weight) * found["pred"] + config.sim_weight * found["sim"]


@pytest.mark.parametrize(
    "overrides",
    [
        {"local_loss": "pred"},
        {"local_loss": "sim"},
        {"local_loss": "predsim"},
        {"local_loss": "predsim", "sim_weight": 0.4, "dropout": 0.5},
        {"projection": "none", "dropout": 0.0},
        {"across": True},
    ],
    ids=str,
)
def test_training_is_the_plain_one(digits, overrides):
    data = small(digits, 140)  # three steps an epoch, the last of them short
    more = {"seeds": 1, "learning_rate": 1e-3}
    plain = plain_training(make(**more, **overrides), data)
    rule = make(**more, **overrides)
    rule.fit(data)
    for k, block in enumerate(plain):
        pairs = [(rule.network.weights[k], block["main"].weight)]
        if k < len(rule.network.heads):
            head = rule.network.heads[k]
            pairs += [
                (head[name], block[name].weight)
                for name in ("readout", "projection")
                if name in head
            ]
        for trained, expected in pairs:
            torch.testing.assert_close(trained[0], expected.T, atol=2e-4, rtol=1e-2)


@EACH
def test_it_learns_digits(digits, local_loss):
    rule = LocalLosses(rules.configure("local_losses", "smoke", seeds=1, local_loss=local_loss))
    assert rule.fit(digits)["test_accuracy/all"][-1] > 0.85


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"local_loss": "simpred"}, "local_loss='simpred': Input should be 'pred', 'sim'"),
        ({"sim_weight": 1.2}, "sim_weight=1.2: Input should be less than or equal to 1"),
        ({"projection": "conv"}, "projection='conv': Input should be 'linear' or 'none'"),
        ({"dropout": 1.0}, "dropout=1.0: Input should be less than 1"),
        ({"layers": (784, 10)}, "at least one hidden layer"),
        ({"layers": (784, 20, 12)}, "10 outputs"),
        ({"across": 1}, "across=1: Input should be a valid boolean"),
    ],
)
def test_bad_settings_are_one_line_errors(override, message):
    with pytest.raises(ConfigError) as error:
        rules.configure("local_losses", "smoke", **override)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
