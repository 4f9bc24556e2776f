"""Does a class that was never seen in training evoke an ensemble? One class held out at a time."""

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score

from ffcl_utils.analysis.ensembles import (
    EFFECT,
    class_means,
    effect_size,
    ensemble_scores,
    jaccard,
    ratio_ensembles,
)
from ffcl_utils.config import Config, configure
from ffcl_utils.data.datasets import Dataset, without_class
from ffcl_utils.rules.backprop import Backprop
from ffcl_utils.rules.forward_forward import ForwardForward

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
    anything. Ensembles are found on one half of the test images, by two definitions: `effect`, the
    one that claims rest on (effect size above its threshold), and `ratio`, the authors' ratio above
    2, which a unit can reach for several classes. Columns: largest effect, of any unit for the
    class; and for each definition its size in units, the mean size of the seen classes' ensembles,
    auc (how well the mean activation of the class's ensemble tells it from the seen classes, on the
    other half), and overlap with and name of the seen class that shares most units (Jaccard).
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
            effects = effect_size(found[known], labels[known])
            row = {"model": name, "held out": label, "seed": seed}
            row["largest effect"] = effects[label].max()
            ratios = ratio_ensembles(class_means(found[known], labels[known]), 2)
            for definition, table in (("effect", effects > EFFECT), ("ratio", ratios)):
                scores = ensemble_scores(found[asked], table)[:, label]
                overlap = np.nan_to_num(jaccard(table, table[label]))
                overlap[label] = -1
                row |= {
                    f"{definition} size": int(table[label].sum()),
                    f"{definition} seen size": np.delete(table.sum(1), label).mean(),
                    f"{definition} auc": roc_auc_score(labels[asked] == label, scores),
                    f"{definition} overlap": overlap.max(),
                    f"{definition} shared": int(overlap.argmax()),
                }
            rows.append(row)
    return pd.DataFrame(rows)


def share_with_ensemble(table: pd.DataFrame) -> pd.Series:
    """Share of held-out classes with a larger ensemble than in the untrained network of the same
    seed; one row a model, one column a seed."""
    sizes = table.set_index(["held out", "seed", "model"])["effect size"].unstack("model")
    larger = sizes.drop(columns=UNTRAINED).gt(sizes[UNTRAINED], axis=0)
    return larger.groupby("seed").mean().T
