"""What is missing is trained, each network once, in jobs of a few seeds; and nothing else."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ffcl_utils import rules, store
from ffcl_utils.config import ConfigError
from ffcl_utils.paths import ROOT
from ffcl_utils.store import Job, JobError, checkpoint, keys, missing, reader
from ffcl_utils.store.jobs import fill, network_file
from ffcl_utils.store.networks import StoreError, load_arrays
from ffcl_utils.store.reader import read, train_missing
from tests.small import small, small_config, small_rule


@pytest.fixture
def few(digits, monkeypatch):
    """Trainings of this process see few images."""
    monkeypatch.setattr(store.jobs, "load_changed", lambda *_: small(digits, 100))


def config(**overrides):
    return small_config("improved_ffcl", **overrides)


def seeds_of(jobs):
    return [(job.config.seed_list, job.snapshots) for job in jobs]


def test_there_are_as_many_workers_as_cores_on_every_system(few, tmp_path, monkeypatch):
    """macOS cannot say which cores are this process's: it has all of them."""
    asked = []

    class Pool:
        def __init__(self, workers, *_):
            asked.append(workers)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def submit(self, *_):
            return SimpleNamespace(result=lambda: None)

    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(reader, "ProcessPoolExecutor", Pool)
    jobs = [Job(config(first_seed=seed)) for seed in range(0, 90, 10)]
    train_missing(jobs, tmp_path)
    monkeypatch.setattr(reader, "cpu_count", lambda: 3)
    train_missing(jobs, tmp_path)
    train_missing(jobs[:2], tmp_path)
    assert asked[0] in range(1, 1 + min(len(jobs), os.cpu_count())) and asked[1:] == [3, 2]


def test_one_training_that_fails_keeps_those_that_wait_from_beginning(few, tmp_path, monkeypatch):
    done = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, workers, *_):
            super().__init__(1)

    def work(described, store):
        done.append(described)
        raise JobError("the disk is full")

    monkeypatch.setattr(reader, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(reader, "_work", work)
    jobs = [Job(config(first_seed=seed)) for seed in range(0, 900, 10)]
    with pytest.raises(JobError, match="the disk is full"):
        train_missing(jobs, tmp_path)
    assert len(done) < len(jobs)


def test_a_worker_that_is_killed_is_one_clear_error(few, tmp_path, monkeypatch):
    def killed(*_):
        raise BrokenProcessPool

    pool = SimpleNamespace(submit=killed, shutdown=lambda **_: None)
    monkeypatch.setattr(reader, "ProcessPoolExecutor", lambda *_: nullcontext(pool))
    with pytest.raises(JobError, match="perhaps because memory ran out"):
        train_missing([Job(config())], tmp_path)


def test_more_work_is_planned_for_what_takes_longer():
    plain = rules.configure("backprop", "short", layers=(784, 300, 300, 100, 10), epochs=10)
    relaxed = rules.configure("activation_relaxation", "short")
    assert Job(plain).cost == 10 * 5 * (784 * 300 + 300 * 300 + 300 * 100 + 100 * 10)
    assert Job(relaxed).cost == pytest.approx(Job(plain).cost * (1 + relaxed.sweeps / 20))
    one, all_three = (
        rules.configure("ffcl", "short", stages=stages) for stages in ("local", "all")
    )
    assert Job(all_three).cost == pytest.approx(1.5 * Job(one).cost)


def test_an_empty_store_lacks_everything_in_jobs_of_a_few_seeds(tmp_path):
    jobs = missing([Job(config(seeds=12))], tmp_path)
    assert seeds_of(jobs) == [([0, 1, 2, 3, 4], False), ([5, 6, 7, 8, 9], False), ([10, 11], False)]
    wide = rules.configure("forward_forward", "short", seeds=2)
    assert seeds_of(missing([Job(wide)], tmp_path)) == [([0], False), ([1], False)]


def test_settings_that_cannot_learn_from_the_data_are_refused_and_leave_no_network(few, tmp_path):
    refused = small_config("mirror_contrast", guide="itself", batch_size=33)  # of 100 images
    with pytest.raises(ConfigError, match="batch_size=33: 100 training images leave"):
        store.train(Job(refused), tmp_path)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_networks_of_a_machine_that_rounds_are_others_and_are_noticed(few, tmp_path, monkeypatch):
    job = Job(config(products="auto"))
    monkeypatch.setattr(keys, "rounding", lambda _: "bfloat16")
    store.train(Job(config(products="auto", seeds=1)), tmp_path)
    monkeypatch.setattr(keys, "rounding", lambda _: "float32")
    assert store.trained_elsewhere(job, tmp_path) == set()  # of two seeds it has one
    one = Job(job.config.of_seeds(0, 1))
    assert store.trained_elsewhere(one, tmp_path) == {"bfloat16 on a CPU"}
    assert store.trained_elsewhere(Job(config(seeds=1)), tmp_path) == set()
    assert seeds_of(missing([job], tmp_path)) == [([0, 1], False)]
    # Seen from a GPU, which also adds up otherwise where nothing is rounded.
    store.train(Job(config(seeds=1)), tmp_path)
    monkeypatch.setattr(keys, "rounding", lambda _: "tf32")
    monkeypatch.setattr(keys, "device", lambda: SimpleNamespace(type="cuda"))
    found = {"bfloat16 on a CPU", "float32 on a CPU"}
    assert store.trained_elsewhere(one, tmp_path) == found
    assert store.trained_elsewhere(Job(config(seeds=1)), tmp_path) == {"float32 on a CPU"}


def test_a_network_that_several_want_is_trained_once(tmp_path):
    wanted = [Job(config(seeds=3)), Job(config(seeds=2, first_seed=2)), Job(config(seeds=1))]
    assert seeds_of(missing(wanted, tmp_path)) == [([0, 1, 2, 3], False)]
    with_snapshots = [*wanted, Job(config(seeds=2), snapshots=True)]
    assert seeds_of(missing(with_snapshots, tmp_path)) == [([0, 1], True), ([2, 3], False)]


def test_only_what_is_missing_is_trained(few, tmp_path):
    store.train(Job(config(seeds=1, first_seed=1)), tmp_path)
    jobs = missing([Job(config(seeds=4))], tmp_path)
    assert seeds_of(jobs) == [([0], False), ([2, 3], False)]
    folder = tmp_path / store.key(config())
    before = network_file(folder, 1).read_bytes()
    for job in jobs:
        store.train(job, tmp_path)
    assert missing([Job(config(seeds=4))], tmp_path) == []
    assert network_file(folder, 1).read_bytes() == before
    assert read(config(seeds=4), tmp_path).history.seeds == (0, 1, 2, 3)


def test_a_disk_that_is_full_at_the_end_costs_no_training(few, tmp_path, monkeypatch):
    """The first of three seeds is written; the same command goes on from the checkpoint."""
    job, files = Job(config(seeds=3, epochs=3), snapshots=True), store.jobs._files

    def full(*arguments):
        yield from islice(files(*arguments), 2)
        raise OSError(errno.ENOSPC, "No space left on device")

    # Also the last epoch has its checkpoint.
    monkeypatch.setattr(checkpoint.Checkpoint.__init__, "__defaults__", (0.0,))
    monkeypatch.setattr(store.jobs, "_files", full)
    with pytest.raises(OSError, match="No space left"):
        store.train(job, tmp_path)
    folder = tmp_path / store.key(job.config)
    assert not list(folder.glob("*.safetensors")) and not list(folder.glob(".writing-*"))
    monkeypatch.setattr(store.jobs, "_files", files)
    again = []
    store.train(job, tmp_path, lambda done, _: again.append(done))
    assert again == [] and missing([job], tmp_path) == []
    store.train(job, tmp_path / "undisturbed")
    for mine, theirs in zip(
        read(job.config, tmp_path).tensors().values(),
        read(job.config, tmp_path / "undisturbed").tensors().values(),
        strict=True,
    ):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("damage", ["truncated", "other seed", "other code", "not one of ours"])
def test_a_damaged_or_foreign_file_is_trained_again(few, tmp_path, damage):
    store.train(Job(config()), tmp_path)
    folder = tmp_path / store.key(config())
    path = network_file(folder, 1)
    good = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(good[:-5])
    elif damage == "other seed":
        path.write_bytes(network_file(folder, 0).read_bytes())
    elif damage == "other code":
        other = config(margin=0.4)
        store.train(Job(other), tmp_path)
        path.write_bytes(network_file(tmp_path / store.key(other), 1).read_bytes())
    else:
        path.write_text("my thesis")
    with pytest.raises(StoreError):
        read(config(), tmp_path)
    assert seeds_of(missing([Job(config())], tmp_path)) == [([1], False)]
    store.train(Job(config()), tmp_path)
    assert [a.tobytes() for a in load_arrays(path)[0].values()]
    assert read(config(), tmp_path).predict(few_images()).shape == (2, 3, 10)


def few_images():
    return torch.zeros(3, 784, dtype=torch.uint8)


def test_two_writers_of_one_network_end_with_one_whole_file(few, tmp_path):
    """They wait for each other: the second finds what the first has made."""
    trained = []
    threads = [
        threading.Thread(
            target=lambda: store.train(Job(config()), tmp_path, lambda *_: trained.append(1))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(trained) == config().epochs
    assert missing([Job(config())], tmp_path) == []


def test_a_job_goes_through_json_and_refuses_another_plan(monkeypatch):
    job = Job(config(seeds=1, first_seed=3), snapshots=True)
    described = json.loads(json.dumps(job.to_json()))
    assert Job.from_json(described) == job
    assert job.name.endswith("-seeds_3_to_3")
    with pytest.raises(JobError, match="make the plan again"):
        Job.from_json(described | {"key": "improved_ffcl-000000000000"})


def test_the_header_says_where_a_network_is_from(few, tmp_path):
    store.train(Job(config()), tmp_path)
    _, header = load_arrays(network_file(tmp_path / store.key(config()), 0))
    assert header["content"]["settings"]["margin"] == config().margin
    assert {"git_commit", "dirty", "machine", "seconds", "versions"} <= header["trained"].keys()
    rule = read(config(), tmp_path)
    assert [origin["seed"] for origin in rule.origins] == [0, 1]


def test_weights_of_another_shape_are_refused():
    rule = small_rule("improved_ffcl")
    with pytest.raises(StoreError, match="no weights first/weight1"):
        fill(rule, [{"first/weight1": np.zeros((3, 3), np.float32)}] * 2)


def test_workers_give_what_this_process_gives(tmp_path):
    """On the embedded digits, whole: workers know nothing of a test's smaller data."""
    wanted = {name: small_config(name, epochs=1, seeds=1) for name in ("improved_ffcl", "backprop")}
    train_missing([Job(c) for c in wanted.values()], tmp_path / "workers", workers=2)
    for name, c in wanted.items():
        store.train(Job(c), tmp_path / "here")
        mine, theirs = (read(c, tmp_path / place) for place in ("here", "workers"))
        for tensor, values in mine.tensors().items():
            assert np.array_equal(values.detach(), theirs.tensors()[tensor].detach()), name
        assert mine.history.values.keys() == theirs.history.values.keys()


TRAIN = """
import sys
from pathlib import Path
from ffcl_utils import store
from ffcl_utils.learning.process import prepare_process
from ffcl_utils.store import checkpoint
from tests.small import small_config
checkpoint.Checkpoint.__init__.__defaults__ = (0.0,)  # seconds: every epoch has its own
prepare_process()
config = small_config("forward_forward", epochs=6, seeds=1)
store.train(store.Job(config), Path(sys.argv[1]), lambda done, of: print(done, flush=True))
"""


def training(folder):
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def test_seconds_before_an_interruption_count(few, tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(checkpoint, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    job = Job(small_config("forward_forward", epochs=2, seeds=1))  # six epochs in all

    def slow(done, _):
        clock[0] += 100.0
        if done == 4 and clock[0] == 400.0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.train(job, tmp_path, slow)
    clock[0] = 5000.0
    store.train(job, tmp_path, slow)
    _, header = load_arrays(network_file(tmp_path / store.key(job.config), 0))
    # What comes after the fourth epoch's checkpoint is lost, and is no part of the training.
    assert header["trained"]["seconds"] == 300 + 200


def test_a_damaged_checkpoint_is_named_and_the_training_begins_anew(few, tmp_path):
    job = Job(config(seeds=1))
    folder = tmp_path / store.key(job.config)
    folder.mkdir()
    (folder / ".0-0.checkpoint").write_bytes(b"half of it")
    epochs = []
    with pytest.warns(UserWarning, match=r"0-0\.checkpoint is damaged .* begins anew"):
        store.train(job, tmp_path, lambda done, _: epochs.append(done))
    assert epochs[0] == 1 and missing([job], tmp_path) == []


@pytest.mark.slow
def test_a_training_that_is_killed_goes_on_and_ends_with_the_same_bits(tmp_path):
    with training(tmp_path / "whole") as undisturbed:
        assert undisturbed.wait(120) == 0
    killed = training(tmp_path / "killed")
    for line in killed.stdout:
        if int(line) == 8:  # in the second layer's phase
            killed.send_signal(signal.SIGKILL)
            break
    killed.wait(30)
    wanted = small_config("forward_forward", epochs=6, seeds=1)
    folder = tmp_path / "killed" / store.key(wanted)
    assert not network_file(folder, 0).exists()
    deadline = time.monotonic() + 5
    while not list(folder.glob(".*.checkpoint")) and time.monotonic() < deadline:
        time.sleep(0.1)
    with training(tmp_path / "killed") as again:
        epochs = [int(line) for line in again.stdout]
        assert again.wait(120) == 0
    assert min(epochs) > 6, "it began anew instead of going on"
    one, other = (
        load_arrays(network_file(tmp_path / place / store.key(wanted), 0))[0]
        for place in ("whole", "killed")
    )
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert np.array_equal(array, other[name]), name
    assert not list(folder.glob(".*.checkpoint"))
