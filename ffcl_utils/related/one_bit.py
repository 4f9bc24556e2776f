"""Forward-Forward whose layers are told one bit a trial: was the whole network's answer right?

A question of our own, beside arXiv 2008.06036. A trial: the network sees an image with each of the
ten labels, answers one of them by chance (softmax of the goodness, summed over the layers), and is
told whether that was right. Each layer then raises its own goodness for the image with its answer
if it was, and lowers it if not. After a wrong answer no layer is told the right label, and
no layer is told how good the other one was; no gradient crosses a layer.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize, one_hot, softplus

CLASSES = 10
USUAL = 0.02  # how fast the baseline follows the share of right answers, per mini-batch
Told = Literal["the label", "one bit", "a coin"]


def draw_layers(pixels: int, units: tuple[int, ...], generator: Generator) -> list[Tensor]:
    """Normal weights (inputs, units) of each layer; the first sees an image and a label.

    Their size makes a layer's goodness about 2 for an input of length 1.
    """
    sizes = (pixels + CLASSES, *units)
    return [
        (torch.randn(below, above, generator=generator) * (8 / above) ** 0.5).requires_grad_()
        for below, above in pairwise(sizes)
    ]


def goodness(layers: list[Tensor], images: Tensor, labels: Tensor) -> Tensor:
    """The goodness of every layer, the L2 norm of its ReLU units: (layers, B, K).

    images: (B, pixels) of length 1. labels: one-hot rows (K, 10) that every image is seen with, or
    (B, K, 10). A layer's input has length 1 and carries no gradient.
    """
    pixels = images.shape[1]
    shared = (images @ layers[0][:pixels]).unsqueeze(1)
    both = (shared + labels @ layers[0][pixels:]) / 2**0.5  # image and label have length √2
    outputs = [both.relu()]
    for weights in layers[1:]:
        outputs.append((normalize(outputs[-1].detach(), dim=-1) @ weights).relu())
    return torch.stack([output.norm(dim=-1) for output in outputs])


@torch.no_grad()
def answers_by_chance(layers: list[Tensor], images: Tensor, generator: Generator) -> Tensor:
    """One answer (B,) an image, with probability softmax of the summed goodness of its label."""
    total = goodness(layers, images, torch.eye(CLASSES)).sum(0)
    # Gumbel's way to draw from a softmax; unlike a drawing by probabilities it stops at no NaN.
    return (total - torch.empty_like(total).exponential_(generator=generator).log()).argmax(-1)


def bit_losses(found: Tensor, bits: Tensor, usual: float, threshold: float) -> Tensor:
    """The loss of every layer for trials whose answers were right (bit 1) or wrong (bit 0).

    found: goodness (layers, B) of the images with the answers. bits: (B,). usual: the share of
    right answers so far, a baseline: a trial weighs as much as its bit lies away from it, so that
    right answers weigh much while they are rare. Returns (layers,).
    """
    signs = 2 * bits - 1
    return ((bits - usual).abs() * softplus(signs * (threshold - found))).mean(-1)


def label_losses(positive: Tensor, negative: Tensor, threshold: float) -> Tensor:
    """FF's loss of every layer; positive, negative: goodness (layers, B). Returns (layers,)."""
    return (softplus(threshold - positive) + softplus(negative - threshold)).mean(-1) / 2


def learn(
    layers: list[Tensor], images: Tensor, labels: Tensor, told: Told, generator: Generator,
    passes: int, batch: int, learning_rate: float, threshold: float,
) -> Iterator[float]:  # fmt: skip
    """Learn in place, one trial an image (N, pixels) and pass, by mini-batches with Adam.

    told: "the label" (FF: the image with its label is positive, with a wrong one negative), "one
    bit", or "a coin" (as many ones as the bits have, dealt out by chance). Yields, after each pass,
    the share of its trials that were answered right; NaN where no answer is asked for.
    """
    optimiser = torch.optim.Adam(layers, lr=learning_rate)
    usual = 1 / CLASSES
    for _ in range(passes):
        right = 0.0
        for rows in torch.randperm(len(images), generator=generator).split(batch):
            seen, true = images[rows], labels[rows]
            if told == "the label":
                shift = torch.randint(1, CLASSES, true.shape, generator=generator)
                wrong = (true + shift) % CLASSES
                pair = one_hot(torch.stack([true, wrong], 1), CLASSES).float()
                positive, negative = goodness(layers, seen, pair).unbind(-1)
                losses = label_losses(positive, negative, threshold)
            else:
                answers = answers_by_chance(layers, seen, generator)
                bits = (answers == true).float()
                share = bits.mean().item()
                right += len(bits) * share
                if told == "a coin":
                    bits = bits[torch.randperm(len(bits), generator=generator)]
                found = goodness(layers, seen, one_hot(answers, CLASSES).float().unsqueeze(1))
                losses = bit_losses(found[..., 0], bits, usual, threshold)
                usual += USUAL * (share - usual)
            optimiser.zero_grad()
            losses.sum().backward()  # of each weight, only its own layer's loss has a gradient
            optimiser.step()
        yield right / len(images) if told != "the label" else float("nan")


@torch.no_grad()
def accuracies(layers: list[Tensor], images: Tensor, labels: Tensor) -> list[float]:
    """Shares of right answers where the label of highest goodness is answered: of each layer alone,
    and at last of the sum over the layers. NaN where the goodness is not finite."""
    found = goodness(layers, images, torch.eye(CLASSES))
    return [
        (each.argmax(-1) == labels).float().mean().item() if each.isfinite().all() else float("nan")
        for each in (*found, found.sum(0))
    ]
