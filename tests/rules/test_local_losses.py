"""Local losses against slow loops, torch, numpy and a plain training; heads belong to a layer."""

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from ffcl_utils import rules, store
from ffcl_utils.analysis.locality import learning, off_layer_gradient
from ffcl_utils.config import PRESETS, ConfigError
from ffcl_utils.data.pixels import MASKS, pixel_masks
from ffcl_utils.learning.heads import LayersWithHeads, similarity_matching_loss
from ffcl_utils.learning.training import generators_for, visits_of
from ffcl_utils.rules.local_losses import LocalLosses
from ffcl_utils.store.checkpoint import Checkpoint
from ffcl_utils.store.compact import read_compact, write_compact
from ffcl_utils.store.networks import load_arrays, save_arrays
from ffcl_utils.store.reader import read
from tests.small import small

PLAIN = {"local_loss": "none", "across": True}
WIDE = (784, 512, 512, 512, 10)
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


def plain_blocks(rule):
    """The first seed's layers as modules of torch.nn, each with its heads and its batch norm."""
    blocks, heads = [], [*rule.network.heads, {}]
    for k, (weight, bias) in enumerate(zip(rule.network.weights, rule.network.biases, strict=True)):
        block = nn.ModuleDict({"main": nn.Linear(*weight.shape[1:])})
        block["main"].load_state_dict({"weight": weight[0].T, "bias": bias[0, 0]})
        if rule.config.norm == "batch" and k < len(rule.network.heads):
            block["norm"] = nn.BatchNorm1d(weight.shape[2], affine=False, momentum=0.1)
        if "readout" in heads[k]:
            block["readout"] = nn.Linear(*heads[k]["readout"].shape[1:])
            state = {"weight": heads[k]["readout"][0].T, "bias": heads[k]["readout_bias"][0, 0]}
            block["readout"].load_state_dict(state)
        if "projection" in heads[k]:
            block["projection"] = nn.Linear(*heads[k]["projection"].shape[1:], bias=False)
            block["projection"].load_state_dict({"weight": heads[k]["projection"][0].T})
        blocks.append(block)
    return nn.ModuleList(blocks)


def plain_forward(config, blocks, images, masks=None):
    """Activations of every hidden layer, and logits; dropout after the loss."""
    found, seen = [], (images.float() / 255 - 0.1307) / 0.3081
    for k, block in enumerate(blocks[:-1]):
        sums = block["main"](seen)
        seen = (block["norm"](sums) if config.norm == "batch" else sums).relu()
        found.append(seen)
        seen = seen if config.across else seen.detach()
        if config.norm == "length":
            seen = seen / seen.square().mean(1, keepdim=True).sqrt()
        if masks is not None:
            seen = seen * masks[k]
    return [*found, blocks[-1]["main"](seen)]


def slowly_shifted(images, shifts, most):
    """Images (N, 784) uint8, each moved by the shift of its number, pixel by pixel; else black."""
    found = []
    for image, shift in zip(images.tolist(), shifts.tolist(), strict=True):
        down, right = (step - most for step in divmod(shift, 2 * most + 1))
        for y in range(down, 28 + down):
            for x in range(right, 28 + right):
                found.append(image[28 * y + x] if 0 <= y < 28 and 0 <= x < 28 else 0)
    return torch.tensor(found, dtype=torch.uint8).view(-1, 784)


def speckled(data):
    """Images in which every pixel varies.

    What a constant pixel adds batch norm takes away: the gradient of its weights is 0 but for
    rounding, which Adam would follow.
    """
    generator = torch.Generator().manual_seed(0)
    grains = torch.randint(100, data.train_images.shape, generator=generator)
    images = (data.train_images + grains).clamp(max=255).to(torch.uint8)
    return replace(data, train_images=images)


def plain_training(rule, data):
    """One seed in modules of torch.nn: a block a layer with its heads, one loss, one optimiser."""
    config, (generator,), blocks = rule.config, rule.generators, plain_blocks(rule)
    adam = torch.optim.Adam(blocks.parameters(), lr=config.learning_rate)
    count = len(data.train_labels)
    steps = -(-count // config.batch_size) * config.epochs
    cycle = torch.optim.lr_scheduler.OneCycleLR(adam, config.learning_rate, total_steps=steps)
    masks = [pixel_masks(MASKS, w.shape[2], config.dropout) for w in rule.network.weights[:-1]]
    for _ in range(config.epochs):
        order = torch.randperm(count, generator=generator)
        drawn = torch.randint(MASKS, (len(masks), count), generator=generator)
        images = data.train_images[order]
        if config.shift:
            places = (2 * config.shift + 1) ** 2
            shifts = torch.randint(places, (count,), generator=generator)
            images = slowly_shifted(images, shifts, config.shift)
        for rows, seen, mask in zip(
            order.split(48), images.split(48), drawn.split(48, 1), strict=True
        ):
            own, met = data.train_labels[rows], [m[k] for m, k in zip(masks, mask, strict=True)]
            *hidden, logits = plain_forward(config, blocks, seen, met)
            total = nn.functional.cross_entropy(logits, own)
            if config.local_loss != "none":
                pairs = zip(blocks, hidden, strict=False)
                total = total + sum(local_loss(config, b, layer, own) for b, layer in pairs)
            adam.zero_grad()
            total.backward()
            adam.step()
            cycle.step()
    return blocks.eval()


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
        {"local_loss": "pred", "norm": "batch"},
        {"norm": "batch", "shift": 2, "dropout": 0.3},
        {"shift": 1},
        {"norm": "batch", "across": True},
        PLAIN,
        PLAIN | {"norm": "batch", "shift": 2},
    ],
    ids=str,
)
def test_training_is_the_plain_one(digits, overrides):
    """And so is what is predicted afterwards, with batch norm frozen."""
    data = speckled(small(digits, 140))  # three steps an epoch, the last of them short
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
    images = data.test_images[:60]
    expected = plain_forward(rule.config, plain, images)[-1]
    # Biases below batch norm have gradients of rounding alone, too: what is frozen lags behind.
    atol = 3e-3 if rule.config.norm == "batch" else 1e-5
    torch.testing.assert_close(rule.predict(images)[0], expected, atol=atol, rtol=1e-3)


@pytest.mark.parametrize("norm", ["length", "batch"])
def test_without_local_losses_gradients_are_plain_backpropagation(digits, norm):
    """Of a batch of shifted images with dropout, by torch.nn's modules; with no head at all."""
    data, rule = small(digits, 100), make(**PLAIN, seeds=1, norm=norm, shift=2, dropout=0.3)
    assert rule.network.heads == [{}, {}]
    (phase,) = rule.phases(data)
    visits = visits_of(phase, generators_for([3]))
    batch = {name: index[:, :48] for name, index in visits.items()}
    blocks = plain_blocks(rule)
    found = phase.losses(batch)
    assert list(found) == ["output"]
    seen = slowly_shifted(data.train_images[batch["image"][0]], batch["shift"][0], 2)
    masks = [
        pixel_masks(MASKS, units, 0.3)[batch[f"mask{k}"][0]] for k, units in ((0, 24), (1, 16))
    ]
    logits = plain_forward(rule.config, blocks, seen, masks)[-1]
    expected = nn.functional.cross_entropy(logits, data.train_labels[batch["image"][0]])
    torch.testing.assert_close(found["output"][0], expected)
    expected.backward()
    gradients = iter(torch.autograd.grad(found["output"].sum(), phase.parameters))
    for block in blocks:
        for plain in (block["main"].weight.grad.T, block["main"].bias.grad[None]):
            torch.testing.assert_close(next(gradients)[0], plain, atol=1e-6, rtol=1e-4)
    assert next(gradients, None) is None


def test_plain_backpropagation_has_the_same_first_weights_and_one_loss(digits):
    data, plain = small(digits, 100), make(**PLAIN)
    for one, other in zip(plain.network.weights, make().network.weights, strict=True):
        assert torch.equal(one, other)
    losses, layers = plain.example_losses(data), plain.layers()
    assert list(losses) == ["output"]
    assert list(layers) == ["layer1", "layer2", "output"]
    assert learning(losses, layers, {}, ()).losses == {"output": ["layer 1", "layer 2", "output"]}
    assert (off_layer_gradient(losses, layers) > 0).all()
    assert not plain.local and plain.backward_pass
    assert {name for name in plain.fit(data).values if "loss" in name} == {
        "train_loss/output",
        "train_loss/total",
    }


def test_batch_statistics_are_torchs_own():
    """After three batches of each network, remembered and then frozen."""
    network = LayersWithHeads((784, 7, 5, 10), generators_for([0, 1]), False, False, "batch")
    assert (network.means[1] == 0).all() and (network.variances[1] == 1).all()
    images = torch.rand(3, 2, 9, 784, generator=torch.Generator().manual_seed(0))
    for batch in images:
        learnt = network.forward(batch, learn=True)
    frozen = network.forward(images[0])
    for seed in range(2):
        plain = nn.Sequential()
        for weight, bias in zip(network.weights[:2], network.biases[:2], strict=True):
            layer = nn.Linear(*weight.shape[1:])
            layer.load_state_dict({"weight": weight[seed].T, "bias": bias[seed, 0]})
            norm = nn.BatchNorm1d(weight.shape[2], affine=False, momentum=0.1)
            plain.extend([layer, norm, nn.ReLU()])
        for batch in images:
            expected = plain(batch[seed])
        torch.testing.assert_close(learnt[1][seed], expected)
        for k, norm in enumerate(plain[1::3]):
            torch.testing.assert_close(network.means[k][seed, 0], norm.running_mean)
            torch.testing.assert_close(network.variances[k][seed, 0], norm.running_var)
        torch.testing.assert_close(frozen[1][seed], plain.eval()(images[0, seed]))


def test_batch_statistics_belong_to_their_layer_are_stored_and_do_not_learn():
    network = make(norm="batch").network
    for k, name in enumerate(("layer1", "layer2")):
        own = [network.means[k], network.variances[k]]
        assert all(a is b for a, b in zip(network.by_layer()[name][-2:], own, strict=True))
        assert network.tensors()[f"mean{k + 1}"] is own[0]
        assert network.tensors()[f"variance{k + 1}"] is own[1]
        assert not any(one is learnt for one in own for learnt in network.parameters())
    assert "mean3" not in network.tensors()
    assert not any("mean" in name for name in make().tensors())


@pytest.fixture(scope="module")
def normed(digits):
    """A network with batch norm that has learnt."""
    rule = make(norm="batch", shift=1, learning_rate=3e-3)
    rule.fit(small(digits, 200))
    return rule


@given(st.integers(0, 999), st.integers(1, 30))
@settings(max_examples=20, deadline=None)
def test_what_is_predicted_of_an_image_depends_on_no_other(normed, digits, image, others):
    before = {name: tensor.clone() for name, tensor in normed.tensors().items()}
    batch = digits.test_images[[image, *range(others)]]
    alone = normed.predict(batch[:1])
    torch.testing.assert_close(normed.predict(batch)[:, :1], alone)
    for layer, own in zip(
        normed.representations(batch), normed.representations(batch[:1]), strict=True
    ):
        torch.testing.assert_close(layer[:, :1], own)
    assert all(torch.equal(tensor, before[name]) for name, tensor in normed.tensors().items())


@EACH
def test_no_gradient_crosses_layers_with_batch_norm(digits, local_loss):
    """While statistics are the batch's, and where they are frozen."""
    data, rule = small(digits, 100), make(local_loss=local_loss, norm="batch", shift=1)
    (phase,) = rule.phases(data)
    visits = visits_of(phase, generators_for([3, 4]))
    batch = {name: index[:, :48] for name, index in visits.items()}
    names = {"layer1": ["layer 1"], "layer2": ["layer 2"], "output": ["output"]}
    for losses in (phase.losses(batch), rule.example_losses(data)):
        assert (off_layer_gradient(losses, rule.layers()) == 0).all()
        assert learning(losses, rule.layers(), {}, ()).losses == names


@pytest.mark.parametrize(
    "variant",
    [{}, {"layers": WIDE}, {"local_loss": "sim", "projection": "none"}, PLAIN | {"layers": WIDE}],
    ids=str,
)
def test_a_seed_with_batch_norm_is_the_same_alone_and_among_others(digits, variant):
    data, more = small(digits, 140), {"norm": "batch", "shift": 2} | variant
    together, alone = make(seeds=3, **more), make(seeds=1, first_seed=1, **more)
    history = together.fit(data)
    for quantity, values in alone.fit(data).values.items():
        assert (values[:, 0] == history[quantity][:, 1]).all(), quantity
    for name, values in alone.tensors().items():
        assert torch.equal(values[0], together.tensors()[name][1]), name


def test_a_stored_network_with_batch_norm_predicts_the_same(digits, tmp_path, monkeypatch):
    data = small(digits, 140)
    monkeypatch.setattr(store.jobs, "load_changed", lambda *_: data)
    trained = make(norm="batch", shift=2)
    trained.fit(data)
    store.train(store.Job(trained.config), tmp_path)
    stored = read(trained.config, tmp_path)
    images = data.test_images[:50]
    assert torch.equal(stored.predict(images), trained.predict(images))
    write_compact(tmp_path / "small", trained)
    again, tensors = read_compact(tmp_path / "small").tensors(), trained.tensors()
    for name in ("mean1", "variance1", "mean2", "variance2"):
        assert torch.equal(again[name][0], tensors[name][0]), name


def test_training_with_batch_norm_goes_on_from_a_checkpoint_to_the_last_bit(digits, tmp_path):
    data, path, more = small(digits, 140), tmp_path / "checkpoint", {"norm": "batch", "shift": 2}
    undisturbed, resumed = make(**more), make(**more)

    def keep_first(state):
        if state.epoch == 1:
            Checkpoint(path, undisturbed, snapshots=False).save(state, [])

    undisturbed.fit(data, keep_first)
    start, _ = Checkpoint(path, resumed, snapshots=False).load()
    resumed.fit(data, start=start)
    for name, tensor in undisturbed.tensors().items():
        assert torch.equal(resumed.tensors()[name], tensor), name


def test_a_small_file_from_before_batch_norm_is_read(digits, tmp_path):
    rule, path = make(seeds=1), tmp_path / "small"
    write_compact(path, rule)
    expected = read_compact(path).predict(digits.test_images[:20])
    arrays, header = load_arrays(path)
    for setting in ("norm", "shift"):
        del header["settings"][setting]
    save_arrays(path, arrays, header)
    again = read_compact(path)
    assert again.config == rule.config
    assert torch.equal(again.predict(digits.test_images[:20]), expected)


def test_shifts_are_drawn_last(digits):
    """So that without them a seed draws what it always drew."""
    data = small(digits, 100)
    drawn = []
    for shift in (0, 2):
        (phase,) = make(shift=shift).phases(data)
        drawn.append(visits_of(phase, generators_for([5])))
    still, shifted = drawn
    assert list(still) == ["image", "mask0", "mask1"]
    assert list(shifted) == [*still, "shift"]
    assert all(torch.equal(index, shifted[name]) for name, index in still.items())
    assert set(shifted["shift"].flatten().tolist()) <= set(range(25))


def test_presets_have_the_authors_batch_norm_and_at_paper_their_shifts():
    found = {name: rules.configure("local_losses", name) for name in PRESETS}
    assert {name: (one.norm, one.shift) for name, one in found.items()} == {
        "smoke": ("length", 0),
        "short": ("batch", 0),
        "paper": ("batch", 2),
    }


def test_a_last_batch_of_one_is_refused_before_anything_is_trained(digits, tmp_path, monkeypatch):
    data = small(digits, 140)
    monkeypatch.setattr(store.jobs, "load_changed", lambda *_: data)
    rule = make(norm="batch", batch_size=139)
    with pytest.raises(ConfigError) as error:
        store.train(store.Job(rule.config), tmp_path)
    assert "batch_size=139: 140 training images leave a batch of one" in str(error.value)
    assert "\n" not in str(error.value)
    for allowed in (make(batch_size=139), make(norm="batch", batch_size=138)):
        allowed.check(data)


@pytest.mark.parametrize(
    "overrides",
    [
        *({"local_loss": name} for name in ("pred", "sim", "predsim")),
        {"norm": "batch", "shift": 1},
        PLAIN | {"norm": "batch", "shift": 1},
    ],
    ids=str,
)
def test_it_learns_digits(digits, overrides):
    rule = LocalLosses(rules.configure("local_losses", "smoke", seeds=1, **overrides))
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
        ({"local_loss": "none"}, 'local_loss="none" needs across=True'),
        ({"norm": "layer"}, "norm='layer': Input should be 'length' or 'batch'"),
        ({"norm": "batch", "batch_size": 1}, 'norm="batch" needs a batch of two or more'),
        ({"shift": 9}, "shift=9: Input should be less than or equal to 8"),
        ({"shift": -1}, "shift=-1: Input should be greater than or equal to 0"),
    ],
)
def test_bad_settings_are_one_line_errors(override, message):
    with pytest.raises(ConfigError) as error:
        rules.configure("local_losses", "smoke", **override)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
