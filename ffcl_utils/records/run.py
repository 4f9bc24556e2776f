"""The run of one notebook: its parameters, networks, figures and metrics, and their writing.

A result is the folder <runs or results>/<preset>/<run> with executed.ipynb, metrics.json,
provenance.json, figures/, tables and further files.
"""

import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import scipy.linalg  # noqa: F401 - its own BLAS has to be loaded when the threads are limited
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ffcl_utils import plots, store
from ffcl_utils.config import SYNTHETIC, ExperimentConfig, of_rules
from ffcl_utils.data import datasets
from ffcl_utils.errors import NotebookError, UserError
from ffcl_utils.files import check_writable, write_json, write_whole
from ffcl_utils.learning.process import multiply_as_in_training, prepare_process
from ffcl_utils.paths import NOTEBOOKS
from ffcl_utils.records.changes import Configure, changed, expected_parameters, matching_entry
from ffcl_utils.records.contents import RECORDS, check_replaceable, files_of
from ffcl_utils.records.git import git_state
from ffcl_utils.records.identity import identity, recorded, source_hash
from ffcl_utils.records.provenance import surroundings
from ffcl_utils.records.results import folder_of, note
from ffcl_utils.rules.base import Rule
from ffcl_utils.workflow.parameters import default_parameters


class Run:
    """One notebook with the values of its parameters, from its first code cell to its last.

    notebook: its name without the ending. namespace: `globals()`, after the cell of parameters.
    parameters: by name, without output_dir. configs, data: what `trained` configures and reads.
    Makes this process use one thread, and figures look as they do everywhere. Raises NotebookError
    where a parameter has no value, OutputError where output_dir cannot be written.
    """

    def __init__(self, notebook: str, namespace: dict) -> None:
        self._started = time.perf_counter()
        prepare_process()
        plots.show_in_notebook()
        self._notebook = NOTEBOOKS / f"{notebook}.ipynb"
        defaults = default_parameters(self._notebook)
        missing = [name for name in defaults if name not in namespace]
        if missing:
            raise NotebookError(f"no value of {', '.join(missing)}: run the parameters' cell first")
        self.parameters = {name: namespace[name] for name in defaults}
        defaults.pop("output_dir", None)
        self._output_dir = self.parameters.pop("output_dir", "")
        if self._output_dir:
            check_writable(Path(self._output_dir))
            check_replaceable(Path(self._output_dir))
        self._git = git_state()
        self._source = source_hash(self._notebook)
        self._entry = matching_entry(notebook, self.parameters, defaults)
        needs = self._entry.needs if self._entry else []
        self._reads = recorded(folder_of(self.parameters.get("results", "")), needs)
        self._expected = expected_parameters(self._entry, self.parameters, defaults)
        self._changed = changed(self.parameters, self._expected, None)
        self.configs: dict[str, ExperimentConfig] = {}
        self._keys: dict[str, str] = {}
        self._identity = self._identity_now()
        self._networks: list[dict] = []
        self.data: datasets.Dataset | None = None
        self._figures: dict[str, Figure] = {}
        self._files: dict[str, Callable[[Path], object]] = {}
        self._metrics: dict[str, list[float | None]] = {}

    def trained(self, configure: Configure) -> dict[str, Rule]:
        """The networks of a study by name: from the store, or trained now where it lacks them.

        configure: of the study; takes the notebook's parameters. Settings of no learning rule are
        in `configs` only: what they say is worked out in the notebook. Raises ConfigError and
        DataError before any training.
        """
        self.configs = configure(**self.parameters)
        self._changed = changed(self.parameters, self._expected, configure)
        if self._first.dataset != SYNTHETIC:
            self.data = datasets.load(self._first.dataset)
        self._keys = {name: store.key(c) for name, c in of_rules(self.configs).items()}
        self._identity = self._identity_now()
        preset = self.parameters.get("preset")
        snapshots = self._entry.with_snapshots(self.configs, preset) if self._entry else ()
        rules = store.trained(self.configs, snapshots)
        self._networks = [origin for rule in rules.values() for origin in rule.origins]
        # An experiment of the notebook's own trains in this process, in float32 as torch takes it.
        choices = [getattr(config, "products", "float32") for config in self.configs.values()]
        multiply_as_in_training(choices)
        return rules

    @property
    def _first(self) -> ExperimentConfig | None:
        return next(iter(self.configs.values()), None)

    @property
    def seeds(self) -> list[int]:
        """The seeds of the first settings, for each of which a metric has one figure."""
        return self._first.seed_list if self._first else []

    @property
    def note(self) -> str:
        """What a figure of all seeds says below its title: data, preset, seeds."""
        return self.note_of(*(len(config.seed_list) for config in self.configs.values()))

    def note_of(self, *seeds: int) -> str:
        """What a figure of networks with so many seeds says below its title."""
        return note(self._given("dataset"), self._given("preset"), *seeds)

    def _given(self, name: str) -> str | None:
        return getattr(self._first, name) if self._first else self.parameters.get(name)

    def figure(self, name: str, figure: Figure) -> Figure:
        """Have `write` keep a figure as figures/<name>.svg; returns it, to be shown."""
        self._figures[_plain(name)] = figure
        return figure

    def table(self, name: str, table: pd.DataFrame) -> pd.DataFrame:
        """Have `write` keep a table as <name>.csv; returns it, to be shown.

        Its index becomes columns unless it only counts the rows.
        """
        index = not isinstance(table.index, pd.RangeIndex)
        self.file(f"{name}.csv", partial(_write_csv, table.copy(), index))
        return table

    def file(self, name: str, write: Callable[[Path], object]) -> None:
        """Have `write(path)` make a further file; name: its path in the result's folder."""
        path = PurePosixPath(name)
        if name in RECORDS or path.is_absolute():
            raise ValueError(f"{name!r} is no name for a file of a result")
        for part in path.parts:
            _plain(part)
        self._files[name] = write

    def metrics(self, metrics: dict[str, ArrayLike]) -> None:
        """Have `write` keep metrics by name, one figure per seed; NaN, infinite: it has none.

        Raises ValueError naming every metric that has not one figure per seed.
        """
        arrays = {name: np.asarray(values, dtype=float) for name, values in metrics.items()}
        wrong = [
            f"{name} (shape {array.shape})"
            for name, array in arrays.items()
            if array.shape != (len(self.seeds),)
        ]
        if wrong:
            raise ValueError(
                f"not one figure for each of {len(self.seeds)} seeds: " + ", ".join(wrong)
            )
        for name, array in arrays.items():
            self._metrics[name] = [v if np.isfinite(v) else None for v in array.tolist()]

    def write(self) -> None:
        """Write everything, metrics.json last: where it is, the rest is whole.

        The files of an earlier result are deleted. provenance.json comes before the others, so that
        what an interruption leaves is known to be of a run. A run that configures nothing measures
        nothing, and has no metrics.json. Nothing is written where the notebook has no output_dir.
        """
        if not self._output_dir:
            return
        folder = Path(self._output_dir)
        files = dict(self._files)
        for name, figure in self._figures.items():
            files[f"figures/{name}.svg"] = partial(plots.save, figure)
        earlier = [name for name in files_of(folder) if name != "provenance.json"]
        for name in ("metrics.json", *earlier):
            (folder / name).unlink(missing_ok=True)
        write_json(folder / "provenance.json", self._provenance(sorted(files)))
        for name, write in files.items():
            write_whole(folder / name, write)
        if self.configs:
            write_json(folder / "metrics.json", self._record())

    def _record(self) -> dict:
        """What is measured: the content of metrics.json."""
        return {
            "run": self._entry.name if self._entry else self._notebook.stem,
            "dataset": self._first.dataset,
            "preset": self._first.preset,
            "changed": self._changed,
            "seeds": self.seeds,
            "metrics": self._metrics,
        }

    def _provenance(self, files: list[str]) -> dict:
        """What the result depends on: the content of provenance.json. files: what is written."""
        commit, dirty = self._git
        return {
            "identity": self._identity,
            "git_commit": commit,
            "dirty": dirty,
            "source": self._source,
            "source_changed": self._source_changed(),
            "parameters": self.parameters,
            "configs": {name: config.settings() for name, config in self.configs.items()},
            "keys": self._keys,
            "networks": self._networks,
            "dataset": self.data.name if self.data else None,
            "data_sha256": self.data.sha256 if self.data else {},
            "files": files,
            **surroundings(time.perf_counter() - self._started),
        }

    def _identity_now(self) -> str:
        seeds = {name: config.seed_list for name, config in self.configs.items()}
        keys, reads = self._keys, self._reads
        return identity(self._notebook, self.parameters, keys, seeds, reads, self._source)

    def _source_changed(self) -> bool:
        """Whether the sources are not what they were when the run began, or cannot be read."""
        try:
            return source_hash(self._notebook) != self._source
        except (OSError, UserError):
            return True


def _plain(name: str) -> str:
    """The name; raises ValueError unless it can be the name of a file on any system."""
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(f"{name!r} is no name for a file: use letters, digits, '_', '-' and '.'")
    return name


def _write_csv(table: pd.DataFrame, index: bool, path: Path) -> None:
    table.to_csv(path, index=index)
