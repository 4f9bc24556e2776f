"""Pruning (survey: arXiv 2103.06460): which weights may go, and training of the ones that stay.

Scores at initialisation: SNIP, |w ∂L/∂w|, and GraSP, −w ⊙ Hg, with g the gradient and H the Hessian
of the loss on one batch. After training: magnitude. The sanity check that shuffles masks and draws
fresh weights is that of arXiv 2009.08576.

A network is one seed's. Biases are not pruned. A mask (in, out) is 1 where a weight stays, else 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

Loss = Callable[[list[Tensor]], Tensor]  # a scalar from the weights


@dataclass(frozen=True)
class Network:
    """Fully connected layers with ReLU between them: weights (in, out), biases (out,)."""

    weights: list[Tensor]
    biases: list[Tensor]

    def logits(self, inputs: Tensor) -> Tensor:
        """The output (B, classes) for inputs (B, in), before the softmax."""
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            inputs = torch.addmm(bias, inputs if k == 0 else inputs.relu(), weight)
        return inputs

    def loss_on(self, inputs: Tensor, labels: Tensor, temperature: float = 1.0) -> Loss:
        """Of the weights: the mean cross-entropy on a batch (B, in), its logits / temperature."""

        def loss(weights: list[Tensor]) -> Tensor:
            return cross_entropy(Network(weights, self.biases).logits(inputs) / temperature, labels)

        return loss

    @torch.no_grad()
    def accuracy(self, inputs: Tensor, labels: Tensor) -> float:
        """Share of the inputs (N, in) that get their label (N,); NaN where an output is NaN."""
        found = self.logits(inputs)
        right = (found.argmax(-1) == labels).double().mean().item()
        return right if found.isfinite().all() else float("nan")


def drawn(sizes: tuple[int, ...], generator: Generator) -> Network:
    """A network of so many units a layer, input first: weights N(0, 2/fan-in), biases 0."""
    weights = [
        torch.randn(fan_in, fan_out, generator=generator) * (2 / fan_in) ** 0.5
        for fan_in, fan_out in pairwise(sizes)
    ]
    return Network(weights, [torch.zeros(fan_out) for fan_out in sizes[1:]])


def magnitude(weights: list[Tensor]) -> list[Tensor]:
    """Scores |w|, (in, out) a layer."""
    return [weight.abs() for weight in weights]


def snip(weights: list[Tensor], loss: Loss) -> list[Tensor]:
    """Scores |w ∂L/∂w|, (in, out) a layer: about how much the loss changes without the weight."""
    leaves = [weight.detach().clone().requires_grad_() for weight in weights]
    gradients = torch.autograd.grad(loss(leaves), leaves)
    return [(w.detach() * g).abs() for w, g in zip(leaves, gradients, strict=True)]


def grasp(weights: list[Tensor], loss: Loss) -> list[Tensor]:
    """Scores w ⊙ Hg, (in, out) a layer, the highest to be kept.

    GraSP's own score is −w ⊙ Hg: to first order, what |g|²/2 gains when the weight goes. The method
    removes the highest, so that what the gradient rests on stays: hence the sign here.
    """
    leaves = [weight.detach().clone().requires_grad_() for weight in weights]
    gradients = torch.autograd.grad(loss(leaves), leaves, create_graph=True)
    flow = sum(gradient.square().sum() for gradient in gradients) / 2
    products = torch.autograd.grad(flow, leaves)
    return [w.detach() * product for w, product in zip(leaves, products, strict=True)]


def highest(scores: list[Tensor], keep: int) -> list[Tensor]:
    """Masks, (in, out) a layer, of the `keep` weights with the highest scores of all layers.

    Exactly so many stay, also of equal scores. Scores that are no numbers, as after a training that
    diverged, give masks of NaN. Raises ValueError for a mask that would remove all weights.
    """
    joined = torch.cat([score.flatten() for score in scores])
    if not 0 < keep <= len(joined):
        raise ValueError(f"{keep} of {len(joined)} weights cannot be kept: keep at least one")
    mask = torch.zeros(len(joined))
    mask[joined.topk(keep, sorted=False).indices] = 1
    if joined.isnan().any():
        mask.fill_(torch.nan)
    parts = mask.split([score.numel() for score in scores])
    return [part.view_as(score) for part, score in zip(parts, scores, strict=True)]


def shuffled(masks: list[Tensor], generator: Generator) -> list[Tensor]:
    """Masks that keep as many weights of each layer, but other ones, drawn at random."""
    orders = [torch.randperm(mask.numel(), generator=generator) for mask in masks]
    return [m.flatten()[o].view_as(m) for m, o in zip(masks, orders, strict=True)]


def masked(network: Network, masks: list[Tensor]) -> Network:
    """The network without the weights that the masks remove."""
    weights = [weight * mask for weight, mask in zip(network.weights, masks, strict=True)]
    return Network(weights, network.biases)


def trained(
    network: Network,
    masks: list[Tensor],
    inputs: Tensor,
    labels: Tensor,
    generator: Generator,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    momentum: float,
) -> Network:
    """The masked network after gradient descent with momentum, v ← μ v + g and w ← w − η v.

    inputs: (N, in), labels: (N,), in an order that `generator` draws for each epoch; a batch that
    is not full is left out. η falls linearly from `learning_rate` to 0. The masks multiply weights
    and gradients: a weight that was removed stays 0. A training that diverges gives weights that
    are not finite. Raises ValueError where there is no full batch.
    """
    steps = len(inputs) // batch_size
    if steps == 0:
        raise ValueError(f"{len(inputs)} images do not fill a batch of {batch_size}")
    start = masked(network, masks)
    weights = [weight.clone().requires_grad_() for weight in start.weights]
    biases = [bias.clone().requires_grad_() for bias in start.biases]
    parameters, learning = weights + biases, Network(weights, biases)
    velocities = [torch.zeros_like(parameter) for parameter in parameters]
    for epoch in range(epochs):
        order = torch.randperm(len(inputs), generator=generator)
        for step, rows in enumerate(order[: steps * batch_size].split(batch_size)):
            rate = learning_rate * (1 - (epoch * steps + step) / (epochs * steps))
            loss = cross_entropy(learning.logits(inputs[rows]), labels[rows])
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                torch._foreach_mul_(gradients[: len(masks)], masks)
                torch._foreach_mul_(velocities, momentum)
                torch._foreach_add_(velocities, gradients)
                torch._foreach_add_(parameters, velocities, alpha=-rate)
    return Network([w.detach() for w in weights], [b.detach() for b in biases])
