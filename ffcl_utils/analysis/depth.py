"""The blocks of a deep network: what each knows of the classes, how alike they are, what they show.

Arrays of activations (N, units) of one network, N images.
"""

import numpy as np
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ffcl_utils.analysis.similarity import linear_cka

RIDGE = 10.0  # of the read-out, on features of variance 1
# Of its largest activation: what varies by less over the images is the noise of rounding.
SMALLEST = 1e-5


def spread_of(layer: np.ndarray) -> tuple[float, float]:
    """Length of the activations (N, units) of an image, and how far images differ.

    The first is the root of the mean square over images; the second the same of what is left
    without the mean image, as a share of the first: 0 where all images are the same. NaN for
    diverged ones, and the share for a block without activations.
    """
    layer = layer.astype(np.float64)
    length = float(np.sqrt((layer**2).sum(1).mean()))
    differs = float(np.sqrt(layer.var(0).sum()))
    return length, differs / length if length else np.nan


def read_out(
    learnt: np.ndarray, asked: np.ndarray, labels: np.ndarray, theirs: np.ndarray
) -> float:
    """Share of the images `asked` (N, units) whose class a linear read-out of `learnt` tells.

    It is solved at once: ridge regression of the labels, each feature at mean 0 and variance 1.
    """
    model = make_pipeline(StandardScaler(), RidgeClassifier(alpha=RIDGE))
    return float(model.fit(learnt, labels).score(asked, theirs))


def likeness(layers: list[np.ndarray]) -> np.ndarray:
    """Linear CKA (L, L) of every two layers (N, units); NaN where one is constant or diverged."""
    layers = [layer.astype(np.float64) for layer in layers]
    varied = [
        bool(np.isfinite(layer).all() and layer.std(0).max() > SMALLEST * np.abs(layer).max())
        for layer in layers
    ]
    return np.array(
        [
            [
                linear_cka(one, other) if varied[i] and varied[j] else np.nan
                for j, other in enumerate(layers)
            ]
            for i, one in enumerate(layers)
        ]
    )
