"""Hybrid images (Hinton 2022, arXiv 2212.13345, the unsupervised example): negative data that need
no label.

A mask with large regions of ones and zeros chooses, pixel by pixel, between two images. What is
near by in a hybrid mostly comes from one image; the shape as a whole is of neither.
"""

from math import isqrt

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

from ffcl_utils.data.pixels import MASKS
from ffcl_utils.learning.pairing import random_partners

# The paper does not say how often a mask is blurred. Six times give regions about eight pixels
# across, and no more than six are exact in float32: a mask is then the same on every machine.
BLURS = 6


def hybrid_masks(count: int, pixels: int, blurs: int = BLURS) -> Tensor:
    """Masks (count, pixels) bool of square images: True takes one image, False the other.

    Random bits, blurred `blurs` times by [1/4, 1/2, 1/4] horizontally and vertically; True is where
    more than 0.5 is found. A reading: beyond the border a pixel of the border repeats. The same
    ones in every run: what is random is which of them an image meets.
    """
    side = isqrt(pixels)
    drawn = torch.rand(count, side, side, generator=torch.Generator().manual_seed(0))
    blurred = (drawn < 0.5).to(torch.float32)
    for _ in range(blurs):
        wide = pad(blurred, (1, 1, 1, 1), mode="replicate")
        rows = (wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]) / 4
        blurred = (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 4
    return (blurred > 0.5).flatten(1)


def hybrids(one: Tensor, other: Tensor, masks: Tensor) -> Tensor:
    """mask · one + (1 − mask) · other, for images and masks (…, pixels)."""
    return torch.where(masks, one, other)


def hybrid_visits(labels: Tensor, generator: Generator) -> dict[str, Tensor]:
    """What one seed visits in an epoch, (N,) each: every image once, in a random order.

    labels: (N,), of which only the number counts. With each image goes a partner, another image
    drawn uniformly, and a mask, one of MASKS.
    """
    order = torch.randperm(len(labels), generator=generator)
    partner = random_partners(labels, generator)[order]
    mask = torch.randint(MASKS, labels.shape, generator=generator)
    return {"image": order, "partner": partner, "mask": mask}
