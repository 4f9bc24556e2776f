"""Speed of improved FFCL, side by side in one process with the loop that a user would write.

Both train on the same images in memory with the same pairs. Repetitions are interleaved, so that a
machine that slows down slows both. Writes its object into results/benchmarks.json.
"""

import json
import resource
import statistics
import sys
import time
from itertools import pairwise

import torch
from torch import nn

from ffcl_utils.algorithms.improved_ffcl import ImprovedFFCL
from ffcl_utils.config import configure
from ffcl_utils.data import Dataset, load
from ffcl_utils.files import read_json, write_json
from ffcl_utils.pairing import PAIRINGS
from ffcl_utils.paths import RESULTS
from ffcl_utils.provenance import git_state, machine
from ffcl_utils.training import train

SEEDS, BATCH, STEPS, REPETITIONS = 10, 64, 300, 5


def some_images() -> Dataset:
    """19,200 images: the embedded digits, repeated; speed does not depend on what they show."""
    digits = load("mnist_5k")
    rows = torch.arange(STEPS * BATCH) % len(digits.train_labels)
    images, labels = digits.train_images[rows], digits.train_labels[rows]
    return Dataset("mnist_5k", images, labels, digits.test_images, digits.test_labels, (), {})


def plain_loop(data: Dataset) -> float:
    """Seconds for one epoch of one seed: a pair of nn.Linear stacks, one Adam per layer."""
    torch.manual_seed(0)
    sizes = (784, 64, 64, 10)
    twins = [[nn.Linear(a, b) for a, b in pairwise(sizes)] for _ in range(2)]
    adams = [
        torch.optim.Adam([*a.parameters(), *b.parameters()], lr=1e-4)
        for a, b in zip(*twins, strict=True)
    ]
    images, labels = data.train_images.float() / 255, data.train_labels
    cosine, bce = nn.CosineEmbeddingLoss(), nn.BCELoss()
    eye = torch.eye(10)
    started = time.perf_counter()
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(images), generator=generator)
    partners = PAIRINGS["random"](labels, generator)[order]
    for start in range(0, len(images), BATCH):
        ours, theirs = order[start : start + BATCH], partners[start : start + BATCH]
        first, second = images[ours], images[theirs]
        target = torch.where(labels[ours] == labels[theirs], 1.0, -1.0)
        for k, adam in enumerate(adams):
            first, second = twins[0][k](first.detach()), twins[1][k](second.detach())
            if k < 2:
                first, second = first.relu(), second.relu()
                loss = cosine(first, second, target)
            else:
                loss = bce(first.softmax(-1), eye[labels[ours]])
                loss = loss + bce(second.softmax(-1), eye[labels[theirs]])
            adam.zero_grad()
            loss.backward()
            adam.step()
    return time.perf_counter() - started


def all_seeds(data: Dataset) -> float:
    """Seconds for one epoch of all seeds at once, without the evaluation after it."""
    rule = ImprovedFFCL(configure("improved_ffcl", "paper", seeds=SEEDS, epochs=1))
    draw, losses = rule.training_functions(data)
    started = time.perf_counter()
    train(draw, losses, dict, rule.optimiser, rule.config.seed_list, rule.generators, 1, BATCH, "")
    return time.perf_counter() - started


def matmul_rate() -> float:
    """Floating-point operations per second of the first layer's product for all seeds at once."""
    x, w = torch.rand(SEEDS, BATCH, 784), torch.rand(SEEDS, 784, 64)
    torch.bmm(x, w)
    started = time.perf_counter()
    for _ in range(200):
        torch.bmm(x, w)
    return 200 * 2 * x.numel() * 64 / (time.perf_counter() - started)


def operations_per_image() -> int:
    """Of both twins: forward, weight gradients; no input gradients, as learning is local."""
    weights = 784 * 64 + 64 * 64 + 64 * 10
    return 2 * 2 * 2 * weights


def main() -> None:
    data = some_images()
    plain_loop(data), all_seeds(data)  # first calls allocate
    plain, batched, rates = [], [], []
    for _ in range(REPETITIONS):
        plain.append(plain_loop(data))
        batched.append(all_seeds(data))
        rates.append(matmul_rate())
    per_epoch = statistics.median(batched)
    images = SEEDS * len(data.train_labels)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if _macos() else 2**10)
    commit, dirty = git_state()
    found = {
        "speedup_per_seed_10_seeds": round(statistics.median(plain) * SEEDS / per_epoch, 2),
        "samples_per_second": round(images / per_epoch),
        "plain_samples_per_second": round(len(data.train_labels) / statistics.median(plain)),
        "matmul_rate_share": round(
            images * operations_per_image() / per_epoch / statistics.median(rates), 3
        ),
        "matmul_gflops": round(statistics.median(rates) / 1e9, 1),
        "peak_rss_mib": round(peak),
        "seconds_per_epoch": {"plain, one seed": plain, "batched, ten seeds": batched},
        "git_commit": commit,
        "dirty": dirty,
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    path = RESULTS / "benchmarks.json"
    write_json(path, (read_json(path) if path.exists() else {}) | {"improved_ffcl": found})
    print(json.dumps(found, indent=1))


def _macos() -> bool:
    return sys.platform == "darwin"


if __name__ == "__main__":
    main()
