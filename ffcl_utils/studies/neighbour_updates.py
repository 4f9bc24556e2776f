"""Do the learning rules of notebook 12 go where backpropagation would go?"""

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import cosine_similarity

from ffcl_utils import store
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.parts import spread
from ffcl_utils.learning.layers import Layers
from ffcl_utils.learning.losses import CLASSES, cross_entropy_loss
from ffcl_utils.rules._twins import TwinRule
from ffcl_utils.rules.base import Rule
from ffcl_utils.studies.neighbour_rows import BACKPROP, RANDOM

SHOWN = 256  # training images, evenly spread, or pairs of them


def update_cosines(networks: dict[str, Rule], data: Dataset) -> dict[str, dict[str, np.ndarray]]:
    """Cosine of each hidden layer's update with backpropagation's, by row, untrained and trained.

    (layers, S) each. An update is the gradient of the sum of a rule's losses by the weights;
    backpropagation's is that of the loss of the same network's output, for the same images: the
    cross-entropy, or the squared error of predictive coding. Only of rules whose stack of layers
    ends in an output, and of twins, mean over both, whose stacks do; of backpropagation itself it
    would be 1, and of layers that never learn there is no update. Batch norm is frozen at what it
    has seen; before the training it has seen nothing, and changes nothing.
    """
    found = {}
    for name, rule in networks.items():
        if not _is_compared(name, rule):
            continue
        before = type(rule)(rule.config)
        found[name] = {
            "untrained": _cosines(before, data),
            "trained": _cosines(rule, data),
        }
    return found


def _is_compared(name: str, rule: Rule) -> bool:
    network = _network(rule)
    ends = isinstance(network, Layers) and network.weights[-1].shape[-1] == CLASSES
    return ends and name != RANDOM and not name.startswith(BACKPROP)


def _network(rule: Rule) -> object:
    """The stack of layers that the gradients are of: both twins' where there are twins."""
    return rule.twins.both if isinstance(rule, TwinRule) else getattr(rule, "network", None)


def _cosines(rule: Rule, data: Dataset) -> np.ndarray:
    some, seeds = spread(data, SHOWN), rule.config.seeds
    images, labels = rule.scaled(some.train_images), some.train_labels.expand(seeds, -1)
    if isinstance(rule, TwinRule):
        some, images, labels = _pairs(rule, data)
    network = _network(rule)
    hidden = network.weights[:-1]
    losses = torch.stack(list(rule.example_losses(some).values())).sum()
    logits = network.forward(images, local=False)[-1]
    ours = torch.autograd.grad(losses, hidden)
    loss_of_output = getattr(rule, "loss_of_output", cross_entropy_loss)
    theirs = torch.autograd.grad(loss_of_output(logits, labels).sum(), hidden)
    pairs = zip(ours, theirs, strict=True)
    cosines = [cosine_similarity(one.flatten(1), other.flatten(1)) for one, other in pairs]
    return torch.stack(cosines).unflatten(1, (-1, seeds)).mean(1).numpy()


def _pairs(rule: TwinRule, data: Dataset) -> tuple[Dataset, torch.Tensor, torch.Tensor]:
    """One image more, and what `example_losses` shows of these to the twins: each the next one.

    Scaled images (2S, SHOWN, 784) and labels (2S, SHOWN), the first twins' in front.
    """
    some = spread(data, SHOWN + 1)
    rows = torch.stack([torch.arange(SHOWN), torch.arange(1, SHOWN + 1)])
    rows = rows.repeat_interleave(rule.config.seeds, 0)
    return some, rule.scaled(some.train_images)[rows], some.train_labels[rows]


def cosines_by_epoch(networks: dict[str, Rule], data: Dataset) -> dict[str, dict[str, np.ndarray]]:
    """`update_cosines` before the training and after each epoch: by row, by layer, (1 + E, S).

    Of the rows whose weights after every epoch are kept.
    """
    found = {}
    for name, rule in networks.items():
        if not hasattr(rule, "snapshots") or not _is_compared(name, rule):
            continue
        epochs = np.stack([_cosines(one, data) for one in store.epochs_of(rule)], 1)
        found[name] = {f"layer {k}": values for k, values in enumerate(epochs, start=1)}
    return found


def cosines_table(cosines: dict[str, dict[str, np.ndarray]]) -> pd.DataFrame:
    """`update_cosines`, mean over seeds: a row a rule, columns by state and layer."""
    rows = {
        name: {
            (state, f"layer {k}"): values.mean().round(3)
            for state, layers in states.items()
            for k, values in enumerate(layers, start=1)
        }
        for name, states in cosines.items()
    }
    return pd.DataFrame(rows).T
