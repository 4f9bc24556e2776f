"""Twin networks whose hidden layers lack a share of their weights, and what moves the gaps.

Sparse evolutionary training (Mocanu et al. 2018, Nature Communications 9, 2383): the weakest
weights are pruned and as many are grown elsewhere, so that the sparsity stays. There the two signs
are pruned apart; here the magnitude alone counts.
"""

from copy import copy

import torch
from torch import Generator, Tensor

from ffcl_utils.learning.layers import Layers, aligned, joined
from ffcl_utils.learning.twins import Twins


class SparseLayers(Layers):
    """Layers of which a share `absent` of the weights of every hidden layer is not there.

    masks[k]: (S, in, out), 1 where a weight is present, else 0, drawn at random after the weights;
    none where `absent` is 0. They are stored with the network, and never learn.
    """

    def __init__(self, sizes: tuple[int, ...], generators: list[Generator], absent: float):
        super().__init__(sizes, generators)
        hidden = self.weights[:-1] if absent else []
        self.masks = [self._mask(weight.shape[1:], absent, generators) for weight in hidden]

    def _mask(self, shape, absent: float, generators: list[Generator]) -> Tensor:
        drawn = torch.stack([random_mask(tuple(shape), absent, g) for g in generators])
        # It never learns, but may be asked for its gradient, as every tensor of a layer.
        return aligned(drawn.to(self.device)).requires_grad_()

    def present(self) -> list[Tensor]:
        """The weights (S, in, out) of every layer, 0 where they are absent."""
        masked = [w * mask.detach() for w, mask in zip(self.weights, self.masks, strict=False)]
        return masked + self.weights[len(masked) :]

    def by_layer(self) -> dict[str, list[Tensor]]:
        """As Layers has it, with the mask of each layer."""
        found = super().by_layer()
        for tensors, mask in zip(found.values(), self.masks, strict=False):
            tensors.append(mask)
        return found

    def tensors(self) -> dict[str, Tensor]:
        """As Layers has it, with "mask1", …"""
        masks = {f"mask{k}": mask for k, mask in enumerate(self.masks, start=1)}
        return super().tensors() | masks

    def forward(self, images: Tensor, local: bool = True) -> list[Tensor]:
        """As Layers has it, without the absent weights."""
        seen = copy(self)
        seen.weights = self.present()
        return Layers.forward(seen, images, local)


class SparseTwins(Twins):
    """Twins of SparseLayers; with `absent` 0 they are Twins, bit for bit."""

    def __init__(self, sizes: tuple[int, ...], generators: list[Generator], absent: float):
        self.first = SparseLayers(sizes, generators, absent)
        self.second = SparseLayers(sizes, generators, absent)
        self.both = joined(self.first, self.second)
        pairs = zip(self.first.masks, self.second.masks, strict=True)
        self.both.masks = [aligned(torch.cat(pair).detach()).requires_grad_() for pair in pairs]
        for stack, half in ((self.first, 0), (self.second, 1)):
            stack.masks = [mask.detach().chunk(2)[half] for mask in self.both.masks]

    @torch.no_grad()
    def rewire(self, seed: int, share: float, generator: Generator) -> None:
        """Rewire every hidden layer of both twins of one seed, the seed-th in order."""
        for twin in (self.first, self.second):
            for weight, mask in zip(twin.weights, twin.masks, strict=False):
                rewire(weight[seed], mask[seed], share, generator)


def random_mask(shape: tuple[int, int], absent: float, generator: Generator) -> Tensor:
    """A mask of 1 and 0, the share `absent` of it 0, to the nearest weight, at random places."""
    mask = torch.ones(shape)
    gone = torch.randperm(mask.numel(), generator=generator)[: round(absent * mask.numel())]
    mask.view(-1)[gone] = 0
    return mask


def rewire(weight: Tensor, mask: Tensor, share: float, generator: Generator) -> None:
    """Prune the share of the present weights that is smallest in magnitude, and grow as many at 0.

    weight, mask: (in, out) of one layer of one network; both are changed in place. New weights are
    at random among the absent places, those just pruned too, and start at 0; no weight that stays
    is changed. Of equal weights the first in order go.
    """
    flat, there = weight.flatten(), mask.flatten()
    present = there.nonzero().squeeze(1)
    count = round(share * len(present))
    weakest = present[flat[present].abs().argsort(stable=True)[:count]]
    there[weakest] = 0
    flat[weakest] = 0
    gaps = (there == 0).nonzero().squeeze(1)
    drawn = torch.randperm(len(gaps), generator=generator)[:count]
    grown = gaps[drawn.to(gaps.device)]
    there[grown] = 1
    flat[grown] = 0
    weight.copy_(flat.view_as(weight))
    mask.copy_(there.view_as(mask))
