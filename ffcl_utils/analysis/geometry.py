"""How the images of a layer lie to each other: collapse, silence, and what keeps classes apart."""

import numpy as np


def silent_share(activations: np.ndarray) -> np.ndarray:
    """Share of images that no unit answers to.

    activations (…, N, U) ≥ 0. Returns (…); NaN for no image, and where activations are, of a
    diverged network.
    """
    largest = activations.max(-1)
    images = largest.shape[-1]
    known = np.isfinite(largest).all(-1) & (images > 0)
    return np.where(known, (largest <= 0).sum(-1) / max(images, 1), np.nan)


def effective_dimension(activations: np.ndarray) -> np.ndarray:
    """Participation ratio (Σλ)² / Σλ² of the covariance's eigenvalues λ, 1 … U; 0 for no variance.

    activations (…, N, U). One where all images lie on a line, U where they fill all directions
    evenly. Returns (…); NaN where activations are.
    """
    centred = activations - activations.mean(-2, keepdims=True)
    covariance = np.swapaxes(centred, -1, -2) @ centred
    trace = np.trace(covariance, axis1=-2, axis2=-1)
    return np.divide(
        trace**2, (covariance**2).sum((-2, -1)), out=np.zeros_like(trace), where=trace != 0
    )


def class_cosines(activations: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean cosine of two different images of one class, and of two classes; each (…).

    activations (…, N, U), labels (N,). A silent image has a cosine of 0 with any other.
    """
    length = np.linalg.norm(activations, axis=-1, keepdims=True)
    units = activations / np.where(length > 0, length, 1)
    member = (labels[:, None] == np.unique(labels)).astype(units.dtype)
    sums = np.swapaxes(units, -1, -2) @ member  # (…, U, classes)
    own = (length[..., 0] > 0).sum(-1)  # of every image with itself
    within = (sums**2).sum((-2, -1))
    between = (sums.sum(-1) ** 2).sum(-1) - within
    count = member.sum(0)
    pairs = (count**2).sum()
    return (within - own) / (pairs - len(labels)), between / (len(labels) ** 2 - pairs)
