"""Do ensembles answer the image or the label that is written into it? Notebook 04."""

import numpy as np
import pandas as pd
import torch

from ffcl_utils.analysis.ensembles import (
    authors_ensembles,
    class_means,
    halves,
    nearest_ensemble,
    spread,
)
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.pixels import wrong_labels
from ffcl_utils.rules._goodness import GoodnessRule
from ffcl_utils.rules.base import Rule, right
from ffcl_utils.studies.authors_rule import TRAINED, UNTRAINED, states
from ffcl_utils.studies.models import activations_of

RIGHT, NONE, WRONG = "right label", "no label", "wrong label"
FOLLOWS_LABEL = "wrong label, the label's class"


def answers(networks: dict[str, Rule], data: Dataset) -> pd.DataFrame:
    """What the nearest ensemble says of images with their label, without, and with a wrong one.

    Ensembles (authors' rule, above 1) are found on one half of the test images with their label,
    those that the trained network classifies correctly; the other half is asked. One row a model,
    network (trained, or untrained for the same images), layer and seed. Columns: shares of the
    asked images whose nearest ensemble is that of the image's class, with the right label, without
    a label and with a wrong one; and that of the wrong label. A rule that writes no label has the
    same figure for all, and none for the last.
    """
    known, asked = halves(len(data.test_labels), 0)
    labels = data.test_labels.numpy()
    wrong = wrong_labels(data.test_labels[asked], torch.Generator().manual_seed(0))
    shown = {
        RIGHT: data.test_labels[asked],
        NONE: torch.full_like(wrong, -1),
        WRONG: wrong,
    }
    rows = []
    for model, rule in networks.items():
        correct = right(rule, data).numpy()[:, known]
        for state, network in states(rule):
            if state not in (TRAINED, UNTRAINED):
                continue
            seen = activations_of(network, data.test_images[known], data.test_labels[known])
            of = {name: activations_of(network, data.test_images[asked], given)
                  for name, given in shown.items()}  # fmt: skip
            for k, layer in enumerate(seen):
                for seed, (of_seed, kept) in enumerate(zip(layer, correct, strict=True)):
                    means = class_means(of_seed[kept], labels[known][kept])
                    found = authors_ensembles(means), spread(of_seed)
                    nearest = {n: nearest_ensemble(a[k][seed], *found) for n, a in of.items()}
                    row = {"model": model, "network": state, "layer": k + 1, "seed": seed}
                    row |= {n: (says == labels[asked]).mean() for n, says in nearest.items()}
                    follows = (nearest[WRONG] == wrong.numpy()).mean()
                    row[FOLLOWS_LABEL] = follows if _writes_labels(rule) else np.nan
                    rows.append(row)
    return pd.DataFrame(rows)


def _writes_labels(rule: Rule) -> bool:
    return isinstance(rule, GoodnessRule)


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """`answers`, mean over seeds."""
    by = ["model", "network", "layer"]
    return rows.drop(columns="seed").groupby(by, sort=False).mean().round(3)


def follows(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """For the figure: with a wrong label, shares (layers, S) that follow image and label."""
    trained = rows[(rows.network == TRAINED) & rows[FOLLOWS_LABEL].notna()]
    return {
        f"{model}, {what}": part.pivot(index="layer", columns="seed", values=column).to_numpy()
        for model, part in trained.groupby("model", sort=False)
        for what, column in (("the image's class", WRONG), ("the label's class", FOLLOWS_LABEL))
    }


def metrics(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """The metrics of notebook 04 about labels, one figure per seed each."""
    found = {}
    for (model, network, k), part in rows.groupby(["model", "network", "layer"], sort=False):
        name = model if network == TRAINED else f"{model}, {network}"
        found[f"{name}/nearest_ensemble_without_label/layer{k}"] = part[NONE].to_numpy()
        if part[FOLLOWS_LABEL].notna().all():
            found[f"{name}/wrong_label_follows_image/layer{k}"] = part[WRONG].to_numpy()
            found[f"{name}/wrong_label_follows_label/layer{k}"] = part[FOLLOWS_LABEL].to_numpy()
    ff = found["FF/nearest_ensemble_without_label/layer1"]
    for name, other in (("untrained", f"FF, {UNTRAINED}"), ("BP", "BP")):
        minus = found[f"{other}/nearest_ensemble_without_label/layer1"]
        found[f"FF - {name}/nearest_ensemble_without_label/layer1"] = ff - minus
    return found
