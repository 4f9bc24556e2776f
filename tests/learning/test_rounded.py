"""Goodness from inputs kept in bfloat16, against float64 of the same rounded factors."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from ffcl_utils.learning import precision
from ffcl_utils.learning.goodness import relu_goodness
from ffcl_utils.learning.layers import linear
from ffcl_utils.learning.rounded import rounded_goodness
from ffcl_utils.rules.forward_forward import ForwardForward
from ffcl_utils.store.checkpoint import Checkpoint
from tests.small import small, small_config

HALF_A_STEP = 2.0**-8  # of bfloat16, relative: what rounding changes at most


def drawn(seeds, batch, inputs, units, seed):
    generator = torch.Generator().manual_seed(seed)
    seen = torch.rand(seeds, batch, inputs, generator=generator)
    seen = torch.nn.functional.normalize(seen, dim=-1).bfloat16()
    weight = torch.randn(seeds, inputs, units, generator=generator)
    bias = torch.randn(seeds, 1, units, generator=generator) / 4
    return seen, weight.requires_grad_(), bias.requires_grad_()


def exact(seen, weight, bias, gradient):
    """Goodness and both gradients in float64, of factors rounded as they are."""
    weight, bias = (t.detach().bfloat16().double().requires_grad_() for t in (weight, bias))
    found = (seen.double() @ weight + bias).relu().norm(dim=-1)
    return found.detach(), torch.autograd.grad(found, (weight, bias), gradient.double())


@given(
    st.integers(1, 3), st.integers(1, 40), st.integers(1, 50), st.integers(1, 60),
    st.integers(0, 999),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_goodness_is_float64s_but_for_one_rounding(seeds, batch, inputs, units, seed):
    seen, weight, bias = drawn(seeds, batch, inputs, units, seed)
    gradient = torch.rand(seeds, batch, generator=torch.Generator().manual_seed(seed)) - 0.3
    expected, _ = exact(seen, weight, bias, gradient)
    found = rounded_goodness(seen, weight, bias)
    # What comes out of the product is rounded, by half a step at most; and so is its length.
    torch.testing.assert_close(found.double(), expected, rtol=1.01 * HALF_A_STEP, atol=1e-6)


def test_gradients_are_float64s_but_for_three_roundings():
    """Of the sums, of what comes back to them, and of the product; none adds up with the batch."""
    seen, weight, bias = drawn(2, 300, 200, 100, 0)
    gradient = torch.rand(2, 300, generator=torch.Generator().manual_seed(1)) - 0.3
    found = torch.autograd.grad(rounded_goodness(seen, weight, bias), (weight, bias), gradient)
    for mine, wanted in zip(found, exact(seen, weight, bias, gradient)[1], strict=True):
        assert mine.dtype == torch.float32
        scale = wanted.abs().amax()
        assert (mine.double() - wanted).abs().amax() < 4 * HALF_A_STEP * scale
        assert (mine.double() - wanted).abs().mean() < HALF_A_STEP * scale / 2


def test_it_is_near_the_plain_definition():
    seen, weight, bias = drawn(2, 64, 100, 80, 2)
    plain = relu_goodness(linear(seen.float(), weight, bias))[1]
    torch.testing.assert_close(
        rounded_goodness(seen, weight, bias), plain.detach(), rtol=4 * HALF_A_STEP, atol=1e-3
    )


def test_a_silent_image_has_no_goodness_and_no_gradient():
    seen, weight, bias = drawn(1, 4, 10, 6, 3)
    silent = (bias.detach() - 1000).requires_grad_()
    found = rounded_goodness(seen, weight, silent)
    gradients = torch.autograd.grad(found.sum(), (weight, silent))
    assert (found == 0).all()
    assert all((g == 0).all() for g in gradients)


def test_a_network_is_the_same_alone_and_among_others():
    seen, weight, bias = drawn(3, 50, 300, 200, 4)
    gradient = torch.rand(3, 50, generator=torch.Generator().manual_seed(5))
    together = rounded_goodness(seen, weight, bias)
    both = torch.autograd.grad(together, (weight, bias), gradient)
    one = [t[1:2].detach().requires_grad_(t.is_leaf and t.requires_grad) for t in (weight, bias)]
    alone = rounded_goodness(seen[1:2], *one)
    assert torch.equal(alone[0], together[1])
    for mine, theirs in zip(torch.autograd.grad(alone, one, gradient[1:2]), both, strict=True):
        assert torch.equal(mine[0], theirs[1])


def on_a_cpu(monkeypatch, native, matrix_units=False):
    has = {"avx512_bf16": native, "amx_bf16": matrix_units}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    monkeypatch.setattr(precision, "device", lambda: torch.device("cpu"))


def trained(digits, monkeypatch, native, **overrides):
    on_a_cpu(monkeypatch, native)
    chosen = {"epochs": 4, "batch_size": 50, "products": "auto", "training": "sequential"}
    config = small_config("forward_forward", **(chosen | overrides))
    rule = ForwardForward(config)
    return rule, rule.fit(small(digits, 400))


@pytest.mark.parametrize("negatives", ["unpaired", "paired"])
def test_ff_in_sequence_learns_what_it_learns_in_float32(digits, monkeypatch, negatives):
    """The same images in the same order: losses differ by rounding alone, and not to the bit."""
    rule, rounded = trained(digits, monkeypatch, True, negatives=negatives)
    _, plain = trained(digits, monkeypatch, False, negatives=negatives)
    assert rounded.values.keys() == plain.values.keys()
    for layer in ("layer1", "layer2"):
        losses = [found[f"train_loss/{layer}"] for found in (rounded, plain)]
        np.testing.assert_allclose(*losses, rtol=0.02)
        assert not np.array_equal(*losses)
        assert (losses[0][-1] < losses[0][0]).all()
    assert all(tensor.dtype == torch.float32 for tensor in rule.tensors().values())


@pytest.mark.parametrize("matrix_units", [True, False])
def test_negatives_that_are_redrawn_are_not_kept(digits, monkeypatch, matrix_units):
    on_a_cpu(monkeypatch, True, matrix_units)
    for negatives, kept in (("redrawn", False), ("paired", True)):
        settings = {"products": "auto", "training": "sequential", "negatives": negatives}
        rule = ForwardForward(small_config("forward_forward", **settings))
        first = next(rule.phases(small(digits, 60)))
        drawn = first.draw_epoch(rule.generators[0])
        assert ("wrong" in drawn) is not kept
        assert rule.config.keeps_bfloat16 is kept


def test_every_layer_sees_rounded_inputs_at_length_one_with_the_label_in(digits, monkeypatch):
    on_a_cpu(monkeypatch, True)
    data = small(digits, 60)
    config = small_config("forward_forward", products="auto", training="sequential")
    rule = ForwardForward(config)
    first = rule._inputs_of(0, data, None, torch.bfloat16)
    assert first.shape == (2, 2, 60, 784) and first.dtype == torch.bfloat16
    brightest = rule.network.brightness
    for seed, generator in enumerate(rule.generators):
        images, wrong = rule.kept_negatives(data, generator)
        rows = (torch.arange(60), data.train_labels), (images, wrong)
        for kind, (image, label) in enumerate(rows):
            seen = rule.scaled(data.train_images[image])
            seen[:, :10] = brightest * torch.nn.functional.one_hot(label, 10)
            expected = torch.nn.functional.normalize(seen, dim=1).bfloat16()
            torch.testing.assert_close(first[seed, kind], expected, rtol=HALF_A_STEP, atol=1e-6)
    layer = torch.relu(first[0, 0].float() @ rule.network.layers.weights[0][0].detach()
                       + rule.network.layers.biases[0][0].detach())  # fmt: skip
    second = rule._inputs_of(1, data, first, torch.bfloat16)
    expected = torch.nn.functional.normalize(layer, dim=1)
    torch.testing.assert_close(second[0, 0].float(), expected, rtol=2 * HALF_A_STEP, atol=1e-3)


def test_interrupted_and_resumed_in_any_layer_equals_undisturbed(digits, monkeypatch, tmp_path):
    on_a_cpu(monkeypatch, True)
    data, files = small(digits, 120), []
    config = small_config("forward_forward", products="auto", training="sequential", epochs=2)
    undisturbed = ForwardForward(config)

    def keep(state):
        files.append(tmp_path / f"{state.phase}-{state.epoch}")
        Checkpoint(files[-1], undisturbed, snapshots=False).save(state, [])

    expected = undisturbed.fit(data, keep)
    assert len(files) == 2 * len(undisturbed.layers())
    for path in files:
        resumed = ForwardForward(config)
        start, _ = Checkpoint(path, resumed, snapshots=False).load()
        history = resumed.fit(data, start=start)
        for quantity, values in expected.values.items():
            assert np.array_equal(history[quantity], values), (path.name, quantity)
        for tensor, values in undisturbed.tensors().items():
            assert torch.equal(values, resumed.tensors()[tensor]), (path.name, tensor)
