"""Twins that learn in stages, with a head for each: those of original FFCL (arXiv 2305.02927)."""

import torch
from torch import Generator, Tensor

from ffcl_utils.learning.layers import Layers
from ffcl_utils.learning.losses import cosine_embedding_loss
from ffcl_utils.learning.twins import Twins

STAGES = ("local", "global", "final")
CHUNK = 2000  # images evaluated at once: bounds the memory, changes no figure


class TwinsWithHeads(Twins):
    """Twins of hidden layers alone, and for every stage a head on the last one of the first twin.

    sizes: units of every layer, input first, classes last. heads: by stage, a linear layer with
    weight (S, units, classes) and bias (S, 1, classes). All heads are drawn, after the twins,
    whether or not they will train: so the first stage is the same, to the last bit, however far the
    training goes.
    """

    def __init__(self, sizes: tuple[int, ...], generators: list[Generator]):
        super().__init__(sizes[:-1], generators)
        for parameter in self.first.parameters():
            parameter.requires_grad_()  # the last stage trains it alone: as a view of `both`
        self.heads = {stage: Layers(sizes[-2:], generators) for stage in STAGES}

    def stacks(self) -> dict[str, Layers]:
        """Both twins and the heads, by name."""
        heads = {f"head_{stage}": head for stage, head in self.heads.items()}
        return {"first": self.first, "second": self.second} | heads

    def layers(self) -> dict[str, list[Tensor]]:
        """Parameters (2S, …) of both twins by hidden layer, and (S, …) of the heads."""
        pairs = zip(self.both.weights, self.both.biases, strict=True)
        hidden = {f"layer{k}": list(pair) for k, pair in enumerate(pairs, start=1)}
        return hidden | {f"head_{stage}": head.parameters() for stage, head in self.heads.items()}

    def of_stage(self, stage: str) -> Layers:
        """What a stage trains beside its head: both twins, (2S, …); "final": the first, (S, …)."""
        return self.first if stage == "final" else self.both

    @torch.no_grad()
    def logits(self, stage: str, images: Tensor) -> Tensor:
        """Logits (S, N, classes), on the CPU, of the first twin with the head of a stage.

        images: (N, inputs), scaled.
        """
        tops = (hidden_layers(self.first, chunk)[-1] for chunk in images.split(CHUNK))
        return torch.cat([self.heads[stage].forward(top)[-1].cpu() for top in tops], 1)


def hidden_layers(stack: Layers, images: Tensor, local: bool = False) -> list[Tensor]:
    """Activations (S, B, units) of layers all of which are hidden.

    Arguments as `Layers.forward`, which has no ReLU in its last layer. Where `local`, no gradient
    crosses from a layer into the one below.
    """
    *below, top = stack.forward(images, local)
    return [*below, top.relu()]


def contrastive_losses(
    stage: str, seen: list[Tensor], labels: Tensor, margin: float
) -> dict[str, Tensor]:
    """The cosine embedding losses (S,) of a stage, by name.

    seen: hidden layers (2S, B, units) of both twins, the first twins' networks in front; labels:
    (2S, B). "local": "layer1", "layer2", … of every layer pair; "global": that of the last pair;
    "final": none.
    """
    contrasted = {
        "local": {f"layer{k}": layer for k, layer in enumerate(seen, start=1)},
        "global": {"global": seen[-1]},
        "final": {},
    }
    return {
        name: cosine_embedding_loss(*layer.chunk(2), *labels.chunk(2), margin)
        for name, layer in contrasted[stage].items()
    }
