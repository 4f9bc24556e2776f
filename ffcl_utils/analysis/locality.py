"""Does a gradient cross a layer?"""

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
