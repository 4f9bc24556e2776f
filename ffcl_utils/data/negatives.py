"""Which images with which wrong labels are negative data, where they are drawn once."""

import torch
from torch import Generator, Tensor


def wrong_pairs(labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """As many images as there are labels (N,), each with a wrong label: images (N,), labels (N,).

    Every image with each of its wrong labels is one of (classes − 1)·N; of these N are drawn
    without replacement. An image is thus drawn several times, or not at all, as in the authors'
    code for arXiv 2305.18353. Wrong labels are of classes that occur in `labels`.
    """
    present, position = labels.unique(return_inverse=True)
    wrong = len(present) - 1
    drawn = torch.randperm(wrong * len(labels), generator=generator)[: len(labels)]
    images, steps = drawn // wrong, drawn % wrong + 1
    return images, present[(position[images] + steps) % len(present)]
