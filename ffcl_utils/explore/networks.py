"""Trained networks to be looked at and taken apart: notebooks 20 and 21.

One seed of every model, of both readings of improved FFCL and of every other rule, from the
committed results; where these are not there, models and readings are trained on the embedded
digits.
"""

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from ffcl_utils import store
from ffcl_utils.analysis import ensembles
from ffcl_utils.paths import RESULTS
from ffcl_utils.rules.base import Rule
from ffcl_utils.store.compact import read_compact
from ffcl_utils.studies import accuracy, models
from ffcl_utils.studies.neighbour_rows import LEFT
from ffcl_utils.studies.silencing import silenced

REFERENCE = RESULTS / "short"
# By name, what says how much a unit belongs to each class, (10, U) from activations and labels, and
# above which value it does: what claims rest on, and what the authors' notebooks use.
DEFINITIONS = {
    "effect size": (ensembles.effect_size, ensembles.EFFECT),
    "authors' rule": (lambda a, y: ensembles.excess_over_layer(ensembles.class_means(a, y)), 1.0),
    "class mean": (ensembles.class_means, 0.5),
}


def network_files() -> dict[str, object]:
    """Where the committed networks lie, by the name that a notebook shows."""
    emergent = REFERENCE / "03_forward_forward" / "networks"
    twins = REFERENCE / "01_improved_ffcl_accuracy" / "networks"
    files = {n: emergent / f"{models.file_name(n)}.safetensors" for n in models.MODELS}
    return files | {
        f"improved FFCL, {reading}": twins / f"improved_ffcl_{reading}.safetensors"
        for reading in accuracy.READINGS
    }


def neighbour_files() -> dict[str, object]:
    """Where notebook 12 left a network of each further rule, by its name there; those there are."""
    folder = REFERENCE / "12_neighbours" / "networks"
    files = {name: folder / f"{models.file_name(name)}.safetensors" for name in LEFT}
    return {name: file for name, file in files.items() if file.is_file()}


def snapshot_files(stem: str) -> list:
    """Where a network lies as it was during its training, the earliest first; often there is none.

    stem: of the network's file.
    """
    folder = REFERENCE / "09_mirror_neurons" / "networks"
    return sorted(folder.glob(f"{stem}_epoch*.safetensors"))


def are_committed() -> bool:
    """Whether every network of `network_files` is there."""
    return all(file.is_file() for file in network_files().values())


def read_networks() -> dict[str, Rule]:
    """The networks by name, one seed each, ready to predict; "untrained" is FF's before.

    The committed ones; where one of `network_files` is missing all of these from the store at the
    smoke preset.
    """
    if are_committed():
        files = network_files() | neighbour_files()
        networks = {name: read_compact(file) for name, file in files.items()}
    else:
        configs = models.configure("smoke", seeds=1)
        for reading, config in accuracy.configure("smoke", seeds=1).items():
            configs[f"improved FFCL, {reading}"] = config
        networks = store.trained(configs)
    return networks | {models.UNTRAINED: models.untrained(networks)}


def origin() -> str:
    """What the networks were trained on, for the line below a figure's title."""
    if are_committed():
        return "one seed of each network, trained on MNIST at the preset short"
    return "one seed of each network, trained on embedded digits for a few epochs"


def stratified(labels: Tensor, count: int) -> Tensor:
    """Indices of `count` images, every class with its share, the same ones in every run."""
    if count >= len(labels):
        return torch.arange(len(labels))
    chosen, _ = train_test_split(
        np.arange(len(labels)), train_size=count, stratify=labels.numpy(), random_state=0
    )
    return torch.from_numpy(np.sort(chosen))


def activations_of(rule, images: Tensor, labels: Tensor) -> list[np.ndarray]:
    """Activations (N, units) of every hidden layer of a network of one seed."""
    return [layer[0].numpy() for layer in rule.representations(images, labels)]


def class_accuracy(rule, images: Tensor, labels: Tensor) -> np.ndarray:
    """Share of the images of each class (10,) that a network of one seed gets right.

    Where several classes have the highest score, the right one is one of them by chance alone.
    """
    scores = rule.predict(images)[0]
    highest = scores == scores.max(-1, keepdim=True).values
    right = highest[torch.arange(len(labels)), labels].double() / highest.sum(-1).clamp(min=1)
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

    Above it, and where a unit of layer 0 has no weight for each pixel, the mean image, weighted by
    the unit's activation, minus the mean of all images. The activations (N, U) are that layer's,
    of images (N, 784).
    """
    first = rule.predicting().weights[0][0] if layer == 0 else None
    if first is not None and first.shape == (images.shape[1], activations.shape[1]):
        return first.numpy(force=True)[:, units]
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


def twin_activations(rule: Rule, image: Tensor) -> dict[str, list[np.ndarray]]:
    """Of both twins the activations (units,) of every hidden layer for one image (784,) uint8."""
    names = ("first twin", "second twin")
    layers = rule.hidden_layers(image[None])
    return {n: [a[0, 0].numpy() for a in twin] for n, twin in zip(names, layers, strict=True)}


def goodness_per_label(rule, image: Tensor) -> np.ndarray:
    """FF's goodness (layers, 10) for one image (784,) uint8 with each label written into it."""
    return rule.network.label_goodness(image[None])[0, :, 0].numpy()
