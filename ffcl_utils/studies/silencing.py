"""Units of a trained network that are switched off for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from ffcl_utils.rules.base import Rule


def can_be_silenced(rule: Rule, layer: int, units: int) -> bool:
    """Whether each of the `units` of a hidden layer (from 0) has incoming weights of its own.

    A unit of a convolution shares them with its channel; of twins that answer together, the units
    of both are shown, and one network alone has the weights of half of them.
    """
    layers = rule.predicting()
    return layer < len(layers.weights) and layers.weights[layer].shape[-1] == units


@contextmanager
def silenced(rule: Rule, layer: int, units: np.ndarray) -> Iterator[None]:
    """Within it, units (U,) bool of a hidden layer (from 0) stay at zero, whatever they see.

    Their weights and biases are 0, and so is what ReLU makes of it; they are put back at the end.
    So are the means that batch norm takes away, where the rule has it.
    """
    layers = rule.predicting()
    chosen = torch.from_numpy(units).to(layers.device)
    means = getattr(layers, "means", [])
    tensors = [layers.weights[layer], layers.biases[layer], *means[layer : layer + 1]]
    before = [tensor[..., chosen].detach().clone() for tensor in tensors]
    _set(tensors, chosen, [0.0] * len(tensors))
    try:
        yield
    finally:
        _set(tensors, chosen, before)


@torch.no_grad()
def _set(tensors, chosen: Tensor, values) -> None:
    for tensor, value in zip(tensors, values, strict=True):
        tensor[..., chosen] = value
