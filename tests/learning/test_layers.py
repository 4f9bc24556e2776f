"""Layers against torch.nn, and locality against autograd."""

import pytest
import torch

from ffcl_utils.analysis.locality import off_layer_gradient
from ffcl_utils.learning.layers import WIDE, Layers, joined, linear
from ffcl_utils.learning.training import generators_for

SIZES = (6, 5, 4, 3)


@pytest.fixture
def layers():
    return Layers(SIZES, [torch.Generator().manual_seed(seed) for seed in (3, 4)])


def as_modules(layers, k):
    """The k-th network as torch.nn modules."""
    modules = []
    for weight, bias in zip(layers.weights, layers.biases, strict=True):
        linear = torch.nn.Linear(*weight.shape[1:])
        linear.weight.data, linear.bias.data = weight[k].T.detach(), bias[k, 0].detach()
        modules += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1])


def test_every_network_is_a_torch_nn_sequential(layers):
    images = torch.rand(2, 7, 6)
    outputs = layers.forward(images)
    for k in range(2):
        torch.testing.assert_close(outputs[-1][k], as_modules(layers, k)(images[k]))


def test_shared_images_are_seen_by_every_network(layers):
    images = torch.rand(7, 6)
    for shared, own in zip(
        layers.forward(images), layers.forward(images.expand(2, -1, -1)), strict=True
    ):
        assert torch.equal(shared, own)


def test_initial_weights_are_uniform_as_in_torch_nn_linear():
    drawn = Layers((100, 400), [torch.Generator().manual_seed(0)]).weights[0]
    assert drawn.abs().max() <= 0.1  # 1/√100
    assert drawn.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.02)  # of a uniform variable


def test_a_network_depends_on_its_own_generator_alone(layers):
    alone = Layers(SIZES, [torch.Generator().manual_seed(4)])
    for both, one in zip(layers.parameters(), alone.parameters(), strict=True):
        assert torch.equal(both[1], one[0])
        assert not torch.equal(both[0], one[0])


def by_layer(layers):
    pairs = zip(layers.weights, layers.biases, strict=True)
    return {f"layer{k}": list(pair) for k, pair in enumerate(pairs)}


@pytest.mark.parametrize("local", [True, False])
def test_gradients_cross_layers_only_without_locality(layers, local):
    outputs = layers.forward(torch.rand(2, 7, 6), local=local)
    losses = {f"layer{k}": out.square().mean((1, 2)) for k, out in enumerate(outputs)}
    crossed = off_layer_gradient(losses, by_layer(layers))
    assert crossed.shape == (2,)
    assert (crossed == 0).all() if local else (crossed > 0).all()


@pytest.mark.parametrize("local", [True, False])
def test_a_layer_always_learns_from_its_own_loss(layers, local):
    outputs = layers.forward(torch.rand(2, 7, 6), local=local)
    for out, parameters in zip(outputs, by_layer(layers).values(), strict=True):
        gradients = torch.autograd.grad(out.square().sum(), parameters, retain_graph=True)
        assert all(g.abs().max() > 0 for g in gradients)


def test_without_locality_gradients_are_backpropagations(layers):
    images = torch.rand(2, 7, 6)
    layers.forward(images, local=False)[-1].square().sum().backward()
    for k in range(2):
        network = as_modules(layers, k)
        network(images[k]).square().sum().backward()
        torch.testing.assert_close(layers.weights[0].grad[k], network[0].weight.grad.T)


def test_products_one_by_one_are_the_batched_ones_with_their_gradients():
    shapes = (3, 5, 300), (3, 300, 250), (3, 1, 250)
    mine = [torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    plain = [tensor.detach().clone().requires_grad_() for tensor in mine]
    found, expected = linear(*mine), plain[0] @ plain[1] + plain[2]
    assert mine[1][0].numel() >= WIDE
    torch.testing.assert_close(found, expected)
    found.sin().sum().backward()
    expected.sin().sum().backward()
    for one, other in zip(mine, plain, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_joined_stacks_are_one_and_the_two_they_were():
    one, other = (Layers((6, 5, 3), generators_for(seeds)) for seeds in ([0, 1], [2, 3]))
    images = torch.rand(4, 7, 6)
    apart = [
        torch.cat(p) for p in zip(one.forward(images[:2]), other.forward(images[2:]), strict=True)
    ]
    both = joined(one, other)
    for joint, expected in zip(both.forward(images), apart, strict=True):
        torch.testing.assert_close(joint, expected)
    with torch.no_grad():
        for tensor in both.parameters():
            tensor.mul_(2)
    for k, weight in enumerate(both.weights):
        assert torch.equal(one.weights[k], weight[:2])
        assert torch.equal(other.weights[k], weight[2:])
