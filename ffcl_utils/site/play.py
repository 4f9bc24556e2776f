"""The committed networks as a page to play with: it runs them in the browser, without a server.

A page that is opened from the file system cannot fetch files, so what it needs are scripts: each
network's calls `registerNetwork` with one snapshot, at one epoch of its training, and the page asks
for it when it is wanted.
"""

import base64
import json
from pathlib import Path

import numpy as np
import torch

from ffcl_utils.analysis import ensembles
from ffcl_utils.data.datasets import Dataset, load
from ffcl_utils.explore.networks import activations_of, network_files, snapshot_files
from ffcl_utils.paths import ROOT
from ffcl_utils.rules.base import Rule
from ffcl_utils.store.compact import SCALE, read_compact
from ffcl_utils.store.networks import Arrays, load_arrays

ASSETS = ROOT / "docs" / "play"
DIGITS = "mnist_5k"  # the embedded ones: the page is made without the full data
EXAMPLES = 10  # digits of each class that the page holds
# How a network of each rule answers, and whether the page loads it by itself.
KINDS = {
    "improved_ffcl": ("twins", True),
    "forward_forward": ("goodness", True),
    "bp_ff": ("goodness", False),
    "backprop": ("output", False),
}


def export(target: Path) -> list[Path]:
    """Write the page with all that it needs into the folder `target`; gives what was written.

    Raises FileNotFoundError for a missing network and StoreError for a damaged one, before anything
    is written.
    """
    data = load(DIGITS)
    files = {path.name: path.read_bytes() for path in sorted(ASSETS.iterdir()) if path.is_file()}
    files["examples.js"] = _script("const EXAMPLES = {};", examples(data))
    listed = []
    for name, path in network_files().items():
        snapshots = []
        for one in [*snapshot_files(path.stem), path]:
            rule = read_compact(one)
            found = snapshot(one, rule, data) | {"network": path.stem}
            script = _script("registerNetwork({});", found)
            place = f"networks/{one.stem}.js"
            files[place] = script
            snapshots.append({"epoch": found["epoch"], "file": place, "bytes": len(script)})
        kind, at_first = KINDS[rule.config.rule]
        listed.append(
            {"id": path.stem, "name": name, "kind": kind, "first": at_first, "snapshots": snapshots}
        )
    listed.sort(key=lambda network: network["kind"] != "twins")  # the small ones come first
    files["contents.js"] = _script("const NETWORKS = {};", listed)
    for name, content in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)
    return [target / name for name in files]


def examples(data: Dataset) -> dict:
    """The first test images of every class: their pixels one after the other, and their labels."""
    rows = torch.cat([torch.where(data.test_labels == c)[0][:EXAMPLES] for c in range(10)])
    return {
        "images": _base64(data.test_images[rows].numpy()),
        "labels": data.test_labels[rows].tolist(),
    }


def snapshot(path: Path, rule: Rule, data: Dataset) -> dict:
    """One network at one epoch, as the page reads it; path: its committed file.

    `stacks` has the layers of one network, or of two twins, the one that predicts first. Levels are
    int8 (inputs, units), scales and biases float32 (units,). `ensembles` has for each hidden layer
    and class one bit a unit, by the authors' rule on all embedded test digits.
    """
    arrays, header = load_arrays(path)
    stacks = [[_layer(arrays, name, k) for k in _layers(arrays, name)] for name in rule.stacks()]
    labels = data.test_labels
    means = [
        ensembles.class_means(layer, labels.numpy())
        for layer in activations_of(rule, data.test_images, labels)
    ]
    settings = rule.config
    return {
        "network": path.stem,
        "epoch": header.get("epoch", settings.epochs),
        "kind": KINDS[settings.rule][0],
        "scaling": settings.input_scaling,
        "prediction": getattr(settings, "prediction", None),
        "stacks": stacks,
        "ensembles": [
            [_base64(np.packbits(units, bitorder="little")) for units in members]
            for members in map(ensembles.authors_ensembles, means)
        ],
    }


def _layers(arrays: Arrays, stack: str) -> list[str]:
    """What the names of a stack's weights begin with, and the number of each layer."""
    prefix = f"{stack}/" if stack else ""
    count = sum(name.startswith(f"{prefix}bias") for name in arrays)
    return [f"{prefix}{{}}{k}" for k in range(1, count + 1)]


def _layer(arrays: Arrays, stack: str, name: str) -> dict:
    levels = arrays[name.format("weight")]
    return {
        "inputs": levels.shape[0],
        "units": levels.shape[1],
        "levels": _base64(levels),
        "scales": _base64(arrays[name.format("weight") + SCALE]),
        "biases": _base64(arrays[name.format("bias")]),
    }


def _base64(array: np.ndarray) -> str:
    """The bytes of an array, numbers of several bytes with the lowest first."""
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()


def _script(frame: str, content: object) -> bytes:
    """A script with the content, as JSON, in the place of {}."""
    text = json.dumps(content, separators=(",", ":"))
    return (frame.replace("{}", text) + "\n").encode()
