"""The Forward-Forward algorithm (Hinton 2022) as in arXiv 2305.18353.

Every layer raises its goodness for positive data and lowers it for negative data, by itself.
"""

from functools import partial

import torch
from torch import Tensor

from ffcl_utils.algorithms.goodness_rule import GoodnessRule
from ffcl_utils.data import Dataset
from ffcl_utils.goodness import goodness, goodness_loss
from ffcl_utils.history import History
from ffcl_utils.training import PerSeed


class ForwardForward(GoodnessRule):
    """FF networks of all seeds. Layers learn in sequence or all at once, each its own loss."""

    def fit(self, data: Dataset) -> History:
        """Train all seeds.

        With `training="sequential"` every layer learns for `epochs` in its turn: row e of
        "train_loss/layer<k>" is after the e-th epoch of that layer, and what is watched was
        watched while the last layer learnt.
        """
        layers = self.network.layers
        if self.config.training == "simultaneous":
            return self.train(data, self.local_losses, layers.parameters(), "FF")
        losses = {}
        for k, parameters in enumerate(zip(layers.weights, layers.biases, strict=True)):
            last = k == len(layers.weights) - 1
            learn = partial(self.losses_of_layer, k)
            history = self.train(data, learn, list(parameters), f"FF, layer {k + 1}", watch=last)
            losses |= history.values
        del losses["train_loss/total"]  # of the last layer alone
        return History(history.seeds, losses)

    def local_losses(self, inputs: Tensor, lengths: Tensor, labels: Tensor) -> PerSeed:
        """The loss (S,) of every layer; arguments as GoodnessRule.train's `losses`."""
        activations = self.network.forward(inputs, lengths, labels)
        return {f"layer{k}": self._loss(a) for k, a in enumerate(activations, start=1)}

    def losses_of_layer(self, k: int, inputs: Tensor, lengths: Tensor, labels: Tensor) -> PerSeed:
        """The loss (S,) of layer k, from 0; those below it only compute."""
        with torch.set_grad_enabled(k == 0):
            activations = self.network.first_layer(inputs, lengths, labels)
            for below in range(1, k):
                activations = self.network.layer(below, activations, local=True)
        if k > 0:
            activations = self.network.layer(k, activations, local=True)
        return {f"layer{k + 1}": self._loss(activations)}

    def _loss(self, activations: Tensor) -> Tensor:
        positive, negative = goodness(activations).chunk(2, -1)
        return goodness_loss(positive, negative, self.config.threshold)
