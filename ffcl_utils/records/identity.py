"""What decides a result, as one hash: the workflow compares it to see whether a result is fresh."""

import hashlib
import json
from pathlib import Path

from ffcl_utils.files import read_json
from ffcl_utils.paths import ROOT
from ffcl_utils.records.contents import read_origin
from ffcl_utils.workflow.parameters import default_parameters

PACKAGE = ROOT / "ffcl_utils"
# These parameters say where files are; what is read from there is in `reads`.
PLACES = {"output_dir", "results"}


def source_hash(notebook: Path | None) -> str:
    """SHA-256 over every *.py and *.toml file of the package, and a notebook's code and text.

    Outputs, execution counts and other metadata of the notebook do not count, nor do hidden files.
    None: the package alone. Raises OSError for a notebook that is not there.
    """
    parts = []
    for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.toml")]):
        place = path.relative_to(PACKAGE)
        if not any(part.startswith(".") for part in place.parts):
            parts.append([place.as_posix(), path.read_text(encoding="utf-8")])
    if notebook is not None:
        cells = read_json(notebook)["cells"]
        parts.append([[cell["cell_type"], "".join(cell["source"])] for cell in cells])
    return _hash(parts)


def identity(
    notebook: Path,
    parameters: dict,
    keys: dict[str, str],
    seeds: dict[str, list[int]],
    reads: dict[str, str],
    source: str = "",
) -> str:
    """SHA-256 over everything that a run's figures depend on.

    parameters: all of the notebook's, or only those that differ from its defaults; PLACES do not
    count. keys, seeds: of the networks, by name; a key stands for the
    settings, the data and the code that learns. reads: identities of the runs whose results are
    read, by name. source: the source hash where it was taken before; else it is taken now.
    """
    resolved = default_parameters(notebook) | parameters
    counted = {name: value for name, value in resolved.items() if name not in PLACES}
    return _hash([source or source_hash(notebook), counted, keys, seeds, reads])


def recorded(folder: Path, names: list[str]) -> dict[str, str]:
    """The identities of the results in a preset's folder, of those of `names` that are there."""
    origins = {name: folder / name / "provenance.json" for name in names}
    return {
        name: read_origin(path.parent, "identity")["identity"]
        for name, path in origins.items()
        if path.is_file()
    }


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
