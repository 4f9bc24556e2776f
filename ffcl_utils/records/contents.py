"""What a result's folder consists of, and what in it is not ours."""

from pathlib import Path, PurePath

from ffcl_utils.files import BrokenFileError, OutputError, read_json

# Of every result: the workflow makes executed.ipynb, the notebook the others. A run that
# configures nothing measures nothing and has no metrics.json.
RECORDS = ("executed.ipynb", "metrics.json", "provenance.json")
# Copies that JupyterLab and file managers leave beside what was looked at.
LEFT_BY_VIEWERS = {".ipynb_checkpoints", ".DS_Store"}


def files_of(result: Path) -> list[str]:
    """The files that a result consists of, by their path in its folder.

    None where its provenance.json is of something else. Raises BrokenFileError where that is
    damaged, or names a file outside of the folder.
    """
    records = [name for name in RECORDS if (result / name).is_file()]
    path = result / "provenance.json"
    if not path.is_file():
        return records
    origin = read_json(path)
    files = origin.get("files") if isinstance(origin, dict) else None
    names = [str(name) for name in files] if isinstance(files, list) else None
    for name in names or ():
        if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
            raise BrokenFileError(f"{path} names {name!r}, which is outside of its folder")
    return [] if names is None else records + names


def read_origin(result: Path, *needed: str) -> dict:
    """A result's provenance.json; raises BrokenFileError where it lacks one of these entries."""
    path = result / "provenance.json"
    origin = read_json(path)
    if not isinstance(origin, dict) or not origin.keys() >= set(needed):
        raise BrokenFileError(f"{path} is not the origin of a run: delete its folder, and run it")
    return origin


def read_notebook(path: Path):
    """A notebook of format 4; raises BrokenFileError where the file holds none."""
    import nbformat  # it takes seconds, and a plan needs none of it

    try:
        return nbformat.read(path, as_version=4)
    except (ValueError, KeyError, AttributeError, TypeError):
        raise BrokenFileError(f"{path} is damaged: it is no notebook. Run it again") from None


def foreign_files(result: Path) -> list[Path]:
    """Everything in a result's folder that no run has written, links to folders included.

    Where there is neither executed.ipynb nor provenance.json, all is foreign.
    """
    names = files_of(result)
    ours = {result / name for name in names} if set(names) - {"metrics.json"} else set()
    there = (path for path in result.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(
        path
        for path in there
        if path not in ours and not LEFT_BY_VIEWERS & set(path.relative_to(result).parts)
    )


def check_replaceable(place: Path) -> None:
    """Raise OutputError where something else than a result, or an empty folder, is in a place."""
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        raise OutputError(f"{place} is not a folder of its own: choose another place")
    try:
        foreign = foreign_files(place) if place.is_dir() else []
    except BrokenFileError as error:
        raise OutputError(f"{error}. Move the folder {place} away") from None
    if foreign:
        raise OutputError(
            f"{foreign[0]} is not of a notebook's result, and would be lost: move it away, or "
            "choose another folder"
        )
