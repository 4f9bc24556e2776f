"""From stored bytes to what a network sees."""

import torch
from torch import Tensor

MASKS = 4096  # of the pixels, of which every visit of an image draws one
MNIST_MEAN, MNIST_STD = 0.1307, 0.3081  # of the training pixels in [0, 1]


def scale(images: Tensor, scaling: str) -> Tensor:
    """Images (N, 784) uint8 as float32: "unit" in [0, 1]; "standardised" by MNIST's mean and std.

    MNIST's figures serve Fashion-MNIST too, as in the emergent-representations paper (2305.18353).
    """
    unit = images.to(torch.float32).div_(255)
    return unit if scaling == "unit" else unit.sub_(MNIST_MEAN).div_(MNIST_STD)


def brightest(scaling: str) -> float:
    """A white pixel after `scale`."""
    return scale(torch.tensor([255], dtype=torch.uint8), scaling).item()


def pixel_masks(count: int, pixels: int, dropout: float) -> Tensor:
    """Masks (count, pixels) that drop a share of the pixels and make up for it in the others.

    The same ones in every run: what is random is which of them an image meets.
    """
    drawn = torch.rand(count, pixels, generator=torch.Generator().manual_seed(0))
    return (drawn >= dropout).to(torch.float32) / (1 - dropout)


def take(rows: Tensor, index: Tensor) -> Tensor:
    """rows[index], for rows (N, …) and index (S, B): (S, B, …). Three times as fast for images."""
    return rows.index_select(0, index.reshape(-1)).unflatten(0, index.shape)
