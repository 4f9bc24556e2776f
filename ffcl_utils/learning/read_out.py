"""A linear read-out of hidden layers, which teaches these layers nothing."""

import torch
from torch import Generator, Tensor

from ffcl_utils.learning.layers import Layers
from ffcl_utils.learning.losses import CLASSES


class ReadOut:
    """One linear layer per network, from the units of several hidden layers to the classes.

    units: of each hidden layer that it reads. `stack` holds its weight (S, sum of units, 10) and
    its bias, each network's drawn from its own generator.
    """

    def __init__(self, units: tuple[int, ...], generators: list[Generator]):
        self.stack = Layers((sum(units), CLASSES), generators)

    def logits(self, directions: list[Tensor]) -> Tensor:
        """Logits (S, B, 10) from directions (S, B, units), of length 1, of each layer.

        The layers' side takes no gradient. A direction enters with a root mean square of 1, so that
        the read-out learns as fast from wide layers as from narrow ones.
        """
        even = [layer.detach() * layer.shape[-1] ** 0.5 for layer in directions]
        return self.stack.forward(torch.cat(even, -1))[-1]
