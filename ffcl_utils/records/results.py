"""The results of a preset, read: where they are, where they come from, and their metrics."""

from pathlib import Path

import pandas as pd

from ffcl_utils.config import SYNTHETIC
from ffcl_utils.data.files import FULL
from ffcl_utils.paths import RESULTS
from ffcl_utils.records.contents import read_origin
from ffcl_utils.records.metrics import read_record

NAMES = {
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "mnist_5k": "MNIST subset of 5,000",
    "fashion_mnist_1k": "Fashion-MNIST subset of 1,000",
    SYNTHETIC: "synthetic data",
}
# Of provenance.json: what a summary of the runs shows.
SHOWN = (
    "dirty", "source_changed", "git_commit", "machine", "device", "versions", "seconds", "finished",
)  # fmt: skip


def note(dataset: str | None, preset: str | None, *seeds: int) -> str:
    """What every figure says below its title: data, preset, seeds; what there is of them.

    seeds: of each network that the figure shows; where they differ, the note says from the fewest
    to the most.
    """
    parts = []
    if dataset:
        subset = "" if dataset in {*FULL, SYNTHETIC} else " (not comparable with the papers)"
        parts.append(f"{NAMES[dataset]}{subset}")
    if preset:
        parts.append(f"preset {preset}")
    if most := max(seeds, default=0):
        fewest = min(seeds)
        span = f"{most}" if fewest == most else f"{fewest} to {most}"
        parts.append(f"{span} seed{'s' * (most > 1)}")
    return " · ".join(parts)


def looked_at(dataset: str, images: int, networks: str) -> str:
    """What a figure of networks to explore says below its title. networks: where they are from.

    They are trained on digits, and it says so where they look at garments.
    """
    garments = " · networks of digits look at garments" * ("fashion" in dataset)
    return f"{NAMES[dataset]} · {images} images · {networks}{garments}"


def figure_of(folder: Path, run: str, name: str):
    """A figure of a run, to be shown in a notebook; a sentence where it is missing."""
    from IPython.display import SVG, Markdown

    path = folder / run / "figures" / f"{name}.svg"
    if path.is_file():
        return SVG(path)
    return Markdown(f"There is no figure {name} of {run} in {folder}.")


def folder_of(results: str) -> Path:
    """The folder of a preset's results; for "" that of the committed reference run."""
    return Path(results) if results else RESULTS / "short"


def result_folder(results: str) -> Path:
    """`folder_of(results)`, where it holds results. Raises FileNotFoundError otherwise."""
    folder = folder_of(results)
    if not any(folder.glob("*/metrics.json")):
        raise FileNotFoundError(f"no results in {folder}: run `make reproduce` first")
    return folder


def read_metrics(folder: Path) -> dict[str, dict]:
    """metrics.json of every run in a preset's folder, by run; empty where none is.

    Raises RecordError where one is broken.
    """
    paths = sorted(folder.glob("*/metrics.json"))
    return {path.parent.name: read_record(path).model_dump() for path in paths}


def run_summary(folder: Path) -> pd.DataFrame:
    """Where the results in a preset's folder come from: one row a run.

    seconds: what the notebook took, with the trainings that it had to make itself.
    """
    rows = {}
    for name, record in read_metrics(folder).items():
        origin = read_origin(folder / name, *SHOWN)
        changed = origin["dirty"] or origin["source_changed"]
        rows[name] = {
            "dataset": record["dataset"] or "",
            "seeds": len(record["seeds"]),
            "commit": origin["git_commit"][:12] + " (changed)" * changed,
            "machine": f"{origin['machine']}, {origin['device']}",
            "torch": origin["versions"]["torch"],
            "seconds": origin["seconds"],
            "finished": origin["finished"],
        }
    return pd.DataFrame(rows).T
