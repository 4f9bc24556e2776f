"""Twins in deeper networks, dense and convolutional, with and without skips: notebook 13."""

from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
import torch

from ffcl_utils import rules
from ffcl_utils.analysis.depth import likeness, read_out, spread_of
from ffcl_utils.analysis.locality import off_layer_gradient
from ffcl_utils.claims.ledger import missing
from ffcl_utils.config import ConfigError, RuleConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.parts import spread
from ffcl_utils.rules.base import Rule, right
from ffcl_utils.studies.models import one_by_one
from ffcl_utils.studies.neighbour_costs import cost_of_an_epoch

NOTEBOOK, ACCURACY = "13_deeper", "test_accuracy"
LITERAL, BEST, MIRROR, BACKPROP = "literal reading", "best reading", "mirror contrast", "backprop"
# What each rule is, as settings of deep twins; none was tuned for depth.
RULES = {
    # Improved FFCL as the paper has it, but for ten times its rate; then with another margin.
    LITERAL: {"pairing": "random", "learning_rate": 1e-3},
    BEST: {"pairing": "random", "margin": 0.5, "learning_rate": 1e-3},
    MIRROR: {
        "contrast": "class_means",
        "norm": "length",
        "classification_loss": "cross_entropy",
        "learning_rate": 6e-3,
        "batch_size": 256,
        "input_dropout": 0.2,
        "schedule": "one_cycle",
        "input_scaling": "standardised",
    },
    # The cross-entropy of the output alone, through all blocks; a twin is a second network.
    BACKPROP: {
        "contrast": "none",
        "across": True,
        "classification_loss": "cross_entropy",
        "learning_rate": 1e-3,
    },
}
Kind = Literal["dense", "convolutional"]
Rows = Literal["few", "all"]
UNITS, CHANNELS = 64, 8
POOLS = (1, 2)  # early, so that deep networks stay cheap: 28, 14 and then 7 pixels a side
# By rows: the depths of dense networks, and of convolutional ones.
DEPTHS: dict[Rows, dict[Kind, tuple[int, ...]]] = {
    "few": {"dense": (2, 8), "convolutional": (2,)},
    "all": {"dense": (2, 4, 8, 16), "convolutional": (2, 4, 8)},
}
# A convolutional network gets a fifth of the epochs, which take longer.
CONVOLUTIONAL_SHARE = 5
READ_FROM = 5000  # training images from which a read-out of a layer is solved
PROBES = 1000  # test images on which layers are compared


class Place(NamedTuple):
    """Where a network stands in the table."""

    rule: str
    kind: Kind
    depth: int
    skip: bool

    @property
    def name(self) -> str:
        """Such as "best reading, dense 8, skips"."""
        return f"{self.rule}, {self.kind} {self.depth}{', skips' * self.skip}"


def places(rows: Rows) -> list[Place]:
    """Every network of the table. In "few" the literal reading is left out, and convolutions are of
    mirror contrast alone."""
    return [
        Place(rule, kind, depth, skip)
        for kind, depths in DEPTHS[rows].items()
        for rule in RULES
        for skip in (False, True)
        for depth in depths
        if rows == "all" or rule == MIRROR or (kind == "dense" and rule != LITERAL)
    ]


def configure(
    preset: str,
    rows: Rows = "few",
    seeds: int | None = None,
    first_seed: int | None = None,
    dataset: str | None = None,
    epochs: int | None = None,
) -> dict[str, RuleConfig]:
    """The settings of every network, by the name of its place; raises ConfigError.

    epochs: of dense networks; convolutional ones get a fifth, at least one.
    """
    if rows not in get_args(Rows):
        raise ConfigError(f"rows={rows!r}: choose one of {', '.join(get_args(Rows))}")
    given = {"seeds": seeds, "first_seed": first_seed, "dataset": dataset, "epochs": epochs}
    given = {name: value for name, value in given.items() if value is not None}
    found = {}
    for place in places(rows):
        settings = RULES[place.rule] | given | {"predictor": "first", "skip": place.skip}
        if place.kind == "dense":
            settings["layers"] = (784, *[UNITS] * place.depth, 10)
        else:
            plain = rules.configure("deep_twins", preset, **given)
            settings["layers"] = (784, *[CHANNELS] * place.depth, 10)
            settings |= {"convolutional": True, "pools": POOLS}
            settings["epochs"] = max(1, plain.epochs // CONVOLUTIONAL_SHARE)
        found[place.name] = rules.configure("deep_twins", preset, **settings)
    return found


class Measured(NamedTuple):
    """accuracy: (S,), shares of the test images. read: (L, S), of a read-out of each block. alike:
    (L, L), linear CKA of the blocks of the first seed; NaN where a block is constant: the same for
    all images, or diverged. across: (S,), the largest gradient of a block's loss on the weights of
    another block. length, varies: (S,), of the last block's activations, as `spread_of` has them.
    operations: of the training of one seed, both networks."""

    accuracy: np.ndarray
    read: np.ndarray
    alike: np.ndarray
    across: np.ndarray
    length: np.ndarray
    varies: np.ndarray
    operations: float


def measure(rule: Rule, data: Dataset) -> Measured:
    """What is asked of the networks of one place. A network that has diverged has no figures."""
    accuracy = right(rule, data).double().mean(-1).numpy()
    some = spread(data, min(READ_FROM, len(data.train_labels)))
    read, last, alike = [], [], None
    for k, one in enumerate(one_by_one(rule)):
        learnt = [layer[0].numpy() for layer in one.representations(some.train_images)]
        shown = [layer[0].numpy() for layer in one.representations(data.test_images)]
        if not all(np.isfinite(layer).all() for layer in [*learnt, *shown]):
            accuracy[k], shares = np.nan, [np.nan] * len(shown)
        else:
            labels = some.train_labels.numpy(), data.test_labels.numpy()
            shares = [read_out(*pair, *labels) for pair in zip(learnt, shown, strict=True)]
        read.append(shares)
        last.append(spread_of(shown[-1]))
        if alike is None:
            alike = likeness([layer[:PROBES] for layer in shown])
    losses = {
        name: loss for name, loss in rule.example_losses(data).items() if loss.requires_grad
    }  # the blocks of backpropagation have none of their own
    across = off_layer_gradient(losses, rule.layers()).numpy()
    operations = rule.config.epochs * cost_of_an_epoch(rule, data).operations
    return Measured(accuracy, np.array(read).T, alike, across, *np.array(last).T, operations)


def _panel(kind: str, skip: bool) -> str:
    return f"{kind}, {'with' if skip else 'no'} skip connections"


def over_depth(measured: dict[str, Measured], rows: Rows) -> dict[str, dict[str, dict]]:
    """Accuracies (S,) by panel (kind and skips), rule and depth, for the figure."""
    found = {}
    for place in places(rows):
        panel = found.setdefault(_panel(place.kind, place.skip), {})
        panel.setdefault(place.rule, {})[place.depth] = measured[place.name].accuracy
    return found


def over_blocks(measured: dict[str, Measured], rows: Rows) -> dict[str, dict[str, dict]]:
    """Accuracies (S,) of read-outs by panel, rule and block, of the deepest networks."""
    found = {}
    for place in places(rows):
        if place.depth == max(DEPTHS[rows][place.kind]):
            read = dict(enumerate(measured[place.name].read, start=1))
            panel = f"{_panel(place.kind, place.skip)}, {place.depth} blocks"
            found.setdefault(panel, {})[place.rule] = read
    return found


def likenesses(measured: dict[str, Measured], rows: Rows) -> dict[str, np.ndarray]:
    """CKA (L, L) of the blocks of the deepest dense networks, by rule and skips."""
    deepest = max(DEPTHS[rows]["dense"])
    return {
        f"{place.rule}{', skips' * place.skip}": measured[place.name].alike
        for place in places(rows)
        if place.kind == "dense" and place.depth == deepest and place.rule != LITERAL
    }


def table(measured: dict[str, Measured], configs: dict[str, RuleConfig]) -> pd.DataFrame:
    """A row a network: accuracies in %, mean and spread over seeds; read-outs of first and last.

    `constant`: how many blocks of the first seed are the same for all images, or diverged. length
    and varies: as `spread_of` has them, of the last block, mean over seeds; the second in %.
    across: largest gradient of a block's loss on another block, of all seeds. operations: of the
    training of one seed, in millions of millions.
    """
    rows = {}
    for name, found in measured.items():
        percent = 100 * found.accuracy[~np.isnan(found.accuracy)]
        read = np.full(2, np.nan)
        if len(percent):
            read = 100 * np.nanmean(found.read[[0, -1]], 1)
        rows[name] = {
            "accuracy": percent.mean().round(2) if len(percent) else np.nan,
            "std": percent.std(ddof=1).round(2) if len(percent) > 1 else np.nan,
            "first block read": read[0].round(1),
            "last block read": read[1].round(1),
            "constant": int(np.isnan(np.diag(found.alike)).sum()),
            "length": float(f"{found.length.mean():.3g}"),
            "varies": round(100 * float(found.varies.mean()), 1),
            "across": found.across.max(),
            "epochs": configs[name].epochs,
            "operations": round(found.operations / 1e12, 2),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def read_outs(measured: dict[str, Measured]) -> pd.DataFrame:
    """Accuracy of the read-out of every block in %, mean over the seeds; a row a network."""
    return pd.DataFrame.from_dict(
        {
            name: {
                f"block {k}": round(100 * float(np.nanmean(share)), 1)
                for k, share in enumerate(found.read, start=1)
                if not np.isnan(share).all()
            }
            for name, found in measured.items()
        },
        orient="index",
    )


def metrics(measured: dict[str, Measured], rows: Rows) -> dict[str, np.ndarray]:
    """The metrics of notebook 13, one figure (S,) per seed each, by name.

    NaN for what a claim of this notebook needs and these rows do not have.
    """
    found = {f"{name}/{ACCURACY}": each.accuracy for name, each in measured.items()}
    for name, each in measured.items():
        found[f"{name}/read-out, last - first block"] = each.read[-1] - each.read[0]
    for place in places(rows):
        own = measured[place.name].accuracy
        others = {
            "2 blocks": place._replace(depth=2),
            "without skips": place._replace(skip=False),
            "dense": place._replace(kind="dense"),
        }
        for says, other in others.items():
            if other != place and other.name in measured:
                found[f"{place.name} - {says}/{ACCURACY}"] = own - measured[other.name].accuracy
    seeds = len(next(iter(measured.values())).accuracy)
    return found | missing(NOTEBOOK, found, seeds)


def way_up(weight: float, blocks: int = 6) -> pd.DataFrame:
    """The number 1 on its way through blocks of one unit of the same weight: the worked example.

    By plain blocks and such with skips: the activation, and how much of a change of the 1 is left.
    """
    found = {}
    for name, skip in (("plain", False), ("with skips", True)):
        start = torch.ones((), requires_grad=True)
        active, rows = start, {}
        for k in range(1, blocks + 1):
            active = (weight * active).relu() + (active if skip else 0)
            (left,) = torch.autograd.grad(active, start, retain_graph=True)
            rows[k] = {"activation": active.item(), "of a change": left.item()}
        found[name] = pd.DataFrame(rows).T
    return pd.concat(found, axis=1).rename_axis("block").round(3)
