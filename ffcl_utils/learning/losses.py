"""Local losses: arrays in, one loss per seed out. S seeds, B images in the batch, U units."""

import torch
from torch import Tensor
from torch.nn.functional import (
    binary_cross_entropy,
    cosine_similarity,
    cross_entropy,
    normalize,
    one_hot,
)

CLASSES = 10  # of MNIST and of Fashion-MNIST


def cosine_embedding_loss(
    first: Tensor, second: Tensor, labels: Tensor, partner_labels: Tensor, margin: Tensor | float
) -> Tensor:
    """Representation loss of a hidden layer pair: pulls same-class pairs together.

    first, second: (S, B, U), the activations of the twins; labels, partner_labels: (S, B), the
    classes of what each of them saw. margin: one, or (S, 1). Returns (S,), the mean over the batch
    of 1 − cos for a same-class pair and max(0, cos − margin) for any other. Named by improved FFCL
    (arXiv 2405.03432); the formula is that of torch.nn.CosineEmbeddingLoss.
    """
    cosine = cosine_similarity(first, second, dim=-1)
    same = labels == partner_labels
    return torch.where(same, 1 - cosine, (cosine - margin).clamp(min=0)).mean(-1)


def mirror_contrast_loss(
    first: Tensor,
    second: Tensor,
    labels: Tensor,
    partner_labels: Tensor,
    margin: Tensor | float = 0.0,
    temperature: float = 0.1,
) -> Tensor:
    """Supervised contrast across the twins: every image of one against every image of the other.

    Arguments as `cosine_embedding_loss`; the margin has no meaning here. Each image's cosines with
    the other twin's batch, divided by the temperature, go through a log-softmax, whose mean over
    the images of its class is maximised; in both directions. Returns (S,). The loss is that of
    supervised contrastive learning (Khosla et al. 2020, "L_out"), between two networks.
    """
    cosine = normalize(first, dim=-1) @ normalize(second, dim=-1).transpose(1, 2)
    similarity = cosine / temperature
    same = (labels.unsqueeze(2) == partner_labels.unsqueeze(1)).to(cosine.dtype)
    loss, weights = 0, 0
    for one_way in (-1, -2):
        matches = same.sum(one_way, keepdim=True)
        weights = weights + same / matches.clamp_min(1)
        matched = (matches > 0).squeeze(one_way)
        loss = loss + (similarity.logsumexp(one_way) * matched).mean(-1)
    return (loss - (weights * similarity).sum(-1).mean(-1)) / 2


def class_mean_loss(
    first: Tensor,
    second: Tensor,
    labels: Tensor,
    partner_labels: Tensor,
    margin: Tensor | float = 0.0,
    temperature: float = 0.05,
) -> Tensor:
    """Every image of one twin against the class means of the other twin's batch.

    Arguments as `cosine_embedding_loss`; the margin has no meaning here. The mean over a class is
    that of activations of length 1; cosines with the means, divided by the temperature, are the
    logits of a cross-entropy over the classes of the batch; in both directions. An image whose
    class the other batch does not hold counts as 0. Returns (S,). As in prototypical networks
    (Snell et al. 2017), but between two networks.
    """
    found = 0
    seen = (normalize(first, dim=-1), labels), (normalize(second, dim=-1), partner_labels)
    for (images, own), (others, theirs) in (seen, seen[::-1]):
        members = one_hot(theirs, CLASSES).to(others.dtype).transpose(1, 2)
        means = normalize(members @ others, dim=-1)
        present = members.any(-1).unsqueeze(1)
        logits = (images @ means.transpose(1, 2) / temperature).masked_fill(~present, -torch.inf)
        right = logits.log_softmax(-1).gather(-1, own.unsqueeze(-1)).squeeze(-1)
        found = found - right.masked_fill(right.isinf(), 0).mean(-1)
    return found / 2


def softmax_bce_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Classification loss as improved FFCL has it: binary cross-entropy of the softmax outputs.

    logits: (S, B, 10). labels: (S, B). Returns (S,), the mean over batch and outputs; NaN for a
    seed whose network has diverged, where torch itself would refuse all seeds.
    """
    targets = one_hot(labels, logits.shape[-1]).to(logits.dtype)
    probabilities = logits.softmax(-1)
    diverged = probabilities.isnan()
    probabilities = probabilities.masked_fill(diverged, 0.5)
    losses = binary_cross_entropy(probabilities, targets, reduction="none")
    return losses.masked_fill(diverged, torch.nan).mean((-2, -1))


def cross_entropy_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the softmax. logits: (S, B, 10). labels: (S, B). Returns (S,)."""
    return cross_entropy(logits.transpose(1, 2), labels, reduction="none").mean(-1)


CLASSIFICATION_LOSSES = {"bce": softmax_bce_loss, "cross_entropy": cross_entropy_loss}
# By name: settings choose among them. A loss that is added here can be named in a notebook.
REPRESENTATION_LOSSES = {
    "cosine_embedding": cosine_embedding_loss,
    "mirror_contrast": mirror_contrast_loss,
    "class_means": class_mean_loss,
}
