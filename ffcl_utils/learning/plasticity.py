"""What plasticity and neuromodulation add to a local loss. S seeds, B images in the batch, U units.

Nothing here sends a gradient across a layer: activations that act as factors are detached.
"""

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity


def cosine_embedding_losses(
    first: Tensor, second: Tensor, labels: Tensor, partner_labels: Tensor, margin: float
) -> Tensor:
    """The loss (S, B) of every pair; their mean is losses.cosine_embedding_loss, arguments too."""
    cosine = cosine_similarity(first, second, dim=-1)
    return torch.where(labels == partner_labels, 1 - cosine, (cosine - margin).clamp(min=0))


def oja_loss(activations: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A loss (S,) whose gradient is minus Oja's update of a ReLU layer's weights W.

    activations: y (S, B, U), as the layer made them from its input x: ReLU(xW + bias). weight:
    (S, in, U), bias: (S, 1, U). With y as a constant the loss is the mean over the batch of

        − Σ_j y_j (xW)_j + ½ Σ_j y_j² |W_j|²,

    so that its gradient is −(mean of x yᵀ − y² W): Hebb's product, and the decay that keeps each
    unit's weights at length 1 (Oja 1982, J. Math. Biol. 15, eq. 3). Where a unit is silent its
    factor is 0; elsewhere (xW)_j is y_j − bias, which needs no further product. The bias has none.
    """
    constant = activations.detach()
    hebb = (constant * (activations - bias)).sum(-1).mean(-1)
    decay = constant.square().mean(1) * weight.square().sum(1)
    return decay.sum(-1) / 2 - hebb


def modulation(logits: Tensor, labels: Tensor, modulator: str) -> Tensor:
    """The factor (S, B) of every pair's local losses: one number that all layers hear.

    logits: (2S, B, 10), of the output layers, the first twins' in front; labels: (2S, B). p is the
    probability of the right class, mean of both twins. modulator: "reward", p, or "surprise",
    1 − p. Factors are divided by their mean over the batch: the size of a step stays, and pairs
    share it out anew. (Adam would divide a plain scale out again.) Where all are 0 they stay so.
    """
    of_twins = logits.detach().softmax(-1).gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    right = of_twins.unflatten(0, (2, -1)).mean(0)
    factor = {"reward": right, "surprise": 1 - right}[modulator]
    return factor / factor.mean(-1, keepdim=True).clamp(min=torch.finfo(factor.dtype).tiny)
