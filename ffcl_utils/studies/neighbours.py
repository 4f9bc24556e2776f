"""What is asked of every learning rule on the table of notebook 12.

All see the same images with the same seeds, and the same is asked of each. Where a rule writes a
label into the image, everything but its accuracy is asked without one.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.spatial.distance import cdist
from sklearn.preprocessing import normalize

from ffcl_utils.analysis import locality
from ffcl_utils.analysis.ensembles import (
    authors_ensembles,
    class_means,
    sharing,
    tested_ensembles,
)
from ffcl_utils.analysis.locality import Learning
from ffcl_utils.analysis.similarity import linear_cka
from ffcl_utils.analysis.sparsity import hoyer_sparsity
from ffcl_utils.analysis.statistics import mean_of_known
from ffcl_utils.claims.ledger import missing
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.parts import spread
from ffcl_utils.rules.base import Rule, right
from ffcl_utils.studies.models import one_by_one
from ffcl_utils.studies.neighbour_rows import BACKPROP, PAIRS, RANDOM, ROWS

PERMUTATIONS = 200  # of the labels, in the test of our ensembles: enough for a table
PROBES = 2000  # test images on which first layers are compared
LEARNT_FROM = 5000  # training images from which a layer's class means are taken
_OF_LAYER = ("hoyer", "sharing", "size", "members")  # figures of layer 1, in this order
NOTEBOOK, ACCURACY = "12_neighbours", "test_accuracy"
FFCL, DIVERGED = "FFCL", "diverged"
# Its stages by their names in its history.
STAGES = {"local": "each layer pair", "global": "the last layer pair", "all": "a new output"}


@dataclass(frozen=True)
class Measured:
    """What is asked of the networks of one row, seed by seed.

    accuracy: (S,), shares of the test images. layers: (L, S), of each layer alone. hoyer, sharing,
    size, members: (S,), of layer 1: Hoyer sparsity, how much two classes' ensembles overlap and
    their mean size as a share of the units (authors' rule), share of the units in an ensemble (our
    rule). first: (P, units), layer 1 of the first seed for the first test images; zeros where every
    network has diverged. A network that has diverged has no figures: NaN.
    """

    accuracy: np.ndarray
    layers: np.ndarray
    hoyer: np.ndarray
    sharing: np.ndarray
    size: np.ndarray
    members: np.ndarray
    first: np.ndarray


def measure(rule: Rule, data: Dataset) -> Measured:
    """Everything that the table says of a row; layers see images without a label."""
    labels, blank = data.test_labels.numpy(), torch.full_like(data.test_labels, -1)
    some = spread(data, min(LEARNT_FROM, len(data.train_labels)))
    unlabelled = torch.full_like(some.train_labels, -1)
    accuracy = right(rule, data).double().mean(-1).numpy()
    layers, found, first = [], [], None
    for k, one in enumerate(one_by_one(rule)):
        shown = [layer[0].numpy() for layer in one.representations(data.test_images, blank)]
        seen = [layer[0].numpy() for layer in one.representations(some.train_images, unlabelled)]
        if not all(np.isfinite(layer).all() for layer in [*shown, *seen]):
            # It has diverged: what it says is no answer.
            accuracy[k] = np.nan
            layers.append([np.nan] * len(shown))
            found.append([np.nan] * len(_OF_LAYER))
            continue
        layers.append(
            [
                nearest_mean_accuracy(learnt, some.train_labels.numpy(), asked, labels)
                for learnt, asked in zip(seen, shown, strict=True)
            ]
        )
        found.append(_of_layer(shown[0], labels))
        first = shown[0][:PROBES] if first is None else first
    if first is None:
        first = np.zeros((min(PROBES, len(labels)), 1))
    return Measured(accuracy, np.array(layers).T, *np.array(found).T, first)


def nearest_mean_accuracy(
    learnt: np.ndarray, labels: np.ndarray, asked: np.ndarray, theirs: np.ndarray
) -> float:
    """How well a layer (N, units) tells the classes by itself: a share of the images `asked`.

    The class is that of the nearest mean, of activations at length 1, over the images `learnt`.
    """
    means = np.nan_to_num(class_means(normalize(learnt), labels), nan=np.inf)
    return float((cdist(normalize(asked), means).argmin(1) == theirs).mean())


def _of_layer(layer: np.ndarray, labels: np.ndarray) -> tuple[float, float, float, float]:
    """Hoyer sparsity; sharing and size by the authors' rule; members by ours."""
    ensembles = authors_ensembles(class_means(layer, labels))
    sizes = ensembles.mean(1)
    size = float(sizes[sizes > 0].mean()) if sizes.any() else np.nan
    members = tested_ensembles(layer, labels, permutations=PERMUTATIONS).any(0).mean()
    return float(mean_of_known(hoyer_sparsity(layer))), sharing(ensembles), size, float(members)


def table(
    networks: dict[str, Rule], measured: dict[str, Measured], seconds: dict[str, float]
) -> pd.DataFrame:
    """One row a rule and variant, means over seeds; accuracies and shares of units in %.

    seconds: of training, a seed (`seconds_a_seed`). Where every network of a row has diverged, its
    "layers alone" says so.
    """
    rows = {}
    for name, found in measured.items():
        rule, percent = networks[name], 100 * found.accuracy
        known = ~np.isnan(percent)
        rows[name] = {
            "accuracy": mean_of_known(percent).round(2),
            "std": np.nanstd(percent, ddof=1).round(2) if known.sum() > 1 else np.nan,
            "published": ROWS[name].published if rule.config.dataset.startswith("mnist") else "",
            "local": rule.local,
            "way back": rule.backward_pass,
            "layers alone": ", ".join(f"{100 * mean_of_known(share):.1f}" for share in found.layers)
            if known.any()
            else DIVERGED,
            "Hoyer": mean_of_known(found.hoyer).round(3),
            "sharing": mean_of_known(found.sharing).round(3),
            "size": (100 * mean_of_known(found.size)).round(1),
            "members": (100 * mean_of_known(found.members)).round(1),
            "seconds": round(seconds[name], 1),
        }
    return pd.DataFrame(rows).T


def learning(networks: dict[str, Rule], data: Dataset) -> dict[str, Learning]:
    """For the diagram, measured: which layers each loss of backpropagation and predsim changes.

    Where predsim is not there, those of activation relaxation on the same network as backprop.
    """
    names = {f"layer{k}": f"loss of\nlayer {k}" for k in range(1, 9)}
    names |= {"cross_entropy": "cross-entropy", "output": "cross-entropy"}
    some = spread(data)
    wanted = (BACKPROP, "predsim", "backprop, AR's network", "AR")
    shown = [name for name in wanted if name in networks][:2]
    return {
        name: locality.learning(
            networks[name].example_losses(some), networks[name].layers(), names, ("image",)
        )
        for name in shown
    }


def crossing(networks: dict[str, Rule], data: Dataset) -> list[str]:
    """The rows whose gradients cross layers although the rule says that none does, or the reverse.

    In the trained networks; those of which no figure is left have diverged, and are not asked.
    """
    some, found = spread(data), []
    for name, rule in networks.items():
        across = locality.off_layer_gradient(rule.example_losses(some), rule.layers())
        known = across[across.isfinite()]
        if len(known) and bool((known > 0).any()) is rule.local:
            found.append(name)
    return found


def stages(networks: dict[str, Rule]) -> dict[str, np.ndarray]:
    """Metrics: the test accuracy (S,) of FFCL when each of its stages ended; none without FFCL."""
    if FFCL not in networks:
        return {}
    curves = networks[FFCL].history.starting_with(f"{ACCURACY}/")
    return {f"{FFCL}/{ACCURACY}_after/{said}": curves[name][-1] for name, said in STAGES.items()}


def after_stages(networks: dict[str, Rule]) -> pd.DataFrame:
    """`stages` as a table, in %: a row a stage, mean and std over the seeds (of one: NaN)."""
    rows = {}
    for name, values in stages(networks).items():
        spread_of = values.std(ddof=1) if len(values) > 1 else np.nan
        rows[name.rpartition("/")[2]] = {"mean": 100 * values.mean(), "std": 100 * spread_of}
    return pd.DataFrame(rows, index=["mean", "std"]).T.rename_axis("stage").round(2)


def likeness(measured: dict[str, Measured]) -> np.ndarray:
    """Linear CKA (rows, rows) of the first layers of every two rows, one seed each."""
    firsts = [found.first for found in measured.values()]
    return np.array([[linear_cka(one, other) for other in firsts] for one in firsts])


def metrics(measured: dict[str, Measured]) -> dict[str, np.ndarray]:
    """The metrics of notebook 12, one figure (S,) per seed each, by name.

    NaN for what a claim of this notebook needs and these rows do not have.
    """
    found = {}
    for name, row in measured.items():
        found[f"{name}/{ACCURACY}"] = row.accuracy
        found |= {f"{name}/{what}/layer1": getattr(row, what) for what in _OF_LAYER}
        for k, values in enumerate(row.layers, start=1):
            found[f"{name}/accuracy_of_layer/layer{k}"] = values
        if RANDOM in measured and name != RANDOM:
            found[f"{name} - {RANDOM}/{ACCURACY}"] = row.accuracy - measured[RANDOM].accuracy
    found |= _differences({name: row.accuracy for name, row in measured.items()})
    seeds = len(next(iter(measured.values())).accuracy)
    return found | missing(NOTEBOOK, found, seeds)


def _differences(accuracy: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The differences of accuracy (S,), seed by seed, that claims are about."""
    found = {
        f"{one} - {other}/{ACCURACY}": accuracy[one] - accuracy[other]
        for one, other in PAIRS
        if one in accuracy and other in accuracy
    }
    for rule in ("AR", "PC"):
        plain = f"backprop, {rule}'s network"
        relaxed = [accuracy[name] for name in accuracy if name.startswith(f"{rule}, ")]
        if relaxed and plain in accuracy:
            # The worst that can become of a network: it diverges, and gets nothing right.
            worst = np.nan_to_num(relaxed, nan=0).min(0)
            found[f"worst {rule} - {plain}/{ACCURACY}"] = worst - accuracy[plain]
    best = "unsupervised FF, convolutional"
    others = [v for n, v in accuracy.items() if n.startswith("unsupervised FF") and n != best]
    if best in accuracy and others:
        difference = accuracy[best] - np.fmax.reduce(others)  # of those that have a figure
        found[f"convolutional - best other unsupervised FF/{ACCURACY}"] = difference
    return found
