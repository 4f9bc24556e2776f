"""The ensembles of every model, layer and seed of notebook 03, as the tables that 04 shows."""

from itertools import pairwise

import numpy as np
import pandas as pd

from ffcl_utils.analysis import ensembles
from ffcl_utils.analysis.similarity import match_units
from ffcl_utils.analysis.sparsity import active_fraction, dead_units
from ffcl_utils.studies.models import Representation

Ensembles = dict[str, list[np.ndarray]]
SIMILAR = ((0, 6), (2, 4), (2, 6), (4, 6))  # T-shirt/Shirt, Pullover/Coat/Shirt of Fashion-MNIST


def find_ensembles(
    representations: dict[str, Representation], permutations: int = ensembles.PERMUTATIONS
) -> Ensembles:
    """By model, for each layer, the tested ensembles (S, 10, units) bool."""
    return {
        name: [
            np.stack(
                [
                    ensembles.tested_ensembles(activations, found.labels, seed, permutations)
                    for seed, activations in enumerate(layer)
                ]
            )
            for layer in found.layers
        ]
        for name, found in representations.items()
    }


def ensemble_table(representations: dict[str, Representation], found: Ensembles) -> pd.DataFrame:
    """One row per model, layer and seed: how much of the layer is in ensembles, by each definition.

    units: share of the layer's units in an ensemble (effect and permutation test); size: mean
    number of units per class; classes: with an ensemble at all; ratio 1, ratio 2, mean 0.5: share
    of units in an ensemble by those definitions; nearest: accuracy of the nearest-ensemble
    classifier; active: share of units active per image; dead: share active for no image.
    """
    rows = []
    for name, representation in representations.items():
        for k, (layer, tables) in enumerate(
            zip(representation.layers, found[name], strict=True), start=1
        ):
            for seed, (activations, table) in enumerate(zip(layer, tables, strict=True)):
                means = ensembles.class_means(activations, representation.labels)
                rows.append(
                    {
                        "model": name,
                        "layer": k,
                        "seed": seed,
                        "units": table.any(0).mean(),
                        "size": table.sum(1).mean(),
                        "classes": table.any(1).sum(),
                        "ratio 1": ensembles.ratio_ensembles(means, 1).any(0).mean(),
                        "ratio 2": ensembles.ratio_ensembles(means, 2).any(0).mean(),
                        "mean 0.5": ensembles.class_mean_ensembles(means).any(0).mean(),
                        "nearest": ensembles.nearest_ensemble_accuracy(
                            activations, representation.labels
                        ),
                        "active": active_fraction(activations).mean(),
                        "dead": dead_units(activations).mean(),
                    }
                )
    return pd.DataFrame(rows)


def ratio_overlaps(representation: Representation, layer: int, threshold: float = 2.0):
    """Jaccard overlaps (S, 10, 10) of the ensembles by the paper's ratio, in one layer from 0.

    The ratio and not the effect size: a unit that two classes share has a smaller effect for each
    than the threshold that claims rest on.
    """
    found = []
    for activations in representation.layers[layer]:
        means = ensembles.class_means(activations, representation.labels)
        table = ensembles.ratio_ensembles(means, threshold)
        found.append(np.nan_to_num(ensembles.jaccard(table[:, None], table[None])))
    return np.stack(found)


def similar_minus_others(overlaps: np.ndarray) -> np.ndarray:
    """Mean overlap of the similar pairs of garments minus that of all other pairs, (S,)."""
    similar = np.zeros((10, 10), bool)
    similar[tuple(np.array(SIMILAR).T)] = True
    others = np.triu(~similar, 1)
    return overlaps[:, similar].mean(1) - overlaps[:, others].mean(1)


def stability(
    representations: dict[str, Representation], permutations: int, layer: int = 0
) -> pd.DataFrame:
    """How much of it is the same again, per model in one layer (from 0).

    halves: Jaccard overlap of the ensembles of two halves of the test images, mean over seeds.
    seeds: mean correlation of the units of one seed with their best partners in the next, matched
    one to one; NaN for a single seed.
    """
    rows = {}
    for name, found in representations.items():
        seeds = found.layers[layer]
        halves = [
            ensembles.split_half_jaccard(activations, found.labels, seed, permutations)
            for seed, activations in enumerate(seeds)
        ]
        some = [activations[:2000].astype(np.float32) for activations in seeds]
        matched = [match_units(a, b)[1].mean() for a, b in pairwise(some)]
        rows[name] = {"halves": np.mean(halves), "seeds": np.mean(matched) if matched else np.nan}
    return pd.DataFrame(rows).T
