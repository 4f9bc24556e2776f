"""Ensembles by the authors' rule: small, shared, beside untrained ones? Notebook 04."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from ffcl_utils.analysis import ensembles
from ffcl_utils.analysis.ensembles import authors_ensembles, class_means, jaccard, sharing
from ffcl_utils.analysis.statistics import mean_interval
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.rules.base import Rule, right
from ffcl_utils.studies.models import activations
from ffcl_utils.studies.printed import FASHION_SIZES

TRAINED, UNTRAINED, ZERO_BIASES = "trained", "untrained", "untrained, zero biases"
THRESHOLDS = (1, 2)  # of the authors' table of shared units, and of their plots per layer
SMALL = (0.01, 0.2)  # shares of a layer's units between which an ensemble is small: claim B4
SIMILAR = ((0, 6), (2, 4), (2, 6), (4, 6))  # T-shirt/Shirt, Pullover/Coat/Shirt of Fashion-MNIST
# Differences of sharing in the first layer that claims rest on: model and network, minus those.
PAIRS = (
    (("FF", TRAINED), ("FF", UNTRAINED)),
    (("BP/FF", TRAINED), ("BP/FF", UNTRAINED)),
    (("BP", TRAINED), ("BP", UNTRAINED)),
    (("BP", TRAINED), ("FF", TRAINED)),
    (("BP/FF", TRAINED), ("BP", TRAINED)),
)


@dataclass(frozen=True)
class Found:
    """rows: one a model, network, layer, seed and threshold (`describe`). first: by model and
    network, the ensembles (S, 10, units) of the first layer at the lower threshold."""

    rows: pd.DataFrame
    first: dict[tuple[str, str], np.ndarray]


def find(networks: dict[str, Rule], data: Dataset) -> Found:
    """The ensembles of every model, and of its own untrained network for the same images.

    The images are the test images that the trained network of the seed classifies correctly, with
    their label where the rule writes one. An untrained network is shown once more with zero biases:
    inputs of length 1 are so small that the biases of an untrained layer decide much of its answer.
    """
    labels = data.test_labels.numpy()
    rows, first = [], {}
    for model, rule in networks.items():
        correct = right(rule, data).numpy()
        for state, network in states(rule):
            for k, layer in enumerate(activations(network, data), start=1):
                means = [
                    class_means(of_seed[kept], labels[kept])
                    for of_seed, kept in zip(layer, correct, strict=True)
                ]
                for threshold in THRESHOLDS:
                    tables = np.stack([authors_ensembles(m, threshold) for m in means])
                    where = {"model": model, "network": state, "layer": k, "above": threshold}
                    rows += [where | {"seed": s} | describe(t) for s, t in enumerate(tables)]
                    if (k, threshold) == (1, THRESHOLDS[0]):
                        first[model, state] = tables
    return Found(pd.DataFrame(rows), first)


@torch.no_grad()
def states(rule: Rule) -> Iterator[tuple[str, Rule]]:
    """The trained networks, the same before their training, and these without biases."""
    yield TRAINED, rule
    before = type(rule)(rule.config)
    yield UNTRAINED, before
    for name, tensor in before.tensors().items():
        if name.rpartition("/")[2].startswith("bias"):
            tensor.zero_()
    yield ZERO_BIASES, before


def describe(ensembles: np.ndarray) -> dict[str, float]:
    """Of the ensembles (10, units) of a layer, four figures.

    size: mean number of units of those that are not empty (NaN: none is); small: share of the
    classes whose ensemble is within SMALL; empty: share of the classes that have none; sharing:
    mean Jaccard overlap of two classes.
    """
    sizes = ensembles.sum(1)
    share = sizes / ensembles.shape[1]
    return {
        "size": sizes[sizes > 0].mean() if sizes.any() else np.nan,
        "small": ((share >= SMALL[0]) & (share <= SMALL[1])).mean(),
        "empty": (sizes == 0).mean(),
        "sharing": sharing(ensembles),
    }


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """`Found.rows`, mean over seeds: a row a model, network and layer, columns by threshold."""
    by = ["model", "network", "layer", "above"]
    means = rows.drop(columns="seed").groupby(by, sort=False).mean().unstack("above")
    return means.swaplevel(axis=1).sort_index(axis=1, level=0, sort_remaining=False).round(3)


def figures(rows: pd.DataFrame, column: str) -> dict[tuple[str, str], np.ndarray]:
    """By model and network, one column at the lower threshold, (layers, S)."""
    lower = rows[rows["above"] == THRESHOLDS[0]]
    return {
        key: part.pivot(index="layer", columns="seed", values=column).to_numpy()
        for key, part in lower.groupby(["model", "network"], sort=False)
    }


def sharing_per_layer(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """For the figure: by model, and by model before its training, (layers, S)."""
    return {
        model if network == TRAINED else f"{model}, untrained": values
        for (model, network), values in figures(rows, "sharing").items()
        if network != ZERO_BIASES
    }


def differences(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Differences (S,) of sharing in layer 1, of PAIRS by name."""
    values = figures(rows, "sharing")
    return {_name(one, other): values[one][0] - values[other][0] for one, other in PAIRS}


def _name(one: tuple[str, str], other: tuple[str, str]) -> str:
    return f"{one[0]} - {other[0] if other[1] == TRAINED else UNTRAINED}"


def differences_table(rows: pd.DataFrame) -> pd.DataFrame:
    """`differences` with their 95 % intervals over seeds; a seed without a figure is left out."""
    found = {}
    for name, values in differences(rows).items():
        kept = values[np.isfinite(values)]
        low, high = mean_interval(kept) if len(kept) > 1 else (np.nan, np.nan)
        mean = kept.mean() if len(kept) else np.nan
        found[name] = {"mean": mean, "low": low, "high": high, "seeds": len(kept)}
    return pd.DataFrame(found).T.rename_axis("sharing, layer 1").round(3)


def sizes(found: Found, data: Dataset) -> pd.DataFrame:
    """Units in each class's ensemble of layer 1, mean over seeds: a column a trained model.

    On full Fashion-MNIST, FF's sizes in the authors' printed run too.
    """
    means = {m: t.sum(-1).mean(0) for (m, state), t in found.first.items() if state == TRAINED}
    table = pd.DataFrame(means, index=list(data.classes)).round(1)
    return table.assign(**{"FF, printed": FASHION_SIZES} if data.name == "fashion_mnist" else {})


def shared_units(found: Found, classes: tuple[str, ...]) -> pd.DataFrame:
    """Units of FF's layer 1 that every two classes share, mean over seeds; sizes on the diagonal.

    The table of shared units in the authors' notebooks.
    """
    shared = np.mean([ensembles.shared_units(of_seed) for of_seed in found.first["FF", TRAINED]], 0)
    return pd.DataFrame(shared, index=list(classes), columns=list(classes)).round(1)


def overlaps(ensembles: np.ndarray) -> np.ndarray:
    """Jaccard overlap (S, 10, 10) of every two classes; NaN where one of them is empty."""
    found = jaccard(ensembles[:, :, None], ensembles[:, None])
    some = ensembles.any(-1)
    return np.where(some[:, :, None] & some[:, None], found, np.nan)


def mean_overlaps(found: Found, model: str) -> dict[str, np.ndarray]:
    """For the figure: overlaps (10, 10) of a model trained and untrained, mean over seeds."""
    return {state: _mean(overlaps(found.first[model, state]), 0) for state in (TRAINED, UNTRAINED)}


def similar_and_others(overlap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Overlaps of the similar pairs of garments (S, 4) and of all other pairs (S, 41)."""
    similar = np.zeros((10, 10), bool)
    similar[tuple(np.array(SIMILAR).T)] = True
    return overlap[:, similar], overlap[:, np.triu(~similar, 1)]


def metrics(found: Found) -> dict[str, np.ndarray]:
    """The metrics of the authors' rule in notebook 04, one figure per seed each."""
    of = {column: figures(found.rows, column) for column in ("sharing", "small", "empty", "size")}
    metrics = {
        f"{model}{'' if network == TRAINED else f', {network}'}/ensemble_{column}/layer{k}": values
        for column, by_model in of.items()
        for (model, network), layers in by_model.items()
        for k, values in enumerate(layers, start=1)
    }
    for name, values in differences(found.rows).items():
        metrics[f"{name}/ensemble_sharing/layer1"] = values
    for state in (TRAINED, UNTRAINED):
        similar, others = similar_and_others(overlaps(found.first["FF", state]))
        name = "FF" if state == TRAINED else f"FF, {state}"
        gap = _mean(similar, 1) - _mean(others, 1)
        metrics[f"{name}/similar - other classes/sharing/layer1"] = gap
        metrics[f"{name}/other classes share none/layer1"] = _mean(
            np.where(np.isnan(others), np.nan, others == 0), 1
        )
    return metrics


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean along an axis of what is not NaN; NaN where nothing is left."""
    known = np.isfinite(values)
    count = known.sum(axis)
    total = np.where(known, values, 0).sum(axis)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
