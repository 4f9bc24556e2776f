"""Does a class that was never seen in training evoke an ensemble? One class held out at a time."""

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score

from ffcl_utils.algorithms.backprop import Backprop
from ffcl_utils.algorithms.forward_forward import ForwardForward
from ffcl_utils.analysis.ensembles import EFFECT, effect_size, ensemble_scores, jaccard
from ffcl_utils.config import Config, configure
from ffcl_utils.data import Dataset, without_class

RULES = {"FF": ForwardForward, "BP": Backprop}
UNTRAINED = "untrained"


def configure_unseen(preset: str, **overrides) -> dict[str, Config]:
    """Settings of both models, as in notebook 03 where nothing else is said.

    FF has its first layer alone: learning is local, what is above would not reach it.
    """
    ff = configure("forward_forward", preset, **overrides)
    first_layer = configure("forward_forward", preset, layers=ff.layers[:2], **overrides)
    return {"FF": first_layer, "BP": configure("backprop", preset, **overrides)}


def hold_out(configs: dict[str, Config], data: Dataset, label: int) -> pd.DataFrame:
    """Train every model without one class and look at what it evokes in layer 1; one row a seed.

    No label is written into the images that are looked at, so that only the image can evoke
    anything. Ensembles (effect size above the threshold) are found on one half of the test images,
    `auc` is measured on the other: how well the ensemble's mean activation tells the class from
    the seen ones. size: units in its ensemble; shared: the seen class whose ensemble overlaps most
    with it, and overlap: their Jaccard overlap.
    """
    part = without_class(data, label)
    rules = {name: rule(configs[name]) for name, rule in RULES.items()}
    for rule in rules.values():
        rule.fit(part)
    rules[UNTRAINED] = ForwardForward(configs["FF"])
    order = torch.randperm(len(data.test_labels), generator=torch.Generator().manual_seed(0))
    known, asked = order[::2], order[1::2]
    silent = torch.full_like(data.test_labels, -1)
    labels = data.test_labels.numpy()
    rows = []
    for name, rule in rules.items():
        activations = rule.representations(data.test_images, silent)[0].numpy()
        for seed, found in zip(rule.config.seed_list, activations, strict=True):
            tables = effect_size(found[known], labels[known]) > EFFECT
            scores = ensemble_scores(found[asked], tables)[:, label]
            overlap = np.nan_to_num(jaccard(tables, tables[label]))
            overlap[label] = -1
            rows.append(
                {
                    "model": name,
                    "held out": label,
                    "seed": seed,
                    "size": int(tables[label].sum()),
                    "seen size": np.delete(tables.sum(1), label).mean(),
                    "auc": roc_auc_score(labels[asked] == label, scores),
                    "shared": int(overlap.argmax()),
                    "overlap": overlap.max(),
                }
            )
    return pd.DataFrame(rows)


def share_with_ensemble(table: pd.DataFrame) -> pd.Series:
    """Share of held-out classes with a larger ensemble than in the untrained network of the same
    seed; one row a model, one column a seed."""
    sizes = table.set_index(["held out", "seed", "model"])["size"].unstack("model")
    larger = sizes.drop(columns=UNTRAINED).gt(sizes[UNTRAINED], axis=0)
    return larger.groupby("seed").mean().T
