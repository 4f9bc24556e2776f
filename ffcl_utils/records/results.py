"""What a notebook leaves beside its executed copy: metrics, provenance, figures, arrays.

Layout of a results folder: <root>/<preset>/<notebook>/{executed.ipynb, metrics.json,
provenance.json, figures/}.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ffcl_utils.config import Config, ConfigError
from ffcl_utils.data.files import FULL, DataOrigin
from ffcl_utils.errors import UserError
from ffcl_utils.files import check_writable, read_json, write_json, write_whole
from ffcl_utils.learning.history import History, load_histories
from ffcl_utils.paths import NOTEBOOKS, RESULTS

NAMES = {
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "mnist_5k": "MNIST subset of 5,000",
    "fashion_mnist_1k": "Fashion-MNIST subset of 1,000",
}
# These do not change what is measured: a run with other seeds, or without rounding in its products,
# answers the same claim.
HARMLESS = {"seeds", "first_seed", "dataset", "products"}


class PromotionError(UserError):
    """A run cannot become the reference; the message says why."""


def check_output(output_dir: str) -> None:
    """Raise OutputError where `output_dir` is given and cannot be written. "" writes nothing."""
    if output_dir:
        check_writable(Path(output_dir))


def label(config: Config) -> str:
    """What every figure says below its title: data, preset, seeds."""
    seeds = f"{config.seeds} seed{'s' * (config.seeds > 1)}"
    subset = "" if config.dataset in FULL else " (not comparable with the papers)"
    return f"{NAMES[config.dataset]}{subset} · preset {config.preset} · {seeds}"


def looked_at(data: DataOrigin, images: int) -> str:
    """What a figure of committed networks says below its title."""
    return f"{NAMES[data.name]} · {images} images · one seed of each network, trained on MNIST"


def write(
    output_dir: str,
    *,
    configs: dict[str, Config],
    data: DataOrigin,
    overrides: dict,
    seconds: float,
    metrics: dict[str, ArrayLike],
    figures: dict[str, Figure],
    files: dict[str, Callable[[Path], None]] | None = None,
) -> None:
    """Write the results of a notebook; nothing where `output_dir` is "".

    metrics: by name, one finite figure per seed. figures: by file name, each as SVG and PNG.
    files: further files by name, and what writes each. metrics.json comes last: where it is, the
    rest is whole. Raises ValueError for a metric that is not one finite figure per seed.
    """
    if not output_dir:
        return
    # Here, as it imports torch: seconds that who reads results should not wait.
    from ffcl_utils.records.provenance import provenance

    folder = Path(output_dir)
    seeds = next(iter(configs.values())).seed_list
    checked = {name: _per_seed(name, values, len(seeds)) for name, values in metrics.items()}
    for name, figure in figures.items():
        for suffix in ("svg", "png"):
            path = folder / "figures" / f"{name}.{suffix}"
            write_whole(path, figure.savefig)
    for name, write_file in (files or {}).items():
        write_whole(folder / name, write_file)
    write_json(folder / "provenance.json", provenance(configs, data, seconds))
    changed = {k: v for k, v in overrides.items() if v is not None and k not in HARMLESS}
    content = {
        "dataset": data.name,
        "preset": next(iter(configs.values())).preset,
        "overrides": changed,
        "seeds": seeds,
        "metrics": checked,
    }
    write_json(folder / "metrics.json", content)


def _per_seed(name: str, values: ArrayLike, seeds: int) -> list[float]:
    array = np.asarray(values, dtype=float)
    if array.shape != (seeds,) or not np.isfinite(array).all():
        raise ValueError(f"metric {name} is not one finite figure per seed: {array}")
    return array.tolist()


def result_folder(results: str) -> Path:
    """The folder of a run; for "" the committed reference run. Raises FileNotFoundError."""
    folder = Path(results) if results else RESULTS / "paper"
    if not any(folder.glob("*/metrics.json")):
        raise FileNotFoundError(f"no results in {folder}: run `make reproduce` first")
    return folder


def run_summary(folder: Path) -> pd.DataFrame:
    """Where the results in a preset's folder come from: one row a notebook."""
    rows = {}
    for path in sorted(folder.glob("*/provenance.json")):
        origin = read_json(path)
        rows[path.parent.name] = {
            "dataset": origin["dataset"],
            "seeds": len(origin["seeds"]),
            "commit": origin["git_commit"][:12] + " (changed)" * origin["dirty"],
            "machine": f"{origin['machine']}, {origin['threads']} threads, {origin['device']}",
            "torch": origin["versions"]["torch"],
            "seconds": origin["seconds"],
            "finished": origin["finished"],
        }
    return pd.DataFrame(rows).T


def read_histories(training: str, configs: dict[str, Config]) -> dict[str, History]:
    """The histories in a notebook's results folder; raises ConfigError for other settings."""
    folder = Path(training)
    expected = {name: config.hash for name, config in configs.items()}
    if read_json(folder / "provenance.json")["config_hash"] != expected:
        raise ConfigError(
            f"{folder} was trained with other settings: give this notebook the same, or training=''"
        )
    return load_histories(folder / "histories.npz")


def read_metrics(folder: Path) -> dict[str, dict]:
    """metrics.json of every notebook in a preset's folder, by notebook; empty where none is."""
    return {path.parent.name: read_json(path) for path in sorted(folder.glob("*/metrics.json"))}


def is_study(notebook: str) -> bool:
    """Whether a notebook goes beyond the papers' claims, which end with number 06."""
    return int(notebook[:2]) > 6


def has_results(notebook: str) -> bool:
    """Whether the workflow runs a notebook; those from number 20 on are there to explore."""
    return int(notebook[:2]) < 20


def promote(run: Path, reference: Path) -> None:
    """Copy a finished run over the reference folder, without its logs and every seed's weights.

    Studies that go beyond the papers' claims and are not in the run stay as they are. Raises
    PromotionError where a notebook has no result or did not run from a clean commit.
    """
    for notebook in filter(lambda path: has_results(path.stem), sorted(NOTEBOOKS.glob("*.ipynb"))):
        found = [folder / notebook.stem / "executed.ipynb" for folder in (run, reference)]
        if not any(path.is_file() for path in found[: 1 + is_study(notebook.stem)]):
            raise PromotionError(f"{run} is not finished: no {notebook.stem}/executed.ipynb")
    for origin in sorted(run.glob("*/provenance.json")):
        if read_json(origin)["dirty"]:
            raise PromotionError(f"{origin} comes from a tree with changes: commit and run again")
    reference.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=reference.parent, prefix=".promoting-") as folder:
        copy = Path(folder) / reference.name
        for study in reference.glob("[0-9]*"):
            if is_study(study.name) and not (run / study.name).is_dir():
                shutil.copytree(study, copy / study.name)
        shutil.copytree(run, copy, ignore=_not_for_the_reference, dirs_exist_ok=True)
        shutil.rmtree(reference, ignore_errors=True)
        copy.rename(reference)


def _not_for_the_reference(folder: str, names: list[str]) -> set[str]:
    """Logs, locks and what is large; of representations, those of the notebook's main run only."""
    other_run = "-" in Path(folder).name
    large = {"weights", "logs"} | ({"representations"} if other_run else set())
    return {name for name in names if name in large or name.startswith(".")}
