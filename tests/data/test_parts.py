"""Parts of a dataset are made of all of it."""

import torch

from ffcl_utils.data.parts import spread


def test_spread_images_come_from_the_whole_dataset(digits):
    found = spread(digits, 100)
    counts = found.train_labels.bincount(minlength=10)
    assert counts.min() >= 5 and counts.max() <= 15  # the digits are sorted by class
    assert found.train_images.shape == (100, 784)
    assert torch.equal(found.train_images[-1], digits.train_images[-1])
    assert found.test_images is digits.test_images
    every = spread(digits, len(digits.train_labels))
    assert torch.equal(every.train_images, digits.train_images)
