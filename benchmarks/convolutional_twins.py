"""Speed of convolutional twins: against their convolutions alone, one by one and grouped.

All of them take turns in one process of one thread.
"""

import torch
from common import first_phase, interleaved, report, some_images, train_phase
from torch.nn.functional import conv2d

from ffcl_utils import rules
from ffcl_utils.learning.process import prepare_process
from ffcl_utils.studies.read_outs import LARGER, SETTINGS

BATCH, STEPS = SETTINGS["batch_size"], 8
NETWORK = LARGER["convolutional"]
CHANNELS = (1, *NETWORK["layers"][1:-1])
SIDES = (28, 14, 7, 3)  # of the images that each convolution sees
NETWORKS = 2


def inputs(grouped: bool) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """What each convolution takes, channels last in memory: images and kernels."""
    found, together = [], NETWORKS if grouped else 1
    for below, channels, side in zip(CHANNELS[:-1], CHANNELS[1:], SIDES, strict=True):
        images = torch.rand(BATCH, together * below, side, side)
        kernels = torch.rand(together * channels, below, 3, 3)
        images, kernels = (
            part.contiguous(memory_format=torch.channels_last) for part in (images, kernels)
        )
        found.append((images, kernels.requires_grad_()))
    return found


def convolutions(pairs: list[tuple[torch.Tensor, torch.Tensor]], groups: int) -> None:
    """As many as STEPS steps of both networks take, and their gradients in the kernels."""
    for _ in range(STEPS * NETWORKS // groups):
        for images, kernels in pairs:
            sums = conv2d(images, kernels, padding=1, groups=groups)
            torch.autograd.grad(sums, kernels, sums.detach())


def main() -> None:
    prepare_process()
    data = some_images(STEPS * BATCH)
    once = {"seeds": 1, "epochs": 1, "read_out": "joint"}
    config = rules.configure("deep_twins", "short", **(SETTINGS | NETWORK | once))
    twins = rules.rule("deep_twins")(config)
    phase = first_phase(twins, data)
    alone, together = inputs(grouped=False), inputs(grouped=True)
    times = interleaved(
        {
            "training": lambda: train_phase(twins, phase),
            "one by one": lambda: convolutions(alone, 1),
            "grouped": lambda: convolutions(together, NETWORKS),
        }
    )
    report(
        "convolutional_twins",
        {
            "convolution_rate_share": round(times["one by one"] / times["training"], 3),
            "one_by_one_vs_grouped": round(times["grouped"] / times["one by one"], 2),
            "images_per_second": round(STEPS * BATCH / times["training"]),
        },
    )


if __name__ == "__main__":
    main()
