"""Networks that read an image row by row: a layer of Bayesian recurrent units, or a GRU.

One layer, then a linear read-out of the mean over all rows. They are trained by backpropagation
through time. For notebook 32; the network is ours, no figure on images was published.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.pixels import scale
from ffcl_utils.related import bayesian_recurrence as recurrence

SIDE, CLASSES = 28, 10
AT_ONCE = 1000  # test images
# Where training starts: weights uniform within WIDE/√28, the logit of p1 within (0, STAY) and that
# of p2 within (−STAY, 0), so that most units remember for a few rows; the read-out within 1/10.
# Chosen on held-out training images of one seed.
WIDE, STAY, READ_OUT = 4.0, 4.0, 0.1


class Units(nn.Module):
    """A layer of Bayesian recurrent units.

    both_ways: whether its output is γ, which knows all rows, or α, which knows those so far.
    """

    def __init__(self, units: int, both_ways: bool, generator: Generator) -> None:
        super().__init__()
        self.both_ways = both_ways
        self.weights = nn.Parameter(WIDE * _uniform(SIDE**-0.5, (SIDE, units), generator))
        self.bias = nn.Parameter(torch.zeros(units))
        self.start = nn.Parameter(torch.zeros(units))  # the logits of p0, p1 and p2
        self.stay = nn.Parameter(STAY * torch.rand(units, generator=generator))
        self.enter = nn.Parameter(-STAY * torch.rand(units, generator=generator))

    @property
    def chain(self) -> recurrence.Chain:
        """p0, p1 and p2 of every unit, (U,) each."""
        logits = (self.start, self.stay, self.enter)
        return recurrence.Chain(*map(recurrence.probability, logits))

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (T, B, 28) to beliefs b as 2 b − 1, from −1 to 1, (T, B, U)."""
        chain = self.chain
        before, after = recurrence.filtered(recurrence.ratio(rows, self.weights, self.bias), chain)
        belief = recurrence.smoothed(before, after, chain) if self.both_ways else after
        return 2 * belief - 1  # the read-out learns faster when beliefs of ½ say nothing


class Gru(nn.Module):
    """torch's GRU, with the weights that its documentation says, drawn from the generator."""

    def __init__(self, units: int, generator: Generator) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # what torch itself draws is overwritten
            self.gru = nn.GRU(SIDE, units)
        with torch.no_grad():
            for parameter in self.gru.parameters():
                parameter.copy_(_uniform(units**-0.5, parameter.shape, generator))

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (T, B, 28) to states (T, B, U)."""
        return self.gru(rows)[0]


class Reader(nn.Module):
    """A layer and its read-out. The scores of an image are the mean of the scores of its rows."""

    def __init__(self, layer: nn.Module, width: int, generator: Generator) -> None:
        super().__init__()
        self.layer = layer
        self.read_out = nn.Parameter(_uniform(READ_OUT, (width, CLASSES), generator))
        self.shift = nn.Parameter(torch.zeros(CLASSES))

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (T, B, 28) to scores of the classes (B, 10)."""
        return self.layer(rows).mean(0) @ self.read_out + self.shift

    def of_rows(self, rows: Tensor) -> Tensor:
        """The scores at every row, (T, B, 10)."""
        return self.layer(rows) @ self.read_out + self.shift


def units_reader(units: int, both_ways: bool, seed: int) -> Reader:
    """Untrained, with what it draws from the seed alone; both ways start from the same weights."""
    generator = Generator().manual_seed(seed)
    return Reader(Units(units, both_ways, generator), units, generator)


def gru_reader(units: int, seed: int) -> Reader:
    """Untrained, with about as many parameters as the `units_reader` of so many units."""
    generator, width = Generator().manual_seed(seed), gru_units(units)
    return Reader(Gru(width, generator), width, generator)


def gru_units(units: int) -> int:
    """The size of the GRU that is nearest in parameters to a `units_reader`, read-out included."""

    def parameters(h: int) -> int:
        return 3 * (SIDE * h + h * h + 2 * h) + (h + 1) * CLASSES

    wanted = units * (SIDE + 4) + (units + 1) * CLASSES
    return min(range(1, units + 1), key=lambda h: abs(parameters(h) - wanted))


def parameters_of(reader: Reader) -> int:
    """How many numbers it learns."""
    return sum(parameter.numel() for parameter in reader.parameters())


class Reading(NamedTuple):
    """What one trained reader does on the test images, shares of images from 0 to 1.

    accuracy: after each epoch, (E,). of_rows: at every row alone, in the end, (T,).
    """

    accuracy: np.ndarray
    of_rows: np.ndarray


def rows_of(images: Tensor) -> Tensor:
    """Images (N, 784) uint8 as their rows in [0, 1], one after the other: (28, N, 28) float32."""
    return scale(images, "unit").reshape(-1, SIDE, SIDE).transpose(0, 1).contiguous()


def trained(
    reader: Reader,
    data: Dataset,
    seed: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    after_epoch: Callable[[], object],
) -> Reading:
    """Train a reader, by Adam on the cross-entropy, and read the test images after every epoch.

    The rate falls to 0 along a half cosine. seed: decides the order of the images, which is the
    same for every reader of the seed. A reader that has diverged has figures of NaN from then on.
    """
    rows, labels = rows_of(data.train_images), data.train_labels
    # A stream apart from that of the first weights.
    apart = np.random.SeedSequence([seed, 1]).generate_state(1)[0]
    generator = Generator().manual_seed(int(apart))
    optimiser = torch.optim.Adam(reader.parameters(), lr=learning_rate)
    steps = epochs * -(-len(labels) // batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    found = []
    for _ in range(epochs):
        for batch in torch.randperm(len(labels), generator=generator).split(batch_size):
            optimiser.zero_grad()
            loss = cross_entropy(reader(rows[:, batch]), labels[batch])
            loss.backward()
            optimiser.step()
            schedule.step()
        found.append(shares_right(reader, data))
        after_epoch()
    return Reading(np.array([whole for whole, _ in found]), found[-1][1])


@torch.no_grad()
def shares_right(reader: Reader, data: Dataset) -> tuple[float, np.ndarray]:
    """Shares of the test images that the mean over rows, and each row alone, (T,), get right.

    NaN where a score is not finite.
    """
    whole, alone = 0, np.zeros(SIDE)
    for images, labels in zip(
        data.test_images.split(AT_ONCE), data.test_labels.split(AT_ONCE), strict=True
    ):
        scores = reader.of_rows(rows_of(images))
        if not scores.isfinite().all():
            return np.nan, np.full(SIDE, np.nan)
        whole += (scores.mean(0).argmax(-1) == labels).sum().item()
        alone += (scores.argmax(-1) == labels).sum(-1).numpy()
    count = len(data.test_labels)
    return whole / count, alone / count


def _uniform(bound: float, shape: tuple[int, ...], generator: Generator) -> Tensor:
    return bound * (2 * torch.rand(shape, generator=generator) - 1)
