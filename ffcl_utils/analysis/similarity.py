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
