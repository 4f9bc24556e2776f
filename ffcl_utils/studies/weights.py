"""Excitatory and inhibitory weights of every model: the tables and metrics of notebook 06."""

import numpy as np
import pandas as pd

from ffcl_utils.analysis.weights import excitation_balance, excitatory_share, unit_balance
from ffcl_utils.rules.base import Rule
from ffcl_utils.studies.models import with_untrained

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
            "share of positive weights": excitatory_share(w).mean(),
            "units with more inhibition": (unit_balance(w) < 0).mean(),
            "root mean square": np.sqrt(np.mean(np.square(w))),
        }
        for name, stack in weights.items()
        for k, w in enumerate(stack, start=1)
    }
    return pd.DataFrame(rows).T.round(3)


def metrics(balance: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The metrics of notebook 06, one figure per seed each, from `balances`."""
    found = {
        f"{name}/balance/layer{k}": values
        for name, layers in balance.items()
        for k, values in enumerate(layers, start=1)
    }
    for k, (ff, bp) in enumerate(zip(balance["FF"], balance["BP"], strict=False), start=1):
        found[f"FF - BP/balance/layer{k}"] = ff - bp
    return found
