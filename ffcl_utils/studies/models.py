"""Trained networks and their representations as files, and back: npz without pickle.

A run keeps every seed's weights (`weights/<model>.npz`) and a compact set that is committed with
the results (`representations/`): of one seed of each model the network (`compact.py`) and the
activations of 1,000 test images, so that the analyses open on real representations after cloning.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from ffcl_utils.analysis.sparsity import mean_hoyer
from ffcl_utils.config import SYSTEMS, Config, configure
from ffcl_utils.data.datasets import Dataset, load
from ffcl_utils.data.files import class_names
from ffcl_utils.files import npz_writer, read_json, read_npz
from ffcl_utils.learning.history import History
from ffcl_utils.paths import RESULTS
from ffcl_utils.records.results import label
from ffcl_utils.rules.backprop import Backprop
from ffcl_utils.rules.bp_ff import BPFF
from ffcl_utils.rules.forward_forward import ForwardForward
from ffcl_utils.store.compact import network_files, read_weights, stacks_of

RULES = {"forward_forward": ForwardForward, "bp_ff": BPFF, "backprop": Backprop}
# What notebook 03 trains: by model, the learning rule and what differs from its preset.
MODELS = {
    "FF": ("forward_forward", {}),
    "BP/FF": ("bp_ff", {}),
    "BP": ("backprop", {}),
    "BP, rate 0.01": ("backprop", {"learning_rate": 0.01}),
}
UNTRAINED = "untrained"  # FF's network before its training
COMPACT_IMAGES = 1000


def configure_models(preset: str, **overrides) -> dict[str, Config]:
    """The settings of every model of notebook 03; each takes the overrides that it has."""
    configs = {}
    for name, (system, settings) in MODELS.items():
        its_own = {k: v for k, v in overrides.items() if k in SYSTEMS[system].model_fields}
        configs[name] = configure(system, preset, **(its_own | settings))
    return configs


def train_models(configs: dict[str, Config], data: Dataset) -> tuple[dict, dict[str, History]]:
    """The trained rule and the history of every model."""
    rules = {name: RULES[MODELS[name][0]](config) for name, config in configs.items()}
    return rules, {name: rule.fit(data) for name, rule in rules.items()}


def file_name(model: str) -> str:
    """A model's name as part of a file's name."""
    return model.lower().replace("/", "_").replace(", ", "_").replace(" ", "_").replace(".", "_")


def layers_of(rule) -> tuple[list[Tensor], list[Tensor]]:
    """Weights and biases of a rule with one network, layer by layer."""
    (layers,) = stacks_of(rule).values()
    return layers.weights, layers.biases


def weight_files(rules: dict) -> dict[str, Callable[[Path], None]]:
    """By file name, what writes every seed's weights and biases of each model, float32."""
    files = {}
    for name, rule in rules.items():
        arrays = {
            f"{kind}{k}": tensor.numpy(force=True)
            for kind, tensors in zip(("weight", "bias"), layers_of(rule), strict=True)
            for k, tensor in enumerate(tensors)
        }
        files[f"weights/{file_name(name)}.npz"] = npz_writer(arrays, np.savez)
    return files


def read_rule(path: Path, config: Config):
    """The trained rule with the weights that `weight_files` wrote."""
    rule = RULES[next(name for name, c in SYSTEMS.items() if type(config) is c)](config)
    with np.load(path, allow_pickle=False) as stored, torch.no_grad():
        for kind, tensors in zip(("weight", "bias"), layers_of(rule), strict=True):
            for k, tensor in enumerate(tensors):
                tensor.copy_(torch.from_numpy(stored[f"{kind}{k}"]))
    return rule


@dataclass(frozen=True)
class Representation:
    """What one model makes of the same test images.

    layers: (S, N, units) each; weights: (S, in, out) each, hidden layers; correct: (S, N) bool,
    images that the model classifies rightly (all True for an untrained one); labels: (N,).
    """

    layers: list[np.ndarray]
    weights: list[np.ndarray]
    correct: np.ndarray
    labels: np.ndarray


def represent(rule, images: Tensor, labels: Tensor, trained: bool = True) -> Representation:
    """A model's representation of images (N, 784) uint8 with their labels (N,)."""
    layers = [layer.numpy() for layer in rule.representations(images, labels)]
    weights = [w.numpy(force=True) for w in layers_of(rule)[0][: len(layers)]]
    right = (rule.predict(images).argmax(-1) == labels).numpy() if trained else None
    if right is None:
        right = np.ones(layers[0].shape[:2], dtype=bool)
    return Representation(layers, weights, right, labels.numpy())


@dataclass(frozen=True)
class Measured:
    """What notebook 03 says of a model: correct: (S, N) bool; hoyer: (layers, S)."""

    correct: np.ndarray
    hoyer: np.ndarray


def measure(rule, data: Dataset) -> Measured:
    """Which test images a trained model gets right, and the Hoyer sparsity of each layer on them.

    Of one model after the other: five seeds' activations are half a gigabyte, and are not kept.
    """
    found = represent(rule, data.test_images, data.test_labels)
    hoyer = np.stack([mean_hoyer(layer, found.correct) for layer in found.layers])
    return Measured(found.correct, hoyer)


def stratified(labels: Tensor, count: int) -> Tensor:
    """Indices of `count` images, every class with its share, the same ones in every run."""
    if count >= len(labels):
        return torch.arange(len(labels))
    chosen, _ = train_test_split(
        np.arange(len(labels)), train_size=count, stratify=labels.numpy(), random_state=0
    )
    return torch.from_numpy(np.sort(chosen))


def compact_files(rules: dict, data: Dataset) -> dict[str, Callable[[Path], None]]:
    """By file name, what writes the compact set: the first seed of each model, float16.

    One file of activations and one of weights per layer; of the untrained network activations only.
    """
    rows = stratified(data.test_labels, COMPACT_IMAGES)
    images, labels = data.test_images[rows], data.test_labels[rows]
    untrained = {UNTRAINED: ForwardForward(rules["FF"].config)}
    files = {}
    for name, rule in (rules | untrained).items():
        found = represent(rule, images, labels, trained=name != UNTRAINED)
        for k, layer in enumerate(found.layers, 1):
            arrays = {"activations": layer[:1].astype(np.float16)}
            if k == 1:
                arrays |= {"labels": found.labels, "correct": found.correct[:1]}
            path = f"representations/{file_name(name)}_layer{k}.npz"
            files[path] = npz_writer(arrays, np.savez_compressed)
        if name != UNTRAINED:
            files |= network_files(file_name(name), rule)
    return files


@dataclass(frozen=True)
class Source:
    """Representations of the test images by model, untrained last, and where they come from.

    name, classes, sha256: of the data, as a Dataset has them. note: for the figures.
    """

    representations: dict[str, Representation]
    configs: dict[str, Config]
    name: str
    classes: tuple[str, ...]
    sha256: dict[str, str]
    note: str


def read_representations(folder: str) -> Source:
    """What notebook 03 left in a folder, with every seed, computed on all test images.

    For "" the compact set that is committed with the results: one seed, 1,000 images. Raises
    FileNotFoundError where there is none.
    """
    if not folder:
        return _read_compact(RESULTS / "paper" / "03_forward_forward")
    configs = stored_configs(Path(folder))
    data = load(configs["FF"].dataset)
    found = {}
    for name, config in configs.items():
        rule = read_rule(Path(folder) / "weights" / f"{file_name(name)}.npz", config)
        found[name] = _half(represent(rule, data.test_images, data.test_labels))
    untrained = ForwardForward(configs["FF"])
    found[UNTRAINED] = _half(represent(untrained, data.test_images, data.test_labels, False))
    return Source(found, configs, data.name, data.classes, data.sha256, label(configs["FF"]))


def stored_configs(folder: Path) -> dict[str, Config]:
    """The settings that notebook 03 left in its results folder, by model."""
    settings = read_json(folder / "provenance.json")["config"]
    return {name: SYSTEMS[MODELS[name][0]](**values) for name, values in settings.items()}


def _half(found: Representation) -> Representation:
    """Activations in float16: half the memory, and what the committed set has."""
    layers = [layer.astype(np.float16) for layer in found.layers]
    return Representation(layers, found.weights, found.correct, found.labels)


def _read_compact(folder: Path) -> Source:
    origin, configs = read_json(folder / "provenance.json"), stored_configs(folder)
    found = {}
    for name in (*configs, UNTRAINED):
        base = folder / "representations" / file_name(name)
        layers = [read_npz(path) for path in sorted(base.parent.glob(f"{base.name}_layer*.npz"))]
        if not layers:
            raise FileNotFoundError(f"no representations of {name} in {base.parent}")
        weights = [] if name == UNTRAINED else read_weights(base)["weights"]
        found[name] = Representation(
            [layer["activations"] for layer in layers],
            weights[: len(layers)],
            layers[0]["correct"],
            layers[0]["labels"],
        )
    one_seed = {name: config.model_copy(update={"seeds": 1}) for name, config in configs.items()}
    note = (
        f"{label(one_seed['FF'])} · committed {COMPACT_IMAGES} images of {origin['git_commit'][:7]}"
    )
    name = origin["dataset"]
    return Source(found, one_seed, name, class_names(name), origin["data_sha256"], note)
