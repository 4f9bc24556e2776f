"""C2ST, the classifier two-sample test: are two samples from one distribution?"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neural_network import MLPClassifier

FOLDS = 5


def c2st(reference: np.ndarray, generated: np.ndarray, random_state: int = 1) -> float:
    """How well a classifier tells two samples (n, d) apart: .5 not at all, 1 without an error.

    The cross-validated accuracy of a network of two hidden layers of 10·d units; both samples are
    scaled by the mean and the standard deviation of the reference. NaN where a draw is not finite.
    Adam has ten times the library's rate, and 100 epochs at most.
    """
    if not np.isfinite(generated).all():
        return float("nan")
    units = 10 * reference.shape[1]
    both = (np.concatenate([reference, generated]) - reference.mean(0)) / reference.std(0)
    labels = np.repeat([0, 1], [len(reference), len(generated)])
    classifier = MLPClassifier(
        (units, units), learning_rate_init=0.01, max_iter=100, random_state=random_state
    )
    folds = KFold(FOLDS, shuffle=True, random_state=random_state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of the classifier's last epoch
        return float(cross_val_score(classifier, both, labels, cv=folds).mean())
