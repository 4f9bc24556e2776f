"""Networks judged by their goodness: the forward pass of FF and BP/FF (arXiv 2305.18353)."""

import torch
from torch import Tensor
from torch.nn.functional import pad, softplus

from ffcl_utils.data.pixels import LABEL_PIXELS, brightest, label_pixels, scale
from ffcl_utils.learning.layers import LANES, Layers, linear

# The label's product takes 16 columns of which six are zero: with ten its gradient is summed in an
# order that depends on how many seeds train together.
COLUMNS = 16
CHUNK = 100  # images predicted at once, each with ten labels: what they evoke fits the cache
SMALLEST = 1e-12  # length below which an activation vector counts as silent


class _ReluGoodness(torch.autograd.Function):
    """ReLU, the L2 norm over the units and the division by it, in place; few passes backward.

    With a = relu(z), g = |a| and y = a / g: ∂g/∂z = y, and what has the gradient d by y has
    (d − y (y·d)) / g by a. An inactive unit has y = 0, and no gradient.
    """

    @staticmethod
    def forward(ctx, preactivations: Tensor) -> tuple[Tensor, Tensor]:
        # Nothing that made the preactivations needs them again, and new memory costs more than
        # what is done with it.
        activations = preactivations.detach().relu_()
        found = activations.norm(dim=-1)
        directions = activations.div_(found.clamp_min(SMALLEST).unsqueeze(-1))
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(directions, found)
        return directions, found

    @staticmethod
    def backward(ctx, by_directions: Tensor | None, by_goodness: Tensor | None) -> Tensor:
        directions, found = ctx.saved_tensors
        if by_directions is None:
            return directions * by_goodness.unsqueeze(-1)
        along = (by_directions * directions).sum(-1)
        length = found.clamp_min(SMALLEST)
        gradient = torch.ops.aten.threshold_backward(by_directions, directions, 0)
        gradient.div_(length.unsqueeze(-1))
        factor = -along / length if by_goodness is None else by_goodness - along / length
        return gradient.addcmul_(directions, factor.unsqueeze(-1))


def relu_goodness(preactivations: Tensor) -> tuple[Tensor, Tensor]:
    """The directions (…, units) of the activations a = ReLU, and their goodness (…).

    The goodness is the L2 norm |a|, not squared; a direction is a / |a|, zero where no unit is
    active, and all that the next layer sees. Overwrites the preactivations.
    """
    return _ReluGoodness.apply(preactivations)


def goodness_loss(positive: Tensor, negative: Tensor, threshold: float) -> Tensor:
    """Mean of softplus(θ − g⁺) and softplus(g⁻ − θ). positive, negative: (S, B). Returns (S,)."""
    by_sign = (threshold - positive, negative - threshold)
    return sum(_softplus(margin).mean(-1) for margin in by_sign) / 2


def _softplus(rows: Tensor) -> Tensor:
    """softplus of rows (S, B), each computed in whole vector instructions (`layers.aligned`)."""
    count = rows.shape[-1]
    return softplus(pad(rows, (0, -count % LANES)))[:, :count]


class GoodnessNetwork:
    """Layers of ReLU units that see a label in the image; each normalises its input to length 1."""

    def __init__(self, layers: Layers, scaling: str):
        self.layers, self.scaling = layers, scaling
        self.brightness = brightest(scaling)

    def prepare(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, 784) uint8 as `forward` takes them, and their lengths (N, 1).

        On the network's device. They are scaled, their label pixels blank, and divided by the
        length that they will have with a label in, which is the same for every label.
        """
        blank = scale(images.to(self.layers.device), self.scaling)
        blank[:, :LABEL_PIXELS] = 0
        lengths = blank.norm(dim=-1, keepdim=True)
        lengths.square_().add_(self.brightness**2).sqrt_()
        return blank.div_(lengths), lengths

    def written(self, inputs: Tensor, lengths: Tensor, labels: Tensor) -> Tensor:
        """What the first layer sees, (S, B, 784) at length 1: images with their labels (S, B) in.

        inputs: (S, B, 784) and lengths: (S, B, 1), from `prepare`.
        """
        pixels = label_pixels(labels, self.brightness) / lengths
        return torch.cat([pixels, inputs[..., LABEL_PIXELS:]], -1)

    def first_layer(self, inputs: Tensor, lengths: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Directions (S, K·B, units) and goodness (S, K·B) of the same images with K labels each.

        inputs: (S, B, 784) and lengths: (S, B, 1), from `prepare`. labels: (S, K, B). The
        product of the 774 pixels that do not depend on the label is computed once for all K.
        """
        weight, bias = self.layers.weights[0], self.layers.biases[0]
        shared = linear(inputs, weight, bias)
        pixels = label_pixels(labels, self.brightness) / lengths.unsqueeze(1)
        pixels = pad(pixels, (0, COLUMNS - LABEL_PIXELS)).flatten(1, 2)
        with_label = torch.bmm(pixels, weight[:, :COLUMNS]).unflatten(1, (labels.shape[1], -1))
        return relu_goodness((with_label + shared.unsqueeze(1)).flatten(1, 2))

    def layer(self, k: int, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Directions and goodness of hidden layer k ≥ 1, from the directions in the layer below."""
        return relu_goodness(linear(inputs, self.layers.weights[k], self.layers.biases[k]))

    def forward(
        self, inputs: Tensor, lengths: Tensor, labels: Tensor, local: bool = True
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Directions (S, K·B, units) and goodness (S, K·B) of every layer.

        Arguments as `first_layer`'s. Where `local`, no gradient crosses a layer.
        """
        found = [self.first_layer(inputs, lengths, labels)]
        for k in range(1, len(self.layers.weights)):
            below = found[-1][0].detach() if local else found[-1][0]
            found.append(self.layer(k, below))
        return tuple(map(list, zip(*found, strict=True)))

    @torch.no_grad()
    def label_goodness(self, images: Tensor) -> Tensor:
        """Goodness (S, layers, N, 10) of images (N, 784) uint8 with each of the ten labels."""
        seeds = len(self.layers.weights[0])
        found = []
        for chunk in images.split(CHUNK):
            every = torch.arange(10, device=self.layers.device)[:, None].expand(
                seeds, 10, len(chunk)
            )
            inputs, lengths = (part.expand(seeds, -1, -1) for part in self.prepare(chunk))
            _, goodness = self.forward(inputs, lengths, every)
            found.append(torch.stack([g.unflatten(1, (10, -1)) for g in goodness], 1))
        return torch.cat(found, -1).transpose(-1, -2).cpu()

    def predict(self, images: Tensor, prediction: str) -> Tensor:
        """Class scores (S, N, 10).

        "softmax", as in the paper: of each layer's goodness over the labels, summed over layers.
        "sum": the plain sum of the goodness.
        """
        return self.scores(self.label_goodness(images), prediction)

    @staticmethod
    def scores(label_goodness: Tensor, prediction: str) -> Tensor:
        """Class scores (S, N, 10) from `label_goodness`; prediction as in `predict`."""
        return (label_goodness.softmax(-1) if prediction == "softmax" else label_goodness).sum(1)

    @torch.no_grad()
    def representations(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """Activations (S, N, units) of every layer with the given label (N,) in each image."""
        seeds = len(self.layers.weights[0])
        inputs, lengths = (part.expand(seeds, -1, -1) for part in self.prepare(images))
        labels = labels.to(self.layers.device).expand(seeds, 1, -1)
        found = zip(*self.forward(inputs, lengths, labels), strict=True)
        return [directions.mul_(goodness.unsqueeze(-1)).cpu() for directions, goodness in found]
