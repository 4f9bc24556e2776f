"""A trained network of one seed as a file: weights, history and provenance, verified when read."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ffcl_utils.errors import UserError
from ffcl_utils.files import write_whole
from ffcl_utils.paths import ROOT

Arrays = dict[str, np.ndarray]


class StoreError(UserError):
    """A file of the store is damaged or is not what its name says; the message names it."""


def store_folder() -> Path | None:
    """Where trained networks are kept: FFCL_STORE, else `trained/` here; None where it is empty."""
    place = os.environ.get("FFCL_STORE", str(ROOT / "trained"))
    return Path(place) if place else None


def save_arrays(path: Path, arrays: Arrays, header: dict) -> None:
    """Write arrays and a header (JSON) into a safetensors file, whole or not at all."""
    content = _content(arrays, header)
    write_whole(path, lambda temporary: temporary.write_bytes(content))


def save_together(folder: Path, files: Iterable[tuple[str, Arrays, dict]]) -> None:
    """`save_arrays` of several files of a folder, given by name: all of them, or none.

    On a full disk none is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as temporary:
        written = []
        for name, arrays, header in files:
            written.append(Path(temporary) / name)
            written[-1].write_bytes(_content(arrays, header))
        for file in written:
            file.replace(folder / file.name)


def _content(arrays: Arrays, header: dict) -> bytes:
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    header = header | {"sha256": _digest(arrays)}
    return save(arrays, {"header": json.dumps(header, ensure_ascii=False)})


def load_arrays(path: Path, **expected) -> tuple[Arrays, dict]:
    """Arrays and header of a file that `save_arrays` wrote.

    expected: entries that the header must have, such as key and seed. Raises StoreError where the
    file is truncated, damaged or something else, FileNotFoundError where it is not there.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        with safe_open(path, framework="numpy") as stored:
            header = json.loads((stored.metadata() or {})["header"])
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise StoreError(f"{path} is damaged or no file of the store: {error}") from None
    for name, value in expected.items():
        if header.get(name) != value:
            raise StoreError(f"{path} has {name} {header.get(name)!r}, not {value!r}")
    if header.get("sha256") != _digest(arrays):
        raise StoreError(f"{path} is damaged: its content has another checksum than it had")
    return arrays, header


def _digest(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}|{array.dtype}|{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
