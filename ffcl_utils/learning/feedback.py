"""Errors of hidden layers by way of other weights than the forward ones: feedback alignment.

Lillicrap et al. 2016 (Nature Communications 7, 13276) carry the output's error back through one
fixed random matrix a layer; Nøkland 2016 (arXiv 1609.01596) takes it from the output to each hidden
layer directly. S seeds, B images in the batch.
"""

import torch
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from ffcl_utils.learning.layers import Layers, linear


def random_feedback(
    sizes: tuple[int, ...], generators: list[Generator], direct: bool
) -> list[Tensor]:
    """Fixed random backward weights of every hidden layer, from each seed's own generator.

    sizes: units of every layer, input first. Layer by layer: (S, units above, units); direct:
    (S, outputs, units). Each is the transpose of what `Layers` draws for the forward weights of
    that shape, so that both kinds are the same where there is one hidden layer.
    """
    if direct:
        forward = [Layers((units, sizes[-1]), generators).weights[0] for units in sizes[1:-1]]
    else:
        forward = Layers(sizes[1:], generators).weights
    return [weight.detach().transpose(1, 2) for weight in forward]


def output_error(logits: Tensor, labels: Tensor) -> Tensor:
    """What the cross-entropy of each image has by the logits: softmax − one-hot, (S, B, 10)."""
    return logits.softmax(-1) - one_hot(labels, logits.shape[-1])


def layerwise_errors(error: Tensor, hidden: list[Tensor], feedback: list[Tensor]) -> list[Tensor]:
    """Errors (S, B, units) of the activations of every hidden layer, from the output down.

    error: `output_error`. hidden: activations (S, B, units) after ReLU. feedback: one
    (S, units above, units) a hidden layer. The error that goes on down is stopped at silent units.
    With the transposed forward weights as feedback this is backpropagation.
    """
    errors = []
    for activations, back in zip(hidden[::-1], feedback[::-1], strict=True):
        errors.append(_carried(error, back))
        error = errors[-1] * (activations > 0)
    return errors[::-1]


def direct_errors(error: Tensor, feedback: list[Tensor]) -> list[Tensor]:
    """Errors (S, B, units) of the activations of every hidden layer, each from the output's own.

    Arguments as `layerwise_errors`; feedback: one (S, outputs, units) a hidden layer.
    """
    return [_carried(error, back) for back in feedback]


def pulled(activations: Tensor, errors: Tensor) -> Tensor:
    """A loss (S,) whose gradient by the activations (S, B, units) is their error over B images.

    Its value means nothing: only the gradient is wanted, by the parameters of that layer.
    """
    return (activations * errors.detach()).sum(-1).mean(-1)


def _carried(error: Tensor, back: Tensor) -> Tensor:
    # `linear` and not a plain product: it sums in one order however many seeds there are.
    return linear(error, back, torch.zeros_like(back[:, :1]))
