"""What breaks while a command works: one line, nothing half-written, and the same command again.

Each row breaks something in a folder and gives the arguments of a command and what its one line
says ("" where the command puts it right by itself).
"""

import json
import sys
from pathlib import Path

import pytest

from ffcl_utils import store
from ffcl_utils.__main__ import main
from ffcl_utils.data.files import FULL
from ffcl_utils.paths import RESULTS, ROOT
from ffcl_utils.rules import configure
from ffcl_utils.store.networks import load_arrays
from ffcl_utils.workflow.process import alone
from tests.workflow.made_up import notebook

SMALL = {"dataset": "fashion_mnist_1k", "seeds": 1, "epochs": 1}
TRAIN = "train 02_loss_decay --preset smoke " + " ".join(f"-p {k}={v}" for k, v in SMALL.items())
NETWORKS = [configure("improved_ffcl", "smoke", pairing=p, **SMALL) for p in ("random", "balanced")]


def trained(folder):
    """The store in a folder after the command TRAIN; the paths of its networks."""
    for config in NETWORKS:
        store.train(store.Job(config), folder / "store")
    paths = sorted((folder / "store").rglob("[0-9]*.safetensors"))
    assert len(paths) == len(NETWORKS)
    return paths


def planned(folder, training):
    """The command that does one training of a plan, in this process."""
    job = {"command": [], "mem_mb": 1, "minutes": 1, "seconds": 1, "training": training}
    plan = {"version": 1, "preset": "smoke", "folder": "x", "jobs": {"it": job}}
    (folder / "plan.json").write_text(json.dumps(plan))
    return f"train it --job {folder}/plan.json"


def truncated_network(folder, monkeypatch):
    path = trained(folder)[0]
    path.write_bytes(path.read_bytes()[:-7])
    return TRAIN, ""


def foreign_network(folder, monkeypatch):
    trained(folder)[0].write_text("years of work")
    return TRAIN, ""


def swapped_networks(folder, monkeypatch):
    one, other = trained(folder)
    one.write_bytes(other.read_bytes())
    return TRAIN, ""


def damaged_checkpoint(folder, monkeypatch):
    place = folder / "store" / store.key(NETWORKS[0])
    place.mkdir(parents=True)
    (place / ".0-0.checkpoint").write_bytes(b"half of it")
    return TRAIN, ""


def file_in_place_of_the_store(folder, monkeypatch):
    (folder / "store").write_text("in the way")
    return TRAIN, "cannot keep networks in"


def full_disk_of_the_store(folder, monkeypatch):
    write = Path.write_bytes

    def full(path, content):
        write(path, content[:10])
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    return planned(folder, store.Job(NETWORKS[0]).to_json()), "No space left on device"


def missing_processor(folder, monkeypatch):
    monkeypatch.setenv("FFCL_DEVICE", "tpu")
    return TRAIN, "FFCL_DEVICE='tpu': choose one of"


def other_code_than_planned(folder, monkeypatch):
    described = store.Job(NETWORKS[0]).to_json() | {"key": "improved_ffcl-000000000000"}
    return planned(folder, described), "make the plan again"


def damaged_data(folder, monkeypatch):
    raw = folder / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FULL["mnist"].sha256:
        (raw / name).write_bytes(b"cut off")
    monkeypatch.setenv("FFCL_DATA_DIR", str(folder / "data"))
    return TRAIN.replace("fashion_mnist_1k", "mnist"), "damaged file"


def missing_data(folder, monkeypatch):
    (folder / "data").mkdir()
    monkeypatch.setenv("FFCL_DATA_DIR", str(folder / "data"))
    return TRAIN.replace("fashion_mnist_1k", "mnist"), "mnist is not complete: no file"


def a_run(folder, *cells):
    return f"run {notebook(folder, *cells)} {folder}/runs/it"


def full_disk_of_a_notebook(folder, monkeypatch):
    return a_run(folder, "raise OSError(28, 'No space left on device')"), "No space left on device"


def error_of_several_lines(folder, monkeypatch):
    return a_run(folder, "raise ValueError('one\\ntwo')"), r"cell 3: ValueError: one\ntwo"


def killed_kernel(folder, monkeypatch):
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    return a_run(folder, killed), "cell 3: its kernel died, perhaps because memory ran out"


def kernel_that_ends(folder, monkeypatch):
    return a_run(folder, "import os; os._exit(3)"), "cell 3: its kernel died"


def two_at_once(folder, monkeypatch):
    command = a_run(folder, "1")
    (folder / "runs").mkdir()
    lock = alone(folder / "runs" / "it")
    lock.__enter__()
    monkeypatch.setattr(sys, "exitfunc", lock.__exit__, raising=False)  # kept until the end
    return command, "another run is making"


def damaged_record_of_what_is_replaced(folder, monkeypatch):
    command = a_run(folder, "1")
    place = folder / "runs" / "it"
    place.mkdir(parents=True)
    (place / "provenance.json").write_text('{"files": [')
    return command, "Move the folder"


def damaged_record(folder, monkeypatch):
    place = folder / "short" / "03_forward_forward"
    place.mkdir(parents=True)
    content = (RESULTS / "short" / "03_forward_forward" / "metrics.json").read_text()
    (place / "metrics.json").write_text(content[: len(content) // 2])
    return f"claims {folder}/short", "metrics.json is not the record of a run"


ROWS = [
    truncated_network, foreign_network, swapped_networks, damaged_checkpoint,
    file_in_place_of_the_store, full_disk_of_the_store, missing_processor, other_code_than_planned,
    damaged_data, missing_data, full_disk_of_a_notebook, error_of_several_lines, killed_kernel,
    kernel_that_ends, two_at_once, damaged_record_of_what_is_replaced, damaged_record,
]  # fmt: skip


def run(arguments, monkeypatch):
    """What the command line says as it ends; "" where it ends well."""
    monkeypatch.setattr(sys, "argv", ["ffcl_utils", *arguments.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or ""


@pytest.mark.parametrize("fault", ROWS, ids=lambda fault: fault.__name__)
def test_a_fault_is_one_line_and_leaves_nothing_half_written(fault, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("FFCL_STORE", str(tmp_path / "store"))
    arguments, message = fault(tmp_path, monkeypatch)
    said = run(arguments, monkeypatch)
    assert "\n" not in said
    if message:
        assert said.startswith("error: ") and message in said
        assert not list(tmp_path.rglob("it/executed.ipynb"))
    else:
        assert said == ""
        for config in NETWORKS:
            place = tmp_path / "store" / store.key(config)
            load_arrays(place / "0.safetensors", key=place.name, seed=0)
    assert not [*tmp_path.rglob(".writing*"), *tmp_path.rglob(".it.making*")]


def test_the_table_is_long_enough():
    assert len(ROWS) == len(set(ROWS)) >= 15
