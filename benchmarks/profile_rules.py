"""Where the time of each learning rule goes, against what its products and its bytes would take.

One epoch of every rule in one thread under torch's profiler, without evaluation; writes
results/profile.csv: shares of the wall time, by kind of operation and of two floors. "floor of
products": the operations of the rule's products over the measured rate of one product of its size.
"floor of bytes": what a step cannot but move, all seeds' weights through Adam and the images into a
batch, over the measured rate of a copy; where they fit the caches a step can be faster than that.
"""

import time

import pandas as pd
import torch
from common import first_phase, interleaved, some_images, train_phase
from torch.profiler import ProfilerActivity, profile

from ffcl_utils import rules
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.files import write_whole
from ffcl_utils.learning.process import prepare_process
from ffcl_utils.paths import RESULTS
from ffcl_utils.rules.base import Rule

KINDS = {
    "products": ("mm", "addmm", "bmm", "baddbmm"),
    "gather": ("index_select", "index", "gather", "take"),
    "optimiser": ("_fused_adam_",),
}
EPOCH = {"epochs": 1, "products": "float32"}
# By rule: settings, images of an epoch, and products of one image and seed as (inputs, outputs, how
# often): forward, for weights, and for inputs where something is propagated.
OF_TWINS = [(784, 64, 4), (64, 64, 4), (64, 10, 4)]
PROFILED = {
    "improved_ffcl": ({"seeds": 10}, 19_200, OF_TWINS),
    "mirror_contrast": ({"seeds": 10}, 19_200, OF_TWINS),
    "forward_forward": ({"seeds": 1, "training": "simultaneous"}, 12_288, [(784, 784, 10)]),
    "bp_ff": ({"seeds": 1}, 12_288, [(784, 784, 14)]),
    "backprop": ({"seeds": 1}, 12_288, [(784, 784, 8), (784, 10, 3)]),
}


def make(name: str, settings: dict) -> Rule:
    """An untrained rule, for one epoch."""
    return rules.rule(name)(rules.configure(name, "short", **(EPOCH | settings)))


def profiled_epoch(rule: Rule, data: Dataset) -> tuple[float, profile]:
    """Seconds of one epoch of an untrained rule, and its profile."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        started = time.perf_counter()
        train_phase(rule, first_phase(rule, data))
        seconds = time.perf_counter() - started
    return seconds, profiled


def bytes_of(rule: Rule, images: int) -> float:
    """Bytes that an epoch has to move in float32.

    A weight: gradient written; it, weight and two moments read; weight and moments written. A
    pixel: read from the data and written into the batch, once for every network that sees it.
    """
    config = rule.config
    steps = -(-images // config.batch_size)
    pixels = len(rule.stacks()) * config.seeds * images * config.layers[0]
    parameters = sum(tensor.numel() for tensor in rule.tensors().values())
    return 4 * (8 * steps * parameters + 2 * pixels)


def copy_rate() -> float:
    """Bytes a second, read and written, of copying 256 MiB."""
    source = torch.rand(2**26)
    target = torch.empty_like(source)
    return 2 * 2**28 / interleaved({"copy": lambda: target.copy_(source)})["copy"]


def kind_of(operation: str) -> str:
    """The kind of one of torch's operations, as the columns of the table name it."""
    name = operation.removeprefix("aten::")
    return next((kind for kind, names in KINDS.items() if name in names), "element-wise and copies")


def rate(batch: int, inputs: int, outputs: int, seeds: int) -> float:
    """Operations a second of one (batched) product of this size."""
    x, w = torch.rand(seeds, batch, inputs), torch.rand(seeds, inputs, outputs)
    seconds = interleaved({"product": lambda: [torch.bmm(x, w) for _ in range(20)]})["product"]
    return 20 * 2 * seeds * batch * inputs * outputs / seconds


def main() -> None:
    prepare_process()
    rows, bandwidth = [], copy_rate()
    print(f"a copy moves {bandwidth / 1e9:.1f} GB/s", flush=True)
    for name, (settings, images, products) in PROFILED.items():
        data, rule = some_images(images), make(name, settings)
        profiled_epoch(make(name, settings), data)  # the first one allocates
        wall, profiled = profiled_epoch(rule, data)
        shares = dict.fromkeys((*KINDS, "element-wise and copies"), 0.0)
        for event in profiled.key_averages():
            if event.key.startswith("aten::"):
                shares[kind_of(event.key)] += event.self_cpu_time_total / 1e6 / wall
        config = rule.config
        floor = sum(
            times * 2 * inputs * outputs * images * config.seeds
            / rate(config.batch_size, inputs, outputs, config.seeds)
            for inputs, outputs, times in products
        )  # fmt: skip
        row = {"rule": rule.title, "seconds": round(wall, 2)}
        row |= {kind: round(share, 3) for kind, share in shares.items()}
        row["Python and the rest"] = round(1 - sum(shares.values()), 3)
        row["floor of products"] = round(floor / wall, 3)
        row["floor of bytes"] = round(bytes_of(rule, images) / bandwidth / wall, 3)
        rows.append(row)
        print(row, flush=True)
    table = pd.DataFrame(rows)
    write_whole(RESULTS / "profile.csv", lambda path: table.to_csv(path, index=False))


if __name__ == "__main__":
    main()
