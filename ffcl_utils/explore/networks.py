"""Trained networks of the committed results, to be looked at and taken apart: notebooks 20 and 21.

One seed of every model, and both readings of improved FFCL, without any training.
"""

from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from ffcl_utils.analysis import ensembles
from ffcl_utils.learning.layers import Layers
from ffcl_utils.learning.twins import Twins
from ffcl_utils.paths import RESULTS
from ffcl_utils.rules._goodness import GoodnessRule
from ffcl_utils.rules.forward_forward import ForwardForward
from ffcl_utils.rules.improved_ffcl import ImprovedFFCL
from ffcl_utils.store.compact import read_network, stacks_of
from ffcl_utils.studies import accuracy as readings
from ffcl_utils.studies import models

# By name, what says how much a unit belongs to each class, (10, U) from activations and labels, and
# above which value it does: what claims rest on, and what the authors' notebooks use.
DEFINITIONS = {
    "effect size": (ensembles.effect_size, ensembles.EFFECT),
    "ratio": (lambda a, y: ensembles.leave_one_out_ratio(ensembles.class_means(a, y)), 1.0),
    "class mean": (ensembles.class_means, 0.5),
}


def read_networks() -> dict[str, object]:
    """The committed networks by name, one seed each, ready to predict; "untrained" is FF's before.

    Raises FileNotFoundError where the results are not there.
    """
    found = {}
    folder = RESULTS / "paper" / "03_forward_forward"
    for name, config in models.stored_configs(folder).items():
        one = config.model_copy(update={"seeds": 1})
        base = folder / "representations" / models.file_name(name)
        found[name] = read_network(base, models.RULES[models.MODELS[name][0]](one))
        if name == "FF":
            untrained = ForwardForward(one)
    folder = RESULTS / "paper" / "01_improved_ffcl_accuracy"
    for reading, config in readings.stored_configs(folder).items():
        rule = ImprovedFFCL(config.model_copy(update={"seeds": 1}))
        base = folder / "representations" / readings.file_name(reading)
        found[f"improved FFCL, {reading}"] = read_network(base, rule)
    return found | {models.UNTRAINED: untrained}


def layers_that_predict(rule) -> Layers:
    """The stack of layers whose activations `rule.representations` gives: of twins, the first."""
    return rule.first if isinstance(rule, Twins) else next(iter(stacks_of(rule).values()))


def activations_of(rule, images: Tensor, labels: Tensor) -> list[np.ndarray]:
    """Activations (N, units) of every hidden layer of a network of one seed."""
    return [layer[0].numpy() for layer in rule.representations(images, labels)]


@contextmanager
def silenced(rule, layer: int, units: np.ndarray):
    """Within it, units (U,) bool of a hidden layer (from 0) stay at zero, whatever they see.

    Their weights and biases are 0, and so is what ReLU makes of it; they are put back at the end.
    """
    layers = layers_that_predict(rule)
    chosen = torch.from_numpy(units).to(layers.device)
    tensors = layers.weights[layer], layers.biases[layer]
    before = [tensor[..., chosen].detach().clone() for tensor in tensors]
    _set(tensors, chosen, [0.0, 0.0])
    try:
        yield
    finally:
        _set(tensors, chosen, before)


@torch.no_grad()
def _set(tensors, chosen: Tensor, values) -> None:
    for tensor, value in zip(tensors, values, strict=True):
        tensor[..., chosen] = value


def class_accuracy(rule, images: Tensor, labels: Tensor) -> np.ndarray:
    """Share of the images of each class (10,) that a network of one seed gets right."""
    right = (rule.predict(images)[0].argmax(-1) == labels).double()
    return np.array([right[labels == c].mean() for c in range(10)])


def lesions(rule, layer: int, members: np.ndarray, images: Tensor, labels: Tensor) -> dict:
    """Accuracy per class (10,) without an ensemble and with nothing of its layer but the ensemble.

    layer: from 0. members: (U,) bool.
    """
    found = {}
    for name, units in (("without it", members), ("it alone", ~members)):
        with silenced(rule, layer, units):
            found[name] = class_accuracy(rule, images, labels)
    return found


def fields(rule, layer: int, images: np.ndarray, activations: np.ndarray, units: np.ndarray):
    """What units (indices) look for, (784, len(units)): weights in layer 0.

    Above it the mean image, weighted by the unit's activation, minus the mean of all images. The
    activations (N, U) are that layer's, of images (N, 784).
    """
    if layer == 0:
        return layers_that_predict(rule).weights[0][0].numpy(force=True)[:, units]
    weights = activations[:, units].astype(np.float64)
    total = np.maximum(weights.sum(0), 1e-12)
    return (images.T.astype(np.float64) @ weights / total) - images.mean(0)[:, None]


def drive(activations: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Mean activation (N,) of an ensemble's units (U,) bool for each image; 0 without units."""
    return (
        activations[:, members].astype(np.float64).mean(1)
        if members.any()
        else np.zeros(len(activations))
    )


def probabilities(rule, images: Tensor) -> np.ndarray:
    """What a network of one seed answers, (N, 10), adding up to 1 for each image.

    Of FF and BP/FF the softmax of the goodness over the labels, averaged over layers.
    """
    scores = rule.predict(images)[0]
    if isinstance(rule, GoodnessRule):
        return (scores / len(rule.network.layers.weights)).numpy()
    return (scores if isinstance(rule, Twins) else scores.softmax(-1)).numpy()


@torch.no_grad()
def twin_activations(rule: Twins, image: Tensor) -> dict[str, list[np.ndarray]]:
    """Of both twins the activations (units,) of every hidden layer for one image (784,) uint8."""
    twins = {"first twin": rule.first, "second twin": rule.second}
    seen = rule.scaled(image[None])
    return {
        name: [a[0, 0].numpy(force=True) for a in t.forward(seen)[:-1]] for name, t in twins.items()
    }


def goodness_per_label(rule, image: Tensor) -> np.ndarray:
    """FF's goodness (layers, 10) for one image (784,) uint8 with each label written into it."""
    return rule.network.label_goodness(image[None])[0, :, 0].numpy()
