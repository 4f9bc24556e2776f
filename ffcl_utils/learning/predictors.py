"""Blocks with linear predictors of the class, without a bias, and what these minimise.

S seeds, B images in the batch, U units. As in the Cascaded Forward algorithm (arXiv 2303.09728).
"""

from collections.abc import Iterable

import torch
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from ffcl_utils.learning.convolution import CHUNK, ConvBlocks, normalised, statistics, units_of
from ffcl_utils.learning.feedback import output_error, pulled, random_feedback
from ffcl_utils.learning.layers import aligned
from ffcl_utils.learning.losses import CLASSES, cross_entropy_loss
from ffcl_utils.learning.training import PerSeed


class PredictingBlocks(ConvBlocks):
    """Blocks of S networks, each with a linear predictor of the class from its features.

    predictors[k]: (S, units of block k, 10), 0 until it has learnt. The authors start at 1: the
    same number added to all scores of an image changes neither softmax nor sparsemax, so that both
    starts learn the same, and small numbers are rounded less. side: pixels of a row of the images.
    learning: whether blocks learn by direct feedback; feedback[k], (S, 10, units), is then fixed
    and random. learnt: by block the parameters that learn.
    """

    def __init__(
        self, channels: tuple[int, ...], side: int, generators: list[Generator], learning: bool
    ):
        super().__init__(channels, generators)
        self.learning, units, seeds = learning, units_of(channels, side), len(generators)
        zeros = [torch.zeros(seeds, count, CLASSES, device=self.device) for count in units]
        self.predictors = [aligned(tensor).requires_grad_() for tensor in zeros]
        self.learnt = [[predictor] for predictor in self.predictors]
        if learning:
            self.feedback = random_feedback((side**2, *units, CLASSES), generators, direct=True)
            for parameters, *own in zip(self.learnt, self.weights, self.biases, strict=True):
                parameters += own

    def by_layer(self) -> dict[str, list[Tensor]]:
        """As ConvBlocks has it, and "predictor1", "predictor2", …, which have losses apart."""
        own = enumerate(self.predictors, start=1)
        return super().by_layer() | {f"predictor{k}": [weight] for k, weight in own}

    def tensors(self) -> dict[str, Tensor]:
        """As ConvBlocks has it, and "predictor1", "predictor2", …"""
        own = enumerate(self.predictors, start=1)
        return super().tensors() | {f"predictor{k}": weight for k, weight in own}

    @torch.no_grad()
    def scores(self, images: Tensor, softmax: bool) -> Tensor:
        """Scores (S, N, 10), averaged over the blocks, for images (N, 1, H, W).

        softmax: of each block's scores, before the mean.
        """
        found = []
        for seed in range(len(self.weights[0])):
            for part in images.split(CHUNK):
                cascade = self.cascade(seed, part, len(self.weights))
                both = zip(cascade, self.predictors, strict=True)
                own = torch.stack([f.flatten(1) @ weight[seed] for (_, f), weight in both])
                found.append((own.softmax(-1) if softmax else own).mean(0))
        return torch.cat(found).unflatten(0, (-1, len(images)))

    def seen(self, k: int, images: Tensor) -> list[Tensor]:
        """By seed what `losses` needs of images (N, 1, H, W): (N, channels, height, width).

        The features of block k, from 0; of a block that learns, what enters it.
        """
        blocks = k if self.learning else k + 1
        return [self.features(seed, images, blocks) for seed in range(len(self.weights[k]))]

    def losses(self, k: int, seen: list[Tensor], labels: Tensor, loss: str) -> PerSeed:
        """The loss (S,) of "predictor<k + 1>", and of "layer<k + 1>" where blocks learn.

        seen: from `seen`, of a batch. labels: (S, B). loss: of the predictor, by name. That of the
        block has no meaning but its gradient: e·B by the features, e the error of the softmax.
        """
        found: dict[str, list[Tensor]] = {}
        for seed, (features, own) in enumerate(zip(seen, labels.unsqueeze(1), strict=True)):
            if self.learning:
                active = self.activations(k, seed, features)
                features = normalised(active, *statistics(active))
            features = features.flatten(1).unsqueeze(0)
            scores = features.detach() @ self.predictors[k][seed]
            found.setdefault(f"predictor{k + 1}", []).append(PREDICTOR_LOSSES[loss](scores, own))
            if self.learning:
                error = output_error(scores.detach(), own) @ self.feedback[k][seed]
                found.setdefault(f"layer{k + 1}", []).append(pulled(features, error))
        return {name: torch.cat(losses) for name, losses in found.items()}

    def batch_losses(
        self, k: int, seen: list[Tensor], labels: Tensor, loss: str, batch: PerSeed
    ) -> PerSeed:
        """`losses` of a batch: "image", (S, B) rows of what is `seen` and of the labels (N,)."""
        rows = batch["image"]
        met = [own.index_select(0, index) for own, index in zip(seen, rows, strict=True)]
        return self.losses(k, met, labels[rows], loss)

    def losses_of_all(self, images: Tensor, labels: Tensor, loss: str) -> PerSeed:
        """`losses` of every block, for images (N, 1, H, W) and labels (S, N)."""
        found: PerSeed = {}
        for k in range(len(self.weights)):
            found |= self.losses(k, self.seen(k, images), labels, loss)
        return found

    @torch.no_grad()
    def solve(self, images: Tensor, labels: Tensor, ridge: float) -> PerSeed:
        """Freeze batch norm, and set all predictors by `least_squares`; their squared errors (S,).

        images: (N, 1, H, W). labels: (N,). The errors are named as their losses.
        """
        found: dict[str, list[Tensor]] = {}
        for k, predictor in enumerate(self.predictors):
            self.measure(k, images)
            for seed in range(len(predictor)):
                parts = (
                    (self.features(seed, part, k + 1).flatten(1), own)
                    for part, own in zip(images.split(CHUNK), labels.split(CHUNK), strict=True)
                )
                weight, loss = least_squares(parts, ridge)
                predictor[seed] = weight.float()
                found.setdefault(f"predictor{k + 1}", []).append(loss)
        return {name: torch.stack(losses) for name, losses in found.items()}


def squared_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean squared error of scores (S, B, 10) for labels (S, B) as one-hot. Returns (S,)."""
    targets = one_hot(labels, CLASSES).to(scores.dtype)
    return (scores - targets).square().mean((-2, -1))


def sparsemax(scores: Tensor) -> Tensor:
    """The point of the probability simplex that is nearest to each row of scores (…, K).

    Martins and Astudillo 2016 (arXiv 1602.02068, algorithm 1): many classes get exactly 0.
    """
    ordered = scores.sort(-1, descending=True).values
    # Relative to the largest score: its exact size changes nothing, and would be rounded.
    highest = ordered[..., :1]
    ordered = ordered - highest
    excess = ordered.cumsum(-1) - 1
    ranks = torch.arange(1, scores.shape[-1] + 1, device=scores.device)
    # At least one class has a part; where scores are no numbers, none would be found.
    size = (ranks * ordered > excess).sum(-1, keepdim=True).clamp(min=1)
    threshold = excess.gather(-1, size - 1) / size
    return (scores - highest - threshold).clamp(min=0)


def sparsemax_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """The loss whose gradient by the scores (S, B, 10) is sparsemax − one-hot. Returns (S,).

    labels: (S, B). Martins and Astudillo 2016, equation 12, in the form z·p − z_y + (1 − p·p)/2
    with p the sparsemax of z. It is 0 where the right score leads every other by 1.
    """
    scores = scores - scores.detach().amax(-1, keepdim=True)
    # p maximises z·p − p·p/2, so that its own change adds nothing to the gradient.
    p = sparsemax(scores.detach())
    right = scores.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    return ((scores * p).sum(-1) - right + (1 - p.square().sum(-1)) / 2).mean(-1)


def least_squares(parts: Iterable[tuple[Tensor, Tensor]], ridge: float) -> tuple[Tensor, Tensor]:
    """The predictor of least squared error for one network, and its mean squared error.

    parts: features (n, U) and labels (n,) of all images, a part at a time. Solves
    (XᵀX + ridge · I) W = XᵀY with Y the labels as one-hot, by the pseudo-inverse: of the solutions
    where the matrix is singular, as it is where a unit is silent, W is the shortest. Computed in
    float64. Returns W, (U, 10) float64, and the mean over images and classes of (XW − Y)².
    """
    count, gram, cross = 0, 0, 0
    for features, labels in parts:
        x, y = features.double(), one_hot(labels, CLASSES).double()
        count, gram, cross = count + len(x), gram + x.T @ x, cross + x.T @ y
    values, vectors = torch.linalg.eigh(gram)
    values = values + ridge
    # What is smaller than the rounding of the sums is 0: numpy.linalg.matrix_rank's rule.
    smallest = values.amax() * max(count, len(values)) * torch.finfo(values.dtype).eps
    inverse = torch.where(values > smallest, 1 / values, 0)
    weight = vectors @ (inverse[:, None] * (vectors.T @ cross))
    squares = (weight * (gram @ weight - 2 * cross)).sum() + count
    return weight, squares / (count * CLASSES)


# By the setting that chooses one.
PREDICTOR_LOSSES = {
    "mse": squared_loss,
    "cross_entropy": cross_entropy_loss,
    "sparsemax": sparsemax_loss,
}
