"""BP/FF (arXiv 2305.18353): the objective of Forward-Forward, learnt by backpropagation.

One loss on the goodness summed over layers; its gradient goes through the whole network.
"""

from torch import Tensor

from ffcl_utils.data.datasets import Dataset
from ffcl_utils.learning.goodness import goodness_loss
from ffcl_utils.learning.history import History
from ffcl_utils.learning.training import PerSeed
from ffcl_utils.rules._goodness import GoodnessRule


class BPFF(GoodnessRule):
    """BP/FF networks of all seeds."""

    def fit(self, data: Dataset) -> History:
        """Train all seeds."""
        return self.train(data, self.losses, self.network.layers.parameters(), "BP/FF")

    def losses(self, inputs: Tensor, lengths: Tensor, labels: Tensor) -> PerSeed:
        """The one loss (S,); arguments as GoodnessRule.train's `losses`."""
        _, goodness = self.network.forward(inputs, lengths, labels, local=False)
        positive, negative = sum(goodness).chunk(2, -1)
        return {"goodness": goodness_loss(positive, negative, self.config.threshold)}
