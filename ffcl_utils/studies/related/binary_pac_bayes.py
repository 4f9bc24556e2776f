"""Narrow binary networks and their bounds on five tasks of two classes each: notebook 30."""

import math
from itertools import pairwise, product
from typing import Annotated, Literal, NamedTuple

import pandas as pd
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Generator, Tensor
from tqdm import tqdm

from ffcl_utils.config import ConfigError, ExperimentConfig, Images, at_preset
from ffcl_utils.data.datasets import PIXELS, Dataset
from ffcl_utils.data.pixels import scale
from ffcl_utils.related import binary_pac_bayes as networks
from ffcl_utils.studies.related.networks import networks_beside

# By name: the digits that count as +1, and those that count as −1.
TASKS = {
    "1/7": ((1,), (7,)),
    "4/9": ((4,), (9,)),
    "5/6": ((5,), (6,)),
    "low/high": (tuple(range(5)), tuple(range(5, 10))),
    "even/odd": (tuple(range(0, 10, 2)), tuple(range(1, 10, 2))),
}
Task = Literal[tuple(TASKS)]
PRIORS = ("initial", "half")
# How a network was trained: by which output, and whether weights count once or as the tree's.
EXACT, TREE, ONCE = "exact", "independent, tree", "independent, counted once"
CHANCE = 0.5  # the error of a coin on any task
MOST_NUMBERS = 2**24  # in the largest table of an exact sum: 67 MB, a few of them while it learns
# Scales of the first weights (4) times rates (2) that were looked at with the smoke preset, whose
# digits are MNIST's too: the prior is one of so many, which the bound has to pay for.
PRIORS_TRIED = 8
Units = Annotated[tuple[Annotated[int, Field(gt=0, le=24)], ...], Field(strict=False, min_length=1)]


class Config(ExperimentConfig):
    """What is trained: every width and depth on the task `swept`, and `hidden` on every task.

    hidden: units of each hidden layer. delta: a bound fails with this probability at most. epochs:
    of a prior that learns and of a posterior, fixed beforehand, so that nothing is stopped by what
    it is judged by.
    """

    dataset: Images = "mnist"
    swept: Task = "4/9"
    tasks: Annotated[tuple[Task, ...], Field(strict=False, min_length=1)] = tuple(TASKS)
    widths: Units = (2, 4, 8)
    depths: Units = (1, 2, 3)
    hidden: Units = (4, 4)
    epochs: PositiveInt = 15
    batch_size: PositiveInt = 512
    learning_rate: PositiveFloat = 0.03
    delta: Annotated[float, Field(gt=0, lt=1)] = 0.05

    @model_validator(mode="after")
    def _narrow_enough(self):
        for hidden in self.architectures:
            numbers = numbers_held(hidden, self.batch_size)
            if numbers > MOST_NUMBERS:
                raise ValueError(
                    f"hidden layers {named(hidden)} are too wide for the exact sum: a table of "
                    f"{numbers:.2g} numbers, and the limit is {MOST_NUMBERS:.2g}"
                )
        return self

    @property
    def architectures(self) -> list[tuple[int, ...]]:
        """The units of the hidden layers of every network on the task `swept`."""
        grid = [(width,) * depth for depth, width in product(self.depths, self.widths)]
        return list(dict.fromkeys([*grid, self.hidden]))


PRESETS = {
    "smoke": {"seeds": 2, "widths": (2, 4), "depths": (1, 2), "epochs": 5, "batch_size": 256},
    "short": {"seeds": 5},
    "paper": {"seeds": 10, "epochs": 60},
}


def configure(preset: str, **settings) -> dict[str, ExperimentConfig]:
    """The settings of the narrow networks, and of the Forward-Forward network held beside them.

    None means "as the preset says". Raises ConfigError, one line, for settings that cannot work.
    """
    config = at_preset(Config, PRESETS, preset, **settings)
    return {"binary": config} | networks_beside(config, {"FF": "forward_forward"})


def numbers_held(hidden: tuple[int, ...], batch_size: int) -> int:
    """How many numbers the largest table of a sum has: the law of the widest layer for
    every image of a batch, or the probabilities from one hidden layer's 2^d representations to the
    next one's."""
    between = [2 ** (below + above) for below, above in pairwise(hidden)]
    return max([batch_size * 2 ** max(hidden), *between])


def named(hidden: tuple[int, ...]) -> str:
    """Such as "8-8"."""
    return "-".join(map(str, hidden))


class Examples(NamedTuple):
    """inputs: (N, 785), rows of length 1. targets: (N,), +1 or −1."""

    inputs: Tensor
    targets: Tensor

    def some(self, rows: Tensor) -> "Examples":
        """Those in the given places."""
        return Examples(self.inputs[rows], self.targets[rows])


def targets(labels: Tensor, task: str) -> Tensor:
    """+1, −1, or 0 for a digit that is not of the task; (N,)."""
    positive, negative = (torch.isin(labels, torch.tensor(digits)) for digits in TASKS[task])
    return positive.float() - negative.float()


def examples(images: Tensor, labels: Tensor, task: str) -> Examples:
    """The images (N, 784) uint8 of a task. Raises ConfigError where a class of it is missing."""
    wanted = targets(labels, task)
    if not (wanted > 0).any() or not (wanted < 0).any():
        raise ConfigError(f"task {task}: the data have no image of one of its two classes")
    chosen = wanted != 0
    return Examples(networks.directions(scale(images[chosen], "unit")), wanted[chosen])


def planned(config: Config) -> list[tuple[str, tuple[int, ...], str, str]]:
    """Task, hidden layers, prior and kind of every network that a seed trains.

    Independent units only where they differ from the exact sum, in networks of two layers or more,
    and with the initial prior.
    """
    plan = [(config.swept, hidden, prior, EXACT) for hidden in config.architectures
            for prior in PRIORS]  # fmt: skip
    plan += [(config.swept, hidden, PRIORS[0], kind) for hidden in config.architectures
             if len(hidden) > 1 for kind in (TREE, ONCE)]  # fmt: skip
    others = [task for task in config.tasks if task != config.swept]
    return plan + [(task, config.hidden, prior, EXACT) for task in others for prior in PRIORS]


def runs(config: Config, data: Dataset) -> pd.DataFrame:
    """One row a trained network.

    task, hidden, layers, prior, kind, seed. n: images that the bound is computed on. kl. train and
    test: the linear loss of the output that it was trained by; exact train: of the exact output.
    bound: Seeger's number from train and kl. error: share of test images that the sign of the
    output gets wrong. same weights: the bound of the tree with these very weights.
    """
    plan, rows = planned(config), []
    count = len(plan) * config.seeds
    with tqdm(total=count, desc="binary networks", leave=False, disable=None) as bar:
        for task in dict.fromkeys(task for task, *_ in plan):
            train = examples(data.train_images, data.train_labels, task)
            test = examples(data.test_images, data.test_labels, task)
            for seed, (of_task, *how) in product(config.seed_list, plan):
                if of_task == task:
                    rows.append({"task": task} | _run(config, seed, *how, train, test))
                    bar.update()
    return pd.DataFrame(rows)


def _run(
    config: Config, seed: int, hidden: tuple[int, ...], prior: str, kind: str,
    train: Examples, test: Examples,
) -> dict:  # fmt: skip
    generator = Generator().manual_seed(seed)
    how = config.model_dump(include={"epochs", "batch_size", "learning_rate"})
    how["delta"] = config.delta / PRIORS_TRIED  # training lowers the bound that is reported
    tree, once = networks.copies(hidden), [1] * (len(hidden) + 1)
    output = networks.exact if kind == EXACT else networks.independent
    times = tree if kind == TREE else once
    start = networks.initial((PIXELS, *hidden, 1), generator)
    if prior == "half":
        halves = torch.randperm(len(train.targets), generator=generator).tensor_split(2)
        seen, train = map(train.some, halves)
        start = networks.learnt(start, output, *seen, generator, times=None, **how)
    weights = networks.learnt(start, output, *train, generator, times=times, **how)

    def bound(risk: float, times: list[int]) -> float:
        kl = networks.divergence(weights, start, times).item()
        return networks.bound(risk, kl, len(train.targets), config.delta, PRIORS_TRIED)

    exact, independent, own = (
        _loss(_outputs(by, weights, train, config.batch_size), train)
        for by in (networks.exact, networks.independent, output)
    )
    said = _outputs(output, weights, test, config.batch_size)
    wrong = (said > 0) != (test.targets > 0)
    return {
        "hidden": named(hidden), "layers": len(hidden), "prior": prior, "kind": kind, "seed": seed,
        "n": len(train.targets), "kl": networks.divergence(weights, start, times).item(),
        "train": own, "exact train": exact, "test": _loss(said, test), "bound": bound(own, times),
        "error": wrong.double().mean().item() if said.isfinite().all() else math.nan,
        "same weights": bound(independent, tree),
    }  # fmt: skip


@torch.no_grad()
def _outputs(output: networks.Output, weights: networks.Weights, of: Examples, size: int) -> Tensor:
    return torch.cat([output(weights, chunk) for chunk in of.inputs.split(size)])


def _loss(outputs: Tensor, of: Examples) -> float:
    return networks.linear_loss(outputs.double(), of.targets).item()
