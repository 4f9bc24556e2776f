"""The Forward-Forward algorithm as Hinton published it (arXiv 2212.13345).

A layer computes h = ReLU(W·norm(x) + b), and its goodness is Σh². It minimises
softplus(θ − g⁺) + softplus(g⁻ − θ) by itself, for images with the right and with a wrong label in
their first ten pixels. The first layer takes no part in the prediction.

Or the layers learn without labels: positive data are the images as they are, negative data hybrids
of two images (learning/hybrids.py), and only a linear read-out sees the labels.

What deviates, or is a reading: norm(x) has length 1; all layers learn at once, and Adam is the
optimiser. θ, learning rate and scaling are not known, and were chosen on held-out training images.
The batch size is that of a public re-implementation (3 × 1000 units, SGD with momentum), which also
has a weight of .03 for peer normalisation, and the read-out of an image with a neutral label: here
its ten pixels are blank, and its length is that with a label in. Hybrids and the images beside them
are treated in the same way. The read-out learns along with the layers, and teaches them nothing.
"""

from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, field_validator, model_validator
from torch import Tensor

from ffcl_utils.config import InputScaling, LayerSizes, RuleConfig
from ffcl_utils.data.datasets import PIXELS, Dataset
from ffcl_utils.data.pixels import MASKS, take
from ffcl_utils.learning.goodness import goodness_loss
from ffcl_utils.learning.hybrids import hybrid_masks, hybrid_visits, hybrids
from ffcl_utils.learning.layers import Layers
from ffcl_utils.learning.losses import cross_entropy_loss
from ffcl_utils.learning.peers import peer_deviation
from ffcl_utils.learning.read_out import ReadOut
from ffcl_utils.learning.training import PerSeed, Phase
from ffcl_utils.rules._goodness import WATCHED, GoodnessRule

CHUNK = 2000  # images read out at once: bounds the memory, changes no figure
NO_LABEL = -1


class Config(RuleConfig):
    """Settings of Hinton's FF. Defaults are the paper's where it is known.

    `layers` is the input and at least two hidden layers. negatives: the image with a wrong label,
    "redrawn" for every epoch or, in "paired", drawn once; or, without any label, a "hybrid" of the
    image and another one, redrawn too. peer_normalisation: the weight of the penalty
    `peer_deviation` of the positive data. predictor: "label_search", the label with the
    highest goodness summed over layers 2, …, L; or "read_out", a linear layer on the directions of
    these layers for the image without a label, trained by cross-entropy.
    """

    layers: LayerSizes = (PIXELS, 2000, 2000, 2000, 2000)
    epochs: PositiveInt = 60
    batch_size: PositiveInt = 100
    learning_rate: PositiveFloat = 3e-3
    threshold: PositiveFloat = 10.0
    negatives: Literal["redrawn", "paired", "hybrid"] = "redrawn"
    peer_normalisation: NonNegativeFloat = 0.0
    predictor: Literal["label_search", "read_out"] = "label_search"
    input_scaling: InputScaling = "standardised"

    @field_validator("layers")
    @classmethod
    def _layers_that_predict(cls, layers: tuple[int, ...]) -> tuple[int, ...]:
        if layers[0] != PIXELS or len(layers) < 3:
            raise ValueError(f"begin with {PIXELS} and have at least two hidden layers")
        return layers

    @model_validator(mode="after")
    def _labels_to_search(self) -> "Config":
        if self.negatives == "hybrid" and self.predictor == "label_search":
            raise ValueError(
                'negatives="hybrid" needs predictor="read_out": layers that learn without labels '
                "cannot search for one"
            )
        return self


class HintonFF(GoodnessRule):
    """FF networks of all seeds, with a read-out where the settings say so."""

    Config = Config
    title = "FF, Hinton"
    local = True
    backward_pass = False
    presets = {
        "smoke": {
            "seeds": 2,
            "epochs": 12,
            "batch_size": 50,
            "learning_rate": 0.01,
            "layers": (PIXELS, 200, 200, 200),
        },
        "short": {"seeds": 3, "epochs": 20, "layers": (PIXELS, 500, 500, 500), "products": "auto"},
        "paper": {"seeds": 5, "products": "auto"},
    }

    def build(self) -> None:
        """Make the networks; a seed's read-out is drawn after its layers."""
        super().build()
        self.read_out = None
        if self.config.predictor == "read_out":
            self.read_out = ReadOut(self.config.layers[2:], self.generators)

    def stacks(self) -> dict[str, Layers]:
        """The hidden layers, and the read-out where there is one."""
        read_out = {"read_out": self.read_out.stack} if self.read_out else {}
        return super().stacks() | read_out

    def layers(self) -> dict[str, list[Tensor]]:
        """Parameters by hidden layer, and those of the read-out where there is one."""
        read_out = {"read_out": self.read_out.stack.parameters()} if self.read_out else {}
        return super().layers() | read_out

    def phases(self, data: Dataset) -> Iterator[Phase]:
        """One: all layers learn at once."""
        parameters = [tensor for layer in self.layers().values() for tensor in layer]
        if self.config.negatives == "hybrid":
            yield self.hybrid_phase(data, parameters)
        else:
            yield self.phase(data, self.losses, parameters)

    def hybrid_phase(self, data: Dataset, parameters: list[Tensor]) -> Phase:
        """A phase in which every image is visited beside a hybrid of it and another image."""
        device = self.network.layers.device
        images, labels = data.train_images.to(device), data.train_labels.to(device)
        masks = hybrid_masks(MASKS, PIXELS).to(device)

        def losses(batch: PerSeed) -> PerSeed:
            one, other = take(images, batch["image"]), take(images, batch["partner"])
            mixed = hybrids(one, other, take(masks, batch["mask"]))
            return self.hybrid_losses(one, mixed, take(labels, batch["image"]))

        draw_epoch = partial(hybrid_visits, data.train_labels)
        return Phase(draw_epoch, len(images), losses, parameters, self.evaluation(data))

    def losses(self, inputs: Tensor, lengths: Tensor, labels: Tensor) -> PerSeed:
        """The loss (S,) of every layer and of the read-out.

        inputs, lengths: as GoodnessRule's. labels: (S, 2, B), the right ones and wrong ones.
        """
        found = self._of_layers(*self.network.forward(inputs, lengths, labels))
        if self.read_out:
            logits = self.read_out.logits(self._unlabelled(inputs, lengths))
            found["read_out"] = cross_entropy_loss(logits, labels[:, 0])
        return found

    def hybrid_losses(self, images: Tensor, mixed: Tensor, labels: Tensor) -> PerSeed:
        """The same of images and of hybrids, (S, B, 784) uint8, in which there is no label.

        labels: (S, B), of the images: only the read-out learns them.
        """
        seen = torch.cat([images, mixed], 1)
        prepared = self.network.prepare(seen.flatten(0, 1))
        inputs, lengths = (part.unflatten(0, seen.shape[:2]) for part in prepared)
        none = torch.full_like(lengths, NO_LABEL).transpose(1, 2)
        directions, goodness = self.network.forward(inputs, lengths, none)
        logits = self.read_out.logits([layer[:, : labels.shape[1]] for layer in directions[1:]])
        read_out = {"read_out": cross_entropy_loss(logits, labels)}
        return self._of_layers(directions, goodness) | read_out

    def _of_layers(self, directions: list[Tensor], lengths: list[Tensor]) -> PerSeed:
        layers = zip(directions, lengths, strict=True)
        return {f"layer{k}": self._loss(*layer) for k, layer in enumerate(layers, start=1)}

    def _loss(self, directions: Tensor, lengths: Tensor) -> Tensor:
        """Of one layer: directions (S, 2B, units) and lengths (S, 2B) of its activations."""
        positive, negative = lengths.square().chunk(2, -1)
        loss = 2 * goodness_loss(positive, negative, self.config.threshold)  # the sum of both terms
        if not self.config.peer_normalisation:
            return loss
        count = positive.shape[-1]
        active = directions[:, :count] * lengths[:, :count].unsqueeze(-1)
        return loss + self.config.peer_normalisation * peer_deviation(active)

    def example_losses(self, data: Dataset, images: int = 256) -> PerSeed:
        """As GoodnessRule has it; beside hybrids, each image is mixed with the one before it."""
        if self.config.negatives != "hybrid":
            return super().example_losses(data, images)
        rows = torch.arange(len(data.train_images[:images]), device=self.network.layers.device)
        rows = rows.expand(self.config.seeds, -1)
        batch = {"image": rows, "partner": rows.roll(1, -1), "mask": rows % MASKS}
        return self.hybrid_phase(data, []).losses(batch)

    @torch.no_grad()
    def _unlabelled(self, inputs: Tensor, lengths: Tensor) -> list[Tensor]:
        """Directions (S, B, units) of layers 2, …, L for images without a label."""
        shape = (len(inputs), 1, inputs.shape[1])
        neutral = torch.full(shape, NO_LABEL, device=inputs.device)
        return self.network.forward(inputs, lengths, neutral)[0][1:]

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        """Scores (S, N, 10): the summed goodness of layers 2, …, L, or the read-out's logits."""
        if not self.read_out:
            return self.network.label_goodness(images)[:, 1:].square().sum(1)
        found = []
        for chunk in images.split(CHUNK):
            seen = (p.expand(self.config.seeds, -1, -1) for p in self.network.prepare(chunk))
            found.append(self.read_out.logits(self._unlabelled(*seen)).cpu())
        return torch.cat(found, 1)

    def representations(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """As GoodnessRule has it; where layers learn without labels, none is written."""
        if self.config.negatives == "hybrid":
            labels = torch.full_like(labels, NO_LABEL)
        return super().representations(images, labels)

    def probabilities(self, images: Tensor) -> Tensor:
        """The softmax of the scores, (S, N, 10)."""
        return self.predict(images).softmax(-1)

    def _watch(self, data: Dataset) -> PerSeed:
        right = self.predict(data.test_images[:WATCHED]).argmax(-1) == data.test_labels[:WATCHED]
        return {"test_accuracy/watched": right.double().mean(-1)}


RULE = HintonFF
