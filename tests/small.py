"""Small data and small rules, to train on in a moment."""

import torch

from ffcl_utils import rules
from ffcl_utils.data.datasets import Dataset

# By rule: a small network, and little of everything. Every contract test runs over all rules.
SMALL = {"seeds": 2, "epochs": 2, "batch_size": 48}
SMALL_LAYERS = {
    "forward_forward": (784, 32, 16, 16),
    "bp_ff": (784, 32, 16, 16),
    "backprop": (784, 32, 16, 10),
}


def small(digits: Dataset, images: int = 320) -> Dataset:
    """The first training images of every class; all test images."""
    rows = torch.cat(
        [(digits.train_labels == c).nonzero().flatten()[: images // 10] for c in range(10)]
    )
    return Dataset(
        "mnist_5k",
        digits.train_images[rows],
        digits.train_labels[rows],
        digits.test_images,
        digits.test_labels,
        digits.classes,
        {},
    )


def small_config(name: str, **overrides):
    """The settings of a small network of any rule; a rule that is not named above keeps its own."""
    layers = {"layers": SMALL_LAYERS[name]} if name in SMALL_LAYERS else {}
    return rules.configure(name, "smoke", **(SMALL | layers | overrides))


def small_rule(name: str, **overrides):
    """A small untrained rule."""
    return rules.rule(name)(small_config(name, **overrides))
