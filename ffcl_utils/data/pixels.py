"""From stored bytes to what a network sees: scaling, dropped pixels, labels written into images."""

import torch
from torch import Generator, Tensor

MASKS = 4096  # of the pixels, of which every visit of an image draws one
LABEL_PIXELS = 10  # the first of every image: set to 0, but for the label's
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


def label_pixels(labels: Tensor, brightness: float) -> Tensor:
    """The first ten pixels (…, 10) that say `labels` (…): `brightness` at the label, else 0.

    As in arXiv 2305.18353.
    The paper's code takes the brightest pixel of the batch, so that a prediction depends on what
    else is in its batch; here brightness is a constant. A label of −1 says nothing: all blank.
    """
    return brightness * (
        labels.unsqueeze(-1) == torch.arange(LABEL_PIXELS, device=labels.device)
    ).to(torch.float32)


def wrong_labels(labels: Tensor, generator: Generator) -> Tensor:
    """For each label (N,) another one, uniformly among those that occur in `labels`.

    A class that is held out of the training is thus not met in negative data either.
    """
    present, position = labels.unique(return_inverse=True)
    steps = torch.randint(1, len(present), labels.shape, generator=generator)
    return present[(position + steps) % len(present)]
