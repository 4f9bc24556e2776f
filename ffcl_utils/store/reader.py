"""Trained rules for whoever wants them: from the store, and what it lacks is trained first."""

import os
import tempfile
from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from threading import Thread

import numpy as np
from joblib import cpu_count
from tqdm import tqdm

from ffcl_utils import rules
from ffcl_utils.config import ExperimentConfig, RuleConfig, of_rules
from ffcl_utils.learning.history import History
from ffcl_utils.learning.process import end_with, prepare_process
from ffcl_utils.store.jobs import Job, JobError, fill, missing, network_file, snapshot_file, train
from ffcl_utils.store.keys import key
from ffcl_utils.store.networks import load_arrays, store_folder


def trained(
    configs: dict[str, ExperimentConfig], snapshots: Collection[str] = ()
) -> dict[str, object]:
    """The trained rule of every config of a rule, with its history and `origins`.

    What the store lacks is trained now, in worker processes of one thread each, with a progress
    bar, and kept. snapshots: names of those that come with the weights after every epoch, for
    `epochs_of`. Where FFCL_STORE is empty nothing is kept.
    """
    configs = of_rules(configs)
    with opened_store() as store:
        train_missing([Job(config, name in snapshots) for name, config in configs.items()], store)
        return {name: read(config, store, name in snapshots) for name, config in configs.items()}


@contextmanager
def opened_store() -> Iterator[Path]:
    """The folder of the store; where FFCL_STORE is empty one that is gone afterwards."""
    folder = store_folder()
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="ffcl-store-") as temporary:
        yield Path(temporary)


def read(config: RuleConfig, store: Path, snapshots: bool = False):
    """A trained rule with its history from the store.

    Its `origins` say where each seed's network is from; its `snapshots` are, where they are wanted,
    for each seed the weights after every epoch. Raises FileNotFoundError or StoreError where a
    network is missing or damaged.
    """
    rule = rules.rule(config.rule)(config)
    files = [network_file(store / key(config), seed) for seed in config.seed_list]
    stored = [
        load_arrays(file, key=key(config), seed=seed)
        for file, seed in zip(files, config.seed_list, strict=True)
    ]
    fill(rule, [_part(arrays, "weights/") for arrays, _ in stored])
    histories = [_part(arrays, "history/") for arrays, _ in stored]
    values = {name: np.stack([h[name] for h in histories], axis=1) for name in histories[0]}
    rule.history = History(tuple(config.seed_list), values, stored[0][1]["optimisers"])
    rule.origins = [
        {"key": header["key"], "seed": header["seed"]} | header["trained"] for _, header in stored
    ]
    if snapshots:
        rule.snapshots = [
            _by_epoch(load_arrays(snapshot_file(store / key(config), seed), seed=seed)[0])
            for seed in config.seed_list
        ]
    return rule


def _by_epoch(arrays: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    last = max(int(name.partition("/")[0]) for name in arrays)
    return [_part(arrays, f"{epoch}/") for epoch in range(1, last + 1)]


def epochs_of(rule) -> Iterator[object]:
    """A rule like this with the weights before its training, then after every epoch.

    It is one object, filled anew each time. rule: `trained` with snapshots.
    """
    again = type(rule)(rule.config)
    yield again
    for of_seeds in zip(*rule.snapshots, strict=True):
        fill(again, list(of_seeds))
        yield again


def _part(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def train_missing(jobs: list[Job], store: Path, workers: int | None = None) -> None:
    """Train what the store lacks of some jobs, in worker processes, with one progress bar.

    workers: how many at once; None: as many as there are cores for this process.
    """
    waiting = missing(jobs, store)
    if not waiting:
        return
    waiting.sort(key=lambda job: -job.cost)
    context = get_context("spawn")
    reports = context.SimpleQueue()
    count = min(len(waiting), workers or cpu_count())
    bar = tqdm(total=sum(job.epochs for job in waiting), unit="epoch", desc="training", leave=False)
    watcher = Thread(target=_show, args=(reports, bar), daemon=True)
    watcher.start()
    try:
        with ProcessPoolExecutor(count, context, _start_worker, (reports, os.getpid())) as pool:
            try:
                for done in [pool.submit(_work, job.to_json(), store) for job in waiting]:
                    done.result()
            except BaseException:  # one that failed, or Ctrl-C: those that wait are not begun
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    except BrokenProcessPool:
        raise JobError(
            "a training was ended from outside, perhaps because memory ran out: train fewer at once"
        ) from None
    finally:
        reports.put(False)
        watcher.join()
        bar.close()


def _show(reports, bar: tqdm) -> None:
    while reports.get():
        bar.update()


def _start_worker(reports, parent: int) -> None:
    """In a worker: where it reports its epochs, and that it ends when its parent does."""
    end_with(parent)
    prepare_process()
    _work.reports = reports


def _work(described: dict, store: Path) -> None:
    train(Job.from_json(described), store, lambda *_: _work.reports.put(True))
