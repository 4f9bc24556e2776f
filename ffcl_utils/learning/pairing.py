"""Which image the second twin sees beside each image of the first."""

import torch
from torch import Generator, Tensor


def random_partners(labels: Tensor, generator: Generator) -> Tensor:
    """A uniformly random other image for each image, as in the original FFCL (arXiv 2305.02927).

    labels: (N,). Returns (N,) indices; with ten equal classes a tenth of the pairs agree.
    """
    count = len(labels)
    return (torch.arange(count) + torch.randint(1, count, (count,), generator=generator)) % count


def balanced_partners(labels: Tensor, generator: Generator) -> Tensor:
    """For half of the images another one of the same class, for half one of another class.

    labels: (N,), at least two of each class. Returns (N,) indices, uniform within each half;
    which half an image is in is drawn anew each time.
    """
    count = len(labels)
    by_class = labels.argsort(stable=True)
    sizes = labels.bincount()
    size = sizes[labels]
    first_of_class = (sizes.cumsum(0) - sizes)[labels]
    position = by_class.argsort()  # of each image in by_class
    draw = torch.rand(count, generator=generator, dtype=torch.float64)
    step = 1 + (draw * (size - 1)).long()
    same = first_of_class + (position - first_of_class + step) % size
    other = (first_of_class + size + (draw * (count - size)).long()) % count
    half = torch.randperm(count, generator=generator) < count // 2
    return by_class[torch.where(half, same, other)]


def same_image(labels: Tensor, generator: Generator) -> Tensor:
    """Every image with itself: both twins see the same data, and all pairs agree."""
    return torch.arange(len(labels))


PAIRINGS = {"random": random_partners, "balanced": balanced_partners, "same_image": same_image}
