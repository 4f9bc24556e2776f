"""How far can a network be pruned? LeNet-300-100 with the methods of the survey arXiv 2103.06460,
and the sanity check of arXiv 2009.08576: notebook 31.

Tables and metrics are in pruning_tables.py; the networks of FF are pruned in pruned_ff.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np
import pandas as pd
import torch
from pydantic import Field, PositiveFloat, PositiveInt, ValidationInfo, field_validator
from torch import Generator, Tensor
from tqdm import tqdm

from ffcl_utils.config import ConfigError, ExperimentConfig, Images, at_preset
from ffcl_utils.data.datasets import PIXELS, Dataset
from ffcl_utils.data.pixels import scale
from ffcl_utils.related.pruning import (
    Network,
    drawn,
    grasp,
    highest,
    magnitude,
    shuffled,
    snip,
    trained,
)
from ffcl_utils.studies.related.networks import networks_beside

DENSE, RANDOM, SNIP, GRASP = "dense", "random", "SNIP", "GraSP"
TICKET, AFTER = "lottery ticket", "magnitude after training"
METHODS = (RANDOM, SNIP, GRASP, TICKET, AFTER)
AS_FOUND, SHUFFLED, FRESH = "as found", "shuffled", "fresh weights"
PURPOSES = ("weights", "order", "random", "shuffled", "fresh")  # of a seed's generators
PRESETS = {
    "smoke": {"seeds": 2, "removed": (0.8, 0.95, 0.98), "epochs": 2, "fine_tuning": 1,
              "ff_images": 100},
    "short": {"seeds": 5, "epochs": 3, "fine_tuning": 1, "ff_images": 2000},
    "paper": {"seeds": 10, "epochs": 60, "fine_tuning": 20, "batch_size": 100,
              "ff_images": 10_000},
}  # fmt: skip


class Config(ExperimentConfig):
    """Settings of the experiment.

    hidden: units of the hidden layers. removed: shares of the weights; checked: the share at which
    the sanity check is made. epochs: of every network that is compared; magnitude pruning spends
    the last `fine_tuning` of them after the pruning. temperature: of GraSP's loss, for its score
    alone. ff_images: test images that networks pruned without training are asked about.
    """

    dataset: Images = "mnist"
    hidden: Annotated[tuple[PositiveInt, ...], Field(strict=False, min_length=1)] = (300, 100)
    removed: Annotated[tuple[float, ...], Field(strict=False, min_length=1)] = (
        0.5, 0.8, 0.9, 0.95, 0.98, 0.99,
    )  # fmt: skip
    checked: float = 0.95
    epochs: PositiveInt
    fine_tuning: PositiveInt
    batch_size: PositiveInt = 128
    learning_rate: PositiveFloat = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    # On held-out digits: with 1 the masks leave outputs of 30 to 90 times the size, and the
    # training stays near chance; 10 and 200 were tried beside it.
    temperature: PositiveFloat = 200.0
    ff_images: PositiveInt

    @field_validator("removed", "checked")
    @classmethod
    def _some_weights_stay(cls, value, info: ValidationInfo):
        sizes = PIXELS, *info.data.get("hidden", (1,)), 10
        for share in value if isinstance(value, tuple) else (value,):
            if share <= 0 or _kept(share, sizes) < 1:
                raise ValueError(
                    f"a mask of {100 * share:g} % leaves no weight or all of them: choose a share "
                    "above 0 and below 1"
                )
        return value

    @field_validator("fine_tuning")
    @classmethod
    def _after_a_training(cls, value: int, info: ValidationInfo) -> int:
        if value >= info.data.get("epochs", value + 1):
            raise ValueError(
                f"must be fewer than the epochs in all, {info.data['epochs']}: choose epochs of "
                f"{value + 1} or more"
            )
        return value

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of every layer, input first."""
        return PIXELS, *self.hidden, 10

    @property
    def levels(self) -> list[float]:
        """The shares of weights that are removed, ascending, with that of the sanity check."""
        return sorted({*self.removed, self.checked})


def _kept(removed: float, sizes: tuple[int, ...]) -> int:
    return round((1 - removed) * sum(a * b for a, b in pairwise(sizes)))


def configure(preset: str, **settings) -> dict[str, ExperimentConfig]:
    """The settings of the experiment, and of the networks of FF and BP that are pruned.

    A setting of None is the preset's. Raises ConfigError naming every invalid one.
    """
    own = at_preset(Config, PRESETS, preset, **settings)
    rules = {"FF": "forward_forward", "BP": "backprop"}
    return {"pruning": own} | networks_beside(own, rules)


def run(config: Config, data: Dataset) -> pd.DataFrame:
    """One row a trained network: seed, method, masks (as found, shuffled, fresh weights), removed
    (share), accuracy (test; NaN: diverged), and the share of weights kept in each layer.

    Raises ConfigError, before any training, for batches that the data do not fill.
    """
    if config.batch_size > len(data.train_images):
        raise ConfigError(
            f"batch_size={config.batch_size}: {data.name} has {len(data.train_images)} images"
        )
    images = [scale(part, "standardised") for part in (data.train_images, data.test_images)]
    each = 1 + len(config.levels) * len(METHODS) + 2 * (len(METHODS) - 1)
    bar = tqdm(total=each * config.seeds, desc="pruning", unit="network", leave=False, disable=None)
    rows = []
    with bar:
        for seed in config.seed_list:
            one = _Seed(config, seed, images[0], data.train_labels)
            for found, masks, network in _networks(one):
                accuracy = network.accuracy(images[1], data.test_labels)
                kept = {f"layer {k}": m.mean().item() for k, m in enumerate(masks, start=1)}
                rows.append({"seed": seed, **found, "accuracy": accuracy, **kept})
                bar.update()
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class _Seed:
    config: Config
    seed: int
    inputs: Tensor
    labels: Tensor

    def generator(self, purpose: str) -> Generator:
        """A seed's generator for one purpose: all methods share first weights and order."""
        entropy = np.random.SeedSequence([self.seed, PURPOSES.index(purpose)])
        return Generator().manual_seed(int(entropy.generate_state(1)[0]))

    def drawn(self, purpose: str) -> Network:
        return drawn(self.config.sizes, self.generator(purpose))

    def batch(self) -> tuple[Tensor, Tensor]:
        """The first batch of the training."""
        rows = torch.randperm(len(self.inputs), generator=self.generator("order"))
        rows = rows[: self.config.batch_size]
        return self.inputs[rows], self.labels[rows]

    def trained(self, network: Network, masks: list[Tensor], epochs: int) -> Network:
        config, order = self.config, self.generator("order")
        how = epochs, config.batch_size, config.learning_rate, config.momentum
        return trained(network, masks, self.inputs, self.labels, order, *how)


def _networks(one: _Seed) -> Iterator[tuple[dict, list[Tensor], Network]]:
    """What a network is, its masks and itself, trained: of all methods and levels of one seed."""
    epochs, fine_tuning = one.config.epochs, one.config.fine_tuning
    first, random = one.drawn("weights"), one.generator("random")
    every = [torch.ones_like(weight) for weight in first.weights]
    batch = one.batch()
    at_first = {
        RANDOM: [torch.rand(weight.shape, generator=random) for weight in first.weights],
        SNIP: snip(first.weights, first.loss_on(*batch)),
        GRASP: grasp(first.weights, first.loss_on(*batch, one.config.temperature)),
    }
    ticket = one.trained(first, every, epochs)
    yield {"method": DENSE, "masks": AS_FOUND, "removed": 0.0}, every, ticket
    before = one.trained(first, every, epochs - fine_tuning)
    for removed in one.config.levels:
        # A round of lottery tickets: what the last one removed is 0, and goes first again.
        trained_scores = {TICKET: magnitude(ticket.weights), AFTER: magnitude(before.weights)}
        for method, scores in (at_first | trained_scores).items():
            found = {"method": method, "masks": AS_FOUND, "removed": removed}
            masks = highest(scores, _kept(removed, one.config.sizes))
            start, length = (before, fine_tuning) if method == AFTER else (first, epochs)
            network = one.trained(start, masks, length)
            ticket = network if method == TICKET else ticket
            yield found, masks, network
            if removed == one.config.checked and method != RANDOM:
                others = shuffled(masks, one.generator("shuffled"))
                yield found | {"masks": SHUFFLED}, others, one.trained(start, others, length)
                fresh = one.trained(one.drawn("fresh"), masks, epochs)
                yield found | {"masks": FRESH}, masks, fresh
