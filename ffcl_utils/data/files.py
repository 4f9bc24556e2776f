"""The files of MNIST and Fashion-MNIST: where they are, whether they are right, how to get them.

The workflow asks this when it starts, so torchvision, seconds to import, is imported where used.
"""

import errno
import gzip
import hashlib
import os
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from ffcl_utils.errors import UserError
from ffcl_utils.files import write_whole
from ffcl_utils.paths import data_folder

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


class DataError(UserError):
    """Data are missing, damaged or unknown; the message says what to do."""


class DataDownloadError(DataError):
    """No mirror gave the file: the one case in which the workflow may go on without full data."""


@dataclass(frozen=True)
class FullDataset:
    """A full dataset: its class in torchvision.datasets, and the SHA-256 of its raw IDX files."""

    reader: str
    classes: tuple[str, ...]
    embedded: str
    sha256: dict[str, str]


FULL = {
    "mnist": FullDataset(
        "MNIST",
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
        "FashionMNIST",
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
ENDS = ("", ".gz")
# Of a full disk or a folder that cannot be written: no fault of a mirror's, and no reason to do
# without the data.
OF_THIS_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}
DATASETS = (*FULL, *EMBEDDED_SHA256)


def class_names(name: str) -> tuple[str, ...]:
    """What the labels 0 to 9 of a dataset stand for."""
    return GARMENTS if name.startswith("fashion") else DIGITS


def raw_folder(name: str) -> Path:
    """Folder of a full dataset's IDX files, laid out as torchvision does."""
    return data_folder() / FULL[name].reader / "raw"


def missing_files(name: str) -> list[Path]:
    """The IDX files of a full dataset that are not there."""
    files = [raw_folder(name) / file for file in FULL[name].sha256]
    return [file for file in files if not file.is_file()]


def checksums(name: str) -> dict[str, str]:
    """SHA-256 of what a dataset is read from, by file name (or array name), without reading it."""
    return FULL[name].sha256 if name in FULL else {name: EMBEDDED_SHA256[name]}


def verify(name: str) -> None:
    """Compare every file of a full dataset with its SHA-256; raises DataError naming the file."""
    for file in FULL[name].sha256:
        read_verified(raw_folder(name), name, file)


def read_verified(folder: Path, name: str, file: str) -> bytes:
    """The content of one file of a full dataset; raises DataError where that is not to be had."""
    path = folder / file
    if not path.is_file():
        raise DataError(
            f"{name} is not complete: no file {path}. Run `python -m ffcl_utils data` to "
            f"fetch it, or set FFCL_DATA_DIR to a folder that holds {FULL[name].reader}/raw/{file}"
        )
    content = path.read_bytes()
    check_sha256(path, content, FULL[name].sha256[file])
    return content


def check_sha256(path: Path, content: bytes, expected: str) -> None:
    """Raise DataError unless the content of a file has this SHA-256."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(
            f"damaged file {path}: SHA-256 is {found[:12]}…, not {expected[:12]}…. "
            "Delete it and run `python -m ffcl_utils data`"
        )


def reader_of(name: str) -> type:
    """torchvision's class for a full dataset, which knows its mirrors and reads its files."""
    from torchvision import datasets

    return getattr(datasets, FULL[name].reader)


def fetch(name: str, mirrors: list[str] | None = None, timeout: float = 20.0) -> None:
    """Make sure that a full dataset is in `data_folder()` and verified; download what is missing.

    mirrors: addresses to try in turn, by default torchvision's for this dataset. timeout: seconds
    without an answer after which a mirror is given up. A file appears under its name only once its
    SHA-256 was right. A right file that lies under another name, packed or one folder off, is taken
    instead of a download. Raises DataError where FFCL_DATA_DIR names no folder or a file cannot be
    written, and
    DataDownloadError where no mirror gives the right file.
    """
    given = os.environ.get("FFCL_DATA_DIR")
    if given and not Path(given).is_dir():
        raise DataError(
            f"FFCL_DATA_DIR is {given!r}, and there is no such folder: correct the name, or make it"
        )
    for path in missing_files(name):
        if _take_from_elsewhere(path, FULL[name].sha256[path.name]):
            continue
        reader = reader_of(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        md5 = dict(reader.resources)[f"{path.name}.gz"]
        failures = []
        for mirror in mirrors or reader.mirrors:
            try:
                _download(mirror, path, md5, FULL[name].sha256[path.name], timeout)
                break
            except (OSError, ValueError, EOFError, DataError) as error:
                if getattr(error, "errno", None) in OF_THIS_DISK:
                    raise DataError(f"cannot write {path}: {error.strerror}") from None
                failures.append(f"{mirror}: {_reason(error)}")
        else:
            raise DataDownloadError(
                f"could not download {path.name} of {name}. " + "; ".join(failures)
            )
    verify(name)


def _take_from_elsewhere(path: Path, sha256: str) -> bool:
    """Whether the file was found near its place, and is in it now.

    Looked for are: packed by gzip, "." for "-" before "idx", and in the folders that a reader may
    mean by FFCL_DATA_DIR. Raises DataError where it cannot be written to its place.
    """
    folders = dict.fromkeys([path.parent, path.parent.parent, data_folder(), data_folder() / "raw"])
    names = [path.name, path.name.replace("-idx", ".idx")]
    for found in (folder / f"{name}{end}" for folder in folders for name in names for end in ENDS):
        try:
            content = found.read_bytes()
            content = gzip.decompress(content) if found.suffix == ".gz" else content
        except (OSError, EOFError, zlib.error):
            continue
        if hashlib.sha256(content).hexdigest() == sha256:
            _write(path, content, found)
            return True
    return False


def _write(path: Path, content: bytes, found: Path) -> None:
    try:
        write_whole(path, lambda temporary: temporary.write_bytes(content))
    except OSError as error:
        raise DataError(
            f"{found} is the right file, but cannot be copied to {path}: {error.strerror}. Put it "
            "there, unpacked, by hand"
        ) from None


def _reason(error: Exception) -> str:
    return str(error.reason if isinstance(error, URLError) else error) or type(error).__name__


def _download(mirror: str, path: Path, md5: str, sha256: str, timeout: float) -> None:
    import pooch

    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-") as folder:
        extracted = pooch.retrieve(
            f"{mirror}{path.name}.gz",
            known_hash=f"md5:{md5}",
            fname=f"{path.name}.gz",
            path=folder,
            processor=pooch.Decompress(name=path.name),
            downloader=pooch.HTTPDownloader(timeout=timeout),
        )
        check_sha256(path, Path(extracted).read_bytes(), sha256)
        Path(extracted).replace(path)
