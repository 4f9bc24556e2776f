"""Does a class that was never seen in training evoke an ensemble? Notebook 05.

One class is held out at a time: a network of FF's first layer and one of BP for each.
"""

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score

from ffcl_utils import rules
from ffcl_utils.analysis.ensembles import (
    EFFECT,
    class_means,
    effect_size,
    ensemble_scores,
    jaccard,
    ratio_ensembles,
)
from ffcl_utils.config import ConfigError, RuleConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.rules.base import Rule

UNTRAINED = "untrained"
MODELS = ("FF", "BP", UNTRAINED)
LARGEST, AUC = "largest effect size of a unit", "ROC-AUC of the class's units (ratio)"
# By metric, the column of `table` that it is the mean of, over classes.
QUANTITIES = {
    "effect size": "size",
    "largest effect": "largest_effect",
    "ratio size": "ratio_size",
    "ratio auc": "ratio_auc",
}


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
        configs[f"FF without {label}"] = ff
        configs[f"BP without {label}"] = rules.configure("backprop", preset, **left_out)
    return configs


def table(networks: dict[str, Rule], data: Dataset) -> pd.DataFrame:
    """What every held-out class evokes in layer 1; one row a model, class and seed.

    No label is written into the images that are looked at, so that only the image can evoke
    anything. Ensembles are looked for in one half of the test images, by two definitions: `effect`,
    the one that claims rest on (effect size above its threshold), and `ratio`, the authors' ratio
    above 2, which a unit can reach for several classes. Columns: largest effect, of any unit for
    the class; and for each definition its size in units, the mean size of the seen classes'
    ensembles, auc (how well the mean activation of the class's ensemble tells it from the seen
    classes, on the other half), and overlap with and name of the seen class that shares most units
    (Jaccard).
    """
    rows = []
    for name, rule in networks.items():
        model, _, label = name.partition(" without ")
        rows += _rows(model, rule, data, int(label))
        if model == "FF":
            rows += _rows(UNTRAINED, type(rule)(rule.config), data, int(label))
    found = pd.DataFrame(rows)
    return found.sort_values("held out", kind="stable", ignore_index=True)


def _rows(model: str, rule: Rule, data: Dataset, label: int) -> list[dict]:
    order = torch.randperm(len(data.test_labels), generator=torch.Generator().manual_seed(0))
    known, others = order[::2], order[1::2]
    silent = torch.full_like(data.test_labels, -1)
    labels = data.test_labels.numpy()
    activations = rule.representations(data.test_images, silent)[0].numpy()
    rows = []
    for seed, of_seed in zip(rule.config.seed_list, activations, strict=True):
        effects = effect_size(of_seed[known], labels[known])
        row = {"model": model, "held out": label, "seed": seed}
        row["largest effect"] = effects[label].max()
        ratios = ratio_ensembles(class_means(of_seed[known], labels[known]), 2)
        for definition, members in (("effect", effects > EFFECT), ("ratio", ratios)):
            row |= _described(definition, members, of_seed[others], labels[others], label)
        rows.append(row)
    return rows


def _described(
    definition: str, members: np.ndarray, activations: np.ndarray, labels: np.ndarray, label: int
) -> dict:
    """The columns of one definition, from ensembles (10, units) and other images (N, units)."""
    scores = ensemble_scores(activations, members)[:, label]
    overlap = np.nan_to_num(jaccard(members, members[label]))
    overlap[label] = -1
    auc = roc_auc_score(labels == label, scores) if np.isfinite(scores).all() else np.nan
    return {
        f"{definition} size": int(members[label].sum()),
        f"{definition} seen size": np.delete(members.sum(1), label).mean(),
        f"{definition} auc": auc,
        f"{definition} overlap": overlap.max(),
        f"{definition} shared": int(overlap.argmax()),
    }


def panels(rows: pd.DataFrame) -> dict[str, dict[str, np.ndarray]]:
    """For the figure: by quantity and model, (held-out classes, S)."""
    by_class = rows.pivot_table(
        index="held out", columns=["model", "seed"], values=["largest effect", "ratio auc"]
    )
    columns = {LARGEST: "largest effect", AUC: "ratio auc"}
    return {
        quantity: {name: by_class[column][name].to_numpy() for name in MODELS}
        for quantity, column in columns.items()
    }


def by_model(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over classes and seeds of what both definitions say, a column a model."""
    columns = [c for c in rows if c.split()[0] in ("effect", "ratio") and "shared" not in c]
    return rows.groupby("model", sort=False)[["largest effect", *columns]].mean().round(2).T


def shares_most_with(rows: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """Of FF, by the ratio: with which seen class each held-out class shares most units, by seed."""
    ff = rows[rows.model == "FF"].replace({"held out": dict(enumerate(classes))})
    named = ff["ratio shared"].map(lambda c: classes[c]).where(ff["ratio overlap"] > 0, "none")
    return ff.assign(named=named).pivot(index="held out", columns="seed", values="named")


def share_with_ensemble(rows: pd.DataFrame) -> pd.DataFrame:
    """Share of held-out classes with a larger ensemble than in the untrained network of the same
    seed; one row a model, one column a seed."""
    sizes = rows.set_index(["held out", "seed", "model"])["effect size"].unstack("model")
    larger = sizes.drop(columns=UNTRAINED).gt(sizes[UNTRAINED], axis=0)
    return larger.groupby("seed").mean().T


def metrics(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """The metrics of notebook 05, one figure per seed each."""
    shares = share_with_ensemble(rows)
    found = {f"{name}/unseen_with_ensemble": shares.loc[name].to_numpy() for name in shares.index}
    for name, of_model in rows.groupby("model"):
        for column, quantity in QUANTITIES.items():
            found[f"{name}/unseen_{quantity}"] = of_model.groupby("seed")[column].mean().to_numpy()
    return found
