"""Speed of Forward-Forward: against the matrix-product rate, and against plain implementations.

All of them take turns in one process of one thread.
"""

import time

import numpy as np
import torch
from common import first_phase, interleaved, report, some_images, train_phase
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from ffcl_utils import rules
from ffcl_utils.analysis.ensembles import largest_excess
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.pixels import label_pixels
from ffcl_utils.learning.precision import matrix_units, rounding
from ffcl_utils.learning.process import prepare_process
from ffcl_utils.rules.forward_forward import ForwardForward

BATCH, STEPS, UNITS = 1024, 12, 784
PREDICTED = 2000
MNIST = 60_000  # images
EPOCHS = 3  # where layers learn in sequence: what a layer sees is computed once for all epochs


def blank_label_pixels(images: torch.Tensor) -> torch.Tensor:
    """A copy of scaled images (…, 784) with the label's pixels set to 0."""
    blank = images.clone()
    blank[..., :10] = 0
    return blank


def rule(
    training: str = "simultaneous", epochs: int = 1, products: str = "float32"
) -> ForwardForward:
    """FF of one seed."""
    settings = {"seeds": 1, "epochs": epochs, "batch_size": BATCH, "training": training}
    settings["products"] = products
    return ForwardForward(rules.configure("forward_forward", "short", **settings))


def simultaneous(data: Dataset, products: str = "float32") -> float:
    """Seconds of ours for one epoch with all layers at once, without the evaluation after it.

    The preparation of the images counts.
    """
    ff = rule(products=products)
    started = time.perf_counter()
    train_phase(ff, first_phase(ff, data))
    return time.perf_counter() - started


def sequential(data: Dataset) -> float:
    """Seconds of ours for EPOCHS epochs of every layer in its turn, as in the paper."""
    ff = rule("sequential", EPOCHS)
    started = time.perf_counter()
    ff.fit(data)
    return time.perf_counter() - started


def one_layer(data: Dataset, quick: bool) -> float:
    """Seconds of one epoch of a layer in sequence, on what it sees.

    quick: kept in bfloat16, where the CPU multiplies that. Else in float32, as it was before: with
    matrix units for bfloat16, products rounded what they were given.
    """
    ff = rule("sequential", products="auto" if quick or matrix_units() else "float32")
    generator = torch.Generator().manual_seed(0)
    seen = torch.rand(1, 2, len(data.train_labels), UNITS, generator=generator)
    below = nn.functional.normalize(seen, dim=-1).to(kind_of_products() if quick else torch.float32)
    return train_phase(ff, ff.phase_on(below, 1, data, ff.layers()["layer2"], watch=False))


def kind_of_products() -> torch.dtype:
    """In what FF's layers in sequence keep what they see on this machine."""
    return torch.bfloat16 if rounding(kept=True) == "bfloat16" else torch.float32


def its_products(x: torch.Tensor, w: torch.Tensor) -> None:
    """The products of that epoch: forwards and back to the weights, of both kinds of data."""
    for _ in range(STEPS):
        z = x @ w
        x.T @ z


def plain(data: Dataset, turns: list[list[int]], epochs: int) -> float:
    """Seconds of the loop that a user would write: a DataLoader, two passes.

    turns: the layers that learn, one turn after the other.
    """
    linears = [nn.Linear(UNITS, UNITS) for _ in range(3)]
    adams = [torch.optim.Adam(linear.parameters(), lr=0.01) for linear in linears]
    images = (data.train_images.float() / 255 - 0.1307) / 0.3081
    wrong_labels = (data.train_labels + torch.randint(1, 10, data.train_labels.shape)) % 10
    started = time.perf_counter()
    loader = DataLoader(TensorDataset(images, data.train_labels, wrong_labels), BATCH, shuffle=True)
    for learning in turns:
        for _ in range(epochs):
            for batch, labels, wrong in loader:
                positive, negative = blank_label_pixels(batch), blank_label_pixels(batch)
                positive[:, :10] = label_pixels(labels, 2.8)
                negative[:, :10] = label_pixels(wrong, 2.8)
                for k in range(learning[-1] + 1):
                    with torch.set_grad_enabled(k in learning):
                        positive = linears[k](nn.functional.normalize(positive)).relu()
                        negative = linears[k](nn.functional.normalize(negative)).relu()
                    if k in learning:
                        good, bad = positive.norm(dim=1), negative.norm(dim=1)
                        loss = nn.functional.softplus(torch.cat([3 - good, bad - 3])).mean()
                        adams[k].zero_grad()
                        loss.backward()
                        adams[k].step()
                    positive, negative = positive.detach(), negative.detach()
    return time.perf_counter() - started


def products() -> None:
    """Ten products of the size of a batch of positive and negative data."""
    x, w = torch.rand(2 * BATCH, UNITS), torch.rand(UNITS, UNITS)
    for _ in range(10):
        x @ w


@torch.no_grad()
def plain_first_layer(ff: ForwardForward, images: torch.Tensor, layers: int) -> None:
    """Ten passes, one per label, through the first layers."""
    weights, biases = ff.network.layers.weights, ff.network.layers.biases
    for chunk in images.split(500):
        blank = blank_label_pixels((chunk.float() / 255 - 0.1307) / 0.3081)
        for label in range(10):
            seen = blank.clone()
            seen[:, label] = 2.8
            for k in range(layers):
                seen = nn.functional.normalize(seen) @ weights[k][0] + biases[k][0]
                seen = seen.relu()


@torch.no_grad()
def shared_first_layer(ff: ForwardForward, images: torch.Tensor) -> None:
    """All ten labels through layer 1, the product with the image once."""
    for chunk in images.split(500):
        inputs, lengths = (part.unsqueeze(0) for part in ff.network.prepare(chunk))
        every = torch.arange(10)[None, :, None].expand(1, 10, len(chunk))
        ff.network.first_layer(inputs, lengths, every)


def main() -> None:
    prepare_process()
    data, ff = some_images(STEPS * BATCH), rule()
    images = data.train_images[:PREDICTED]
    factors = [torch.rand(rows, UNITS).to(kind_of_products()) for rows in (2 * BATCH, UNITS)]
    times = interleaved(
        {
            "sequential": lambda: sequential(data),
            "plain sequential": lambda: plain(data, [[0], [1], [2]], EPOCHS),
            "simultaneous": lambda: simultaneous(data),
            "simultaneous, bfloat16": lambda: simultaneous(data, "auto"),
            "plain simultaneous": lambda: plain(data, [[0, 1, 2]], 1),
            "products": products,
            "one layer": lambda: one_layer(data, quick=True),
            "one layer, before": lambda: one_layer(data, quick=False),
            "its products": lambda: its_products(*factors),
            "plain layer 1": lambda: plain_first_layer(ff, images, 1),
            "shared layer 1": lambda: shared_first_layer(ff, images),
            "plain network": lambda: plain_first_layer(ff, images, 3),
            "shared network": lambda: ff.network.label_goodness(images),
        }
    )
    activations = np.random.default_rng(0).random((10_000, UNITS), dtype=np.float32)
    started = time.perf_counter()
    largest_excess(activations, np.arange(10_000) % 10, 0, 1000)
    permuted = time.perf_counter() - started
    rate = 10 * 2 * 2 * BATCH * UNITS**2 / times["products"]
    count = len(data.train_labels)
    # Layer 1: the shared product and its weight gradient; layers 2 and 3: both, for both data.
    operations = count * (2 + 4 + 4) * 2 * UNITS**2
    report(
        "forward_forward",
        {
            "matmul_rate_share": round(operations / times["simultaneous"] / rate, 3),
            "matmul_gflops": round(rate / 1e9, 1),
            "samples_per_second": round(count / times["simultaneous"]),
            "speedup_vs_dataloader": round(times["plain sequential"] / times["sequential"], 2),
            "speedup_vs_dataloader_simultaneous": round(
                times["plain simultaneous"] / times["simultaneous"], 2
            ),
            "speedup_of_native_bfloat16": round(
                times["simultaneous"] / times["simultaneous, bfloat16"], 2
            ),
            "seconds_an_epoch_of_a_layer": round(times["one layer"] * MNIST / (STEPS * BATCH), 2),
            "speedup_vs_before": round(times["one layer, before"] / times["one layer"], 2),
            "times_the_floor": round(times["one layer"] / times["its products"], 2),
            "predict_speedup": round(times["plain layer 1"] / times["shared layer 1"], 2),
            "predict_speedup_total": round(times["plain network"] / times["shared network"], 2),
            "seconds_1000_permutations": round(permuted, 2),
        },
    )


if __name__ == "__main__":
    main()
