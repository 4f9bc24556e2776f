"""How few units are active? Hoyer sparsity, active and dead units."""

import numpy as np


def hoyer_sparsity(activations: np.ndarray) -> np.ndarray:
    """Hoyer sparsity of each activation vector: 0 where all are equal, 1 for one active unit.

    activations: (…, units), non-negative. Returns (…); NaN where a vector is all zero.
    Hoyer 2004, as arXiv 2305.18353 uses it: (√n − ‖h‖₁/‖h‖₂) / (√n − 1).
    """
    root = activations.shape[-1] ** 0.5
    length = np.linalg.norm(activations, axis=-1)
    with np.errstate(invalid="ignore"):
        ratio = np.where(length > 0, activations.sum(-1) / length, np.nan)
    return (root - ratio) / (root - 1)


def active_fraction(activations: np.ndarray) -> np.ndarray:
    """Share of units above zero for each image. activations: (…, units). Returns (…)."""
    return (activations > 0).mean(-1)


def dead_units(activations: np.ndarray) -> np.ndarray:
    """Units that no image activates. activations: (N, units). Returns (units,) bool."""
    return ~(activations > 0).any(0)


def mean_hoyer(layer: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Mean Hoyer sparsity over the correctly classified images of each seed, as printed.

    layer: (S, N, units). correct: (S, N) bool. Returns (S,); all-zero vectors are left out. NaN for
    a seed that has none left.
    """
    rows = zip(layer, correct, strict=True)
    return np.array([_mean(hoyer_sparsity(a[c].astype(np.float32))) for a, c in rows])


def _mean(values: np.ndarray) -> float:
    return float("nan") if np.isnan(values).all() else np.nanmean(values)
