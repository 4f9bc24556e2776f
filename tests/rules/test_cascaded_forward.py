"""CaFo against modules of torch.nn, a plain training, autograd and numpy's least squares."""

import numpy as np
import pytest
import torch
from torch import nn

from ffcl_utils import rules, store
from ffcl_utils.analysis.locality import off_layer_gradient
from ffcl_utils.config import ConfigError
from ffcl_utils.learning import layers
from ffcl_utils.learning.training import visits_of
from ffcl_utils.rules.cascaded_forward import CascadedForward
from ffcl_utils.store.checkpoint import Checkpoint
from ffcl_utils.store.reader import read
from tests.small import small, small_config, small_rule

LAYERS = (784, 4, 3)
VARIANTS = [
    {"blocks": "random", "predictor": "cross_entropy"},
    {"blocks": "random", "predictor": "sparsemax"},
    {"blocks": "random", "predictor": "mse"},
    {"blocks": "random", "predictor": "mse", "ridge": 7.0},
    {"blocks": "dfa", "predictor": "cross_entropy"},
    {"blocks": "dfa", "predictor": "sparsemax"},
]
each_variant = pytest.mark.parametrize(
    "variant", VARIANTS, ids=lambda v: "-".join(map(str, v.values()))
)


def make(**overrides):
    return small_rule("cascaded_forward", **({"layers": LAYERS} | overrides))


def pictures(images):
    return ((images.float() / 255 - 0.1307) / 0.3081).reshape(-1, 1, 28, 28)


def plain_blocks(network, seed):
    """The blocks of one network as modules; batch norm in training mode until it is frozen."""
    blocks, below = [], 1
    for weight, bias in zip(network.weights, network.biases, strict=True):
        own = weight.shape[2]
        convolution = nn.Conv2d(below, own, 3, padding=1)
        convolution.weight.data = weight[seed].detach().T.reshape(own, below, 3, 3).clone()
        convolution.bias.data = bias[seed, 0].detach().clone()
        norm = nn.BatchNorm2d(own, affine=False, momentum=None)
        blocks.append(nn.Sequential(convolution, nn.ReLU(), nn.MaxPool2d(2), norm))
        below = own
    return blocks


@torch.no_grad()
def freeze(block, inputs):
    """Batch norm as it is for all inputs at once, from now on for any."""
    block[3].reset_running_stats()
    block.train()(inputs)
    block.eval()


def project(scores):
    """Sparsemax of each row by bisection."""
    low, high = scores.amin(1) - 1, scores.amax(1)
    for _ in range(60):
        middle = (low + high) / 2
        full = (scores - middle[:, None]).clamp(min=0).sum(1) > 1
        low, high = torch.where(full, middle, low), torch.where(full, high, middle)
    return (scores - low[:, None]).clamp(min=0)


def plain_training(rule, data):
    """One seed: block after block in modules, with gradients by hand where they are known."""
    config, (generator,) = rule.config, rule.generators
    learning = config.blocks == "dfa"
    blocks = plain_blocks(rule.network, 0)
    inputs, targets = pictures(data.train_images), torch.eye(10)[data.train_labels]
    predictors = []
    for k, block in enumerate(blocks):
        if not learning:
            freeze(block, inputs)
        with torch.no_grad():
            units = block.eval()(inputs[:1]).numel()
        block.train(learning)
        predictor = torch.zeros(units, 10, requires_grad=True)
        parameters = [predictor, *(block[0].parameters() if learning else [])]
        adam = torch.optim.Adam(parameters, lr=config.learning_rate)
        steps = -(-len(inputs) // config.batch_size) * config.epochs
        cycle = torch.optim.lr_scheduler.OneCycleLR(adam, config.learning_rate, total_steps=steps)
        for _ in range(config.epochs):
            order = torch.randperm(len(inputs), generator=generator)
            for rows in order.split(config.batch_size):
                features = block(inputs[rows]).flatten(1)
                scores = (features @ predictor).detach()
                chosen = (
                    scores.softmax(1) if config.predictor == "cross_entropy" else project(scores)
                )
                adam.zero_grad()
                error = (chosen - targets[rows]) / len(rows)
                predictor.grad = features.detach().T @ error
                if learning:
                    softmax_error = (scores.softmax(1) - targets[rows]) / len(rows)
                    features.backward(softmax_error @ rule.network.feedback[k][0])
                adam.step()
                cycle.step()
        if learning:
            freeze(block, inputs)
        with torch.no_grad():
            inputs = block(inputs)
        predictors.append(predictor.detach())
    return blocks, predictors


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v["predictor"] != "mse"], ids=str)
def test_three_steps_a_block_are_the_plain_ones(digits, variant):
    # Of 37 images no class has a tenth: at the start a gradient of exactly 0 could be met, and Adam
    # would divide its rounding by itself.
    data = small(digits, 100)
    chosen = variant | {"seeds": 1, "epochs": 1, "batch_size": 37}
    blocks, predictors = plain_training(make(**chosen), data)
    rule = make(**chosen)
    rule.fit(data)
    network = rule.network
    for k, (block, predictor) in enumerate(zip(blocks, predictors, strict=True)):
        convolution, norm = block[0], block[3]
        kernel = convolution.weight.detach().flatten(1).T
        torch.testing.assert_close(network.weights[k][0], kernel, rtol=1e-3, atol=5e-4)
        torch.testing.assert_close(network.biases[k][0, 0], convolution.bias, rtol=1e-3, atol=5e-4)
        torch.testing.assert_close(network.means[k][0, 0], norm.running_mean, rtol=2e-3, atol=1e-3)
        torch.testing.assert_close(
            network.variances[k][0, 0], norm.running_var, rtol=5e-3, atol=1e-3
        )
        torch.testing.assert_close(network.predictors[k][0], predictor, rtol=1e-3, atol=1e-3)
    assert [of_block["steps"] for of_block in rule.history.optimisers] == [[3], [3]]


def features_of(rule, data, seed):
    """Features (N, units) of all training images and the frozen modules."""
    inputs, blocks, found = pictures(data.train_images), plain_blocks(rule.network, seed), []
    for block in blocks:
        freeze(block, inputs)
        with torch.no_grad():
            inputs = block(inputs)
        found.append(inputs.flatten(1))
    return found, blocks


@pytest.mark.parametrize("ridge", [0.0, 50.0])
def test_predictors_of_mse_are_least_squares_of_the_features(digits, ridge):
    """By numpy: ridge as rows below the features. Without it many weights are as good as others.

    Directions that only the rounding of float32 makes are no directions.
    """
    data = small(digits, 1000)
    rule = make(predictor="mse", ridge=ridge)
    history = rule.fit(data)
    targets = np.eye(10)[data.train_labels.numpy()]
    for seed in range(2):
        found, _ = features_of(rule, data, seed)
        for k, features in enumerate(found):
            x = features.double().numpy()
            wide = np.vstack([x, ridge**0.5 * np.eye(x.shape[1])])
            zeros = np.zeros((x.shape[1], 10))
            expected = np.linalg.lstsq(wide, np.vstack([targets, zeros]), rcond=5e-7)[0]
            ours = rule.network.predictors[k][seed].detach().double().numpy()
            loss = history[f"train_loss/predictor{k + 1}"]
            assert loss.shape == (1, 2)
            assert loss[0, seed] == pytest.approx(((x @ expected - targets) ** 2).mean(), rel=1e-3)
            assert ((x @ ours - targets) ** 2).mean() == pytest.approx(loss[0, seed], rel=1e-3)
            if ridge:
                np.testing.assert_allclose(ours, expected, atol=1e-4)
    accuracy = (rule.predict(data.test_images).argmax(-1) == data.test_labels).double().mean(-1)
    assert np.array_equal(history["test_accuracy/all"], accuracy.numpy()[None])
    assert history.optimisers == []


@each_variant
def test_prediction_is_the_sum_over_blocks_by_modules(digits, variant):
    data, images = small(digits, 100), digits.test_images[::50]
    rule = make(**variant)
    rule.fit(data)
    scores, probabilities = rule.predict(images), rule.probabilities(images)
    for seed in range(2):
        _, blocks = features_of(rule, data, seed)
        inputs, total, active = pictures(images), 0, []
        with torch.no_grad():
            for k, block in enumerate(blocks):
                active.append(block[:3](inputs).flatten(1))
                inputs = block(inputs)
                own = inputs.flatten(1) @ rule.network.predictors[k][seed]
                total = total + (own if variant["predictor"] == "mse" else own.softmax(1))
        # The running variance of modules is divided by one less than the count.
        torch.testing.assert_close(scores[seed], total / 2, rtol=1e-2, atol=5e-3)
        for layer, expected in zip(rule.representations(images), active, strict=True):
            torch.testing.assert_close(layer[seed], expected, rtol=5e-3, atol=2e-3)
    assert torch.equal(probabilities.argmax(-1), scores.argmax(-1))
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(2, len(images)))


@pytest.mark.parametrize("blocks", ["random", "dfa"])
def test_what_is_predicted_does_not_depend_on_the_other_test_images(digits, blocks):
    rule = make(blocks=blocks)
    rule.fit(small(digits, 100))
    together = rule.predict(digits.test_images)
    for rows in (slice(3, 4), slice(0, 7), slice(900, 1000)):
        found = rule.predict(digits.test_images[rows])
        torch.testing.assert_close(found, together[:, rows], rtol=1e-4, atol=1e-5)


def test_a_block_has_the_gradient_of_its_error_by_the_fixed_matrix(digits):
    """Autograd of Σ (δ/B) · features with the error of the scores taken as given."""
    rule, data = make(blocks="dfa"), small(digits, 100)
    rule.fit(data)
    found = rule.example_losses(data, images=30)
    assert list(found) == ["predictor1", "layer1", "predictor2", "layer2"]
    for seed in range(2):
        _, frozen = features_of(rule, data, seed)
        inputs = pictures(data.train_images[:30])
        targets = torch.eye(10)[data.train_labels[:30]]
        for k, block in enumerate(plain_blocks(rule.network, seed)):
            features = block(inputs).flatten(1)
            scores = (features @ rule.network.predictors[k][seed]).detach()
            delta = (scores.softmax(1) - targets) @ rule.network.feedback[k][seed]
            ((features * delta).sum() / 30).backward()
            ours = torch.autograd.grad(
                found[f"layer{k + 1}"][seed], rule.network.weights[k], retain_graph=True
            )[0][seed]
            expected = block[0].weight.grad.flatten(1).T
            assert expected.abs().max() > 1e-4
            torch.testing.assert_close(ours, expected, rtol=1e-2, atol=1e-4)
            with torch.no_grad():
                inputs = frozen[k](inputs)


@each_variant
def test_losses_stay_with_their_own_parameters(digits, variant):
    rule = make(**variant)
    rule.fit(small(digits, 100))
    losses, parameters = rule.example_losses(small(digits, 100)), rule.layers()
    assert list(parameters) == ["layer1", "layer2", "predictor1", "predictor2"]
    assert (off_layer_gradient(losses, parameters) == 0).all()
    for name, loss in losses.items():
        gradient = torch.autograd.grad(loss.sum(), parameters[name][0], retain_graph=True)[0]
        assert gradient.abs().max() > 0
    assert rule.local
    assert not rule.backward_pass


@each_variant
def test_only_what_learns_is_changed_by_a_training(digits, variant):
    rule, untrained = make(**variant), make(**variant)
    rule.fit(small(digits, 100))
    learning = variant["blocks"] == "dfa"
    for name, values in rule.tensors().items():
        fixed = name.startswith(("weight", "bias")) and not learning
        assert torch.equal(values, untrained.tensors()[name]) == fixed, name
    if learning:
        for one, other in zip(rule.network.feedback, untrained.network.feedback, strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v != VARIANTS[0]], ids=str)
def test_every_variant_keeps_the_contract(digits, variant, tmp_path, monkeypatch):
    """A seed alone, stored and read again with its epochs, and resumed: all to the last bit."""
    data = small(digits, 110)
    monkeypatch.setattr(store.jobs, "load_changed", lambda *_: data)
    settings = variant | {"layers": LAYERS}
    together, files = make(seeds=3, **variant), []
    history = together.fit(data)
    alone = make(seeds=1, first_seed=2, **variant)

    def keep(state):
        files.append(tmp_path / f"{state.phase}-{state.epoch}")
        Checkpoint(files[-1], alone, snapshots=False).save(state, [])

    part = alone.fit(data, keep)
    config = small_config("cascaded_forward", **(settings | {"seeds": 1, "first_seed": 2}))
    store.train(store.Job(config, snapshots=True), tmp_path)
    stored = read(config, tmp_path, snapshots=True)
    assert len(stored.snapshots[0]) == (1 if variant["predictor"] == "mse" else 4)
    resumed = [(stored, stored.history)]
    for path in files:
        again = make(seeds=1, first_seed=2, **variant)
        start, _ = Checkpoint(path, again, snapshots=False).load()
        assert start is not None
        resumed.append((again, again.fit(data, start=start)))
    for quantity, values in history.values.items():
        assert np.array_equal(values[:, 2:], part[quantity]), quantity
        for _, other in resumed:
            assert np.array_equal(other[quantity], part[quantity]), quantity
    for name, tensor in together.tensors().items():
        for rule in (alone, *(rule for rule, _ in resumed)):
            assert torch.equal(rule.tensors()[name][0], tensor[2]), name


def test_blocks_that_learn_stay_on_the_device(digits, monkeypatch):
    elsewhere = torch.device("meta")
    monkeypatch.setattr(layers, "device", lambda: elsewhere)
    rule = make(blocks="dfa", predictor="sparsemax")
    phase = next(rule.phases(small(digits, 60)))
    visits = visits_of(phase, rule.generators)
    losses = phase.losses({name: rows[:, :20] for name, rows in visits.items()})
    gradients = torch.autograd.grad(torch.stack(list(losses.values())).sum(), phase.parameters)
    assert {gradient.device for gradient in gradients} == {elsewhere}


def test_the_store_counts_an_epoch_of_every_block_and_trains_seeds_apart(digits):
    config = small_config("cascaded_forward", layers=LAYERS)
    seen = []
    make().fit(small(digits, 100), seen.append)
    assert store.Job(config).epochs == len(seen) == 4
    assert CascadedForward.seeds_of_a_job(config) == 1


def test_a_plan_reckons_with_a_blocks_side_and_not_with_its_channels_alone():
    """By hand: 9 weights a channel on each pixel, ten a channel on each of the pooled ones."""
    config = rules.configure("cascaded_forward", "paper", blocks="dfa", epochs=2)
    convolutions = 9 * (32 * 28**2 + 32 * 128 * 14**2 + 128 * 512 * 7**2)
    predictors = 10 * (32 * 14**2 + 128 * 7**2 + 512 * 3**2)
    assert CascadedForward.work(config) == pytest.approx(4.6 * convolutions + 2 * predictors)
    still = config.model_copy(update={"blocks": "random"})
    assert CascadedForward.work(still) == pytest.approx(2.8 * convolutions + 2 * predictors)


def test_features_of_a_block_are_let_go_before_those_of_the_next_are_made(digits, monkeypatch):
    rule, held, before = make(seeds=1), [], []
    original = rule.network.seen

    def seen(k, images):
        before.append([len(features) for features in held])
        held.append(original(k, images))
        return held[-1]

    monkeypatch.setattr(rule.network, "seen", seen)
    rule.fit(small(digits, 100))
    assert before == [[], [0]]


def test_at_paper_a_block_has_5000_steps():
    config = rules.configure("cascaded_forward", "paper")
    assert 60_000 // config.batch_size * config.epochs == 5000
    assert config.layers == (784, 32, 128, 512)
    assert (config.learning_rate, config.ridge) == (0.01, 0)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"layers": (785, 8)}, "needs 784 pixels"),
        ({"layers": (784,)}, "layers=(784,): Tuple should have at least 2 items"),
        ({"layers": (784, 8, 8, 8, 8, 8)}, "1 to 4 blocks"),
        ({"layers": (784, 0)}, "layers.1=0"),
        ({"blocks": "dfa", "predictor": "mse"}, "predictor='mse': Value error, it is solved at"),
        ({"predictor": "none"}, "predictor='none'"),
        ({"blocks": "learnt"}, "blocks='learnt'"),
        ({"ridge": -1.0}, "ridge=-1.0"),
    ],
)
def test_bad_settings_are_one_line_errors(override, message):
    with pytest.raises(ConfigError) as error:
        rules.configure("cascaded_forward", "smoke", **override)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("blocks", ["random", "dfa"])
def test_four_blocks_leave_a_pixel_and_learn_with_a_last_batch_of_one_image(digits, blocks):
    rule = make(layers=(784, 3, 3, 3, 2), blocks=blocks, seeds=1, epochs=1, batch_size=99)
    history = rule.fit(small(digits, 100))
    assert [layer.shape[2] for layer in rule.representations(digits.test_images[:2])] == [
        3 * 196,
        3 * 49,
        3 * 9,
        2,
    ]
    assert all(np.isfinite(values).all() for values in history.values.values())


@pytest.mark.parametrize("predictor", ["cross_entropy", "mse"])
def test_random_blocks_learn_digits_at_the_smoke_preset(digits, predictor):
    config = rules.configure("cascaded_forward", "smoke", seeds=1, predictor=predictor)
    rule = CascadedForward(config)
    accuracy = rule.fit(digits)["test_accuracy/all"][-1, 0]
    assert accuracy > 0.9
