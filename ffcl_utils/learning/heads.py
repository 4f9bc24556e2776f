"""Layers that learn from heads of their own, and similarity matching: Nøkland and Eidnes 2019."""

import torch
from torch import Generator, Tensor
from torch.nn.functional import batch_norm, normalize

from ffcl_utils.learning.layers import Layers, aligned, linear
from ffcl_utils.learning.losses import CLASSES


class LayersWithHeads(Layers):
    """Fully connected layers, every hidden one with local heads: used while training only.

    heads: for every hidden layer its tensors by name. "readout" (S, units, outputs) and
    "readout_bias" (S, 1, outputs), where `readouts`: what the layer alone says of the class.
    "projection" (S, units, units), where `projections`: what is compared of its activations. Drawn
    as the layers are, after them. norm: "length", inputs of layers are normalised, as `Layers` has
    it; "batch", batch norm of what the ReLU of every hidden layer sees, without factors to learn.
    means, variances: with batch norm, (S, 1, units) of each hidden layer, at which it is frozen
    where nothing is learnt.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        generators: list[Generator],
        readouts: bool,
        projections: bool,
        norm: str = "length",
    ):
        super().__init__(sizes, generators, normalised=norm == "length")
        self.heads: list[dict[str, Tensor]] = []
        for units in sizes[1:-1]:
            shapes = {}
            if readouts:
                shapes |= {"readout": (units, sizes[-1]), "readout_bias": (1, sizes[-1])}
            if projections:
                shapes |= {"projection": (units, units)}
            drawn = {name: self._uniform(s, units, generators) for name, s in shapes.items()}
            self.heads.append(drawn)
        batch = self.biases[:-1] if norm == "batch" else []
        # They ask for gradients as all parameters do, although no loss depends on them.
        self.means, self.variances = (
            [aligned(torch.full_like(bias, value)).requires_grad_() for bias in batch]
            for value in (0.0, 1.0)
        )

    def parameters(self) -> list[Tensor]:
        """All that learns: weights and biases of the layers, from the input up, then the heads'."""
        return super().parameters() + [t for head in self.heads for t in head.values()]

    def by_layer(self) -> dict[str, list[Tensor]]:
        """As Layers has it; heads and batch statistics belong to their layer."""
        layers = super().by_layer()
        for k, own in enumerate(self._beside(), start=1):
            layers[f"layer{k}"] += own.values()
        return layers

    def tensors(self) -> dict[str, Tensor]:
        """As Layers has it, and "readout1", "readout_bias1", "projection1", "mean1", …"""
        beside = enumerate(self._beside(), start=1)
        return super().tensors() | {f"{name}{k}": t for k, own in beside for name, t in own.items()}

    def _beside(self) -> list[dict[str, Tensor]]:
        """What every hidden layer has beside its weight and bias, by name."""
        if not self.means:
            return self.heads
        statistics = zip(self.heads, self.means, self.variances, strict=True)
        return [head | {"mean": mean, "variance": variance} for head, mean, variance in statistics]

    def forward(
        self,
        images: Tensor,
        local: bool = True,
        masks: list[Tensor] | None = None,
        learn: bool = False,
    ) -> list[Tensor]:
        """As Layers has it, or with dropout on what a hidden layer passes on.

        masks: (S, B, units) for each hidden layer, factors of what the next layer sees of its
        activations; its heads see them whole. learn: batch norm takes the statistics of the batch,
        and remembers them.
        """
        inputs, outputs = images, []
        if images.ndim == 2:
            inputs = images.expand(len(self.weights[0]), -1, -1)
        for k in range(len(self.heads)):
            sums = linear(inputs, self.weights[k], self.biases[k])
            if self.means:
                sums = self._normalised(k, sums, learn)
            outputs.append(sums.relu())
            inputs = outputs[k].detach() if local else outputs[k]
            if self.normalised:
                inputs = normalize(inputs, dim=-1) * inputs.shape[-1] ** 0.5
            if masks is not None:
                inputs = inputs * masks[k]
        return [*outputs, linear(inputs, self.weights[-1], self.biases[-1])]

    def _normalised(self, k: int, sums: Tensor, learn: bool) -> Tensor:
        """Batch norm of the sums (S, B, units) of hidden layer k, from 0.

        One network after the other, so that a seed's last bit is its own.
        """
        frozen = zip(sums, self.means[k].detach(), self.variances[k].detach(), strict=True)
        return torch.stack([batch_norm(own, m[0], v[0], training=learn) for own, m, v in frozen])


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
