"""Local losses: arrays in, one loss per seed out. S seeds, B images in the batch, U units."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, cosine_similarity, cross_entropy, one_hot


def cosine_embedding_loss(first: Tensor, second: Tensor, same: Tensor, margin: float) -> Tensor:
    """Representation loss of a hidden layer pair: pulls same-class pairs together.

    first, second: (S, B, U), the activations of the twins. same: (S, B) bool, whether the two
    images of a pair are of one class. Returns (S,), the mean over the batch of 1 − cos for a
    same-class pair and max(0, cos − margin) for any other. Named by improved FFCL
    (arXiv 2405.03432); the formula is that of torch.nn.CosineEmbeddingLoss.
    """
    cosine = cosine_similarity(first, second, dim=-1)
    return torch.where(same, 1 - cosine, (cosine - margin).clamp(min=0)).mean(-1)


def softmax_bce_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Classification loss as improved FFCL has it: binary cross-entropy of the softmax outputs.

    logits: (S, B, 10). labels: (S, B). Returns (S,), the mean over batch and outputs.
    """
    targets = one_hot(labels, logits.shape[-1]).to(logits.dtype)
    return binary_cross_entropy(logits.softmax(-1), targets, reduction="none").mean((-2, -1))


def cross_entropy_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the softmax. logits: (S, B, 10). labels: (S, B). Returns (S,)."""
    return cross_entropy(logits.transpose(1, 2), labels, reduction="none").mean(-1)


CLASSIFICATION_LOSSES = {"bce": softmax_bce_loss, "cross_entropy": cross_entropy_loss}
