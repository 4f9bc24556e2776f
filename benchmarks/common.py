"""What the benchmarks share: images in memory, an epoch, repetitions, the report, trials."""

import json
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import torch

from ffcl_utils import rules
from ffcl_utils.config import RuleConfig
from ffcl_utils.data.datasets import Dataset, load
from ffcl_utils.files import read_json, write_json, write_whole
from ffcl_utils.learning.process import prepare_process
from ffcl_utils.learning.training import Phase, train
from ffcl_utils.paths import RESULTS
from ffcl_utils.records.git import git_state
from ffcl_utils.records.provenance import machine, peak_memory
from ffcl_utils.rules.base import Rule

REPETITIONS = 5


def some_images(count: int) -> Dataset:
    """The embedded digits, repeated to `count`; speed does not depend on what they show."""
    digits = load("mnist_5k")
    rows = torch.arange(count) % len(digits.train_labels)
    images, labels = digits.train_images[rows], digits.train_labels[rows]
    few = digits.test_images[:10], digits.test_labels[:10]  # no benchmark measures the evaluation
    return Dataset("mnist_5k", images, labels, *few, (), {})


def without_test_images() -> Dataset:
    """Full MNIST, the last 10,000 training images in the place of the test images."""
    data = load("mnist")
    images, labels = data.train_images.split([50_000, 10_000]), data.train_labels.split(50_000)
    return replace(
        data,
        train_images=images[0],
        train_labels=labels[0],
        test_images=images[1],
        test_labels=labels[1],
    )


def first_phase(rule: Rule, data: Dataset) -> Phase:
    """The first phase of a rule's training, without the evaluation after each epoch."""
    return replace(next(rule.phases(data)), evaluate=dict)


def train_phase(rule: Rule, phase: Phase) -> float:
    """Train a rule for one phase, of as many epochs as its config says. Returns the seconds."""
    started = time.perf_counter()
    train(iter([phase]), rule.config, rule.generators)
    return time.perf_counter() - started


def interleaved(rivals: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each of the rivals, which take turns: a slow moment slows all of them.

    A rival may return its own seconds, where it does not want all of its call counted.
    """
    times: dict[str, list[float]] = {name: [] for name in rivals}
    for repetition in range(REPETITIONS + 1):
        for name, work in rivals.items():
            started = time.perf_counter()
            own = work()
            taken = own if isinstance(own, float) else time.perf_counter() - started
            if repetition:  # the first calls allocate
                times[name].append(taken)
    return {name: statistics.median(values) for name, values in times.items()}


def origin() -> dict:
    """The commit, the machine and the time of a measurement."""
    commit, dirty = git_state()
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return {"git_commit": commit, "dirty": dirty, "machine": machine(), "date": date}


def report(rule: str, measured: dict) -> None:
    """Write a learning rule's object into results/benchmarks.json, with its origin."""
    measured |= {"peak_memory_mib": peak_memory(), "repetitions": REPETITIONS} | origin()
    measured |= {"threads": torch.get_num_threads(), "torch": torch.__version__}
    write_report(rule, measured)


def write_report(name: str, measured: dict) -> None:
    """Replace the object `name` in results/benchmarks.json."""
    write_json(RESULTS / "benchmarks.json", read_reports() | {name: measured})
    print(json.dumps({name: measured}, indent=1), flush=True)


def read_reports() -> dict:
    """All objects in results/benchmarks.json, by name."""
    path = RESULTS / "benchmarks.json"
    return read_json(path) if path.exists() else {}


def keep_trials(path: Path, trials: Iterable[tuple[RuleConfig, dict[str, str]]]) -> None:
    """Train every config on `without_test_images`, and add a row for each to the csv at `path`.

    trials: a config, and what its row says of it beside the accuracies after the last epoch. What
    the file has a row of already is not run again.
    """
    prepare_process()
    validation = without_test_images()
    done = pd.read_csv(path, dtype=str, keep_default_na=False) if path.exists() else pd.DataFrame()
    rows = done.to_dict("records")
    for config, row in trials:
        if any(row.items() <= known.items() for known in rows):
            continue
        rule = rules.rule(config.rule)(config)
        rule.check(validation)
        history = rule.fit(validation)
        for who, accuracy in history.starting_with("test_accuracy/").items():
            name = {"all": "first"}.get(who, who)
            row[f"validation_accuracy/{name}"] = f"{accuracy[-1].mean():.4f}"
        rows.append(row)
        print(row, flush=True)
        table = pd.DataFrame(rows)
        write_whole(path, lambda file, table=table: table.to_csv(file, index=False))
