"""Files that are written whole or not at all."""

import json
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from ffcl_utils.errors import UserError


class OutputError(UserError):
    """An output folder cannot be written; the message says which and why."""


class BrokenFileError(UserError, ValueError):
    """A file does not hold what its name says; the message names it."""


def check_writable(folder: Path) -> None:
    """Make the folder and try to write in it; raises OutputError, before any long work."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0")
    except OSError as error:
        raise OutputError(
            f"cannot write to the output folder {folder}: {error.strerror}. "
            "Choose another output_dir or make it writable"
        ) from None


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a file beside `path`, then rename it.

    Where it fails, on a full disk for example, nothing of it is left, and a file that was at `path`
    before is still there, whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
        temporary = Path(folder) / path.name
        write(temporary)
        temporary.replace(path)


def swap_folder(new: Path, place: Path) -> None:
    """Put the folder `new` in the place of another, which is deleted once the new one is there.

    Where any step fails, one of the two is there whole; where the old one cannot be deleted, it
    stays in a folder beside the place, which a warning names.
    """
    if not place.exists():
        new.rename(place)
        return
    old = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".old-{place.name}-"))
    aside = old / place.name
    try:
        place.rename(aside)
        new.rename(place)
    except BaseException:
        if aside.exists():
            aside.rename(place)
        old.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)
    if old.exists():
        warnings.warn(f"some of the old {place} could not be deleted: see {old}", stacklevel=3)


def write_json(path: Path, content: object) -> None:
    """Write JSON, indented and with a final newline, whole or not at all."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def read_json(path: Path):
    """Parsed content of a JSON file. Raises BrokenFileError where it is not JSON in UTF-8."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BrokenFileError(
            f"{path} is damaged: it is not JSON ({error}). Delete it, and make it again"
        ) from None
