"""Auto-encoders against torch.nn, principal components and closed forms."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from ffcl_utils.learning.autoencoders import (
    AutoEncoder,
    Cells,
    ConvolutionalAutoEncoder,
    grids,
    halved,
    layer_normalised,
    noise_rows,
    reconstruction_loss,
)
from ffcl_utils.learning.training import generators_for


def as_linears(cell, k):
    """Encoder and decoder of the k-th network as torch.nn modules."""
    modules = []
    for layer in (cell.encoder, cell.decoder):
        module = nn.Linear(*layer.weights[0].shape[1:])
        module.weight.data = layer.weights[0][k].T.detach().clone()
        module.bias.data = layer.biases[0][k, 0].detach().clone()
        modules.append(module)
    return modules


def as_convolutions(cell, k, side):
    """The same of a convolutional cell, kernel by kernel."""
    seen, channels = cell.decoder.weights[0].shape[2], cell.encoder.weights[0].shape[2]
    down = nn.Conv2d(seen, channels, 3, stride=2, padding=1)
    up = nn.ConvTranspose2d(channels, seen, 3, stride=2, padding=1, output_padding=1 - side % 2)
    weights = cell.encoder.weights[0][k].detach(), cell.decoder.weights[0][k].detach()
    for one in range(channels):
        for other in range(seen):
            for place in range(9):
                row, column = divmod(place, 3)
                down.weight.data[one, other, row, column] = weights[0][9 * other + place, one]
                up.weight.data[one, other, row, column] = weights[1][9 * one + place, other]
    down.bias.data = cell.encoder.biases[0][k, 0].detach().clone()
    up.bias.data = cell.decoder.biases[0][k, 0].detach().clone()
    return down, up


def gradients_of(cell, inputs):
    """Loss (S,) of a cell, and the gradients of its sum by the cell's parameters."""
    loss = reconstruction_loss(cell.decode(cell.encode(inputs)), inputs)
    return loss.detach(), torch.autograd.grad(loss.sum(), cell.parameters())


@given(st.integers(1, 3), st.integers(1, 5), st.integers(2, 9), st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_a_fully_connected_cell_is_two_linear_modules_with_its_loss_and_gradients(
    seeds, batch, units, latents
):
    cell = AutoEncoder(units, latents, generators_for(range(seeds)))
    inputs = layer_normalised(torch.randn(seeds, batch, units))
    assert cell.encode(inputs).shape == (seeds, batch, latents)
    losses, gradients = gradients_of(cell, inputs)
    for k in range(seeds):
        down, up = as_linears(cell, k)
        expected = nn.functional.mse_loss(up(down(inputs[k]).relu()), inputs[k])
        expected.backward()
        torch.testing.assert_close(losses[k], expected.detach())
        of_modules = down.weight.grad.T, down.bias.grad, up.weight.grad.T, up.bias.grad
        for one, other in zip(gradients, of_modules, strict=True):
            torch.testing.assert_close(one[k].reshape(other.shape), other)


@pytest.mark.parametrize(
    ("seen", "side", "channels"), [(1, 28, 4), (3, 7, 2), (2, 4, 5), (2, 1, 3)]
)
def test_a_convolutional_cell_is_a_convolution_and_a_transposed_one(seen, side, channels):
    cell = ConvolutionalAutoEncoder((seen, side), channels, generators_for([0, 1, 2]))
    inputs = torch.randn(3, 6, seen * side**2)
    latents = cell.encode(inputs)
    rebuilt = cell.decode(latents)
    losses, gradients = gradients_of(cell, inputs)
    for k in range(3):
        down, up = as_convolutions(cell, k, side)
        images = inputs[k].reshape(6, seen, side, side)
        made = down(images).relu()
        torch.testing.assert_close(latents[k], made.reshape(6, -1))
        torch.testing.assert_close(rebuilt[k], up(made).reshape(6, -1), atol=1e-5, rtol=1e-4)
        expected = nn.functional.mse_loss(up(made), images)
        expected.backward()
        torch.testing.assert_close(losses[k], expected.detach())
        of_modules = (
            down.weight.grad.flatten(1).T,
            down.bias.grad[None],
            up.weight.grad.permute(0, 2, 3, 1).flatten(0, 2),
            up.bias.grad[None],
        )
        for one, other in zip(gradients, of_modules, strict=True):
            torch.testing.assert_close(one[k], other, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("kind", ["linear", "convolutional"])
def test_a_network_has_the_same_bits_alone_and_among_others(kind):
    def made(seeds):
        if kind == "linear":
            return AutoEncoder(147, 20, generators_for(seeds))
        return ConvolutionalAutoEncoder((3, 7), 5, generators_for(seeds))

    inputs = torch.randn(3, 33, 147)
    losses, gradients = gradients_of(made([0, 1, 2]), inputs)
    for k in range(3):
        alone, own = gradients_of(made([k]), inputs[k : k + 1])
        assert torch.equal(alone[0], losses[k])
        for one, other in zip(own, gradients, strict=True):
            assert torch.equal(one[0], other[k])


def test_kernels_start_as_those_of_a_convolution_of_torch_do():
    """Uniform within ±1/√(9 channels), as torch.nn.Conv2d draws them."""
    cell = ConvolutionalAutoEncoder((20, 7), 90, generators_for([0]))
    expected = nn.Conv2d(20, 90, 3).weight
    bound = 180**-0.5
    for found in (cell.encoder.weights[0], expected):
        assert found.abs().max().item() == pytest.approx(bound, rel=0.01)
        assert found.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)


def test_an_auto_encoder_whose_units_are_all_active_finds_the_principal_subspace():
    """It is linear then: its decoder spans what numpy's SVD says, and its error is what is left."""
    generator = np.random.default_rng(0)
    scales = np.array([3.0, 2.0, 0.5, 0.25])
    data = generator.normal(size=(60, 4)) * scales @ generator.normal(size=(4, 8)) / 8
    _, singular, directions = np.linalg.svd(data - data.mean(0), full_matrices=False)
    cell = AutoEncoder(8, 2, generators_for([0]))
    parameters = []
    for layer in (cell.encoder, cell.decoder):
        for tensors in (layer.weights, layer.biases):
            tensors[0] = tensors[0].detach().double().requires_grad_()
            parameters.append(tensors[0])
    with torch.no_grad():
        cell.encoder.biases[0].fill_(4.0)  # ReLU is the identity from here on
    inputs = torch.from_numpy(data)[None]
    optimiser = torch.optim.LBFGS(
        parameters, max_iter=2000, tolerance_grad=1e-10, tolerance_change=0,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure():
        optimiser.zero_grad()
        loss = reconstruction_loss(cell.decode(cell.encode(inputs)), inputs).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    assert cell.encode(inputs).min() > 0
    left = (singular[2:] ** 2).sum() / data.size
    assert closure().item() == pytest.approx(left, rel=1e-6)
    principal = directions[:2].T @ directions[:2]
    learnt = np.linalg.qr(cell.decoder.weights[0][0].numpy(force=True).T)[0]
    np.testing.assert_allclose(learnt @ learnt.T, principal, atol=1e-4)


@given(st.integers(0, 99), st.floats(0.5, 50), st.integers(-20, 20))
@settings(max_examples=25, deadline=None)
def test_layer_norm_is_torchs_and_knows_no_scale_and_no_mean(seed, scale, mean):
    generator = torch.Generator().manual_seed(seed)
    units = torch.randn(2, 3, 48, generator=generator, dtype=torch.float64)
    found = layer_normalised(units)
    module = nn.LayerNorm((3, 4, 4)).double()  # of images, over channels and places together
    torch.testing.assert_close(found, module(units.reshape(6, 3, 4, 4)).reshape(2, 3, 48).detach())
    torch.testing.assert_close(layer_normalised(scale * units + mean), found, atol=1e-3, rtol=1e-3)
    assert layer_normalised(torch.full((1, 5), float(mean))).abs().max() < 1e-2


def test_the_loss_is_the_mean_over_images_and_units_of_each_network():
    rebuilt, inputs = torch.randn(2, 5, 7), torch.randn(2, 5, 7)
    for k, loss in enumerate(reconstruction_loss(rebuilt, inputs)):
        pairs = zip(rebuilt[k].flatten().tolist(), inputs[k].flatten().tolist(), strict=True)
        assert loss.item() == pytest.approx(sum((a - b) ** 2 for a, b in pairs) / 35, rel=1e-5)


@pytest.mark.parametrize("side", range(1, 33))
def test_a_convolution_halves_a_side_and_its_transpose_makes_it_whole_again(side):
    cell = ConvolutionalAutoEncoder((1, side), 1, generators_for([0]))
    made = nn.Conv2d(1, 1, 3, stride=2, padding=1)(torch.zeros(1, side, side))
    assert made.shape[-1] == halved(side)
    latents = cell.encode(torch.zeros(1, 1, side**2))
    assert latents.shape == (1, 1, halved(side) ** 2)
    assert cell.decode(latents).shape == (1, 1, side**2)


def test_grids_are_channels_and_sides_and_other_units_are_refused():
    assert grids((784, 784, 392, 48), 28) == [(1, 28), (4, 14), (8, 7), (3, 4)]
    with pytest.raises(ValueError, match="500 is no multiple of 196, an image of 14 × 14"):
        grids((784, 500), 28)


@pytest.mark.parametrize("side", [None, 6])
def test_cells_pass_on_normalised_latents_and_the_read_out_sees_all_of_them(side):
    cells = Cells((36, 18, 12), generators_for([0, 1]), side)
    images = layer_normalised(torch.rand(5, 36))
    *latents, logits = cells.forward(images)
    for own, shared in zip(
        cells.forward(images.expand(2, -1, -1)), [*latents, logits], strict=True
    ):
        assert torch.equal(own, shared)
    for k in range(2):
        seen, passed = images, []
        for cell, made, now in zip(cells.cells, latents, (6, 3), strict=True):
            if side is None:
                expected = as_linears(cell, k)[0](seen).relu()
            else:
                grid = seen.reshape(5, -1, now, now)
                expected = as_convolutions(cell, k, now)[0](grid).relu().flatten(1)
            torch.testing.assert_close(made[k], expected)
            seen = nn.LayerNorm(expected.shape[1])(expected)
            passed.append(seen)
        stack = cells.read_out.stack
        expected = torch.cat(passed, 1) @ stack.weights[0][k] + stack.biases[0][k]
        torch.testing.assert_close(logits[k], expected)


def test_noise_is_gaussian_and_the_same_in_every_run():
    rows = noise_rows(500, 400, 0.3)
    assert rows.mean().item() == pytest.approx(0, abs=0.003)
    assert rows.std().item() == pytest.approx(0.3, rel=0.01)
    inside = (rows.abs() < 0.3).double().mean().item()
    assert inside == pytest.approx(0.6827, abs=0.005)  # of a normal variable, within one deviation
    assert torch.equal(rows, noise_rows(500, 400, 0.3))
    assert not noise_rows(5, 6, 0.0).any()
