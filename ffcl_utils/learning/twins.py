"""Twin networks: two stacks of layers of one shape per seed, and what they predict together."""

from torch import Generator, Tensor

from ffcl_utils.learning.layers import Layers, joined


class Twins:
    """`first` and `second`, networks of one shape with weights of their own, for all seeds.

    They are halves of one stack, `both`, which is what trains: (2S, …), the first twins' networks
    in front. One operation for two networks is half the operations.
    """

    def __init__(
        self, sizes: tuple[int, ...], generators: list[Generator], normalised: bool = False
    ):
        self.first = Layers(sizes, generators, normalised)
        self.second = Layers(sizes, generators, normalised)
        self.both = joined(self.first, self.second)

    def layers(self) -> dict[str, list[Tensor]]:
        """Parameters (2S, …) of both twins by layer, named as the layers' losses are."""
        return self.both.by_layer()

    def forward(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Activations (S, N, units) of each twin, layer by layer, for the same images (N, 784)."""
        return self.first.forward(images), self.second.forward(images)


def with_mean(first_logits: Tensor, second_logits: Tensor) -> dict[str, Tensor]:
    """Probabilities of both twins from their logits, and the mean of the two; each (S, N, 10)."""
    first, second = first_logits.softmax(-1), second_logits.softmax(-1)
    return {"first": first, "second": second, "mean": (first + second) / 2}


def accuracies(scores: dict[str, Tensor], labels: Tensor) -> dict[str, Tensor]:
    """Share of images (S,) that each of the scores (S, N, 10) gets right; labels (N,)."""
    return {name: (s.argmax(-1) == labels).double().mean(-1) for name, s in scores.items()}
