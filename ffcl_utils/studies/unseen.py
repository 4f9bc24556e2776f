"""Does a class that was never seen in training evoke an ensemble? Notebook 05.

One class is held out at a time: a network of FF's first layer and one of BP for each.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ffcl_utils import rules
from ffcl_utils.analysis.ensembles import (
    EFFECT,
    authors_ensembles,
    class_means,
    effect_size,
    halves,
    jaccard,
)
from ffcl_utils.config import ConfigError, RuleConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.rules._goodness import GoodnessRule
from ffcl_utils.rules.base import Rule
from ffcl_utils.studies.models import activations_of

FF, BP, UNTRAINED = "FF", "BP", "untrained"
NO_LABEL, OWN_LABEL, BEST_LABEL = "no label", "its own label", "label of highest goodness"
SHOWN = (NO_LABEL, OWN_LABEL, BEST_LABEL)
UNSEEN, LEARNT = "unseen", "learnt"  # what a network is to the class that is asked for
SIZE, RELATED = "units in the class's ensemble", "overlap (Jaccard) with the related class"
# What makes an unseen class's ensemble one like those of the seen classes: claim B8.
SIZES, LARGEST, STABLE = (0.5, 2.0), 0.15, 0.8


def configure(preset: str, held_out_classes: int, **settings) -> dict[str, RuleConfig]:
    """The settings of both models without each of the first classes; "FF without 0", "BP …".

    FF has its first layer alone: learning is local, what is above would not reach it. Raises
    ConfigError where held_out_classes is not 1 to 10, and as `rules.configure` does.
    """
    if not 1 <= held_out_classes <= 10:
        raise ConfigError(f"held_out_classes={held_out_classes}: between 1 and 10")
    layers = rules.configure("forward_forward", preset, **settings).layers[:2]
    configs = {}
    for label in range(held_out_classes):
        left_out = settings | {"change": f"without_class:{label}"}
        ff = rules.configure("forward_forward", preset, layers=layers, **left_out)
        configs[f"{FF} without {label}"] = ff
        configs[f"{BP} without {label}"] = rules.configure("backprop", preset, **left_out)
    return configs


def table(networks: dict[str, Rule], data: Dataset, related: np.ndarray) -> pd.DataFrame:
    """What a class evokes in layer 1 where it was held out of the training, and where learnt.

    A row a model, presentation, class, network and seed. Ensembles are the authors' (above 1), from
    all test images of a class, as none of an unseen class is classified rightly. shown: the label
    in the images, of all classes (SHOWN; BP has none). network: "unseen", trained without the
    class, or "learnt", trained without the next held-out class instead (none where a single class
    is held out); an untrained network has learnt nothing. related: by class (10,), of
    `related_classes`. Columns:

    - size: units of the class's ensemble; share: of the layer's units; seen size: mean over the
      seen classes, which are those that the network learnt, but this one; effect size: units by
      our definition (effect above 2.5);
    - halves: Jaccard overlap of its ensembles in two halves of the images;
    - with 0, with 1, …: overlap with each seen class; most with: the class with the largest;
    - related, with related, with others: the related class, the overlap with it, and the mean over
      the other seen classes;
    - own: share of the ensemble's units that are in no seen class's.
    """
    held_out = sorted({int(name.rpartition(" ")[2]) for name in networks})
    before = dict(zip(held_out, held_out[-1:] + held_out[:-1], strict=True))
    rows = []
    for name, rule in networks.items():
        model, _, label = name.partition(" without ")
        unseen = int(label)
        asked = {UNSEEN: unseen}
        if before[unseen] != unseen:
            asked[LEARNT] = before[unseen]
        rows += _rows(model, rule, data, unseen, asked, related)
        if model == FF:
            fresh = type(rule)(rule.config)
            rows += _rows(UNTRAINED, fresh, data, unseen, {UNSEEN: unseen}, related)
    return pd.DataFrame(rows).sort_values("class", kind="stable", ignore_index=True)


def related_classes(data: Dataset, classes: int = 10) -> np.ndarray:
    """For each class (10,) the other one that looks most like it: −1 where it has no test image.

    The class that a nearest-neighbour classifier in pixels (Euclidean), which has the training
    images of the other classes, chooses most often for its test images.
    """
    from sklearn.neighbors import NearestNeighbors

    images, labels = data.train_images.float().numpy(), data.train_labels.numpy()
    distance = np.full((len(data.test_labels), classes), np.inf)
    for c in np.unique(labels):
        nearest = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(images[labels == c])
        distance[:, c] = nearest.kneighbors(data.test_images.float().numpy())[0][:, 0]
    asked = data.test_labels.numpy()
    distance[np.arange(len(asked)), asked] = np.inf
    chosen = distance.argmin(1)
    counts = [np.bincount(chosen[asked == c], minlength=classes) for c in range(classes)]
    return np.array([of.argmax() if of.any() else -1 for of in counts])


def _rows(
    model: str, rule: Rule, data: Dataset, unseen: int, asked: dict[str, int], related: np.ndarray
) -> Iterator[dict]:
    labels = data.test_labels.numpy()
    for shown, given in _labels(rule, data):
        layer = _first_layer(rule, data.test_images, given)
        for network, label in asked.items():
            where = {"model": model, "shown": shown, "class": label, "network": network}
            for seed, of_seed in zip(rule.config.seed_list, layer, strict=True):
                found = describe(of_seed, labels, label, unseen, int(related[label]))
                yield where | {"seed": seed} | found


def _labels(rule: Rule, data: Dataset) -> Iterator[tuple[str, Tensor]]:
    """How the images are shown: in words, and the labels (S, N) or (N,) that are written."""
    yield NO_LABEL, torch.full_like(data.test_labels, -1)
    if isinstance(rule, GoodnessRule):
        yield OWN_LABEL, data.test_labels
        yield BEST_LABEL, rule.predict(data.test_images).argmax(-1)


def _first_layer(rule: Rule, images: Tensor, labels: Tensor) -> list[np.ndarray]:
    if labels.dim() == 1:
        return list(activations_of(rule, images, labels)[0])
    return [activations_of(rule, images, own)[0][k] for k, own in enumerate(labels)]


def describe(
    activations: np.ndarray, labels: np.ndarray, label: int, unseen: int, related: int
) -> dict:
    """The columns of `table` that say what a class evokes, from a layer's activations (N, U)."""
    found = authors_ensembles(class_means(activations, labels))
    one, other = (
        authors_ensembles(class_means(activations[rows], labels[rows]))[label]
        for rows in halves(len(labels), 0)
    )
    mine, sizes = found[label], found.sum(1)
    overlap = np.where(found.any(1) & mine.any(), jaccard(found, mine), np.nan)
    seen = np.setdiff1d(np.arange(len(found)), [label, unseen])
    near = overlap[related] if related in seen else np.nan
    others = overlap[seen[seen != related]]
    known = np.isfinite(overlap[seen]).any()
    return {
        "size": int(sizes[label]),
        "share": mine.mean(),
        "seen size": sizes[seen].mean(),
        "effect size": int((effect_size(activations, labels)[label] > EFFECT).sum()),
        "halves": float(jaccard(one, other)),
        **{f"with {c}": overlap[c] for c in seen},
        "most with": int(seen[np.nanargmax(overlap[seen])]) if known else -1,
        "related": related,
        "with related": near,
        "with others": np.nanmean(others) if np.isfinite(others).any() else np.nan,
        "own": (mine & ~found[seen].any(0)).sum() / sizes[label] if sizes[label] else np.nan,
    }


def like_a_seen_one(rows: pd.DataFrame) -> pd.Series:
    """Whether each row's ensemble is as large, small and stable as claim B8 asks."""
    ratio = rows["size"] / rows["seen size"]
    return ratio.between(*SIZES) & (rows["share"] <= LARGEST) & (rows["halves"] >= STABLE)


def panels(rows: pd.DataFrame) -> dict[str, dict[str, np.ndarray]]:
    """For the figure: by quantity and model, (held-out classes, S), images without a label."""
    shown = rows[(rows.network == UNSEEN) & (rows.shown == NO_LABEL)]
    columns = {SIZE: "size", RELATED: "with related"}
    return {
        quantity: {
            model: part.pivot(index="class", columns="seed", values=column).to_numpy()
            for model, part in shown.groupby("model", sort=False)
        }
        for quantity, column in columns.items()
    }


def by_model(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over classes and seeds, a row a presentation, model and network."""
    columns = ["size", "seen size", "share", "effect size", "halves", "with related",
               "with others", "own"]  # fmt: skip
    means = rows.groupby(["shown", "model", "network"], sort=False)[columns].mean()
    return means.assign(**{"like a seen one": _share(rows)}).round(2)


def _share(rows: pd.DataFrame) -> pd.Series:
    by = [rows[column] for column in ("shown", "model", "network")]
    return like_a_seen_one(rows).groupby(by, sort=False).mean()


def shares_most_with(rows: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """Of FF, without a label: with which seen class each unseen one shares most, by seed, and which
    one looks most like it."""
    names = dict(enumerate(classes)) | {-1: "none"}
    chosen = rows[(rows.model == FF) & (rows.network == UNSEEN) & (rows.shown == NO_LABEL)].replace(
        {"class": names, "most with": names, "related": names}
    )
    table = chosen.pivot(index="class", columns="seed", values="most with")
    related = chosen.groupby("class")["related"].first()
    return (
        table.add_prefix("seed ")
        .assign(related=related)
        .reindex([c for c in classes if c in table.index])
    )


def metrics(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """The metrics of notebook 05, one figure per seed each: means over the classes."""
    rows = rows.assign(
        like=like_a_seen_one(rows).astype(float), gap=rows["with related"] - rows["with others"]
    )
    columns = {
        "like": "like_a_seen_one",
        "size": "ensemble_size",
        "effect size": "effect_size",
        "halves": "halves",
        "gap": "related - other classes",
        "own": "own_units",
    }
    found = {}
    for (model, shown, network), part in rows.groupby(["model", "shown", "network"], sort=False):
        means = part.groupby("seed")[list(columns)].mean()
        for column, name in columns.items():
            found[f"{model}/{shown}/{network}/{name}"] = means[column].to_numpy()
    for name in ("ensemble_size", "related - other classes"):
        one, other = (found[f"{model}/{NO_LABEL}/{UNSEEN}/{name}"] for model in (FF, UNTRAINED))
        found[f"{FF} - {UNTRAINED}/{NO_LABEL}/{UNSEEN}/{name}"] = one - other
    if f"{FF}/{NO_LABEL}/{LEARNT}/own_units" in found:
        one, other = (found[f"{FF}/{NO_LABEL}/{n}/own_units"] for n in (LEARNT, UNSEEN))
        found[f"{FF}/{NO_LABEL}/{LEARNT} - {UNSEEN}/own_units"] = one - other
    return found
