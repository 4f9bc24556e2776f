"""Figures printed by the papers' authors, for comparison only.

From the printed notebook outputs of arXiv 2305.18353. HOYER: sparsity of layers 1, 2, 3, lowest and
highest of all printed runs of a model (of BP those above .977, whose range of accuracy is claim
B1c's). GRID: the rows whose settings are printed with them, and which notebook 10 trains; LONGER:
those that it does not train. OTHERS: FF's without settings. Only rows above .93 were printed: they
are no unbiased means.
"""

from typing import NamedTuple

Ranges = list[tuple[float, float]]


class Row(NamedTuple):
    """One printed run: model, settings, test accuracy, Hoyer sparsity of layers 1, 2, 3."""

    model: str
    epochs: int
    learning_rate: float
    batch_size: int
    accuracy: float
    hoyer: tuple[float, float, float]

    @property
    def name(self) -> str:
        """Such as "FF, 20 epochs, rate 0.01, batch 512"."""
        return (
            f"{self.model}, {self.epochs} epochs, rate {self.learning_rate:g}, "
            f"batch {self.batch_size}"
        )


# On MNIST, all at batch 1024: accuracy and Hoyer sparsity. The first is the one that the paper
# plots.
OTHERS = (
    (0.9376, (0.845, 0.633, 0.756)),
    (0.9348, (0.716, 0.605, 0.429)),
    (0.9303, (0.630, 0.631, 0.473)),
    (0.9349, (0.731, 0.645, 0.473)),
    (0.9439, (0.750, 0.594, 0.391)),
    (0.9558, (0.787, 0.570, 0.526)),
    (0.9400, (0.740, 0.585, 0.419)),
    (0.9576, (0.807, 0.548, 0.442)),
    (0.9509, (0.901, 0.385, 0.593)),
)
PRINTED_ABOVE = 0.93  # the accuracy from which the authors printed a row
GRID = (
    Row("FF", 20, 0.01, 512, 0.9345, (0.834, 0.629, 0.746)),
    Row("FF", 30, 0.01, 512, 0.9442, (0.848, 0.664, 0.740)),
    Row("FF", 50, 0.01, 512, 0.9378, (0.856, 0.688, 0.709)),
    Row("FF", 1200, 0.01, 512, 0.9316, (0.890, 0.446, 0.139)),
    Row("FF", 100, 0.001, 512, 0.9437, (0.763, 0.573, 0.569)),
    Row("FF", 200, 0.001, 512, 0.9557, (0.791, 0.552, 0.477)),
    Row("FF", 300, 0.001, 512, 0.9578, (0.805, 0.576, 0.457)),
    Row("FF", 200, 0.001, 1024, 0.9521, (0.768, 0.581, 0.608)),
    Row("BP", 20, 0.01, 2048, 0.9444, (0.966, 0.857, 0.781)),
)
LONGER = (
    Row("FF", 500, 0.001, 512, 0.9534, (0.820, 0.531, 0.488)),
    Row("FF", 500, 0.0001, 512, 0.9324, (0.679, 0.596, 0.515)),
    Row("FF", 800, 0.0001, 512, 0.9360, (0.735, 0.576, 0.416)),
    Row("FF", 1000, 0.0001, 512, 0.9354, (0.745, 0.580, 0.427)),
    Row("FF", 1200, 0.0001, 512, 0.9398, (0.752, 0.565, 0.386)),
)
FF = [row for row in GRID + LONGER if row.model == "FF"]


def _around(*runs: tuple[float, float, float]) -> Ranges:
    """Lowest and highest of some runs, layer by layer."""
    return [(min(layer), max(layer)) for layer in zip(*runs, strict=True)]


HOYER: dict[str, dict[str, Ranges]] = {
    "mnist": {
        "FF": _around(*(row.hoyer for row in FF), *(hoyer for _, hoyer in OTHERS)),
        "BP/FF": [(0.907, 0.963), (0.690, 0.810), (0.038, 0.320)],
        "BP": [(0.311, 0.600), (0.187, 0.467), (0.214, 0.403)],
        "BP, rate 0.01": _around(GRID[-1].hoyer),
    },
    "fashion_mnist": {
        "FF": [(0.725, 0.725), (0.512, 0.512), (0.479, 0.479)],
        "BP/FF": [(0.880, 0.880), (0.826, 0.826), (0.016, 0.016)],
        "BP": [(0.347, 0.347), (0.238, 0.238), (0.246, 0.246)],
    },
}
