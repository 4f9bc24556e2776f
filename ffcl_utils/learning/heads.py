"""Layers that learn from heads of their own, and similarity matching: Nøkland and Eidnes 2019."""

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from ffcl_utils.learning.layers import Layers, linear
from ffcl_utils.learning.losses import CLASSES


class LayersWithHeads(Layers):
    """Fully connected layers, every hidden one with local heads: used while training only.

    heads: for every hidden layer its tensors by name. "readout" (S, units, outputs) and
    "readout_bias" (S, 1, outputs), where `readouts`: what the layer alone says of the class.
    "projection" (S, units, units), where `projections`: what is compared of its activations. Drawn
    as the layers are, after them. Inputs of layers are normalised, as `Layers` has it.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        generators: list[Generator],
        readouts: bool,
        projections: bool,
    ):
        super().__init__(sizes, generators, normalised=True)
        self.heads: list[dict[str, Tensor]] = []
        for units in sizes[1:-1]:
            shapes = {}
            if readouts:
                shapes |= {"readout": (units, sizes[-1]), "readout_bias": (1, sizes[-1])}
            if projections:
                shapes |= {"projection": (units, units)}
            drawn = {name: self._uniform(s, units, generators) for name, s in shapes.items()}
            self.heads.append(drawn)

    def parameters(self) -> list[Tensor]:
        """Weights and biases of the layers, from the input up, then the heads'."""
        return super().parameters() + [t for head in self.heads for t in head.values()]

    def by_layer(self) -> dict[str, list[Tensor]]:
        """As Layers has it; heads belong to their layer."""
        layers = super().by_layer()
        for k, head in enumerate(self.heads, start=1):
            layers[f"layer{k}"] += head.values()
        return layers

    def tensors(self) -> dict[str, Tensor]:
        """As Layers has it, and "readout1", "readout_bias1", "projection1", …"""
        heads = enumerate(self.heads, start=1)
        return super().tensors() | {
            f"{name}{k}": t for k, head in heads for name, t in head.items()
        }

    def forward(
        self, images: Tensor, local: bool = True, masks: list[Tensor] | None = None
    ) -> list[Tensor]:
        """As Layers has it, or with dropout on what a hidden layer passes on.

        masks: (S, B, units) for each hidden layer, factors of what the next layer sees of its
        activations; its heads see them whole. With masks, images are (S, B, inputs).
        """
        if masks is None:
            return super().forward(images, local)
        outputs, inputs = [], images
        for weight, bias, mask in zip(self.weights, self.biases, [*masks, None], strict=True):
            outputs.append(linear(inputs, weight, bias))
            if mask is not None:
                outputs[-1] = outputs[-1].relu()
                passed = outputs[-1].detach() if local else outputs[-1]
                inputs = normalize(passed, dim=-1) * passed.shape[-1] ** 0.5 * mask
        return outputs


def similarity_matching_loss(representations: Tensor, labels: Tensor) -> Tensor:
    """How far the images' similarities are from those of their labels.

    representations: (S, B, U). labels: (S, B). Each image's representation, and its label as
    one-hot, is taken as its deviation from its own mean over the units; the similarity of two
    images is the cosine of these ("adjusted cosine", Pearson's correlation over the units), which
    for labels is 1 within a class and −1/9 between two of ten. Returns (S,), the mean squared
    difference over all B² pairs. L_sim of Nøkland and Eidnes 2019 (arXiv 1901.06656).
    """
    units = normalize(representations - representations.mean(-1, keepdim=True), dim=-1)
    # `linear` and not a plain product: it sums in one order however many seeds there are.
    others = units.transpose(1, 2)
    cosine = linear(units, others, torch.zeros_like(others[:, :1]))
    same = (labels.unsqueeze(2) == labels.unsqueeze(1)).to(cosine.dtype)
    wanted = (CLASSES * same - 1) / (CLASSES - 1)
    return (cosine - wanted).square().mean((-2, -1))
