"""BP/FF (arXiv 2305.18353): the objective of Forward-Forward, learnt by backpropagation.

One loss on the goodness summed over layers; its gradient goes through the whole network.
"""

from collections.abc import Iterator

from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from ffcl_utils.data.datasets import Dataset
from ffcl_utils.learning.goodness import goodness_loss
from ffcl_utils.learning.training import PerSeed, Phase
from ffcl_utils.rules._goodness import GoodnessConfig, GoodnessRule


class Config(GoodnessConfig):
    """Settings of backpropagation on the FF objective, the goodness summed over layers."""

    epochs: PositiveInt = 300
    learning_rate: PositiveFloat = 1e-4


class BPFF(GoodnessRule):
    """BP/FF networks of all seeds."""

    Config = Config
    title = "BP/FF"
    local = False
    backward_pass = True
    presets = {
        "smoke": {"seeds": 2, "epochs": 3, "batch_size": 128, "learning_rate": 1e-3},
        # Chosen on 10,000 training images held out for validation, to fit two CPU cores.
        "short": {"seeds": 5, "epochs": 12, "learning_rate": 1e-3, "products": "auto"},
        "paper": {"seeds": 10, "products": "auto"},
    }

    def phases(self, data: Dataset) -> Iterator[Phase]:
        """One: the whole network learns."""
        yield self.phase(data, self.losses, self.network.layers.parameters())

    def losses(self, inputs: Tensor, lengths: Tensor, labels: Tensor) -> PerSeed:
        """The one loss (S,); arguments as GoodnessRule's."""
        _, goodness = self.network.forward(inputs, lengths, labels, local=False)
        positive, negative = sum(goodness).chunk(2, -1)
        return {"goodness": goodness_loss(positive, negative, self.config.threshold)}


RULE = BPFF
