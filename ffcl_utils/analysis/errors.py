"""Which images a trained network gets wrong."""

import numpy as np
from sklearn.metrics import confusion_matrix


def confusion_matrices(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts (S, C, C), row the true class, column the predicted one.

    scores: (S, N, C), the highest of each image is its prediction. labels: (N,).
    """
    classes = range(scores.shape[-1])
    return np.stack([confusion_matrix(labels, s.argmax(-1), labels=classes) for s in scores])


def worst_errors(scores: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Indices of up to `count` wrongly classified images, the most confident error first.

    scores: (N, C), by one network. labels: (N,).
    """
    wrong = np.flatnonzero(scores.argmax(-1) != labels)
    return wrong[np.argsort(-scores[wrong].max(-1), kind="stable")][:count]
