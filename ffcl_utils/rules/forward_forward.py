"""The Forward-Forward algorithm (Hinton 2022) as in arXiv 2305.18353.

Every layer raises its goodness for positive data and lowers it for negative data, by itself.
"""

from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Generator, Tensor

from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.pixels import take
from ffcl_utils.learning.goodness import goodness_loss
from ffcl_utils.learning.precision import rounding
from ffcl_utils.learning.rounded import rounded_goodness
from ffcl_utils.learning.training import PerSeed, Phase
from ffcl_utils.rules._goodness import GoodnessConfig, GoodnessRule

CHUNK = 5000  # images at once where a layer's output is computed for the next one


class Config(GoodnessConfig):
    """Settings of the Forward-Forward algorithm; `epochs` is what each layer gets."""

    epochs: PositiveInt = 1200
    learning_rate: PositiveFloat = 0.01
    training: Literal["sequential", "simultaneous"] = "sequential"

    @property
    def keeps_bfloat16(self) -> bool:
        """As RuleConfig has it: where what a layer sees never changes."""
        return self.training == "sequential" and self.negatives != "redrawn"


class ForwardForward(GoodnessRule):
    """FF networks of all seeds. Layers learn in sequence or all at once, each its own loss."""

    Config = Config
    title = "FF"
    local = True
    backward_pass = False
    presets = {
        "smoke": {"seeds": 2, "epochs": 3, "batch_size": 64},
        # A row of the authors' printed outputs (notebook 10) that fits two CPU cores.
        "short": {"seeds": 5, "epochs": 20, "batch_size": 512, "products": "auto"},
        "paper": {"seeds": 10, "products": "auto"},
    }

    def phases(self, data: Dataset) -> Iterator[Phase]:
        """One a layer with `training="sequential"`, else one.

        Row e of "train_loss/layer<k>" is after the e-th epoch of that layer; what is watched is
        watched while the last layer learns.
        """
        layers = self.network.layers
        if self.config.training == "simultaneous":
            yield self.phase(data, self.losses, layers.parameters())
            return
        kept = self.config.negatives != "redrawn"
        native = self.config.products == "auto" and rounding(kept=True) == "bfloat16"
        rounded = native and self.config.keeps_bfloat16
        below = None
        for k, parameters in enumerate(zip(layers.weights, layers.biases, strict=True)):
            last = k == len(layers.weights) - 1
            if rounded or (kept and k > 0):
                below = self._inputs_of(k, data, below, torch.bfloat16 if rounded else torch.float)
                yield self.phase_on(below, k, data, list(parameters), last)
            else:
                learn = partial(self.losses_of_layer, k)
                yield self.phase(data, learn, list(parameters), last, total=False)

    def losses(self, inputs: Tensor, lengths: Tensor, labels: Tensor) -> PerSeed:
        """The loss (S,) of every layer; arguments as GoodnessRule's."""
        _, goodness = self.network.forward(inputs, lengths, labels)
        return {f"layer{k}": self._loss(g) for k, g in enumerate(goodness, start=1)}

    def losses_of_layer(self, k: int, inputs: Tensor, lengths: Tensor, labels: Tensor) -> PerSeed:
        """The loss (S,) of layer k, from 0; those below it only compute."""
        with torch.set_grad_enabled(k == 0):
            output = self.network.first_layer(inputs, lengths, labels)
            for below in range(1, k):
                output = self.network.layer(below, output[0])
        if k > 0:
            output = self.network.layer(k, output[0])
        return {f"layer{k + 1}": self._loss(output[1])}

    def _loss(self, goodness: Tensor) -> Tensor:
        positive, negative = goodness.chunk(2, -1)
        return goodness_loss(positive, negative, self.config.threshold)

    @torch.no_grad()
    def _inputs_of(self, k: int, data: Dataset, below: Tensor | None, kind: torch.dtype) -> Tensor:
        """What layer k, from 0, sees of the positive and of the kept negative data.

        (S, 2, N, inputs) of a kind, at length 1. Layers that have learnt change no more, so it is
        computed once instead of in every epoch: 376 MB per seed for MNIST in float32, half as much
        in bfloat16. below: the same for layer k − 1, overwritten; None where that was not needed.
        """
        network, device = self.network, self.network.layers.device
        negatives = [self.kept_negatives(data, g) for g in self.generators]
        images, wrong = (torch.stack(part).to(device) for part in zip(*negatives, strict=True))
        labels = torch.stack([data.train_labels.to(device).expand_as(wrong), wrong], 1)
        inputs = network.layers.weights[k].shape[1]
        fits = below is not None and below.shape[3] == inputs
        found = below if fits else torch.empty(*labels.shape, inputs, device=device, dtype=kind)
        prepared = network.prepare(data.train_images) if below is None else ()
        for rows in torch.arange(labels.shape[2], device=device).split(CHUNK):
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            both = torch.cat([rows.expand(len(labels), -1), images[:, part]], 1)
            if below is not None:
                output = network.layer(k - 1, below[:, :, part].flatten(1, 2).float())[0]
            elif k == 0:
                seen = (take(p, both) for p in prepared)
                output = network.written(*seen, labels[:, :, part].flatten(1))
            elif self.paired:
                seen = (p[part].expand(len(labels), -1, -1) for p in prepared)
                output = network.first_layer(*seen, labels[:, :, part])[0]
            else:
                seen = (take(p, both) for p in prepared)
                written = labels[:, :, part].flatten(1).unsqueeze(1)
                output = network.first_layer(*seen, written)[0]
            found[:, :, part] = output.unflatten(1, (2, -1))
        return found

    def phase_on(
        self, below: Tensor, k: int, data: Dataset, parameters: list[Tensor], watch: bool
    ) -> Phase:
        """The phase of layer k on what it sees, (S, 2, N, inputs)."""
        seeds, both, count, _ = below.shape
        start = count * torch.arange(seeds * both, device=below.device)
        start = start.unflatten(0, (seeds, both, 1))

        def draw_epoch(generator: Generator) -> PerSeed:
            return {"image": torch.randperm(count, generator=generator)}

        def losses(batch: PerSeed) -> PerSeed:
            rows = (start + batch["image"].unsqueeze(1)).flatten(1)
            seen = take(flat, rows)
            if seen.dtype == torch.bfloat16:
                return {f"layer{k + 1}": self._loss(rounded_goodness(seen, *parameters))}
            return {f"layer{k + 1}": self._loss(self.network.layer(k, seen)[1])}

        flat = below.flatten(0, 2)
        evaluate = self.evaluation(data) if watch else dict
        return Phase(draw_epoch, count, losses, parameters, evaluate, total=False)


RULE = ForwardForward
