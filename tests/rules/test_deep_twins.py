"""Deep twins against improved FFCL, torch's own modules and a plain version; and their variants."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import cosine_embedding_loss, cross_entropy

from ffcl_utils import rules, store
from ffcl_utils.analysis.locality import off_layer_gradient
from ffcl_utils.config import ConfigError
from ffcl_utils.data.parts import spread
from ffcl_utils.learning.blocks import Blocks, Shape
from ffcl_utils.learning.mutual import mutual_loss
from ffcl_utils.learning.training import generators_for, visits_of
from ffcl_utils.rules.deep_twins import DeepTwins
from ffcl_utils.store.checkpoint import Checkpoint
from ffcl_utils.store.reader import read
from tests.small import small, small_config, small_rule

VARIANTS = {
    "deep, with skips": {"layers": (784, 24, 24, 24, 24, 10), "skip": True},
    "every help": {
        "layers": (784, 32, 24, 10),
        "norm": "batch",
        "slope": 0.1,
        "contrast": "class_means",
        "head": 1.0,
        "prediction": "heads",
        "dropout": 0.3,
        "input_dropout": 0.2,
        "shift": 1,
        "schedule": "one_cycle",
        "classification_loss": "cross_entropy",
    },
    "lengths, itself": {"norm": "length", "guide": "itself", "contrast": "class_means"},
    "convolutional": {
        "layers": (784, 4, 4, 6, 10),
        "convolutional": True,
        "pools": (1, 3),
        "skip": True,
        "norm": "batch",
        "head": 0.5,
        "dropout": 0.2,
        "batch_size": 40,
    },
    "heads alone": {"contrast": "none", "head": 1.0, "norm": "batch"},
    "joint read-outs": {
        "contrast": "none",
        "head": 1.0,
        "read_out": "joint",
        "norm": "batch",
        "classification_loss": "cross_entropy",
        "prediction": "heads",
        "input_dropout": 0.2,
    },
    "mutual": {"contrast": "class_means", "head": 1.0, "mutual": 0.5, "input_dropout": 0.2},
}
# As notebook 08 trains its larger networks.
VARIANTS |= {
    "joint, convolutional": VARIANTS["joint read-outs"]
    | {
        "layers": (784, 4, 4, 6, 6, 10),
        "convolutional": True,
        "pools": (1, 2, 3),
        "slope": 0.1,
        "dropout": 0.1,
        "input_dropout": 0.0,
        "schedule": "one_cycle",
        "batch_size": 40,
    },
    "joint, shifted": VARIANTS["joint read-outs"]
    | {"shift": 2, "dropout": 0.1, "input_dropout": 0.0, "slope": 0.1},
}
each_variant = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)


@pytest.fixture(scope="module")
def data(digits):
    few = small(digits, 120)
    return replace(few, test_images=few.test_images[::5], test_labels=few.test_labels[::5])


def make(variant=None, **settings):
    return small_rule("deep_twins", **(variant or {}), **settings)


def test_plain_dense_twins_have_the_losses_of_improved_ffcl(data):
    """With its weights; the settings that both have are the same by default."""
    ours, theirs = make(), small_rule("improved_ffcl", pairing="balanced", learning_rate=1e-3)
    weights = theirs.tensors()
    with torch.no_grad():
        for name, tensor in ours.tensors().items():
            tensor.copy_(weights[name])
    found = ours.example_losses(data, 100)
    for name, loss in theirs.example_losses(data, 100).items():
        torch.testing.assert_close(found[name], loss)
    torch.testing.assert_close(
        ours.twin_probabilities(data.test_images)["first"],
        theirs.twin_probabilities(data.test_images)["first"],
    )
    shared = theirs.config.model_dump().keys() & ours.config.model_dump().keys()
    differ = {name for name in shared if getattr(ours.config, name) != getattr(theirs.config, name)}
    assert differ == {"predictor"}


def torch_blocks(blocks: Blocks, seed: int) -> nn.Sequential:
    """The convolutional blocks of one network as torch's modules, without skips."""
    modules, below = [], 1
    for k, units in enumerate(blocks.shape.sizes[1:]):
        convolution = nn.Conv2d(below, units, 3, padding=1)
        with torch.no_grad():
            kernel = blocks.weights[k][seed].T.reshape(units, below, 3, 3)
            convolution.weight.copy_(kernel)
            convolution.bias.copy_(blocks.biases[k][seed, 0])
        modules += [convolution, nn.BatchNorm2d(units, affine=False), nn.LeakyReLU(0.2)]
        modules += [nn.MaxPool2d(2)] if k + 1 in blocks.shape.pools else []
        below = units
    return nn.Sequential(*modules)


def test_convolutional_blocks_are_torchs_own():
    shape = Shape((784, 3, 5), True, (2,), norm="batch", slope=0.2)
    blocks = Blocks(shape, generators_for([0, 1]))
    images = torch.randn(2, 6, 784)
    *found, _ = blocks.forward(images, learn=True)
    frozen = blocks.forward(images)[1]
    for seed in range(2):
        modules = torch_blocks(blocks, seed)
        expected = modules(images[seed].unflatten(1, (1, 28, 28)))
        torch.testing.assert_close(found[1][seed], expected, rtol=1e-4, atol=1e-5)
        for k, norm in enumerate(one for one in modules if isinstance(one, nn.BatchNorm2d)):
            torch.testing.assert_close(blocks.means[k][seed, 0], norm.running_mean)
            torch.testing.assert_close(blocks.variances[k][seed, 0], norm.running_var)
        expected = modules.eval()(images[seed].unflatten(1, (1, 28, 28)))
        torch.testing.assert_close(frozen[seed], expected, rtol=1e-4, atol=1e-5)


def test_dense_batch_norm_is_torchs_own():
    blocks = Blocks(Shape((784, 7), norm="batch"), generators_for([3]))
    images = torch.randn(1, 9, 784)
    sums = images[0] @ blocks.weights[0][0] + blocks.biases[0][0]
    expected = nn.BatchNorm1d(7, affine=False)(sums).relu()
    torch.testing.assert_close(blocks.forward(images, learn=True)[0][0], expected)


def test_a_skip_adds_what_a_block_sees_where_it_fits():
    plain, skipping = (
        Blocks(Shape((784, 8, 8, 5), skip=skip), generators_for([0])) for skip in (False, True)
    )
    images = torch.rand(1, 4, 784)
    without, with_skips = plain.forward(images), skipping.forward(images)
    torch.testing.assert_close(with_skips[0], without[0])  # 784 do not fit 8
    torch.testing.assert_close(with_skips[1], without[1] + without[0])
    above = (with_skips[1] @ plain.weights[2] + plain.biases[2]).relu()
    torch.testing.assert_close(with_skips[2], above)  # nor 8 the 5


def test_a_convolutional_block_adds_its_skip_before_it_pools():
    """Of one shape with what it sees, in torch's own words; the first block's differs."""
    shape = Shape((784, 4, 4), True, (1, 2), skip=True, norm="batch", slope=0.1)
    blocks, images = Blocks(shape, generators_for([0])), torch.randn(1, 5, 784)
    first, second, _ = blocks.forward(images, learn=True)
    kernel = blocks.weights[1][0].T.reshape(4, 4, 3, 3)
    sums = nn.functional.conv2d(first[0], kernel, blocks.biases[1][0, 0], padding=1)
    active = nn.functional.leaky_relu(nn.BatchNorm2d(4, affine=False)(sums), 0.1)
    expected = nn.functional.max_pool2d(active + first[0], 2)
    torch.testing.assert_close(second[0], expected, rtol=1e-4, atol=1e-5)
    plain = Blocks(shape._replace(skip=False), generators_for([0])).forward(images, learn=True)
    torch.testing.assert_close(plain[0], first, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("channels", "side", "compared"), [(32, 14, 5), (64, 7, 4), (128, 3, 2)])
def test_windows_of_a_mean_overlap_as_torchs_do(channels, side, compared):
    blocks = Blocks(Shape((784, channels), True), generators_for([0]))
    active = torch.rand(2, 3, channels, side, side, requires_grad=True)
    expected = nn.functional.adaptive_avg_pool2d(active.flatten(0, 1), compared)
    found = blocks.features(active)
    torch.testing.assert_close(found, expected.unflatten(0, (2, 3)).flatten(2))
    weights = torch.randn_like(found)
    gradients = [
        torch.autograd.grad((one * weights.view_as(one)).sum(), active)[0]
        for one in (found, expected)
    ]
    torch.testing.assert_close(*gradients)


def test_a_block_is_compared_by_means_of_its_images():
    """Of 256 channels 2 × 2 fit 1024 features: each the mean of a quarter of the image."""
    blocks = Blocks(Shape((784, 256), True, (1,)), generators_for([0]))
    active = torch.rand(1, 2, 256, 14, 14)
    quarters = active.unflatten(3, (2, 7)).unflatten(5, (2, 7)).mean((4, 6))
    torch.testing.assert_close(blocks.features(active), quarters.flatten(2))
    assert blocks.shape.compared() == [1024] and blocks.weights[-1].shape == (1, 1024, 10)


def test_three_steps_are_those_of_a_plain_version(data):
    """One seed, dense twins with a skip and heads, by torch's modules and autograd."""
    rule = make(
        {"layers": (784, 12, 12, 10), "skip": True, "head": 0.5, "learning_rate": 1e-2},
        seeds=1,
    )
    names = {name: tensor[0].detach().clone() for name, tensor in rule.tensors().items()}
    plain = {name: tensor.requires_grad_() for name, tensor in names.items()}
    adam = torch.optim.Adam(plain.values(), lr=1e-2)
    images, labels = rule.scaled(data.train_images), data.train_labels
    (phase,) = rule.phases(data)
    visits = visits_of(phase, generators_for([7]))
    ours = torch.optim.Adam(phase.parameters, lr=1e-2)
    for step in range(3):
        rows = {name: v[:, 20 * step : 20 * step + 20] for name, v in visits.items()}
        gradients = torch.autograd.grad(
            torch.stack(list(phase.losses(rows).values())).sum(), phase.parameters
        )
        for parameter, gradient in zip(phase.parameters, gradients, strict=True):
            parameter.grad = gradient
        ours.step()
        loss, seen = 0, {}
        for twin in ("first", "second"):
            x, y = images[rows[twin][0]], labels[rows[twin][0]]
            one = (x @ plain[f"{twin}/weight1"] + plain[f"{twin}/bias1"]).relu()
            two = one.detach() @ plain[f"{twin}/weight2"] + plain[f"{twin}/bias2"]
            two = two.relu() + one.detach()
            for k, layer in ((1, one), (2, two)):
                logits = layer @ plain[f"{twin}/head{k}"] + plain[f"{twin}/head_bias{k}"]
                loss = loss + 0.5 * cross_entropy(logits, y)
            logits = two.detach() @ plain[f"{twin}/weight3"] + plain[f"{twin}/bias3"]
            target = nn.functional.one_hot(y, 10).float()
            loss = loss + nn.functional.binary_cross_entropy(logits.softmax(-1), target)
            seen[twin] = (one, two, y)
        alike = torch.where(seen["first"][2] == seen["second"][2], 1.0, -1.0)
        for k in (0, 1):
            loss = loss + cosine_embedding_loss(seen["first"][k], seen["second"][k], alike)
        adam.zero_grad()
        loss.backward()
        adam.step()
    for name, tensor in rule.tensors().items():
        torch.testing.assert_close(tensor[0].detach(), plain[name].detach(), rtol=1e-3, atol=1e-5)


@each_variant
def test_a_seed_of_a_variant_is_the_same_alone_and_among_others(variant, data):
    together = make(variant, seeds=3)
    history = together.fit(data)
    alone = make(variant, seeds=1, first_seed=1)
    part = alone.fit(data)
    for quantity, values in part.values.items():
        assert (values[:, 0] == history[quantity][:, 1]).all(), quantity
    for name, values in alone.tensors().items():
        assert torch.equal(values[0], together.tensors()[name][1]), name


@each_variant
def test_a_variant_is_stored_and_resumed_to_the_last_bit(variant, data, tmp_path, monkeypatch):
    monkeypatch.setattr(store.jobs, "load_changed", lambda *_: data)
    undisturbed = make(variant)
    undisturbed.fit(data)
    config, path = small_config("deep_twins", **variant), tmp_path / "checkpoint"
    interrupted, seen = make(variant), []

    def stop(state):
        if not seen:
            Checkpoint(path, interrupted, snapshots=False).save(state, [])
        seen.append(state.epoch)

    interrupted.fit(data, stop)
    resumed = make(variant)
    start, _ = Checkpoint(path, resumed, snapshots=False).load()
    resumed.fit(data, start=start)
    store.train(store.Job(config), tmp_path)
    stored = read(config, tmp_path)
    for rule in (resumed, stored):
        for name, tensor in undisturbed.tensors().items():
            assert torch.equal(rule.tensors()[name], tensor), name
    assert torch.equal(stored.predict(data.test_images), undisturbed.predict(data.test_images))


@each_variant
def test_no_gradient_crosses_a_block_but_in_the_control(variant, data):
    part = spread(data, 61)
    for across in (False, True):
        rule = make(variant, across=across)
        largest = off_layer_gradient(rule.example_losses(part, 60), rule.layers())
        assert rule.local is not across
        assert bool((largest > 0).all()) if across else bool((largest == 0).all())


def test_a_plan_takes_a_convolution_for_more_work_than_a_dense_block():
    """By hand, for both twins: nine weights a channel below on each pixel; 28, 14 and 7 a side.
    They count a tenth; what is done to each sum, such as batch norm, counts as sixty."""
    deep = rules.configure("deep_twins", "short", layers=(784, *[64] * 16, 10), epochs=3)
    assert DeepTwins.work(deep) == 2 * 3 * (784 * 64 + 15 * 64 * 64 + 64 * 10)
    settings = {"layers": (784, 8, 8, 4, 10), "convolutional": True, "pools": (1, 2), "epochs": 3}
    products = 9 * (8 * 28**2 + 8 * 8 * 14**2 + 8 * 4 * 7**2)
    sums = 8 * 28**2 + 8 * 14**2 + 4 * 7**2
    convolved = rules.configure("deep_twins", "short", **settings)
    assert DeepTwins.work(convolved) == pytest.approx(2 * 3 * (products / 10 + 60 * sums))


def test_heads_join_their_opinions():
    rule = make({"head": 1.0, "prediction": "heads"})
    images = torch.randint(0, 256, (20, 784), dtype=torch.uint8)
    found = rule.twin_probabilities(images)
    *blocks, logits = rule.twins.first.forward(rule.scaled(images))
    product = logits.softmax(-1)
    for k, block in enumerate(blocks):
        product = product * rule.twins.first.classify(k, block).softmax(-1)
    root = product ** (1 / 3)
    torch.testing.assert_close(found["first"], root / root.sum(-1, keepdim=True))
    torch.testing.assert_close(found["mean"], (found["first"] + found["second"]) / 2)


def test_a_joint_read_out_is_one_of_both_blocks_side_by_side(data):
    """By torch's linear and cross-entropy, on the features of both twins in one row."""
    rule = make(VARIANTS["joint read-outs"], seeds=1)
    found = rule.example_losses(data, 50)
    images, labels = rule.scaled(data.train_images[:50]), data.train_labels[:50]
    twins = (rule.twins.first, rule.twins.second)
    seen, opinions = [twin.forward(images) for twin in twins], []
    for k, name in enumerate(("layer1", "layer2", "output")):
        # The output reads the second blocks, as their heads do.
        side_by_side = torch.cat([blocks[min(k, 1)][0] for blocks in seen], 1)
        own = [twin.heads[k] if k < 2 else (twin.weights[2], twin.biases[2]) for twin in twins]
        weight = torch.cat([weight[0] for weight, _ in own])
        logits = side_by_side @ weight + sum(bias[0] for _, bias in own)
        torch.testing.assert_close(found[name][0], 2 * cross_entropy(logits, labels))
        opinions.append(logits.softmax(-1))
    together = torch.stack(opinions).log().mean(0).softmax(-1)
    torch.testing.assert_close(
        rule.predict(data.train_images[:50])[0], together, rtol=1e-4, atol=1e-6
    )


def test_mutual_learning_adds_the_divergences_of_every_read_out(data):
    settings = {"contrast": "none", "head": 1.0}
    alone, mutual = make(settings), make(settings, mutual=0.5)
    images, labels = alone.scaled(data.train_images[:40]), data.train_labels[:40].expand(4, -1)
    seen = alone.twins.both.forward(images)
    without = alone.losses_of_pairs(seen, labels)
    found = mutual.losses_of_pairs(mutual.twins.both.forward(images), labels)
    logits = {f"layer{k + 1}": alone.twins.both.classify(k, seen[k]) for k in range(2)}
    logits["output"] = seen[-1]
    for name, opinions in logits.items():
        expected = without[name] + 0.5 * mutual_loss(*opinions.chunk(2))
        torch.testing.assert_close(found[name], expected)


@pytest.mark.parametrize("variant", ["joint read-outs", "mutual"])
def test_twins_that_learn_together_see_the_same_images(variant, data):
    rule = make(VARIANTS[variant])
    (phase,) = rule.phases(data)
    visits = visits_of(phase, generators_for([5]))
    assert torch.equal(visits["first"], visits["second"])
    assert not torch.equal(visits["first_pixels"], visits["second_pixels"])


@pytest.mark.parametrize(
    ("settings", "least"), [({"margin": 0.5}, 0.5), (VARIANTS["every help"], 0.8)], ids=str
)
def test_it_learns_digits(settings, least, digits):
    """A thousand of them: one in ten is chance."""
    rule = make(settings, epochs=8, learning_rate=3e-3, seeds=2)
    history = rule.fit(small(digits, 1000))
    assert (history["test_accuracy/mean"][-1] > least).all()


@pytest.mark.parametrize(
    "settings", [{"norm": "batch"}, {"guide": "itself", "contrast": "class_means"}], ids=str
)
def test_a_last_batch_of_one_is_refused_where_it_cannot_be_compared(settings, data):
    rule = make(settings, batch_size=17)  # 120 images: 7 batches, and one image
    with pytest.raises(ConfigError, match="batch_size=17: 120 training images leave"):
        rule.fit(data)
    make(batch_size=17, epochs=1).fit(data)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pools": (1,)}, "only convolutional blocks have images to pool"),
        ({"convolutional": True, "pools": (3,)}, "numbers of at most four hidden blocks"),
        ({"prediction": "heads"}, "needs head above 0"),
        ({"contrast": "none"}, "blocks would have nothing to learn"),
        ({"guide": "itself"}, "needs contrast=.class_means. and a batch of two"),
        ({"guide": "itself", "contrast": "class_means", "batch_size": 1}, "a batch of two"),
        ({"read_out": "joint"}, "need contrast=.class_means. or .none."),
        ({"mutual": 1.0}, "need contrast=.class_means. or .none."),
        (
            {"mutual": 1.0, "read_out": "joint", "contrast": "class_means"},
            "mutual above 0 needs read_out=.own.",
        ),
        ({"mutual": -0.1}, "mutual"),
        ({"norm": "batch", "batch_size": 1}, "norm=.batch. needs a batch of two or more"),
        (
            {"read_out": "joint", "contrast": "none", "head": 1.0, "predictor": "first"},
            "needs predictor=.mean.",
        ),
        ({"read_out": "none"}, "read_out"),
        ({"layers": (785, 64, 10)}, "784"),
        ({"layers": (784, 10)}, "hidden"),
        ({"norm": "layer"}, "norm"),
        ({"shift": 9}, "shift"),
    ],
)
def test_what_cannot_work_is_one_line(settings, message):
    with pytest.raises(ConfigError, match=message) as error:
        rules.configure("deep_twins", "smoke", **settings)
    assert "\n" not in str(error.value)
