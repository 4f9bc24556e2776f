"""Category-specific ensembles: which units belong to a class, how many, and shared with whom.

The authors' rule (their code for arXiv 2305.18353) compares a unit with the other units of its
layer, within a class; ours compares a class with the other classes, within a unit, and tests the
difference. Two more definitions stand in the authors' notebooks. N images, U units, C classes; an
ensemble table is (C, U) bool.
"""

import numpy as np
import torch
from scipy.stats import kstwo
from torch import Tensor
from torch.nn.functional import embedding_bag

# The effect threshold of the ensembles that claims rest on, in standard deviations of the unit.
# Fixed before any training: on 10,000 MNIST training images the largest effect among all units of
# untrained networks (three seeds, FF's and BP's layers) was 2.36; 3.33 is what a unit has that
# answers one of ten equal classes alone.
EFFECT = 2.5
FAMILY_WISE = 0.05
PERMUTATIONS = 1000
BLOCK = 32  # units at once under permuted labels: of 10,000 images they fit the cache
AT_ONCE = 100  # permutations


def in_float32(activations: np.ndarray) -> np.ndarray:
    """Activations in float32; of float16 by torch, as numpy takes thirty times as long."""
    if activations.dtype == np.float16:
        return torch.from_numpy(activations).float().numpy()
    return activations.astype(np.float32)


def class_means(activations: np.ndarray, labels: np.ndarray, classes: int = 10) -> np.ndarray:
    """Mean activation of each unit over the images of each class, (C, U); NaN without images."""
    member = _one_hot(labels, classes)
    counts = member.sum(1, keepdims=True)
    sums = member @ in_float32(activations)
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def excess_over_layer(means: np.ndarray) -> np.ndarray:
    """(m − l)/l of each unit within each class, (C, U), from class means (C, U).

    m: the unit's mean activation for the class; l: the mean of m over all *other units* of the
    layer (authors' code of arXiv 2305.18353). Infinite for the only unit that the class activates;
    NaN for a class that activates none, and for one without images. Needs two units or more.
    """
    units = means.shape[1]
    if units < 2:
        raise ValueError("a layer of one unit has no other units to compare it with")
    others = (means.sum(1, keepdims=True) - means) / (units - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (means - others) / others


def authors_ensembles(means: np.ndarray, threshold: float = 1.0) -> np.ndarray:
    """Ensembles (C, U) by the authors' rule: `excess_over_layer` above the threshold.

    Their table of shared units has 1, their plots per layer 2. A unit may belong to several
    classes. A class that activates no unit, or has no images, has an empty ensemble.
    """
    return excess_over_layer(means) > threshold


def sharing(ensembles: np.ndarray) -> float:
    """Mean Jaccard overlap of every two classes, from ensembles (C, U).

    Empty ensembles are left out; NaN where fewer than two are left.
    """
    kept = ensembles[ensembles.any(1)]
    pairs = np.triu_indices(len(kept), 1)
    return float(jaccard(kept[pairs[0]], kept[pairs[1]]).mean()) if len(kept) > 1 else np.nan


def class_mean_ensembles(means: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """Units whose class mean is above the threshold (the authors' notebooks: 0.5)."""
    return means > threshold


def effect_size(activations: np.ndarray, labels: np.ndarray, classes: int = 10) -> np.ndarray:
    """Class mean minus the mean of the other classes, in standard deviations of the unit, (C, U).

    0 for a unit that never varies. Unlike the ratio it is bounded, and a unit that is nearly
    silent for every class has no large one by accident.
    """
    means = class_means(activations, labels, classes)
    others = (means.sum(0) - means) / (classes - 1)
    deviation = spread(activations)
    return (means - others) / np.where(deviation > 0, deviation, 1)


def tested_ensembles(
    activations: np.ndarray,
    labels: np.ndarray,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
    effect: float = EFFECT,
) -> np.ndarray:
    """The ensembles that claims rest on: a large effect, and more than chance. (C, U) bool.

    A unit belongs to a class when its effect size is above the threshold *and* its class mean is
    above what permuted labels give anywhere among all classes and units in 95 % of the
    permutations. The test alone would not do: with 10,000 images nearly every unit of an untrained
    layer differs between classes.
    """
    members = effect_size(activations, labels) > effect
    if not members.any():  # whatever the permutations say
        return members
    excess = standardised_excess(activations, labels)
    limit = np.quantile(largest_excess(activations, labels, seed, permutations), 1 - FAMILY_WISE)
    return members & (excess > limit)


def standardised_excess(activations: np.ndarray, labels: np.ndarray, classes: int = 10):
    """Class mean minus the mean of all, in standard errors under permuted labels, (C, U).

    0 for a unit that never varies.
    """
    member = _one_hot(labels, classes)
    return (member @ _standardised(activations)) * _scale(member)


def largest_excess(
    activations: np.ndarray, labels: np.ndarray, seed: int, permutations: int, classes: int = 10
) -> np.ndarray:
    """Largest `standardised_excess` over classes and units, under permuted labels (permutations,).

    The maximum makes the error rate family-wise (Westfall and Young 1993).
    """
    rng = np.random.default_rng(seed)
    columns = _standardised(activations)
    columns = columns[:, columns.any(0)]  # a unit that never varies has no excess
    if not columns.size:
        return np.zeros(permutations)
    blocks = [block.contiguous() for block in torch.from_numpy(columns).split(BLOCK, 1)]
    scale = torch.from_numpy(_scale(_one_hot(labels, classes)))
    found = []
    for start in range(0, permutations, AT_ONCE):
        count = min(AT_ONCE, permutations - start)
        images, starts = _by_class(
            np.stack([rng.permutation(labels) for _ in range(count)]), classes
        )
        sums = (embedding_bag(images, block, starts, mode="sum") for block in blocks)
        excess = [(s.unflatten(0, (count, classes)) * scale).amax((1, 2)) for s in sums]
        found.append(torch.stack(excess).amax(0).numpy())
    return np.concatenate(found)


def _by_class(labels: np.ndarray, classes: int) -> tuple[Tensor, Tensor]:
    """The images (P·N,) class by class, and where each class begins (P·classes,); labels: (P, N).

    Summing the rows of each class adds every image once; a product with indicators adds it
    `classes` times.
    """
    images = labels.astype(np.uint8).argsort(1, kind="stable")
    sizes = np.bincount(labels[0], minlength=classes)
    starts = np.arange(len(labels))[:, None] * labels.shape[1] + sizes.cumsum() - sizes
    return tuple(torch.from_numpy(part.astype(np.int32).ravel()) for part in (images, starts))


def _one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    return (np.arange(classes)[:, None] == labels).astype(np.float32)


def _standardised(activations: np.ndarray) -> np.ndarray:
    columns = in_float32(activations)
    spread = columns.std(0, ddof=1)
    return (columns - columns.mean(0)) / np.where(spread > 0, spread, 1)


def _scale(member: np.ndarray) -> np.ndarray:
    """Turns class sums of standardised units into standard errors: the sum of n_c of N draws
    without replacement has variance n_c (1 − n_c/N)."""
    size, total = member.sum(1, keepdims=True), member.shape[1]
    return 1 / np.sqrt(size * (1 - size / total))


def ks_ensemble(activations: np.ndarray, grid: np.ndarray, level: float = 0.05) -> np.ndarray:
    """Units whose activations to one class differ from most other units', (U,) bool.

    activations: (N, U), of the images of one class. Two-sample Kolmogorov–Smirnov tests between
    every two units, mean p of a unit below the level. The distributions are compared at the
    points of `grid` (G,); with every value that occurs it is scipy's ks_2samp with asymptotic p.
    """
    below = np.stack([(activations <= x).mean(0) for x in grid], 1)  # (U, G)
    distance = np.stack([np.abs(below - unit).max(1) for unit in below])
    values, place = np.unique(distance.round(9), return_inverse=True)
    p = kstwo.sf(values, round(len(activations) / 2))[place].reshape(distance.shape)
    np.fill_diagonal(p, 0)
    return p.sum(1) / (len(p) - 1) < level


def shared_units(ensembles: np.ndarray) -> np.ndarray:
    """Units that each two classes share, (C, C); the sizes of the ensembles on the diagonal."""
    return ensembles.astype(int) @ ensembles.astype(int).T


def jaccard(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Shared over all units of two sets (…, U) bool. Returns (…); NaN where both are empty."""
    union = (one | other).sum(-1)
    with np.errstate(invalid="ignore"):
        return np.where(union > 0, (one & other).sum(-1) / union, np.nan)


def ensemble_scores(activations: np.ndarray, ensembles: np.ndarray) -> np.ndarray:
    """Mean activation (N, C) of each class's ensemble; 0 for an empty one.

    The nearest-ensemble classifier takes the highest: how much do the ensembles alone tell?
    """
    sizes = np.maximum(ensembles.sum(1), 1)
    return in_float32(activations) @ ensembles.T.astype(np.float32) / sizes


def halves(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of two random halves of `count` images."""
    order = np.random.default_rng(seed).permutation(count)
    return order[::2], order[1::2]


def split_half_jaccard(
    activations: np.ndarray, labels: np.ndarray, seed: int, permutations: int
) -> float:
    """Mean over classes of the Jaccard overlap of the ensembles found in two halves of the images.

    NaN where no class has an ensemble in either half.
    """
    one, other = (
        tested_ensembles(activations[rows], labels[rows], seed, permutations)
        for rows in halves(len(labels), seed)
    )
    found = jaccard(one, other)
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def nearest_ensemble_accuracy(activations: np.ndarray, labels: np.ndarray, seed: int = 0) -> float:
    """Accuracy of the nearest-ensemble classifier on one half of the images, our ensembles.

    They are found on the other half, and so is the spread of each unit.
    """
    known, asked = halves(len(labels), seed)
    found = effect_size(activations[known], labels[known]) > EFFECT
    nearest = nearest_ensemble(activations[asked], found, spread(activations[known]))
    return float((nearest == labels[asked]).mean())


def nearest_ensemble(
    activations: np.ndarray, ensembles: np.ndarray, spread: np.ndarray
) -> np.ndarray:
    """The class (N,) whose ensemble is most active, each unit in parts of its spread (U,)."""
    scores = ensemble_scores(activations / np.where(spread > 0, spread, 1), ensembles)
    return scores.argmax(1)


def spread(activations: np.ndarray) -> np.ndarray:
    """Standard deviation (U,) of each unit over the images."""
    return in_float32(activations).std(0)
