"""What is missing in the store is trained, in jobs of a few seeds, and saved a seed at a time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock

from ffcl_utils import rules
from ffcl_utils.config import RuleConfig, validated
from ffcl_utils.data.datasets import load_changed
from ffcl_utils.errors import UserError
from ffcl_utils.learning.training import State
from ffcl_utils.records.git import git_state
from ffcl_utils.records.provenance import surroundings
from ffcl_utils.store.checkpoint import Checkpoint
from ffcl_utils.store.keys import content, key, keys_elsewhere
from ffcl_utils.store.networks import StoreError, load_arrays, save_together

Progress = Callable[[int, int], None]  # epochs done, epochs in all


class JobError(UserError):
    """A job cannot be run as it was planned; the message says what to do."""


@dataclass(frozen=True)
class Job:
    """Networks to train together: settings with their seeds, and whether to keep every epoch's."""

    config: RuleConfig
    snapshots: bool = False

    @property
    def name(self) -> str:
        """Such as "improved_ffcl-0123456789ab-seeds_0_to_4"."""
        seeds = self.config.seed_list
        return f"{key(self.config)}-seeds_{seeds[0]}_to_{seeds[-1]}"

    @property
    def epochs(self) -> int:
        """Epochs of all phases together."""
        return rules.rule(self.config.rule).epochs_in_all(self.config)

    @property
    def cost(self) -> float:
        """Roughly how much work an image makes in the training, to start the longest first."""
        return rules.rule(self.config.rule).work(self.config) * self.config.seeds

    def to_json(self) -> dict:
        """For a plan; `from_json` reads it."""
        settings = self.config.model_dump(mode="json")
        return {"key": key(self.config), "settings": settings, "snapshots": self.snapshots}

    @classmethod
    def from_json(cls, described: dict) -> "Job":
        """A planned job; raises JobError where the code or machine would train something else."""
        name = described["key"].rpartition("-")[0]
        settings = described["settings"] | {"layers": tuple(described["settings"]["layers"])}
        job = cls(validated(rules.rule(name).Config, **settings), described["snapshots"])
        if key(job.config) != described["key"]:
            raise JobError(
                f"{described['key']} was planned with other code, another torch or on another kind "
                "of machine: make the plan again (`make reproduce` does)"
            )
        return job


def missing(jobs: Iterable[Job], store: Path) -> list[Job]:
    """Jobs for exactly the networks that the store lacks, each once, a few seeds in a job.

    A file that is damaged counts as missing. Snapshots are kept where any of the jobs asks for it.
    """
    wanted: dict[str, tuple[RuleConfig, dict[int, bool]]] = {}
    for job in jobs:
        _, seeds = wanted.setdefault(key(job.config), (job.config, {}))
        for seed in job.config.seed_list:
            seeds[seed] = seeds.get(seed, False) or job.snapshots
    pieces = []
    for name, (config, seeds) in wanted.items():
        lacking = {s: snap for s, snap in seeds.items() if not is_stored(store / name, s, snap)}
        size = rules.rule(config.rule).seeds_of_a_job(config)
        pieces += [
            Job(config.of_seeds(run[0], len(run)), lacking[run[0]])
            for run in _contiguous(lacking, size)
        ]
    return pieces


def _contiguous(lacking: dict[int, bool], size: int) -> list[list[int]]:
    runs: list[list[int]] = []
    for seed in sorted(lacking):
        last = runs[-1] if runs else []
        follows = last and seed == last[-1] + 1 and lacking[seed] == lacking[last[-1]]
        if follows and len(last) < size:
            last.append(seed)
        else:
            runs.append([seed])
    return runs


def trained_elsewhere(job: Job, store: Path) -> set[str]:
    """The kinds of other machines that have trained all networks of a job, as `keys_elsewhere`.

    Their networks have the same settings, but not the same bits: they are trained again here.
    """
    return {
        kind
        for kind, name in keys_elsewhere(job.config).items()
        if all(is_stored(store / name, s, job.snapshots) for s in job.config.seed_list)
    }


def is_stored(folder: Path, seed: int, snapshots: bool) -> bool:
    """Whether a network is in the store, whole, and with its snapshots where they are wanted."""
    try:
        load_arrays(network_file(folder, seed), key=folder.name, seed=seed)
        if snapshots:
            load_arrays(snapshot_file(folder, seed), key=folder.name, seed=seed)
    except (StoreError, FileNotFoundError):
        return False
    return True


def network_file(folder: Path, seed: int) -> Path:
    """The file of one seed's network in the folder of its key."""
    return folder / f"{seed}.safetensors"


def snapshot_file(folder: Path, seed: int) -> Path:
    """The file of one seed's weights after every epoch."""
    return folder / f"{seed}-epochs.safetensors"


def train(job: Job, store: Path, progress: Progress = lambda *_: None) -> None:
    """Train the networks of a job that are still missing, and save each in the store.

    progress: is told epochs done and in all. Another process that trains the same seeds at this
    moment is waited for; one that trains more or fewer of them trains them twice. Call
    learning.process.prepare_process() first.
    """
    folder = store / key(job.config)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot keep networks in {store}: {error.strerror}. Set FFCL_STORE to a folder that "
            "can be written"
        ) from None
    seeds = job.config.seed_list
    name = f"{seeds[0]}-{seeds[-1]}"
    with FileLock(folder / f".{name}.lock"):
        for piece in missing([job], store):
            _train(piece, folder, progress)


def _train(job: Job, folder: Path, progress: Progress) -> None:
    commit, dirty = git_state()
    data = load_changed(job.config.dataset, job.config.change)
    rule = rules.rule(job.config.rule)(job.config)
    rule.check(data)
    seeds = job.config.seed_list
    path = folder / f".{seeds[0]}-{seeds[-1]}.checkpoint"
    checkpoint = Checkpoint(path, rule, job.snapshots)
    start, snapshots = checkpoint.load()

    def after_epoch(state: State) -> None:
        if job.snapshots:
            # Copies: on a CPU an array shares its memory with the tensor, which goes on learning.
            tensors = rule.tensors().items()
            snapshots.append({name: t.numpy(force=True).copy() for name, t in tensors})
        checkpoint.save_if_due(state, snapshots)
        progress(state.phase * job.config.epochs + state.epoch, job.epochs)

    rule.fit(data, after_epoch, start)
    header = {
        "key": folder.name,
        "content": content(job.config),
        "optimisers": rule.history.optimisers,
        "trained": {"git_commit": commit, "dirty": dirty, "seeds": len(seeds)}
        | surroundings(checkpoint.elapsed),
    }
    # Together: with one seed there and another not, the next job would be of other seeds, and would
    # not find this one's checkpoint.
    save_together(folder, _files(folder, job, rule, snapshots, header))
    checkpoint.remove()


def _files(
    folder: Path, job: Job, rule, snapshots: list[dict], header: dict
) -> Iterator[tuple[str, dict[str, np.ndarray], dict]]:
    """The name, arrays and header of every file that a job leaves."""
    tensors = {name: tensor.numpy(force=True) for name, tensor in rule.tensors().items()}
    for k, seed in enumerate(job.config.seed_list):
        own = header | {"seed": seed}
        if job.snapshots:
            epochs = {
                f"{epoch}/{name}": array[k]
                for epoch, arrays in enumerate(snapshots, start=1)
                for name, array in arrays.items()
            }
            yield snapshot_file(folder, seed).name, epochs, own
        arrays = {f"weights/{name}": array[k] for name, array in tensors.items()}
        arrays |= {f"history/{name}": v[:, k] for name, v in rule.history.values.items()}
        yield network_file(folder, seed).name, arrays, own


def fill(rule, arrays: list[dict[str, np.ndarray]]) -> None:
    """Copy weights into a rule: by seed, every tensor by name. Raises StoreError for others."""
    for name, tensor in rule.tensors().items():
        for k, of_seed in enumerate(arrays):
            if name not in of_seed or of_seed[name].shape != tensor[k].shape:
                raise StoreError(f"no weights {name} of shape {tuple(tensor[k].shape)} are stored")
            with torch.no_grad():
                tensor[k].copy_(torch.from_numpy(of_seed[name]))
