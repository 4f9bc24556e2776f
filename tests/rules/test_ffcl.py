"""Original FFCL, stage by stage, against torch.nn, closed forms and a plain training."""

from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from ffcl_utils import rules
from ffcl_utils.analysis.locality import off_layer_gradient
from ffcl_utils.config import ConfigError
from ffcl_utils.learning.pairing import random_partners
from ffcl_utils.learning.stages import STAGES, contrastive_losses
from tests.small import small, small_rule

GOES = pytest.mark.parametrize("stages", ["local", "global", "all"])
LAYERS = (784, 24, 16, 10)
HEADS = [f"head_{stage}" for stage in STAGES]
LOSSES = {
    "local": ["layer1", "layer2", "head_local", "head_final"],
    "global": ["layer1", "layer2", "head_local", "global", "head_global", "head_final"],
}
LOSSES["all"] = LOSSES["global"]


def make(**overrides):
    return small_rule("ffcl", **({"layers": LAYERS} | overrides))


def plain_layers(stack, k=0):
    """The layers of one seed as torch.nn.Linear."""
    linears = nn.ModuleList()
    for weight, bias in zip(stack.weights, stack.biases, strict=True):
        linears.append(nn.Linear(*weight.shape[1:]))
        linears[-1].weight.data = weight[k].T.detach().clone()
        linears[-1].bias.data = bias[k, 0].detach().clone()
    return linears


def plain_hidden(linears, images, local=False):
    activations = []
    for linear in linears:
        images = linear(images).relu()
        activations.append(images)
        images = images.detach() if local else images
    return activations


def plain_losses(stage, twins, head, seen, partners, labels, others, margin, teaches):
    """The losses of one seed in a stage, by torch's own losses; `seen` are images in [0, 1]."""
    first = plain_hidden(twins[0], seen, stage == "local")
    found = {}
    if stage != "final":
        second = plain_hidden(twins[1], partners, stage == "local")
        target = torch.tensor(
            [1.0 if a == b else -1.0 for a, b in zip(labels, others, strict=True)]
        )
        pairs = list(zip(first, second, strict=True))
        by_name = {"global": pairs[-1]}
        if stage == "local":
            by_name = {f"layer{k}": pair for k, pair in enumerate(pairs, start=1)}
        for name, pair in by_name.items():
            found[name] = nn.functional.cosine_embedding_loss(*pair, target, margin)
    (linear,) = head
    top = first[-1] if teaches else first[-1].detach()
    found[f"head_{stage}"] = nn.functional.cross_entropy(linear(top), labels)
    return found


def plain_training(rule, data):
    """Every stage with an Adam of its own; by stage, the networks at its end."""
    config, (generator,) = rule.config, rule.generators
    first, second = plain_layers(rule.twins.first), plain_layers(rule.twins.second)
    heads = {stage: plain_layers(rule.twins.heads[stage]) for stage in STAGES}
    images, labels = data.train_images.float() / 255, data.train_labels
    after = {}
    for stage in ("local", "global", "final"):
        if stage == "global" and config.stages == "local":
            continue
        learning = {"local": [first, second], "global": [first, second], "final": [first]}[stage]
        teaches = stage == "final" and config.stages == "all"
        if stage == "final" and not teaches:
            learning = []
        learning = nn.ModuleList([*learning, heads[stage]])
        adam = torch.optim.Adam(learning.parameters(), lr=config.learning_rate)
        for _ in range(config.epochs):
            order = torch.randperm(len(images), generator=generator)
            partner = order
            if stage != "final":
                partner = random_partners(labels, generator)[order]
            size = config.batch_size
            for rows, others in zip(order.split(size), partner.split(size), strict=True):
                pairs = images[rows], images[others], labels[rows], labels[others]
                losses = plain_losses(
                    stage, (first, second), heads[stage], *pairs, config.margin, teaches
                )
                adam.zero_grad()
                sum(losses.values()).backward()
                adam.step()
        networks = {"first": first, "second": second}
        networks |= {f"head_{name}": head for name, head in heads.items()}
        after[stage] = {
            f"{name}/{kind}{k}": tensor.detach().clone()
            for name, network in networks.items()
            for k, linear in enumerate(network, start=1)
            for kind, tensor in (("weight", linear.weight.T), ("bias", linear.bias[None]))
        }
    return after


def after_each_stage(rule, data):
    """By stage, copies of the rule's tensors at its end; before the first, as "start"."""

    def copies():
        return {name: tensor.detach().clone() for name, tensor in rule.tensors().items()}

    found, of_phase = {"start": copies()}, {}
    rule.fit(data, lambda state: of_phase.update({state.phase: copies()}))
    stages = [s for s in STAGES if s != "global" or rule.config.stages != "local"]
    assert sorted(of_phase) == list(range(len(stages)))
    return found | {stage: of_phase[k] for k, stage in enumerate(stages)}


@GOES
@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_three_steps_of_every_stage_are_the_plain_ones(digits, stages, margin):
    data = small(digits, 140)  # three steps a stage, the last of them on a smaller batch
    chosen = {"seeds": 1, "epochs": 1, "stages": stages, "margin": margin, "learning_rate": 1e-3}
    expected = plain_training(make(**chosen), data)
    found = after_each_stage(make(**chosen), data)
    for stage, tensors in expected.items():
        assert set(tensors) == set(found[stage])
        for name, tensor in tensors.items():
            torch.testing.assert_close(
                found[stage][name][0], tensor, atol=2e-5, rtol=1e-3, msg=f"{stage} {name}"
            )


@GOES
def test_each_stage_changes_its_own_part_of_the_networks(digits, stages):
    """Both twins, both twins, the first twin or nothing; and of the heads its own alone."""
    after = list(after_each_stage(make(stages=stages), small(digits, 100)).items())
    for (_, before), (stage, now) in pairwise(after):
        twins = {"first", "second"} if stage != "final" else {"first"} if stages == "all" else set()
        learning = twins | {f"head_{stage}"}
        for name, tensor in now.items():
            changed = not torch.equal(tensor, before[name])
            assert changed == (name.partition("/")[0] in learning), (stage, name)


def test_a_stage_is_the_same_however_far_the_training_goes(digits):
    data = small(digits, 100)
    runs = {name: after_each_stage(make(stages=name), data) for name in LOSSES}
    for name, tensor in runs["all"]["local"].items():
        for other in ("local", "global"):
            assert torch.equal(runs[other]["local"][name], tensor), name
        assert torch.equal(runs["global"]["global"][name], runs["all"]["global"][name]), name


@GOES
def test_the_losses_are_torchs(digits, stages):
    rule, data = make(stages=stages), small(digits, 100)
    found = rule.example_losses(data, images=50)
    assert list(found) == LOSSES[stages]
    images, labels = data.train_images[:51].float() / 255, data.train_labels[:51]
    pairs = images[:50], images[1:], labels[:50], labels[1:]
    for k in range(2):
        twins = plain_layers(rule.twins.first, k), plain_layers(rule.twins.second, k)
        for stage in STAGES:
            head = plain_layers(rule.twins.heads[stage], k)
            losses = plain_losses(stage, twins, head, *pairs, rule.config.margin, True)
            for name, loss in losses.items():
                if name in found:
                    torch.testing.assert_close(found[name][k], loss)


def gradients(loss, layers):
    """By layer, whether a loss has a gradient other than 0 on it."""
    found = {}
    for name, parameters in layers.items():
        of_layer = torch.autograd.grad(loss.sum(), parameters, retain_graph=True, allow_unused=True)
        found[name] = any(g is not None and bool(g.any()) for g in of_layer)
    return {name for name, reached in found.items() if reached}


@GOES
def test_every_loss_reaches_the_layers_that_its_stage_trains(digits, stages):
    rule = make(stages=stages)
    losses, layers = rule.example_losses(small(digits, 100), images=99), rule.layers()
    assert list(layers) == ["layer1", "layer2", *HEADS]
    reached = {name: gradients(loss, layers) for name, loss in losses.items()}
    expected = {name: {name} for name in losses}
    if "global" in expected:
        expected["global"] = {"layer1", "layer2"}
    if stages == "all":
        expected["head_final"] |= {"layer1", "layer2"}
    assert reached == expected


def test_nothing_goes_back_in_the_local_stage_and_the_rule_says_what_does(digits):
    data = small(digits, 100)
    for stages in LOSSES:
        rule = make(stages=stages)
        crossed = off_layer_gradient(rule.example_losses(data, images=99), rule.layers())
        assert (rule.local, rule.backward_pass) == (stages == "local", stages != "local")
        assert bool((crossed == 0).all()) == rule.local
        assert bool((crossed > 0).all()) == rule.backward_pass


def test_the_gradient_of_the_global_loss_is_the_chain_rule_by_hand(digits):
    """Through two ReLU layers of the first twin, one pair of two classes beyond the margin."""
    rule, margin = make(margin=-0.2), -0.2
    data = small(digits, 100)
    x, y = (data.train_images[k].double() / 255 for k in (0, 95))
    pair = torch.stack([x, x, y, y]).unsqueeze(1).float()
    labels = data.train_labels[[0, 0, 95, 95]].unsqueeze(1)
    assert labels[0, 0] != labels[2, 0]
    losses = rule.losses("global", rule.twins.both, pair, labels)
    found = torch.autograd.grad(losses["global"].sum(), rule.twins.both.weights)
    seed, hidden = 1, {}
    for name, stack, image in (("a", rule.twins.first, x), ("b", rule.twins.second, y)):
        w = [weight[seed].detach().double() for weight in stack.weights]
        c = [bias[seed, 0].detach().double() for bias in stack.biases]
        below = (image @ w[0] + c[0]).clamp(min=0)
        hidden[name] = w, below, (below @ w[1] + c[1]).clamp(min=0)
    (w, below, a), (_, _, b) = hidden["a"], hidden["b"]
    cosine = a @ b / (a.norm() * b.norm())
    assert cosine > margin
    torch.testing.assert_close(losses["global"][seed].double(), cosine - margin, atol=1e-6, rtol=0)
    by_top = (b / b.norm() - cosine * a / a.norm()) / a.norm() * (a > 0)
    by_below = (w[1] @ by_top) * (below > 0)
    for gradient, expected in zip(
        found, (torch.outer(x, by_below), torch.outer(below, by_top)), strict=True
    ):
        torch.testing.assert_close(gradient[seed].double(), expected, atol=1e-6, rtol=1e-4)


@given(st.sampled_from(STAGES), st.integers(1, 3), st.integers(1, 9), st.integers(-10, 10))
@settings(max_examples=40, deadline=None)
def test_contrasts_are_numpys_pair_after_pair(stage, seeds, batch, tenths):
    margin = tenths / 10
    drawn = torch.Generator().manual_seed(batch)
    seen = [
        torch.rand(2 * seeds, batch, units, generator=drawn, dtype=torch.float64)
        for units in (5, 3)
    ]
    labels = torch.randint(3, (2 * seeds, batch), generator=drawn)
    losses = contrastive_losses(stage, seen, labels, margin)
    layers = {"local": {"layer1": 0, "layer2": 1}, "global": {"global": 1}, "final": {}}[stage]
    assert list(losses) == list(layers)
    for name, k in layers.items():
        for seed in range(seeds):
            total = 0
            for n in range(batch):
                a, b = seen[k][seed, n].numpy(), seen[k][seeds + seed, n].numpy()
                cosine = a @ b / np.sqrt((a @ a) * (b @ b))
                same = labels[seed, n] == labels[seeds + seed, n]
                total += 1 - cosine if same else max(0, cosine - margin)
            assert losses[name][seed].item() == pytest.approx(total / batch, abs=1e-9)


@GOES
def test_history_says_how_good_the_network_is_after_each_stage(digits, stages):
    data = small(digits, 100)
    rule = make(stages=stages)
    history = rule.fit(data)
    names = ["local", "all"] if stages == "local" else ["local", "global", "all"]
    assert list(history.starting_with("test_accuracy/")) == names
    assert list(history.starting_with("train_loss/")) == LOSSES[stages]
    assert all(values.shape == (2, 2) for values in history.values.values())
    # A stage's head and the first twin as that stage left it, by torch.nn.
    after = after_each_stage(make(stages=stages), data)
    images = data.test_images.float() / 255
    for stage, name in zip(list(after)[1:], names, strict=True):
        for k in range(2):
            seen = images
            for layer in ("first/{}1", "first/{}2", f"head_{stage}/{{}}1"):
                weight, bias = (after[stage][layer.format(p)][k] for p in ("weight", "bias"))
                seen = seen @ weight + bias
                seen = seen if layer.startswith("head") else seen.relu()
            right = (seen.argmax(-1) == data.test_labels).double().mean().item()
            # Two images may lie at the border of two classes for one of the two computations.
            assert history[f"test_accuracy/{name}"][-1, k] == pytest.approx(right, abs=0.0021)


def test_the_first_twin_predicts_with_the_last_head(digits):
    rule, images = make(), digits.test_images[::90]
    rule.fit(small(digits, 100))
    for k in range(2):
        hidden = plain_hidden(plain_layers(rule.twins.first, k), images.float() / 255)
        (head,) = plain_layers(rule.twins.heads["final"], k)
        torch.testing.assert_close(rule.predict(images)[k], head(hidden[-1]).detach())
        for found, layer in zip(rule.representations(images), hidden, strict=True):
            torch.testing.assert_close(found[k], layer.detach())
    for found, weight in zip(rule.hidden_weights(), rule.twins.first.weights, strict=True):
        assert torch.equal(found, weight)


@GOES
def test_the_networks_optimised_are_those_of_the_stage(digits, stages):
    """From the optimisers' own states: two tensors a layer of the stage, and two of its head."""
    history = make(stages=stages).fit(small(digits, 100))
    final = 6 if stages == "all" else 2
    expected = [6, final] if stages == "local" else [6, 6, final]
    assert [phase["parameters"] for phase in history.optimisers] == expected
    assert all(phase["name"] == "Adam" for phase in history.optimisers)


def test_a_wide_seed_is_the_same_alone_and_among_others(digits):
    """To the last bit; the contract has networks as narrow as those of the presets."""
    data, chosen = small(digits, 50), {"layers": (784, 256, 100, 10), "epochs": 1}
    together, alone = make(seeds=2, **chosen), make(seeds=1, first_seed=1, **chosen)
    together.fit(data)
    alone.fit(data)
    for name, values in alone.tensors().items():
        assert torch.equal(values[0], together.tensors()[name][1]), name


def test_it_learns_digits_more_with_every_stage(digits):
    history = rules.rule("ffcl")(rules.configure("ffcl", "smoke", seeds=1)).fit(digits)
    final = {name: v[-1, 0] for name, v in history.starting_with("test_accuracy/").items()}
    assert final["local"] > 0.7
    assert final["global"] > final["local"] + 0.03
    assert final["all"] > 0.9


@GOES
def test_the_published_settings_stand_in_the_paper_preset(stages):
    config = rules.configure("ffcl", "paper", stages=stages)
    assert (config.epochs, config.learning_rate, config.margin) == (50, 1e-4, 0.0)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"stages": "first"}, "stages='first': Input should be 'local', 'global' or 'all'"),
        ({"margin": 1.5}, "margin=1.5: Input should be less than or equal to 1"),
        ({"layers": (784, 10)}, "at least one hidden layer"),
        ({"layers": (784, 20, 12)}, "10 outputs"),
        ({"layers": (700, 20, 10)}, "784 inputs"),
        ({"epochs": 0}, "epochs=0: Input should be greater than 0"),
        ({"weight_decay": 1e-5}, "weight_decay=1e-05: Extra inputs"),
    ],
)
def test_bad_settings_are_one_line_errors(override, message):
    with pytest.raises(ConfigError) as error:
        rules.configure("ffcl", "smoke", **override)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
