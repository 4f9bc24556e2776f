"""Are two representations alike, when their units come in different orders?"""

import numpy as np
from scipy.optimize import linear_sum_assignment


def correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson correlation of every unit of one with every unit of the other, (U, V).

    one: (N, U), other: (N, V), of the same images; 0 for a unit that never varies.
    """
    return _columns(one).T @ _columns(other)


def _columns(activations: np.ndarray) -> np.ndarray:
    centred = activations - activations.mean(0)
    length = np.linalg.norm(centred, axis=0)
    return centred / np.where(length > 0, length, 1)


def match_units(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each unit of one its partner in other, so that all correlations together are largest.

    Returns partners (U,) and their correlations (U,); U ≤ V. Hungarian algorithm.
    """
    found = correlations(one, other)
    rows, partners = linear_sum_assignment(found, maximize=True)
    return partners, found[rows, partners]


def linear_cka(one: np.ndarray, other: np.ndarray) -> float:
    """Linear centred kernel alignment, 0 … 1, of (N, U) and (N, V) for the same N images.

    Blind to rotations and to a common scale, and so to the order of units (Kornblith et al. 2019).
    0 where one of them does not vary.
    """
    one, other = one - one.mean(0), other - other.mean(0)
    norms = np.linalg.norm(one.T @ one) * np.linalg.norm(other.T @ other)
    return float(np.linalg.norm(one.T @ other) ** 2 / norms) if norms > 0 else 0.0
