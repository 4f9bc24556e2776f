"""One seed of a trained network as a small file that is committed with the results.

Weights are whole numbers of 8 bits with one scale for the incoming weights of each unit; biases are
float32. What such a network says of an image is close to what the trained one says, not the same.
"""

from pathlib import Path

import numpy as np

from ffcl_utils import rules
from ffcl_utils.config import validated
from ffcl_utils.store.jobs import fill
from ffcl_utils.store.networks import StoreError, load_arrays, save_arrays

LEVELS = 127  # on each side of zero
SCALE = " scale"  # what the name of a weight's scales ends with


def write_compact(path: Path, rule, epoch: int | None = None) -> None:
    """Write the network of a rule's first seed, with its settings, whole or not at all.

    epoch: after which the weights were as they are; None: after the last.
    """
    one = rule.config.of_seeds(rule.config.first_seed, 1)
    arrays = {}
    for name, tensor in rule.tensors().items():
        values = tensor[0].numpy(force=True)
        if len(values) == 1:  # a bias, (1, units)
            arrays[name] = values
            continue
        scale = np.abs(values).max(0) / LEVELS
        arrays[name + SCALE] = scale.astype(np.float32)
        arrays[name] = np.round(values / np.where(scale > 0, scale, 1)).astype(np.int8)
    header = {"rule": one.rule, "settings": one.model_dump(mode="json")}
    save_arrays(path, arrays, header if epoch is None else header | {"epoch": epoch})


def read_compact(path: Path):
    """The rule of one seed that `write_compact` wrote, ready to predict.

    Raises StoreError where the file is damaged or of settings that the rule no longer has, and
    FileNotFoundError where there is none.
    """
    arrays, header = load_arrays(path)
    try:
        settings = header["settings"] | {"layers": tuple(header["settings"]["layers"])}
        chosen = rules.rule(header["rule"])
        rule = chosen(validated(chosen.Config, **settings))
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path} is no network of this version: {error}") from None
    weights = {
        name: array * arrays[name + SCALE] if name + SCALE in arrays else array
        for name, array in arrays.items()
    }
    fill(rule, [weights])
    return rule
