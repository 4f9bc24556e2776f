"""Pairs of self-contrastive FF: an image joined with itself, and with another of its batch."""

import torch
from torch import Tensor


def joined_pairs(halves: Tensor) -> Tensor:
    """What a layer makes of the positive and of the negative pairs of a batch.

    halves: (S, B, units), W·x + b/2 of every image x: as both halves of a joined image meet the
    same weights W, W·x + W·y + b is the sum of two of them. Returns (S, 2B, units): every image
    with itself, then every image with the one before it, the first with the last. The order of a
    batch is random, and so the other image is; each is the other one once. B ≥ 2.
    """
    return halves.repeat(1, 2, 1) + torch.cat([halves, halves.roll(1, 1)], 1)
