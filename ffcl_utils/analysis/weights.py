"""Excitatory and inhibitory weights, and what they bring to active and to silent units."""

import numpy as np


def inhibitory_share(weights: np.ndarray) -> np.ndarray:
    """Share of negative weights. weights: (…, in, out). Returns (…)."""
    return (weights < 0).mean((-2, -1))


def excitation_balance(weights: np.ndarray) -> np.ndarray:
    """(E − I)/(E + I) with E the sum of the positive and I of the absolute negative weights.

    weights: (…, in, out). Returns (…): 0 where they balance, −1 where all are inhibitory.
    """
    return weights.sum((-2, -1)) / np.abs(weights).sum((-2, -1))


def unit_balance(weights: np.ndarray) -> np.ndarray:
    """`excitation_balance` of each unit's incoming weights. weights: (…, in, out). (…, out)."""
    return weights.sum(-2) / np.abs(weights).sum(-2)


def excitation_and_inhibition(
    inputs: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What reaches every unit with either sign, (N, out) each, both ≥ 0.

    inputs: (N, in), weights: (in, out). Excitation is the sum of all positive products of an input
    and its weight, inhibition that of the negative ones without their sign: their difference and
    the bias are what the unit's ReLU sees.
    """
    total, size = inputs @ weights, np.abs(inputs) @ np.abs(weights)
    return (size + total) / 2, (size - total) / 2
