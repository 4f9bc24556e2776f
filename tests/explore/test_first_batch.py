"""A mistake in a rule that is being written is found on its first batch, and named."""

import pytest
import torch

from ffcl_utils import rules
from ffcl_utils.errors import NotebookError
from ffcl_utils.explore.first_batch import first_batch
from ffcl_utils.learning.losses import cross_entropy_loss
from tests.small import small, small_config, small_rule


@pytest.fixture(scope="module")
def data(digits):
    return small(digits, 200)


@pytest.mark.parametrize("name", rules.names())
def test_a_sound_rule_passes_and_learns_the_same_afterwards(name, data):
    asked, plain = small_rule(name), small_rule(name)
    said = first_batch(asked, data)
    assert said.startswith("One batch of 48: ") and "gets a gradient" in said
    asked.fit(data)
    plain.fit(data)
    for tensor, values in plain.tensors().items():
        assert torch.equal(values, asked.tensors()[tensor])


def broken(**methods):
    """A small rule of backpropagation with other methods."""
    return type("Broken", (rules.rule("backprop"),), methods)(small_config("backprop"))


def losses(of_logits):
    """A method `losses` that makes something of the logits (S, B, 10) and labels (S, B)."""

    def method(self, images, labels):
        return of_logits(self.network.forward(images, local=False)[-1], labels)

    return method


MISTAKES = {
    "a mean over all seeds": (
        losses(lambda z, y: {"all": cross_entropy_loss(z, y).mean()}),
        "'all' has the shape (), not (2,)",
    ),
    "no mean over the batch": (losses(lambda z, y: {"x": z.sum(-1)}), "the shape (2, 48), not"),
    "axes that do not fit": (
        losses(lambda z, y: {"x": (z @ z).mean((1, 2))}),
        "losses: RuntimeError: ",
    ),
    "a name that is not there": (losses(lambda z, y: {"x": magic}), "NameError"),  # noqa: F821
    "not a number": (losses(lambda z, y: {"x": z.mean((1, 2)) * torch.nan}), "'x' is [nan, nan]"),
    "infinite": (losses(lambda z, y: {"x": (z.mean((1, 2)) * 0).log()}), "'x' is [-inf, -inf]"),
    "a gradient that is not a number": (
        losses(lambda z, y: {"x": (z.mean((1, 2)) * 0).abs().sqrt()}),
        "the gradient of",
    ),
    "detached": (losses(lambda z, y: {"x": z.detach().mean((1, 2))}), "no loss depends on a par"),
    "a layer that is left out": (
        lambda self, images, labels: {
            "x": self.network.forward(images, local=False)[0].mean((1, 2))
        },
        "gets no gradient: no loss depends on it",
    ),
    "no dict": (losses(lambda z, y: z.mean((1, 2))), "return a dict"),
    "an empty dict": (losses(lambda z, y: {}), "return a dict"),
    "a number": (losses(lambda z, y: {"x": 1.0}), "'x' is a float, not a tensor"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_losses_is_named(mistake, data):
    method, message = MISTAKES[mistake]
    with pytest.raises(NotebookError) as error:
        first_batch(broken(losses=method), data)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_mistake_elsewhere_is_named(data):
    for methods, message in (
        ({"phases": lambda self, data: iter(())}, "phases: there is none"),
        ({"phases": lambda self, data: None}, "phases: TypeError"),
        (
            {"predict": lambda self, images: torch.zeros(len(images), 10)},
            "predict: the scores have the shape (4, 10), not (2, 4, 10)",
        ),
        ({"predict": lambda self, images: torch.full((2, 4, 10), torch.nan)}, "not finite"),
        ({"predict": lambda self, images: self.nothing}, "predict: AttributeError"),
    ):
        with pytest.raises(NotebookError) as error:
            first_batch(broken(**methods), data)
        assert message in str(error.value)
