"""Our ensembles (effect size, permutation test) of every model, layer and seed: notebook 04."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from ffcl_utils.analysis import ensembles
from ffcl_utils.analysis.similarity import match_units
from ffcl_utils.analysis.sparsity import active_fraction, dead_units
from ffcl_utils.analysis.statistics import paired_difference
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.rules.base import Rule
from ffcl_utils.studies.models import UNTRAINED, activations, with_untrained

PAIRS = (
    ("FF", UNTRAINED),
    ("BP/FF", UNTRAINED),
    ("BP", UNTRAINED),
    ("FF", "BP"),
    ("FF", "BP, rate 0.01"),
)  # whose shares of units in an ensemble are compared
MATCHED = 2000  # images on which the units of two seeds are matched
HALVES_PERMUTATIONS = 200  # of the labels at most, in each half of the images

Layer = Sequence[np.ndarray]  # a layer's activations (N, units) by seed


@dataclass(frozen=True)
class Analysis:
    """What is kept of every model: no activations but those of one seed's first layer.

    tables: by model, for each layer, the tested ensembles (S, 10, units) bool. rows: one a model,
    layer and seed (`ensemble_rows`). stability: one row a model. first: by model, (N, units) of the
    first seed.
    """

    tables: dict[str, list[np.ndarray]]
    rows: pd.DataFrame
    stability: pd.DataFrame
    first: dict[str, np.ndarray]


def analyse(networks: dict[str, Rule], data: Dataset, permutations: int) -> Analysis:
    """Look at one model after the other: the activations of a single one are held at a time."""
    labels = data.test_labels.numpy()
    tables, rows, stable, first = {}, [], {}, {}
    for name, rule in with_untrained(networks):
        layers = activations(rule, data)
        tables[name] = [find_ensembles(layer, labels, permutations) for layer in layers]
        rows += ensemble_rows(name, layers, tables[name], labels)
        fewer = min(permutations, HALVES_PERMUTATIONS)
        stable[name] = stability(layers[0], labels, fewer)
        first[name] = ensembles.in_float32(layers[0][0])
    return Analysis(tables, pd.DataFrame(rows), pd.DataFrame(stable).T, first)


def find_ensembles(layer: Layer, labels: np.ndarray, permutations: int) -> np.ndarray:
    """The tested ensembles (S, 10, units) bool of a layer."""
    return np.stack(
        [
            ensembles.tested_ensembles(of_seed, labels, seed, permutations)
            for seed, of_seed in enumerate(layer)
        ]
    )


def ensemble_rows(
    name: str, layers: list[Layer], tables: list[np.ndarray], labels: np.ndarray
) -> list[dict]:
    """One row per layer and seed: how much of the layer is in ensembles, by each definition.

    units: share of the layer's units in an ensemble (effect and permutation test); size: mean
    number of units per class; classes: with an ensemble at all; mean 0.5: share of units whose
    class mean is above that for a class; nearest: accuracy of the nearest-ensemble classifier;
    active: share of units active per image; dead: share active for no image.
    """
    rows = []
    for k, (layer, of_layer) in enumerate(zip(layers, tables, strict=True), start=1):
        for seed, (of_seed, table) in enumerate(zip(layer, of_layer, strict=True)):
            means = ensembles.class_means(of_seed, labels)
            rows.append(
                {
                    "model": name,
                    "layer": k,
                    "seed": seed,
                    "units": table.any(0).mean(),
                    "size": table.sum(1).mean(),
                    "classes": table.any(1).sum(),
                    "mean 0.5": ensembles.class_mean_ensembles(means).any(0).mean(),
                    "nearest": ensembles.nearest_ensemble_accuracy(of_seed, labels),
                    "active": active_fraction(of_seed).mean(),
                    "dead": dead_units(of_seed).mean(),
                }
            )
    return rows


def shares(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """By model, the share of units in an ensemble, (layers, S)."""
    return {
        name: of_model.pivot(index="layer", columns="seed", values="units").to_numpy()
        for name, of_model in rows.groupby("model", sort=False)
    }


def definitions(rows: pd.DataFrame) -> pd.DataFrame:
    """`ensemble_rows` by model and layer, mean over seeds."""
    return rows.drop(columns="seed").groupby(["model", "layer"], sort=False).mean().round(3)


def differences(rows: pd.DataFrame) -> dict[tuple[str, str], np.ndarray]:
    """By pair of models, the difference (S,) of their shares of units in an ensemble, layer 1."""
    share = shares(rows)
    return {(one, other): share[one][0] - share[other][0] for one, other in PAIRS}


def differences_table(rows: pd.DataFrame) -> pd.DataFrame:
    """`differences` with their 95 % intervals over seeds; of one seed alone there is none."""
    share = shares(rows)
    table = {}
    for pair, values in differences(rows).items():
        if len(values) > 1:
            table[pair] = paired_difference(*(share[name][0] for name in pair))._asdict()
        else:
            table[pair] = {"mean": values.mean(), "low": np.nan, "high": np.nan}
    return pd.DataFrame(table).T.rename_axis(["model", "minus"]).round(3)


def sizes(analysis: Analysis, data: Dataset) -> pd.DataFrame:
    """Units of each class's ensemble in layer 1, mean over seeds; FF by Kolmogorov–Smirnov too."""
    table = pd.DataFrame(
        {name: layers[0].sum(-1).mean(0) for name, layers in analysis.tables.items()},
        index=list(data.classes),
    )
    ff, labels = analysis.first["FF"], data.test_labels.numpy()
    grid = np.unique(np.quantile(ff, np.linspace(0, 1, 200)))
    table["FF, Kolmogorov–Smirnov"] = [
        ensembles.ks_ensemble(ff[labels == c], grid).sum() for c in range(len(data.classes))
    ]
    return table.round(1)


def shared_units(analysis: Analysis, data: Dataset) -> pd.DataFrame:
    """Units that two classes share in FF's layer 1 by the tested definition, mean over seeds."""
    shared = np.mean([ensembles.shared_units(table) for table in analysis.tables["FF"][0]], 0)
    return pd.DataFrame(shared, index=list(data.classes), columns=list(data.classes)).round(1)


def preferred(analysis: Analysis, data: Dataset) -> dict[str, np.ndarray]:
    """By model, the class that each unit (units,) of layer 1 prefers; −1 for a dead unit."""
    labels = data.test_labels.numpy()
    return {
        name: np.where(dead_units(a), -1, ensembles.effect_size(a, labels).argmax(0))
        for name, a in analysis.first.items()
    }


def stability(layer: Layer, labels: np.ndarray, permutations: int) -> dict[str, float]:
    """How much of a layer is the same again.

    halves: Jaccard overlap of the ensembles of two halves of the test images, mean over seeds.
    seeds: mean correlation of the units of one seed with their best partners in the next, matched
    one to one; NaN for a single seed.
    """
    halves = [
        ensembles.split_half_jaccard(of_seed, labels, seed, permutations)
        for seed, of_seed in enumerate(layer)
    ]
    some = [ensembles.in_float32(of_seed[:MATCHED]) for of_seed in layer]
    matched = [match_units(a, b)[1].mean() for a, b in pairwise(some)]
    return {"halves": np.mean(halves), "seeds": np.mean(matched) if matched else np.nan}


def metrics(analysis: Analysis) -> dict[str, np.ndarray]:
    """The metrics of our ensembles in notebook 04, one figure per seed each."""
    found = {
        f"{name} - {minus}/ensemble_units/layer1": values
        for (name, minus), values in differences(analysis.rows).items()
    }
    for (name, k), rows in analysis.rows.groupby(["model", "layer"], sort=False):
        found[f"{name}/ensemble_units/layer{k}"] = rows.units.to_numpy()
        found[f"{name}/nearest_ensemble_accuracy/layer{k}"] = rows.nearest.to_numpy()
    return found
