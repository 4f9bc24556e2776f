"""Does a gradient cross a layer? Which layers does a loss change?"""

from dataclasses import dataclass

import torch
from torch import Tensor


def off_layer_gradient(losses: dict[str, Tensor], layers: dict[str, list[Tensor]]) -> Tensor:
    """Largest absolute gradient of any layer's loss on the parameters of another layer.

    losses: one local loss (S,) per layer. layers: by the same names, the parameters (S, …) of
    each, or (2S, …) of twins. Returns (S,); 0 where learning is local, as claimed for arXiv
    2405.03432.
    """
    largest = torch.zeros_like(next(iter(losses.values())))
    for name, loss in losses.items():
        others = [p for other, params in layers.items() if other != name for p in params]
        gradients = torch.autograd.grad(loss.sum(), others, retain_graph=True, allow_unused=True)
        for gradient in gradients:
            if gradient is not None:  # None: the loss does not depend on it at all
                of_networks = gradient.abs().flatten(1).amax(1).unflatten(0, (-1, len(largest)))
                largest = torch.maximum(largest, of_networks.amax(0))
    return largest.detach().cpu()


@dataclass(frozen=True)
class Learning:
    """How one model learns: its layers from the first on, and by loss the layers that it changes.

    sees: what enters the network; of twins, what enters each of them.
    """

    layers: list[str]
    losses: dict[str, list[str]]
    sees: tuple[str, ...]


def learning(
    losses: dict[str, Tensor],
    layers: dict[str, list[Tensor]],
    names: dict[str, str],
    sees: tuple[str, ...],
) -> Learning:
    """How a model learns, measured: a loss changes a layer on which its gradient is not 0.

    losses: (S,) by name. layers: the parameters of each, (S, …) or (2S, …) of twins, by name, from
    the first on. names: what losses are called where that is not their name here. sees: as in
    `Learning`. A local loss changes its own layer alone, a loss of backpropagation all of them.
    """
    spoken = {name: name.replace("layer", "layer ") for name in layers}
    changes = {}
    for loss, value in losses.items():
        changes[names.get(loss, loss)] = [
            spoken[name] for name, parameters in layers.items() if _moves(value, parameters)
        ]
    return Learning(list(spoken.values()), changes, sees)


def _moves(loss: Tensor, parameters: list[Tensor]) -> bool:
    gradients = torch.autograd.grad(loss.sum(), parameters, retain_graph=True, allow_unused=True)
    return any(gradient is not None and bool(gradient.any()) for gradient in gradients)
