"""Learning rules, one file each, behind one small protocol."""

from typing import Protocol

from torch import Tensor

from ffcl_utils.data.datasets import Dataset
from ffcl_utils.learning.history import History


class LearningRule(Protocol):
    """What the analysis, the figures and the tables ask of a learning rule.

    Its constructor takes its Config and makes the untrained networks of all S seeds.
    """

    def fit(self, data: Dataset) -> History:
        """Train every seed; losses and accuracy per epoch and seed."""

    def predict(self, images: Tensor) -> Tensor:
        """Class scores (S, N, 10) for images (N, 784) uint8."""

    def representations(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """Activations (S, N, units) of every hidden layer; labels (N,) where the rule uses them."""
