"""The trained networks of FF and of backpropagation (BP), pruned without any further training:
weights by magnitude, and FF's first layer by its ensembles. Notebook 31.

Networks are copied, and those given stay as they are. Ensembles are found on training images, and
accuracies are of test images: `ff_images` each, evenly spread, as the embedded digits are sorted.
"""

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from ffcl_utils.analysis.ensembles import authors_ensembles, class_means
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.parts import evenly, spread
from ffcl_utils.related.pruning import highest, magnitude
from ffcl_utils.rules.base import Rule
from ffcl_utils.studies.authors_rule import THRESHOLDS
from ffcl_utils.studies.models import one_by_one
from ffcl_utils.studies.related.pruning import Config

DRAWS = 3  # of random units, averaged
ALL, ENSEMBLES, ACTIVE, RANDOM = "all units", "ensembles", "most active units", "random units"
SELECTIONS = (ENSEMBLES, ACTIVE, RANDOM)


def test_part(data: Dataset, images: int) -> tuple[Tensor, Tensor]:
    """So many test images and their labels, evenly spread; all where there are no more."""
    count = len(data.test_images)
    rows = evenly(count, min(images, count))
    return data.test_images[rows], data.test_labels[rows]


def accuracy(rule: Rule, images: Tensor, labels: Tensor) -> float:
    """Of a network of one seed, the share of images (N, 784) uint8 that it classifies rightly.

    NaN where a score is no number: the training diverged.
    """
    scores = rule.predict(images)[0]
    if not scores.isfinite().all():
        return np.nan
    return (scores.argmax(-1) == labels).double().mean().item()


@torch.no_grad()
def by_magnitude(networks: dict[str, Rule], data: Dataset, config: Config) -> pd.DataFrame:
    """One row a model, seed and share removed (0 too): accuracy.

    Every layer loses the same share of its weights, the smallest; biases stay.
    """
    asked = test_part(data, config.ff_images)
    rows = []
    for model, rule in networks.items():
        seeds = zip(rule.config.seed_list, one_by_one(rule), strict=True)
        for seed, one in tqdm(seeds, f"pruning {model}", config.seeds, leave=False, disable=None):
            whole = [weight[0].clone() for weight in one.predicting().weights]
            for removed in (0.0, *config.levels):
                for weight, full in zip(one.predicting().weights, whole, strict=True):
                    keep = max(1, round((1 - removed) * full.numel()))
                    weight[0] = full * highest(magnitude([full]), keep)[0]
                row = {"model": model, "seed": seed, "removed": removed}
                rows.append(row | {"accuracy": accuracy(one, *asked)})
    return pd.DataFrame(rows)


@torch.no_grad()
def by_units(rule: Rule, data: Dataset, config: Config) -> pd.DataFrame:
    """FF's first layer with some of its units alone, one row a seed, threshold and selection.

    above: the threshold of the authors' rule; 0 for all units. kept: which units. share: of the
    layer's units. accuracy: of random units, the mean over DRAWS draws. Every selection keeps as
    many units as there are in the ensembles.
    """
    asked = test_part(data, config.ff_images)
    rows = []
    seeds = zip(rule.config.seed_list, one_by_one(rule), strict=True)
    for seed, one in tqdm(seeds, "pruning units", config.seeds, leave=False, disable=None):
        layer, labels = first_layer(one, data, config.ff_images)
        units = layer.shape[1]
        row = {"seed": seed, "above": 0, "kept": ALL, "share": 1.0}
        rows.append(row | {"accuracy": accuracy(one, *asked)})
        for threshold in THRESHOLDS:
            members = authors_ensembles(class_means(layer, labels), threshold).any(0)
            count, rng = members.sum(), np.random.default_rng([seed, threshold])
            active = np.argsort(-layer.mean(0), kind="stable")[:count]
            chosen = {
                ENSEMBLES: [np.flatnonzero(members)],
                ACTIVE: [active],
                RANDOM: [rng.permutation(units)[:count] for _ in range(DRAWS)],
            }
            for kept, sets in chosen.items():
                found = np.mean([accuracy(with_units(one, of), *asked) for of in sets])
                row = {"seed": seed, "above": threshold, "kept": kept, "share": count / units}
                rows.append(row | {"accuracy": found})
    return pd.DataFrame(rows)


def first_layer(one: Rule, data: Dataset, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Activations (N, units) of the first layer, and labels (N,), as ensembles are found on.

    Of so many training images, evenly spread, those that the network of one seed gets right, with
    the right label written in.
    """
    part = spread(data, min(images, len(data.train_images)))
    labels = part.train_labels
    right = one.predict(part.train_images)[0].argmax(-1) == labels
    layer = one.representations(part.train_images[right], labels[right])[0][0]
    return layer.numpy(), labels[right].numpy()


@torch.no_grad()
def with_units(one: Rule, units: np.ndarray) -> Rule:
    """A copy of a network of one seed whose first layer has these units (indices) alone."""
    (copy,) = one_by_one(one)
    layers, gone = copy.predicting(), torch.ones(one.config.layers[1], dtype=torch.bool)
    gone[torch.from_numpy(units)] = False
    for tensor in (layers.weights[0], layers.biases[0]):
        tensor[..., gone] = 0
    return copy


def curves(weights: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Of `by_magnitude`, by model: accuracy, a row a share removed above 0, a column a seed."""
    return {
        model: rows[rows.removed > 0].pivot(index="removed", columns="seed", values="accuracy")
        for model, rows in weights.groupby("model", sort=False)
    }


def wholes(weights: pd.DataFrame) -> dict[str, np.ndarray]:
    """Of `by_magnitude`, by model: accuracy (S,) of the networks that nothing is removed of."""
    whole = weights[weights.removed == 0]
    return {m: rows.accuracy.to_numpy() for m, rows in whole.groupby("model", sort=False)}


def units_table(units: pd.DataFrame) -> pd.DataFrame:
    """Of `by_units`: means over the seeds, in %, of the units kept and of the images right."""
    means = units.groupby(["above", "kept"], sort=False)[["share", "accuracy"]].mean()
    return (100 * means).round(2)


def metrics(weights: pd.DataFrame, units: pd.DataFrame) -> dict[str, np.ndarray]:
    """The metrics of FF and BP, one figure (S,) per seed each."""
    found = {}
    for (model, removed), rows in weights.groupby(["model", "removed"], sort=False):
        found[f"{model}, weights/test_accuracy/{100 * removed:g}"] = rows.accuracy.to_numpy()
    for threshold in THRESHOLDS:
        of = units[units.above == threshold]
        by = {kept: of[of.kept == kept].accuracy.to_numpy() for kept in SELECTIONS}
        end = f"above {threshold}"
        found |= {f"FF, {kept}/test_accuracy/{end}": values for kept, values in by.items()}
        for other in (ACTIVE, RANDOM):
            name = f"FF, {ENSEMBLES} - {other}/test_accuracy/{end}"
            found[name] = by[ENSEMBLES] - by[other]
        found[f"FF, {ENSEMBLES}/share of units/{end}"] = of[of.kept == ENSEMBLES].share.to_numpy()
    return found
