"""Where things are: anchored at the repository, overridable by environment variables."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
RESULTS = ROOT / "results"
EMBEDDED = Path(__file__).resolve().parent / "data" / "embedded"


def data_folder() -> Path:
    """Folder with the full datasets: `FFCL_DATA_DIR` where it is set, else `data/` here."""
    return Path(os.environ.get("FFCL_DATA_DIR") or ROOT / "data")
