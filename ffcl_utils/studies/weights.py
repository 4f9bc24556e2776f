"""Excitatory and inhibitory weights of every model: the tables and metrics of notebook 06."""

import numpy as np
import pandas as pd
from torch import Tensor
from torch.nn.functional import normalize

from ffcl_utils.analysis.weights import (
    excitation_and_inhibition,
    excitation_balance,
    inhibitory_share,
    unit_balance,
)
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.pixels import label_pixels, scale
from ffcl_utils.rules._goodness import GoodnessRule
from ffcl_utils.rules.base import Rule
from ffcl_utils.studies.models import one_by_one, with_untrained

IMAGES = 2000  # of the test images, whose inputs are summed
INPUTS = ("excitation of active units", "inhibition of active units",
          "excitation of silent units", "inhibition of silent units")  # fmt: skip

Weights = dict[str, list[np.ndarray]]  # by model, per hidden layer (S, in, out)


def weights_of(networks: dict[str, Rule]) -> Weights:
    """The weights of every model's hidden layers, those of the untrained network last."""
    return {
        name: [weight.numpy(force=True) for weight in rule.hidden_weights()]
        for name, rule in with_untrained(networks)
    }


def balances(weights: Weights) -> dict[str, np.ndarray]:
    """Balance of excitation and inhibition by model, (layers, S)."""
    return {n: np.stack([excitation_balance(w) for w in stack]) for n, stack in weights.items()}


def table(weights: Weights) -> pd.DataFrame:
    """By model and layer: balance, share of positive weights and of inhibited units, size."""
    rows = {
        (name, f"layer {k}"): {
            "balance": excitation_balance(w).mean(),
            "share of negative weights": inhibitory_share(w).mean(),
            "units with more inhibition": (unit_balance(w) < 0).mean(),
            "root mean square": np.sqrt(np.mean(np.square(w))),
        }
        for name, stack in weights.items()
        for k, w in enumerate(stack, start=1)
    }
    return pd.DataFrame(rows).T.round(3)


def inputs_by_sign(networks: dict[str, Rule], data: Dataset) -> pd.DataFrame:
    """What excites and what inhibits active and silent units, on the first test images.

    A row a model, layer and seed, the columns INPUTS: means over all images and units that are
    active (or silent) for the image; NaN where there is none. A network's inputs have different
    lengths in FF (1) and in BP, so that only figures of one row can be held against each other.
    """
    images, labels = data.test_images[:IMAGES], data.test_labels[:IMAGES]
    rows = []
    for name, rule in with_untrained(networks):
        for seed, one in enumerate(one_by_one(rule)):
            layers = layer_inputs(one, images, labels)
            weights = [w[0].numpy(force=True) for w in one.hidden_weights()]
            active = [(a[0] > 0).numpy() for a in one.representations(images, labels)]
            for k, parts in enumerate(zip(layers, weights, active, strict=True), start=1):
                rows.append({"model": name, "layer": k, "seed": seed} | _inputs(*parts))
    return pd.DataFrame(rows)


def _inputs(inputs: np.ndarray, weights: np.ndarray, active: np.ndarray) -> dict[str, float]:
    signs = excitation_and_inhibition(inputs, weights)
    values = [sign[where] for where in (active, ~active) for sign in signs]
    found = (v.mean() if v.size else np.nan for v in values)
    return dict(zip(INPUTS, map(float, found), strict=True))


def layer_inputs(one: Rule, images: Tensor, labels: Tensor) -> list[np.ndarray]:
    """What each hidden layer of a single network sees, (N, in): with the label and of length 1
    where the rule learns by goodness, else the scaled image and the activations below."""
    below = [layer[0] for layer in one.representations(images, labels)][:-1]
    seen = scale(images, one.config.input_scaling)
    if isinstance(one, GoodnessRule):
        seen[:, :10] = label_pixels(labels, one.network.brightness)
        return [normalize(layer).numpy() for layer in (seen, *below)]
    return [layer.numpy() for layer in (seen, *below)]


def inputs_table(rows: pd.DataFrame) -> pd.DataFrame:
    """`inputs_by_sign`, mean over seeds, and of either kind of unit inhibition over excitation."""
    table = rows.drop(columns="seed").groupby(["model", "layer"], sort=False).mean()
    for kind in ("active", "silent"):
        table[f"ratio, {kind}"] = (
            table[f"inhibition of {kind} units"] / table[f"excitation of {kind} units"]
        )
    return table.round(3)


def metrics(balance: dict[str, np.ndarray], weights: Weights, inputs: pd.DataFrame):
    """The metrics of notebook 06, one figure (S,) per seed each, by name.

    From `balances`, `weights_of` and `inputs_by_sign`.
    """
    found = {
        f"{name}/balance/layer{k}": values
        for name, layers in balance.items()
        for k, values in enumerate(layers, start=1)
    }
    for name, stack in weights.items():
        for k, w in enumerate(stack, start=1):
            found[f"{name}/negative_weights/layer{k}"] = inhibitory_share(w)
    for (name, k), part in inputs.groupby(["model", "layer"], sort=False):
        for column in INPUTS:
            found[f"{name}/{column.replace(' ', '_')}/layer{k}"] = part[column].to_numpy()
    for k, (ff, bp) in enumerate(zip(balance["FF"], balance["BP"], strict=False), start=1):
        found[f"FF - BP/balance/layer{k}"] = ff - bp
    return found
