"""The Forward-Forward algorithm (Hinton 2022) as in arXiv 2305.18353.

Every layer raises its goodness for positive data and lowers it for negative data, by itself.
"""

from functools import partial

import torch
from torch import Generator, Tensor

from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.pixels import take
from ffcl_utils.learning.goodness import goodness_loss
from ffcl_utils.learning.history import History
from ffcl_utils.learning.training import PerSeed
from ffcl_utils.rules._goodness import GoodnessRule

CHUNK = 5000  # images at once where a layer's output is computed for the next one


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
        losses, below = {}, None
        for k, parameters in enumerate(zip(layers.weights, layers.biases, strict=True)):
            last = k == len(layers.weights) - 1
            what = data, list(parameters), f"FF, layer {k + 1}", last
            if k > 0 and self.config.negatives == "fixed":
                below = self._inputs_above(k - 1, data, below)
                history = self._train_on(below, k, *what)
            else:
                learn = partial(self.losses_of_layer, k)
                history = self.train(data, learn, *what[1:])
            losses |= history.values
        del losses["train_loss/total"]  # of the last layer alone
        return History(history.seeds, losses)

    def local_losses(self, inputs: Tensor, lengths: Tensor, labels: Tensor) -> PerSeed:
        """The loss (S,) of every layer; arguments as GoodnessRule.train's `losses`."""
        _, goodness = self.network.forward(inputs, lengths, labels)
        return {f"layer{k}": self._loss(g) for k, g in enumerate(goodness, start=1)}

    def losses_of_layer(self, k: int, inputs: Tensor, lengths: Tensor, labels: Tensor) -> PerSeed:
        """The loss (S,) of layer k, from 0; those below it only compute."""
        with torch.set_grad_enabled(k == 0):
            found = self.network.first_layer(inputs, lengths, labels)
            for below in range(1, k):
                found = self.network.layer(below, found[0])
        if k > 0:
            found = self.network.layer(k, found[0])
        return {f"layer{k + 1}": self._loss(found[1])}

    def _loss(self, goodness: Tensor) -> Tensor:
        positive, negative = goodness.chunk(2, -1)
        return goodness_loss(positive, negative, self.config.threshold)

    @torch.no_grad()
    def _inputs_above(self, k: int, data: Dataset, below: Tensor | None) -> Tensor:
        """What layer k + 1 sees of the positive and of the fixed negative data, (S, 2, N, units).

        Layers that have learnt change no more, so it is computed once instead of in every epoch:
        376 MB per seed for MNIST. below: the same for layer k, overwritten; None for k = 0.
        """
        wrong = torch.stack([self.fixed_negatives(data, g) for g in self.generators])
        device = self.network.layers.device
        labels = torch.stack([data.train_labels.expand_as(wrong), wrong], 1).to(device)
        units = self.network.layers.weights[k].shape[2]
        fits = below is not None and below.shape[3] == units
        above = below if fits else torch.empty(*labels.shape, units, device=device)
        for rows in torch.arange(labels.shape[2]).split(CHUNK):
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            if k == 0:
                prepared = self.network.prepare(data.train_images[part])
                prepared = (p.expand(len(labels), -1, -1) for p in prepared)
                found = self.network.first_layer(*prepared, labels[:, :, part])
            else:
                found = self.network.layer(k, below[:, :, part].flatten(1, 2))
            above[:, :, part] = found[0].unflatten(1, (2, -1))
        return above

    def _train_on(
        self,
        below: Tensor,
        k: int,
        data: Dataset,
        parameters: list[Tensor],
        title: str,
        watch: bool,
    ) -> History:
        """Train layer k on what it sees, (S, 2, N, units)."""
        seeds, both, count, _ = below.shape
        start = count * torch.arange(seeds * both, device=below.device)
        start = start.unflatten(0, (seeds, both, 1))

        def draw_epoch(generator: Generator) -> PerSeed:
            return {"image": torch.randperm(count, generator=generator)}

        def losses(batch: PerSeed) -> PerSeed:
            rows = (start + batch["image"].unsqueeze(1)).flatten(1)
            return {f"layer{k + 1}": self._loss(self.network.layer(k, take(flat, rows))[1])}

        flat = below.flatten(0, 2)
        return self.minimise(draw_epoch, losses, data, parameters, title, watch)
