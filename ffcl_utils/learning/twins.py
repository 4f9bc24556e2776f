"""Twin networks: two stacks of layers of one shape per seed, and what they predict."""

import torch
from torch import Generator, Tensor

from ffcl_utils.data.pixels import scale
from ffcl_utils.learning.layers import Layers, joined
from ffcl_utils.learning.training import PerSeed

CHUNK = 10_000  # images evaluated at once: bounds the memory, changes no figure


class Twins:
    """`first` and `second`, networks of one shape with weights of their own, for all seeds.

    They are halves of one stack, `both`, which is what trains: (2S, …), the first twins' networks
    in front. One operation for two networks is half the operations.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        generators: list[Generator],
        input_scaling: str,
        predictor: str,
        normalised: bool = False,
    ):
        self.first = Layers(sizes, generators, normalised)
        self.second = Layers(sizes, generators, normalised)
        self.both = joined(self.first, self.second)
        self.input_scaling, self.predictor = input_scaling, predictor

    def parameters(self) -> list[Tensor]:
        """Weights and biases (2S, …) of both twins."""
        return self.both.parameters()

    def layers(self) -> dict[str, list[Tensor]]:
        """Parameters (2S, …) of both twins by layer, named as the layers' losses are."""
        names = [f"layer{k}" for k in range(1, len(self.both.weights))] + ["output"]
        tensors = zip(self.both.weights, self.both.biases, strict=True)
        return dict(zip(names, map(list, tensors), strict=True))

    @torch.no_grad()
    def twin_probabilities(self, images: Tensor) -> dict[str, Tensor]:
        """Softmax outputs (S, N, 10) of each twin and their mean, for images (N, 784) uint8."""
        chunks = images.split(CHUNK)
        return with_mean(
            *(
                torch.cat([twin.forward(self.scaled(chunk))[-1].cpu() for chunk in chunks], 1)
                for twin in (self.first, self.second)
            )
        )

    def predict(self, images: Tensor) -> Tensor:
        """Softmax outputs (S, N, 10) of the network that the settings let predict."""
        return self.twin_probabilities(images)[self.predictor]

    @torch.no_grad()
    def representations(self, images: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        """Hidden activations (S, N, units) of the network that predicts, layer by layer.

        For `predictor="mean"` the units of both twins side by side. Labels are not used.
        """
        first, second = (twin.forward(self.scaled(images)) for twin in (self.first, self.second))
        both = [torch.cat(pair, -1) for pair in zip(first, second, strict=True)]
        found = {"first": first, "second": second, "mean": both}[self.predictor][:-1]
        return [layer.cpu() for layer in found]

    def scaled(self, images: Tensor) -> Tensor:
        """Images (N, 784) uint8 as the networks see them, on their device."""
        return scale(images.to(self.first.device), self.input_scaling)


def with_mean(first_logits: Tensor, second_logits: Tensor) -> dict[str, Tensor]:
    """Probabilities of both twins from their logits, and the mean of the two; each (S, N, 10)."""
    first, second = first_logits.softmax(-1), second_logits.softmax(-1)
    return {"first": first, "second": second, "mean": (first + second) / 2}


def accuracies(scores: dict[str, Tensor], labels: Tensor) -> PerSeed:
    """Share of images (S,) that each of the scores (S, N, 10) gets right; labels (N,)."""
    return {name: (s.argmax(-1) == labels).double().mean(-1) for name, s in scores.items()}
