"""One seed of a trained network as small files that are committed with the results.

Weights in float16, biases in float32, one npz file a layer; twins have two stacks of layers.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ffcl_utils.files import npz_writer, read_npz
from ffcl_utils.learning.layers import Layers
from ffcl_utils.learning.twins import Twins


def stacks_of(rule) -> dict[str, Layers]:
    """The layers of a rule by what a file's name says of them: twins have a first and a second."""
    if isinstance(rule, Twins):
        return {"_first": rule.first, "_second": rule.second}
    return {"": rule.layers if hasattr(rule, "layers") else rule.network.layers}


def network_files(name: str, rule) -> dict[str, Callable[[Path], None]]:
    """By file name, what writes the network of a rule's first seed; name: as files call it."""
    files = {}
    for stack, layers in stacks_of(rule).items():
        for k, (weight, bias) in enumerate(zip(layers.weights, layers.biases, strict=True), 1):
            arrays = {
                "weights": weight[:1].numpy(force=True).astype(np.float16),
                "biases": bias[:1].numpy(force=True),
            }
            path = f"representations/{name}{stack}_weights{k}.npz"
            files[path] = npz_writer(arrays, np.savez_compressed)
    return files


def read_weights(base: Path) -> dict[str, list[np.ndarray]]:
    """Weights and biases (1, …) of every layer, float32; base: folder, and the files' first part.

    Raises FileNotFoundError where there are none.
    """
    found = [read_npz(path) for path in sorted(base.parent.glob(f"{base.name}_weights*.npz"))]
    if not found:
        raise FileNotFoundError(f"no weights of {base.name} in {base.parent}")
    return {
        kind: [layer[kind].astype(np.float32) for layer in found if kind in layer]
        for kind in ("weights", "biases")
    }


def read_network(base: Path, rule):
    """`rule`, untrained and of one seed, with the weights that `network_files` wrote."""
    for stack, layers in stacks_of(rule).items():
        stored = read_weights(base.with_name(base.name + stack))
        pairs = ((layers.weights, stored["weights"]), (layers.biases, stored["biases"]))
        with torch.no_grad():
            for tensors, arrays in pairs:
                for tensor, array in zip(tensors, arrays, strict=True):
                    tensor.copy_(torch.from_numpy(array))
    return rule
