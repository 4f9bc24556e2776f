"""Images moved by a few pixels: what leaves the frame is lost, and what enters it is black."""

from math import isqrt

import torch
from torch import Tensor
from torch.nn.functional import pad

from ffcl_utils.data.pixels import take


def framed(images: Tensor, most: int) -> Tensor:
    """Square images (N, pixels) within a black frame `most` pixels wide, (N, framed pixels)."""
    side = isqrt(images.shape[1])
    return pad(images.unflatten(1, (side, side)), [most] * 4).flatten(1)


def windows(pixels: int, most: int) -> Tensor:
    """Where a moved image's pixels are in its framed one: ((2·most + 1)², pixels) indices.

    One row a shift, by up to `most` pixels up or down and to the left or right. The row in the
    middle moves nothing.
    """
    side, steps = isqrt(pixels), torch.arange(2 * most + 1)
    row, column = steps[:, None, None, None], steps[None, :, None, None]
    y, x = torch.arange(side)[:, None], torch.arange(side)[None]
    return ((row + y) * (side + 2 * most) + column + x).flatten(2).flatten(0, 1)


def moved(frames: Tensor, places: Tensor, image: Tensor, shift: Tensor) -> Tensor:
    """Images (S, B, pixels), each with its shift, both chosen by index (S, B).

    frames: from `framed`. places: from `windows`.
    """
    return take(frames, image).gather(-1, take(places, shift))
