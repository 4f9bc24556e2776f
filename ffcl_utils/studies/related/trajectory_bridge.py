"""FF whose layers are told only whether the whole trial was right: the last part of notebook 34.

On the embedded digits, whatever the preset.
"""

from typing import get_args

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import normalize
from tqdm import tqdm

from ffcl_utils.claims.summary import interval
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.related.one_bit import CLASSES, Told, accuracies, draw_layers, learn
from ffcl_utils.studies.related.trajectory_feedback import Config

DIGITS = "mnist_5k"
CHANCE = 1 / CLASSES


def bridge(config: Config, data: Dataset) -> dict[str, np.ndarray]:
    """By what the layers are told: test accuracies (layers + 1, passes, S), of each layer alone and
    at last of all layers together."""
    train, test = (normalize(x.float(), dim=-1) for x in (data.train_images, data.test_images))
    found: dict[str, list] = {told: [] for told in get_args(Told)}
    for seed in tqdm(config.seed_list, desc="one bit", unit="seed", leave=False, disable=None):
        for told, of_seeds in found.items():
            generator = torch.Generator().manual_seed(seed)
            layers = draw_layers(train.shape[1], config.units, generator)
            passes = learn(
                layers, train, data.train_labels, told, generator,
                config.passes, config.batch_size, config.learning_rate, config.threshold,
            )  # fmt: skip
            of_seeds.append([accuracies(layers, test, data.test_labels) for _ in passes])
    return {told: np.array(of_seeds).transpose(2, 1, 0) for told, of_seeds in found.items()}


def panels(found: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """For the figure: by layer, by what was told, accuracies (passes, S)."""
    count = len(next(iter(found.values()))) - 1
    names = [*(f"layer {k} alone" for k in range(1, count + 1)), "all layers"]
    return {name: {told: of[k] for told, of in found.items()} for k, name in enumerate(names)}


def table(found: dict[str, np.ndarray]) -> pd.DataFrame:
    """By what was told: test accuracy after the last pass in %, mean over seeds; low and high are
    the ends of the 95 % interval of that of all layers."""
    rows = {}
    for told, of in panels(found)["all layers"].items():
        low, high = interval(100 * of[-1]) or (np.nan, np.nan)
        each = {name: 100 * by[told][-1].mean() for name, by in panels(found).items()}
        rows[told] = each | {"low": low, "high": high}
    return pd.DataFrame(rows).T.rename_axis("told")


def metrics(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The metrics of the bridge, one figure per seed each: accuracies of all layers together."""
    last = {told: of[-1, -1] for told, of in found.items()}
    return {f"{told}/test_accuracy": values for told, values in last.items()} | {
        "one bit - chance/test_accuracy": last["one bit"] - CHANCE,
        "one bit - a coin/test_accuracy": last["one bit"] - last["a coin"],
        "the label - one bit/test_accuracy": last["the label"] - last["one bit"],
    }
