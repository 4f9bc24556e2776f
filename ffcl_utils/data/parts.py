"""A part of a dataset, to look at losses on."""

from dataclasses import replace

import torch
from torch import Tensor

from ffcl_utils.data.datasets import Dataset

IMAGES = 257  # that the losses are looked at on; pairs take one more than there are pairs


def evenly(count: int, images: int) -> Tensor:
    """So many places (images,), evenly spread over `count`."""
    return torch.linspace(0, count - 1, images).round().long()


def spread(data: Dataset, images: int = IMAGES) -> Dataset:
    """The dataset with so many training images, evenly spread over all that it has.

    The first ones of a dataset that is sorted by class would be of one class: a contrast of classes
    is 0 there, and has no gradient at all.
    """
    rows = evenly(len(data.train_images), images)
    return replace(data, train_images=data.train_images[rows], train_labels=data.train_labels[rows])
