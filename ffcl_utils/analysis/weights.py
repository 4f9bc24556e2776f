"""Excitatory and inhibitory weights."""

import numpy as np


def excitatory_share(weights: np.ndarray) -> np.ndarray:
    """Share of positive weights. weights: (…, in, out). Returns (…)."""
    return (weights > 0).mean((-2, -1))


def excitation_balance(weights: np.ndarray) -> np.ndarray:
    """(E − I)/(E + I) with E the sum of the positive and I of the absolute negative weights.

    weights: (…, in, out). Returns (…): 0 where they balance, −1 where all are inhibitory.
    """
    return weights.sum((-2, -1)) / np.abs(weights).sum((-2, -1))


def unit_balance(weights: np.ndarray) -> np.ndarray:
    """`excitation_balance` of each unit's incoming weights. weights: (…, in, out). (…, out)."""
    return weights.sum(-2) / np.abs(weights).sum(-2)
