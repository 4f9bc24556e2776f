"""Convolutional blocks against modules of torch.nn: Conv2d, ReLU, MaxPool2d, BatchNorm2d."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from ffcl_utils.learning.convolution import (
    CHUNK,
    ConvBlocks,
    normalised,
    statistics,
    units_of,
)
from ffcl_utils.learning.training import generators_for

CHANNELS = (3, 5, 4)


@pytest.fixture
def blocks():
    return ConvBlocks(CHANNELS, generators_for([3, 4]))


def as_modules(blocks, seed):
    """One network as modules; batch norm learns nothing and averages all batches that it has met.

    ReLU comes before pooling, as in the paper.
    """
    modules, below = nn.ModuleList(), 1
    for weight, bias in zip(blocks.weights, blocks.biases, strict=True):
        own = weight.shape[2]
        convolution = nn.Conv2d(below, own, 3, padding=1)
        convolution.weight.data = weight[seed].detach().T.reshape(own, below, 3, 3).clone()
        convolution.bias.data = bias[seed, 0].detach().clone()
        norm = nn.BatchNorm2d(own, affine=False, momentum=None)
        modules.append(nn.Sequential(convolution, nn.ReLU(), nn.MaxPool2d(2), norm))
        below = own
    return modules


def some(count, side=28, seed=0):
    return torch.randn(count, 1, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("side", [28, 9])
def test_a_measured_cascade_is_that_of_modules_with_frozen_batch_norm(blocks, side):
    images, others = some(CHUNK + 60, side), some(5, side, seed=1)
    for k in range(3):
        blocks.measure(k, images)
    for seed in range(2):
        modules = as_modules(blocks, seed)
        inputs = images
        for block in modules:
            inputs = block(inputs)  # in training mode: by the statistics of all images
        modules.eval()
        # torch keeps the variance divided by one less than the count.
        for block, variance in zip(modules, blocks.variances, strict=True):
            block[3].running_var = variance[seed, 0].detach()
        expected = others
        for k, (active, features) in enumerate(blocks.cascade(seed, others, 3)):
            torch.testing.assert_close(active, modules[k][:3](expected), rtol=1e-3, atol=1e-4)
            expected = modules[k](expected)
            torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(blocks.features(seed, images, 3), inputs, rtol=1e-3, atol=1e-3)


def test_batch_norm_of_a_batch_is_that_of_torch_in_training(blocks):
    active = blocks.activations(0, 1, some(7)).double()
    mean, variance = statistics(active)
    plain = nn.BatchNorm2d(3, affine=False, momentum=1.0, dtype=torch.float64)
    torch.testing.assert_close(normalised(active, mean, variance), plain(active))
    torch.testing.assert_close(mean, plain.running_mean)
    count = active[:, 0].numel()
    torch.testing.assert_close(variance * count / (count - 1), plain.running_var)


def test_gradients_of_a_block_are_those_of_the_modules(blocks):
    images, wanted = some(6), torch.randn(6, 3, 14, 14)
    active = blocks.activations(0, 1, images)
    loss = (normalised(active, *statistics(active)) * wanted).sum()
    found = torch.autograd.grad(loss, [blocks.weights[0], blocks.biases[0]])
    block = as_modules(blocks, 1)[0]
    (block(images) * wanted).sum().backward()
    kernel = block[0].weight.grad.reshape(3, 9).T
    torch.testing.assert_close(found[0][1], kernel, rtol=1e-3, atol=1e-3)
    # The mean takes the bias away, but for the units that it makes silent.
    torch.testing.assert_close(found[1][1, 0], block[0].bias.grad, rtol=1e-3, atol=1e-3)
    assert not found[0][0].any()


def test_before_it_is_measured_batch_norm_changes_nearly_nothing(blocks):
    for active, features in blocks.cascade(0, some(3), 3):
        torch.testing.assert_close(active, features, rtol=1e-4, atol=0)


@given(st.integers(1, 6), st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_an_image_does_not_depend_on_the_others(count, seed):
    blocks, images = ConvBlocks((2, 3), generators_for([seed])), some(8, 12, seed)
    for k in range(2):
        blocks.measure(k, images)
    together = blocks.features(0, images, 2)[:count]
    assert torch.allclose(blocks.features(0, images[:count], 2), together, rtol=1e-4, atol=1e-5)


def test_activations_are_those_of_each_network_and_a_network_depends_on_its_seed_alone(blocks):
    images, alone = some(4), ConvBlocks(CHANNELS, generators_for([4]))
    for name, tensor in blocks.tensors().items():
        assert torch.equal(alone.tensors()[name][0], tensor[1]), name
    for k in range(3):
        blocks.measure(k, images)
        alone.measure(k, images)
    layers = blocks.representations(images)
    assert [layer.shape for layer in layers] == [(2, 4, n) for n in units_of(CHANNELS, 28)]
    for k, (both, one) in enumerate(zip(layers, alone.representations(images), strict=True)):
        assert torch.equal(both[1], one[0])
        for seed in range(2):
            active = blocks.cascade(seed, images, 3)[k][0]
            assert torch.equal(both[seed], active.flatten(1))


def test_weights_are_uniform_as_in_torch_nn_conv2d():
    weight = ConvBlocks((40, 300), generators_for([0])).weights[1]
    assert weight.shape == (1, 360, 300)
    assert weight.abs().max() <= 360**-0.5
    assert weight.std().item() == pytest.approx((3 * 360) ** -0.5, rel=0.02)
    plain = nn.Conv2d(40, 300, 3).weight
    assert weight.std().item() == pytest.approx(plain.std().item(), rel=0.02)


def test_tensors_and_layers_hold_every_number_once(blocks):
    layers = blocks.by_layer()
    assert list(layers) == ["layer1", "layer2", "layer3"]
    stored = {id(tensor) for tensor in blocks.tensors().values()}
    assert stored == {id(tensor) for layer in layers.values() for tensor in layer}
    assert len(stored) == 12


@pytest.mark.parametrize(("side", "sides"), [(28, (14, 7, 3, 1)), (9, (4, 2, 1))])
def test_units_are_what_pooling_leaves(side, sides):
    channels = tuple(range(2, 2 + len(sides)))
    assert units_of(channels, side) == [c * s * s for c, s in zip(channels, sides, strict=True)]
