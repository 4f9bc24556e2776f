"""What every rule in the folder has to keep, whatever it learns."""

import numpy as np
import pytest
import torch

from ffcl_utils import rules, store
from ffcl_utils.analysis.locality import learning, off_layer_gradient
from ffcl_utils.config import PRESETS, ConfigError
from ffcl_utils.data.parts import spread
from ffcl_utils.learning import layers
from ffcl_utils.store.checkpoint import Checkpoint
from ffcl_utils.store.networks import load_arrays
from ffcl_utils.store.reader import read
from tests.small import small, small_config, small_rule

NAMES = rules.names()
each_rule = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def data(digits):
    return small(digits, 200)


@each_rule
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_makes_settings_that_name_their_rule(name, preset):
    config = rules.configure(name, preset)
    assert config.rule == name
    assert config.preset == preset
    assert config.dataset == ("mnist_5k" if preset == "smoke" else "mnist")
    assert rules.rule(name).title


def test_unknown_rules_settings_and_presets_are_one_line_errors():
    for call, message in (
        (lambda: rules.rule("magic"), "unknown rule 'magic': choose one of"),
        (lambda: rules.configure(NAMES[0], "full"), "it is now called 'paper'"),
        (lambda: rules.configure(NAMES[0], "short", epoch=1), "epoch=1: Extra inputs"),
        (lambda: rules.configure(NAMES[0], "short", epochs=0), "epochs=0: Input should be"),
        (lambda: rules.configure(NAMES[0], "short", change="x"), "unknown change 'x'"),
    ):
        with pytest.raises(ConfigError) as error:
            call()
        assert message in str(error.value)
        assert "\n" not in str(error.value)


@each_rule
@pytest.mark.parametrize("width", ["small", "of the preset"])
def test_a_seed_is_the_same_alone_and_among_others(name, width, data):
    """To the last bit. Kernels differ by width, and treat the end of an array by itself."""
    layers = {"layers": rules.configure(name, "short").layers} if width != "small" else {}
    together = small_rule(name, seeds=3, **layers)
    history = together.fit(data)
    for first, count in ((2, 1), (1, 2)):
        alone = small_rule(name, seeds=count, first_seed=first, **layers)
        part = alone.fit(data)
        assert part.seeds == tuple(range(first, first + count))
        for quantity, values in part.values.items():
            assert np.array_equal(values, history[quantity][:, first : first + count]), quantity
        for tensor, values in alone.tensors().items():
            assert torch.equal(values, together.tensors()[tensor][first : first + count]), tensor


@each_rule
def test_the_same_seeds_give_the_same_networks_and_others_do_not(name, data):
    one, again, other = (small_rule(name, first_seed=k) for k in (0, 0, 5))
    for rule in (one, again, other):
        rule.fit(data)
    for tensor, values in one.tensors().items():
        assert torch.equal(values, again.tensors()[tensor])
        assert not torch.equal(values, other.tensors()[tensor])


@each_rule
def test_a_stored_rule_predicts_and_remembers_the_same(name, data, tmp_path, monkeypatch):
    monkeypatch.setattr(store.jobs, "load_changed", lambda *_: data)
    config = small_config(name)
    store.train(store.Job(config, snapshots=True), tmp_path)
    stored = read(config, tmp_path, snapshots=True)
    trained = small_rule(name)
    trained.fit(data)
    images = data.test_images[:40]
    assert torch.equal(stored.predict(images), trained.predict(images))
    labels = data.test_labels[:40]
    for one, other in zip(
        stored.representations(images, labels), trained.representations(images, labels), strict=True
    ):
        assert torch.equal(one, other)
    assert stored.history.seeds == trained.history.seeds
    assert stored.history.optimisers == trained.history.optimisers
    assert stored.history.values.keys() == trained.history.values.keys()
    for quantity, values in trained.history.values.items():
        assert np.array_equal(stored.history[quantity], values), quantity


@each_rule
def test_snapshots_are_the_weights_after_each_epoch(name, data, tmp_path, monkeypatch):
    monkeypatch.setattr(store.jobs, "load_changed", lambda *_: data)
    config = small_config(name)
    store.train(store.Job(config, snapshots=True), tmp_path)
    trained, seen = small_rule(name), []

    def weights(rule):
        return {tensor: values.detach().clone() for tensor, values in rule.tensors().items()}

    before = weights(trained)
    trained.fit(data, lambda _: seen.append(weights(trained)))
    epochs = [weights(rule) for rule in store.epochs_of(read(config, tmp_path, snapshots=True))]
    for kept, expected in zip(epochs, [before, *seen], strict=True):
        for tensor, values in expected.items():
            assert torch.equal(kept[tensor], values), tensor
    assert any(not torch.equal(values, epochs[2][tensor]) for tensor, values in epochs[1].items())


VARIANTS = [(name, {}) for name in NAMES] + [
    ("forward_forward", {"training": "simultaneous"}),
    ("ffcl", {"stages": "local"}),
    ("ffcl", {"stages": "global"}),
    ("cascaded_forward", {"blocks": "dfa"}),
    ("cascaded_forward", {"predictor": "mse"}),
    ("local_losses", {"across": True}),
    ("local_losses", {"across": True, "local_loss": "none"}),
]


@pytest.mark.parametrize(("name", "variant"), VARIANTS, ids=str)
def test_a_job_knows_how_many_epochs_its_training_reports(name, variant, data):
    """Otherwise the bar that shows progress ends early, or never."""
    rule, reported = small_rule(name, **variant), []
    rule.fit(data, reported.append)
    assert len(reported) == store.Job(rule.config).epochs


@each_rule
def test_interrupted_after_any_epoch_and_resumed_equals_undisturbed(name, data, tmp_path):
    undisturbed = small_rule(name)
    expected = undisturbed.fit(data)
    files = []

    def keep(state):
        path = tmp_path / f"{state.phase}-{state.epoch}"
        Checkpoint(path, rule, snapshots=False).save(state, [])
        files.append(path)

    rule = small_rule(name)
    rule.fit(data, keep)
    assert len(files) >= 2
    for path in files:
        resumed = small_rule(name)
        start, _ = Checkpoint(path, resumed, snapshots=False).load()
        assert start is not None
        history = resumed.fit(data, start=start)
        assert history.optimisers == expected.optimisers
        for quantity, values in expected.values.items():
            assert np.array_equal(history[quantity], values), (path.name, quantity)
        for tensor, values in undisturbed.tensors().items():
            assert torch.equal(values, resumed.tensors()[tensor]), (path.name, tensor)


@each_rule
def test_a_checkpoint_of_other_settings_is_not_used(name, data, tmp_path):
    rule = small_rule(name)
    path = tmp_path / "checkpoint"
    rule.fit(data, lambda state: Checkpoint(path, rule, snapshots=False).save(state, []))
    for other in (small_rule(name, learning_rate=0.5), small_rule(name, first_seed=3)):
        before = {tensor: values.clone() for tensor, values in other.tensors().items()}
        with pytest.warns(UserWarning, match="begins anew"):
            assert Checkpoint(path, other, snapshots=False).load() == (None, [])
        assert all(torch.equal(v, before[n]) for n, v in other.tensors().items())
    with pytest.warns(UserWarning, match="begins anew"):
        assert Checkpoint(path, rule, snapshots=True).load() == (None, [])
    assert load_arrays(path)


@each_rule
def test_a_gradient_crosses_layers_only_where_the_rule_says_so(name, data):
    rule = small_rule(name)
    rule.fit(data)
    losses, layers = rule.example_losses(spread(data, 257)), rule.layers()
    crossed = off_layer_gradient(losses, layers)
    assert crossed.shape == (2,)
    # A loss without any gradient would cross nothing either: each has one on its own layer.
    for loss, changed in learning(losses, layers, {}, ()).losses.items():
        assert changed == [loss.replace("layer", "layer ")] if rule.local else changed, loss
    assert bool((crossed == 0).all()) == rule.local
    assert bool((crossed > 0).all()) != rule.local


@each_rule
def test_something_comes_back_to_the_first_layer_only_where_the_rule_says_so(name, data):
    """Else its update is the same, whatever the layers above it are.

    (Where the output's error goes straight to a layer, it would be another, though nothing passes
    through layers: `feedback="direct"` of feedback alignment, which its own test asks.)
    """
    rule = small_rule(name)
    first, *above = rule.layers().values()

    def update():
        loss = sum(loss.sum() for loss in rule.example_losses(spread(data, 257)).values())
        return torch.autograd.grad(loss, first, allow_unused=True, materialize_grads=True)

    before = update()
    with torch.no_grad():
        for tensor in (tensor for layer in above for tensor in layer):
            tensor.mul_(1.5).add_(0.01)
    same = all(map(torch.equal, before, update()))
    assert same != rule.backward_pass


@each_rule
def test_it_learns_on_the_device_that_is_chosen(name, monkeypatch):
    monkeypatch.setattr(layers, "device", lambda: torch.device("meta"))
    assert all(t.device.type == "meta" for t in small_rule(name).tensors().values())


@each_rule
def test_scores_probabilities_and_representations_have_their_shapes(name, data):
    rule = small_rule(name)
    images, labels = data.test_images[:7], data.test_labels[:7]
    assert rule.predict(images).shape == (2, 7, 10)
    probabilities = rule.probabilities(images)
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(2, 7))
    assert torch.equal(probabilities.argmax(-1), rule.predict(images).argmax(-1))
    hidden = rule.representations(images, labels)
    assert [w.shape[0] for w in rule.hidden_weights()] == [2] * len(hidden)
    for layer, weight in zip(hidden, rule.hidden_weights(), strict=True):
        assert layer.shape[:2] == (2, 7)
        assert layer.shape[2] % weight.shape[2] == 0  # of both twins, where both predict
        assert (layer >= 0).all()


@each_rule
def test_every_parameter_that_learns_is_stored(name, data):
    rule = small_rule(name)
    before = {tensor: values.clone() for tensor, values in rule.tensors().items()}
    rule.fit(data)
    assert any(not torch.equal(values, before[n]) for n, values in rule.tensors().items())
    stored = sum(values.numel() for values in rule.tensors().values())
    assert stored == sum(p.numel() for layer in rule.layers().values() for p in layer)
