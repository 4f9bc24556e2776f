"""Where the time of each learning rule goes, against what its products and its bytes would take.

One epoch of every rule under torch's profiler, without evaluation; writes results/profile.csv:
share of the wall time by kind of operation, and of two floors. "floor of products": the operations
of the rule's products over the measured rate of one product of its size. "floor of bytes": what a
step cannot but move, all seeds' weights through Adam and the images into a batch, over the measured
rate of a copy; where they fit the caches a step can be faster than that.
"""

import time
from collections.abc import Callable
from itertools import pairwise

import pandas as pd
import torch
from common import interleaved, some_images
from torch.profiler import ProfilerActivity, profile

from ffcl_utils.config import configure
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.files import write_whole
from ffcl_utils.paths import RESULTS
from ffcl_utils.rules.improved_ffcl import ImprovedFFCL
from ffcl_utils.rules.mirror_contrast import MirrorContrast
from ffcl_utils.studies.models import RULES

KINDS = {
    "products": ("mm", "addmm", "bmm", "baddbmm"),
    "gather": ("index_select", "index", "gather", "take"),
    "optimiser": ("_fused_adam_",),
}
EPOCH = {"epochs": 1, "products": "float32"}
# By rule: system, settings, images of an epoch, and products of one image and seed as (inputs,
# outputs, how often): forward, for weights, and for inputs where something is propagated.
RULES_TRIED = {
    "improved FFCL": (
        "improved_ffcl",
        {"seeds": 10},
        19_200,
        [(784, 64, 4), (64, 64, 4), (64, 10, 4)],
    ),
    "mirror contrast": (
        "mirror_contrast",
        {"seeds": 10},
        19_200,
        [(784, 64, 4), (64, 64, 4), (64, 10, 4)],
    ),
    "FF": ("forward_forward", {"seeds": 1, "training": "simultaneous"}, 12_288, [(784, 784, 10)]),
    "BP/FF": ("bp_ff", {"seeds": 1}, 12_288, [(784, 784, 14)]),
    "BP": ("backprop", {"seeds": 1}, 12_288, [(784, 784, 8), (784, 10, 3)]),
}


def one_epoch(system: str, settings: dict, data: Dataset) -> Callable[[], None]:
    """What trains a fresh rule for one epoch, on so few test images that they do not count."""
    config = configure(system, "paper", **(EPOCH | settings))
    rule = {**RULES, "improved_ffcl": ImprovedFFCL, "mirror_contrast": MirrorContrast}[system](
        config
    )
    if system == "improved_ffcl":
        return lambda: rule.fit(data, watch=dict)
    return lambda: rule.fit(data)


def parameters_of(system: str) -> int:
    """Weights and biases of one seed."""
    config = configure(system, "paper")
    sizes = getattr(config, "sizes", config.layers)
    networks = 2 if system in ("improved_ffcl", "mirror_contrast") else 1
    return networks * sum(a * b + b for a, b in pairwise(sizes))


def bytes_of(system: str, settings: dict, images: int) -> float:
    """Bytes that an epoch has to move in float32.

    A weight: gradient written; it, weight and two moments read; weight and moments written. A
    pixel: read from the data and written into the batch, once for every network that sees it.
    """
    config = configure(system, "paper", **settings)
    steps = -(-images // config.batch_size)
    networks = 2 if system in ("improved_ffcl", "mirror_contrast") else 1
    pixels = networks * config.seeds * images * config.layers[0]
    return 4 * (8 * steps * config.seeds * parameters_of(system) + 2 * pixels)


def copy_rate() -> float:
    """Bytes a second, read and written, of copying 256 MiB."""
    source = torch.rand(2**26)
    target = torch.empty_like(source)
    return 2 * 2**28 / interleaved({"copy": lambda: target.copy_(source)})["copy"]


def kind_of(operation: str) -> str:
    name = operation.removeprefix("aten::")
    return next((kind for kind, names in KINDS.items() if name in names), "element-wise and copies")


def rate(batch: int, inputs: int, outputs: int, seeds: int) -> float:
    """Operations a second of one (batched) product of this size."""
    x, w = torch.rand(seeds, batch, inputs), torch.rand(seeds, inputs, outputs)
    seconds = interleaved({"product": lambda: [torch.bmm(x, w) for _ in range(20)]})["product"]
    return 20 * 2 * seeds * batch * inputs * outputs / seconds


def main() -> None:
    rows, bandwidth = [], copy_rate()
    print(f"a copy moves {bandwidth / 1e9:.1f} GB/s", flush=True)
    for name, (system, settings, images, products) in RULES_TRIED.items():
        data = some_images(images)
        one_epoch(system, settings, data)()  # the first one allocates
        work = one_epoch(system, settings, data)
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            started = time.perf_counter()
            work()
            wall = time.perf_counter() - started
        shares = dict.fromkeys((*KINDS, "element-wise and copies"), 0.0)
        for event in profiled.key_averages():
            if event.key.startswith("aten::"):
                shares[kind_of(event.key)] += event.self_cpu_time_total / 1e6 / wall
        config = configure(system, "paper", **(EPOCH | settings))
        floor = sum(
            times * 2 * inputs * outputs * images * config.seeds
            / rate(config.batch_size, inputs, outputs, config.seeds)
            for inputs, outputs, times in products
        )  # fmt: skip
        row = {"rule": name, "seconds": round(wall, 2)}
        row |= {kind: round(share, 3) for kind, share in shares.items()}
        row["Python and the rest"] = round(1 - sum(shares.values()), 3)
        row["floor of products"] = round(floor / wall, 3)
        row["floor of bytes"] = round(bytes_of(system, settings, images) / bandwidth / wall, 3)
        rows.append(row)
        print(row, flush=True)
    table = pd.DataFrame(rows)
    write_whole(RESULTS / "profile.csv", lambda path: table.to_csv(path, index=False))


if __name__ == "__main__":
    main()
