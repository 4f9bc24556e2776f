"""Speed of improved FFCL, side by side in one process with the loop that a user would write.

Both train on the same images in memory with the same way of drawing pairs, in one thread.
"""

import time
from itertools import pairwise

import torch
from common import first_phase, interleaved, report, some_images, train_phase
from torch import nn

from ffcl_utils import rules
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.learning.pairing import PAIRINGS
from ffcl_utils.learning.process import prepare_process

SEEDS, BATCH, STEPS = 10, 64, 300


def plain_loop(data: Dataset) -> float:
    """Seconds for one epoch of one seed: a pair of nn.Linear stacks, one Adam per layer."""
    twins = [[nn.Linear(a, b) for a, b in pairwise((784, 64, 64, 10))] for _ in range(2)]
    adams = [
        torch.optim.Adam([*a.parameters(), *b.parameters()], lr=1e-4)
        for a, b in zip(*twins, strict=True)
    ]
    images, labels = data.train_images.float() / 255, data.train_labels
    cosine, bce, eye = nn.CosineEmbeddingLoss(), nn.BCELoss(), torch.eye(10)
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
    config = rules.configure("improved_ffcl", "short", seeds=SEEDS, epochs=1)
    rule = rules.rule("improved_ffcl")(config)
    return train_phase(rule, first_phase(rule, data))


def products() -> None:
    """200 products of the first layer for all seeds at once: the rate to compare with."""
    x, w = torch.rand(SEEDS, BATCH, 784), torch.rand(SEEDS, 784, 64)
    for _ in range(200):
        torch.bmm(x, w)


def main() -> None:
    prepare_process()
    data = some_images(STEPS * BATCH)
    times = interleaved(
        {
            "plain": lambda: plain_loop(data),
            "batched": lambda: all_seeds(data),
            "products": products,
        }
    )
    images = len(data.train_labels)
    rate = 200 * 2 * SEEDS * BATCH * 784 * 64 / times["products"]
    # Of both twins: forward and weight gradients; no input gradients, as learning is local.
    operations = SEEDS * images * 2 * 2 * 2 * (784 * 64 + 64 * 64 + 64 * 10)
    report(
        "improved_ffcl",
        {
            "speedup_per_seed_10_seeds": round(times["plain"] * SEEDS / times["batched"], 2),
            "samples_per_second": round(SEEDS * images / times["batched"]),
            "plain_samples_per_second": round(images / times["plain"]),
            "matmul_rate_share": round(operations / times["batched"] / rate, 3),
            "matmul_gflops": round(rate / 1e9, 1),
        },
    )


if __name__ == "__main__":
    main()
