"""Labels written into images, and the wrong labels of negative data (arXiv 2305.18353)."""

import torch
from torch import Generator, Tensor

LABEL_PIXELS = 10  # the first of every image: set to 0, but for the label's


def label_pixels(labels: Tensor, brightness: float) -> Tensor:
    """The first ten pixels (…, 10) that say `labels` (…): `brightness` at the label, else 0.

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
