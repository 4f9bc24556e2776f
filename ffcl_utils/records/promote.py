"""A finished run becomes the reference in results/: checked, copied, swapped in whole."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ffcl_utils.config import check_preset
from ffcl_utils.errors import UserError
from ffcl_utils.files import swap_folder
from ffcl_utils.records.contents import (
    LEFT_BY_VIEWERS,
    RECORDS,
    files_of,
    foreign_files,
    read_origin,
)
from ffcl_utils.records.git import git_state
from ffcl_utils.records.identity import source_hash
from ffcl_utils.records.metrics import read_record
from ffcl_utils.workflow.parameters import complete
from ffcl_utils.workflow.process import alone
from ffcl_utils.workflow.runs import RunEntry, UnknownRunError, runs
from ffcl_utils.workflow.schedule import PLANS

CLAIMS = "claims.json"
RECORDS_BUT_METRICS = tuple(name for name in RECORDS if name != "metrics.json")
# Without these, what a provenance.json says is not enough to promote its result.
NEEDED = {"files", "dirty", "source", "source_changed", "parameters"}


class PromotionError(UserError):
    """A run cannot become the reference; the message says why, and what to do."""


def promote(run: Path, reference: Path, only: Sequence[str] = ()) -> None:
    """Replace the reference folder of a preset by a finished run, whole or not at all.

    Copied are the results that the table of runs knows, each with the files that it says it wrote;
    logs and locks are not. Studies that the run lacks stay as they are in the old reference. only:
    names of the runs whose results are copied; all others stay, the overview too, which then has
    to be made anew. Raises PromotionError where a result is missing, incomplete, of another preset,
    or made by other sources than those committed here; and where the reference holds a file that no
    run has written. Raises UnknownRunError for a name that is not in the table, and BusyError while
    a workflow works in the run's folder.
    """
    check_preset(reference.name)
    if reference.is_symlink() or (reference.exists() and not reference.is_dir()):
        raise PromotionError(f"{reference} is not a folder of its own: move it away first")
    if git_state()[1]:
        raise PromotionError("the sources here differ from the last commit: commit, and run again")
    if only:
        new = [_named(name, reference.name) for name in dict.fromkeys(only)]
    else:
        new = [entry for entry in runs() if _is_new(entry, run, reference.name)]
    if not run.is_dir():
        raise PromotionError(f"{run} is not finished: there is no such folder")
    with alone(run / PLANS):  # no workflow swaps a result between two of its files
        _replace(run, reference, new)


def _replace(run: Path, reference: Path, new: list[RunEntry]) -> None:
    """Check the new results, and swap in a folder with these and the others of the reference."""
    for entry in new:
        _check(entry, run / entry.name, reference.name)
    foreign = foreign_in_preset(reference)
    if foreign:
        raise PromotionError(f"{foreign[0]} is not from a run, and would be lost: move it away")
    kept = [
        entry
        for entry in runs()
        if entry not in new and (reference / entry.name / "provenance.json").is_file()
    ]
    reference.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=reference.parent, prefix=".promoting-") as folder:
            copy = Path(folder) / reference.name
            for root, entries in ((run, new), (reference, kept)):
                for entry in entries:
                    _copy(root / entry.name, copy / entry.name)
            if (run / CLAIMS).is_file():
                shutil.copy2(run / CLAIMS, copy / CLAIMS)
            swap_folder(copy, reference)
    except OSError as error:
        raise PromotionError(f"{reference} stays as it was: {error}") from None


def _is_new(entry: RunEntry, run: Path, preset: str) -> bool:
    """Whether an entry's result is to be taken: studies need not be there."""
    if preset not in entry.presets or entry.part == "explore":
        return False
    always = entry.part == "overview" or entry.is_with_claims(preset)
    return always or (run / entry.name).is_dir()


def _named(name: str, preset: str) -> RunEntry:
    """The entry of a run whose result can be promoted alone."""
    named = {entry.name: entry for entry in runs()}
    if name not in named:
        raise UnknownRunError(f"there is no run {name!r}: choose one of {', '.join(named)}")
    entry = named[name]
    if entry.part not in ("claims", "studies", "related") or preset not in entry.presets:
        raise PromotionError(f"{name} has no result of its own at the preset {preset}")
    return entry


def _check(entry: RunEntry, result: Path, preset: str) -> None:
    """Raise PromotionError unless a result is complete and made by the sources that are here."""
    for name in RECORDS if entry.networks else RECORDS_BUT_METRICS:
        if not (result / name).is_file():
            raise PromotionError(f"{result.parent} is not finished: no {entry.name}/{name}")
    origin = read_origin(result, *NEEDED)
    for name in origin["files"]:
        if not (result / name).is_file():
            raise PromotionError(f"{result} is not complete: no {name}. Delete it and run again")
    if origin["dirty"] or origin["source_changed"]:
        raise PromotionError(f"{result} was made by sources that no commit holds: run it again")
    if origin["source"] != source_hash(entry.path):
        raise PromotionError(
            f"{result} was made by other sources than those here: run it again "
            f"(`make reproduce-all PRESET={preset}` makes all runs), or delete it"
        )
    if entry.networks:
        found = read_record(result / "metrics.json").preset
        if found != preset:
            raise PromotionError(f"{result} is of preset {found}: it cannot become {preset}")
    given = origin["parameters"]
    wanted = complete(entry.path, entry.parameters_at(preset))  # of the full data but at smoke
    if entry.networks and given != wanted:
        others = [name for name in wanted if given.get(name) != wanted[name]]
        raise PromotionError(
            f"{result} was made with other settings than the table of runs has "
            f"({', '.join(others)}): delete it and run it again"
        )


def foreign_in_preset(reference: Path) -> list[Path]:
    """Everything in a preset's folder that neither a run nor its promotion has written.

    A result says itself what it consists of; in a folder that does not say so, all is foreign.
    """
    found = []
    for place in sorted(reference.iterdir()) if reference.is_dir() else []:
        if (place / "provenance.json").is_file() and not place.is_symlink():
            found += foreign_files(place)
        elif place.is_dir() and not place.is_symlink():
            found += [path for path in place.rglob("*") if path.is_symlink() or not path.is_dir()]
        elif place.name not in {CLAIMS, *LEFT_BY_VIEWERS} and not _is_lock(place):
            found.append(place)
    return sorted(found)


def _is_lock(place: Path) -> bool:
    """Whether a file is what the lock of a result's folder leaves: empty, and named for a run."""
    locks = {f".{entry.name}.lock" for entry in runs()}
    return place.name in locks and not place.is_symlink() and place.stat().st_size == 0


def _copy(result: Path, target: Path) -> None:
    for name in files_of(result):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(result / name, target / name)
