"""Unsupervised FF against a plain training in torch.nn; a cell's gradient stays in the cell."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ffcl_utils import rules
from ffcl_utils.analysis.locality import off_layer_gradient
from ffcl_utils.config import ConfigError
from ffcl_utils.data.pixels import MASKS
from ffcl_utils.store.checkpoint import Checkpoint
from tests.learning.test_autoencoders import as_convolutions, as_linears
from tests.small import small, small_rule

CELLS = ("ae", "denoising", "convolutional")
EACH = pytest.mark.parametrize("cell", CELLS)
LAYERS = (784, 392, 98)


def make(**overrides):
    return small_rule("unsupervised_ff", **({"layers": LAYERS} | overrides))


class PlainCell(nn.Module):
    """The cell of one network: what `encode` makes of images and `decode` makes of latents."""

    def __init__(self, cell, k, side):
        super().__init__()
        self.side = side
        self.down, self.up = as_convolutions(cell, k, side) if side else as_linears(cell, k)

    def encode(self, seen):
        shaped = seen.reshape(len(seen), -1, self.side, self.side) if self.side else seen
        return self.down(shaped).relu().flatten(1)

    def decode(self, latents):
        half = (self.side or 0) // 2
        shaped = latents.reshape(len(latents), -1, half, half) if self.side else latents
        return self.up(shaped).flatten(1)


def plain_network(rule, k=0):
    """Cells and read-out of the k-th network as modules of torch.nn."""
    sides = (28, 14) if rule.config.cell == "convolutional" else (None, None)
    pairs = zip(rule.network.cells, sides, strict=True)
    cells = [PlainCell(cell, k, side) for cell, side in pairs]
    stack = rule.network.read_out.stack
    read_out = nn.Linear(*stack.weights[0].shape[1:])
    read_out.weight.data = stack.weights[0][k].T.detach().clone()
    read_out.bias.data = stack.biases[0][k, 0].detach().clone()
    return cells, read_out


def normalised(units):
    return nn.LayerNorm(units.shape[1:])(units).detach()


def plain_losses(cells, read_out, images, labels, noises=(0, 0)):
    """The loss of each cell and of the read-out, and the latents, from images (B, 784) uint8."""
    seen, losses, passed, latents = normalised(images / 255), [], [], []
    for cell, noise in zip(cells, noises, strict=True):
        rebuilt = cell.decode(cell.encode(seen + noise))
        losses.append(nn.functional.mse_loss(rebuilt, seen))
        latents.append(cell.encode(seen).detach())
        seen = normalised(latents[-1])
        passed.append(seen)
    logits = read_out(torch.cat(passed, 1))
    return [*losses, nn.functional.cross_entropy(logits, labels)], latents, logits


def weights_of(cells, read_out):
    """Weights as the rule has them, by the names of its tensors."""
    found = {"read_out/weight1": read_out.weight.T, "read_out/bias1": read_out.bias[None]}
    for k, cell in enumerate(cells, start=1):
        for name, module in (("encoder", cell.down), ("decoder", cell.up)):
            weight = module.weight
            if isinstance(module, nn.ConvTranspose2d):
                weight = weight.permute(0, 2, 3, 1).flatten(0, 2)
            else:
                weight = weight.flatten(1).T
            found[f"{name}{k}/weight1"] = weight
            found[f"{name}{k}/bias1"] = module.bias[None]
    return found


@EACH
def test_losses_latents_and_scores_are_those_of_torchs_modules(digits, cell):
    rule = make(cell=cell)
    images, labels = digits.train_images[::400], digits.train_labels[::400]
    data = replace(digits, train_images=images, train_labels=labels)
    found, names = rule.example_losses(data), ["layer1", "layer2", "read_out"]
    assert list(found) == list(rule.layers()) == names
    scores, hidden = rule.predict(images), rule.representations(images)
    for k in range(2):
        losses, latents, logits = plain_losses(*plain_network(rule, k), images, labels)
        for name, loss in zip(names, losses, strict=True):
            torch.testing.assert_close(found[name][k], loss)
        for one, other in zip(hidden, latents, strict=True):
            torch.testing.assert_close(one[k], other)
        torch.testing.assert_close(scores[k], logits.detach())


@EACH
def test_three_steps_are_the_plain_ones(digits, cell):
    """With torch.nn and an Adam a cell."""
    data = small(digits, 60)
    chosen = {"seeds": 1, "epochs": 1, "batch_size": 24, "learning_rate": 0.01, "cell": cell}
    chosen["noise"] = 0.7
    plain = make(**chosen)
    cells, read_out = plain_network(plain)
    adams = [torch.optim.Adam(module.parameters(), lr=0.01) for module in [*cells, read_out]]
    order = torch.randperm(60, generator=plain.generators[0])
    met, tables = torch.zeros(2, 60, dtype=torch.long), [torch.zeros(1, 1)] * 2
    if cell == "denoising":
        met = torch.randint(MASKS, (2, 60), generator=plain.generators[0])
        known = [torch.Generator().manual_seed(0) for _ in cells]
        pairs = zip((784, 392), known, strict=True)
        tables = [0.7 * torch.randn(MASKS, units, generator=g) for units, g in pairs]
    for rows, index in zip(order.split(24), met.split(24, 1), strict=True):
        noises = [table[i] for table, i in zip(tables, index, strict=True)]
        images, labels = data.train_images[rows], data.train_labels[rows]
        losses, _, _ = plain_losses(cells, read_out, images, labels, noises)
        for adam, loss in zip(adams, losses, strict=True):
            adam.zero_grad()
            loss.backward()
            adam.step()
    rule = make(**chosen)
    rule.fit(data)
    expected = weights_of(cells, read_out)
    assert expected.keys() == rule.tensors().keys()
    for name, values in rule.tensors().items():
        torch.testing.assert_close(values[0], expected[name], atol=2e-4, rtol=1e-3)


@EACH
def test_a_loss_changes_every_parameter_of_its_cell_and_of_no_other(digits, cell):
    rule = make(cell=cell)
    losses, layers = rule.example_losses(small(digits, 100)), rule.layers()
    for name, parameters in layers.items():
        for gradient in torch.autograd.grad(losses[name].sum(), parameters, retain_graph=True):
            assert gradient.abs().amax() > 0
    assert (off_layer_gradient(losses, layers) == 0).all()
    assert rule.local
    assert not rule.backward_pass


@EACH
def test_the_cells_see_no_label(digits, cell):
    one, other, data = make(cell=cell), make(cell=cell), small(digits, 100)
    one.fit(data)
    other.fit(replace(data, train_labels=(data.train_labels + 1) % 10))
    for name, values in one.tensors().items():
        assert torch.equal(values, other.tensors()[name]) != name.startswith("read_out"), name


def trained(data, **overrides):
    rule = make(**overrides)
    rule.fit(data)
    return rule.tensors()


def test_without_noise_a_denoising_cell_is_the_plain_one_and_noise_is_the_seeds_own(digits):
    data = small(digits, 100)
    plain, silent = trained(data, cell="ae"), trained(data, cell="denoising", noise=0.0)
    noisy, again = (trained(data, cell="denoising", noise=0.3) for _ in range(2))
    alone = trained(data, cell="denoising", noise=0.3, seeds=1, first_seed=1)
    for name, values in plain.items():
        assert torch.equal(values, silent[name]), name
        assert not torch.equal(values, noisy[name]), name
        assert torch.equal(noisy[name], again[name]), name
        assert torch.equal(noisy[name][1:], alone[name]), name


@pytest.mark.parametrize("layers", [LAYERS, (784, 196, 98, 48), (784, 784, 392)], ids=str)
@EACH
def test_a_seed_of_any_cell_is_the_same_alone_and_among_others(digits, cell, layers):
    data = small(digits, 100)
    together = make(cell=cell, layers=layers, seeds=3, epochs=1)
    history = together.fit(data)
    alone = make(cell=cell, layers=layers, seeds=1, first_seed=2, epochs=1)
    for quantity, values in alone.fit(data).values.items():
        assert np.array_equal(values, history[quantity][:, 2:]), quantity
    for name, values in alone.tensors().items():
        assert torch.equal(values, together.tensors()[name][2:]), name


@EACH
def test_any_cell_can_be_interrupted_and_resumed(digits, cell, tmp_path):
    data, whole, rule = small(digits, 100), make(cell=cell), make(cell=cell)
    expected, path = whole.fit(data), tmp_path / "checkpoint"

    def keep_the_first(state):
        if state.epoch == 1:
            Checkpoint(path, rule, snapshots=False).save(state, [])

    rule.fit(data, keep_the_first)
    resumed = make(cell=cell)
    start, _ = Checkpoint(path, resumed, snapshots=False).load()
    history = resumed.fit(data, start=start)
    for quantity, values in expected.values.items():
        assert np.array_equal(history[quantity], values), quantity
    for name, values in whole.tensors().items():
        assert torch.equal(values, resumed.tensors()[name]), name


@EACH
def test_brightness_and_contrast_of_an_image_mean_nothing(digits, cell):
    rule, images = make(cell=cell), digits.test_images[:20] // 4
    expected = rule.predict(images)
    for other in (images + 40, 3 * images):
        torch.testing.assert_close(rule.predict(other), expected, atol=2e-3, rtol=1e-2)


@EACH
def test_it_learns_digits_and_to_rebuild_them(digits, cell):
    rule = rules.rule("unsupervised_ff")(
        rules.configure("unsupervised_ff", "smoke", seeds=1, epochs=3, cell=cell)
    )
    history = rule.fit(digits)
    assert history["test_accuracy/all"][-1] > 0.85
    data = replace(digits, train_images=digits.test_images, train_labels=digits.test_labels)
    losses = rule.example_losses(data, images=1000)
    # Unseen images: what says 0 of every unit has an error of 1, their variance.
    assert losses["layer1"].item() < 0.35
    assert losses["layer2"].item() < 0.35


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"cell": "gan"}, "cell='gan': Input should be 'ae', 'denoising' or 'convolutional'"),
        ({"layers": (100, 20)}, "begin with 784"),
        ({"layers": (784,)}, "layers=(784,)"),
        ({"layers": (784, 500)}, "500 is no multiple of 196, an image of 14 × 14"),
        ({"layers": (784, 196, 50)}, "50 is no multiple of 49, an image of 7 × 7"),
        ({"noise": -0.1}, "noise=-0.1"),
        ({"noise": float("nan")}, "noise=nan"),
        ({"input_scaling": "unit"}, "input_scaling='unit': Extra inputs"),
    ],
)
def test_bad_settings_are_one_line_errors(override, message):
    with pytest.raises(ConfigError) as error:
        rules.configure("unsupervised_ff", "smoke", **override)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_latents_of_fully_connected_cells_may_be_any_number():
    config = rules.configure("unsupervised_ff", "smoke", cell="ae", layers=(784, 500, 3))
    assert config.layers == (784, 500, 3)
