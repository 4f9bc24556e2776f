"""The largest gradient across layers, where it is known by hand."""

import pytest
import torch

from ffcl_utils.analysis.locality import learning, off_layer_gradient


@pytest.fixture
def layers():
    """One parameter each of two layers, for two seeds."""
    one = torch.tensor([[1.0], [2.0]], requires_grad=True)
    other = torch.tensor([[3.0], [4.0]], requires_grad=True)
    return {"layer1": [one], "output": [other]}


def test_the_largest_gradient_of_each_seed_is_returned(layers):
    (one,), (other,) = layers.values()
    # d output / d layer1 is 3 and 4 for seeds 0 and 1; d layer1 / d output is 0 and -20.
    losses = {
        "layer1": (one**2).sum(1) - other.mul(torch.tensor([[0.0], [20.0]])).sum(1),
        "output": (one * other).sum(1),
    }
    assert off_layer_gradient(losses, layers).tolist() == [3.0, 20.0]


def test_losses_of_their_own_layers_alone_give_zero(layers):
    losses = {name: (parameter**2).sum(1) for name, (parameter,) in layers.items()}
    assert off_layer_gradient(losses, layers).tolist() == [0.0, 0.0]


def test_both_twins_of_a_seed_count():
    twins = torch.ones(4, 1, requires_grad=True)  # first twins of seeds 0 and 1, then second ones
    own = torch.ones(4, 1, requires_grad=True)
    losses = {
        "layer1": (own**2).sum().expand(2),
        "output": torch.stack([twins[0].sum() * 2 + twins[2].sum() * 5, twins[3].sum() * 7]),
    }
    crossed = off_layer_gradient(losses, {"layer1": [twins], "output": [own]})
    assert crossed[1].item() == 7.0
    assert crossed[0].item() == 5.0


def test_a_loss_changes_the_layers_that_it_has_a_gradient_on(layers):
    (one,), (other,) = layers.values()
    losses = {
        "own": (one**2).sum(1),
        "all": (one * other).sum(1),
        "nothing": torch.zeros(2, requires_grad=True),
        "where it is flat": (one.clamp(max=0) * other.detach()).sum(1),
    }
    found = learning(losses, layers, {"own": "the loss"}, ("an image",))
    assert found.layers == ["layer 1", "output"]
    assert found.losses == {
        "the loss": ["layer 1"],
        "all": ["layer 1", "output"],
        "nothing": [],
        "where it is flat": [],
    }
    assert found.sees == ("an image",)
