"""How the cost of a training grows with seeds, width, batch and data, and the time to an accuracy.

Medians of REPETITIONS epochs without evaluation; the points of a curve take turns. Writes
results/benchmarks_growth.csv, a figure beside it, and `growth` into results/benchmarks.json.
"""

import time
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from common import interleaved, report, some_images
from matplotlib.figure import Figure

from ffcl_utils.config import configure
from ffcl_utils.data.datasets import load
from ffcl_utils.files import write_whole
from ffcl_utils.learning.training import train
from ffcl_utils.paths import RESULTS
from ffcl_utils.plots.style import COLOURS, LINES, MARKERS, STYLE
from ffcl_utils.rules.forward_forward import ForwardForward
from ffcl_utils.rules.improved_ffcl import ImprovedFFCL

# By axis, its points; what is not varied stays at the first of USUAL.
POINTS = {
    "seeds": (1, 2, 5, 10, 20),
    "width": (64, 128, 256, 512, 1024, 2048),
    "batch": (64, 256, 1024, 4096),
    "images": (1000, 4000, 15_000, 60_000),
}
USUAL = {"seeds": 2, "width": 64, "batch": 256, "images": 4096}
STATED = 0.85  # accuracy on the embedded test digits, to which the time is taken
EPOCHS = 20  # tried to reach it


def rule_of(system: str, seeds: int, width: int, batch: int):
    """A rule of two hidden layers of one width, and what its training loop is given."""
    settings = {"seeds": seeds, "batch_size": batch, "epochs": 1, "preset": "paper"}
    if system == "improved FFCL":
        layers = (784, width, width, 10)
        return ImprovedFFCL(configure("improved_ffcl", layers=layers, **settings))
    settings |= {"layers": (784, width, width), "training": "simultaneous", "products": "float32"}
    return ForwardForward(configure("forward_forward", **settings))


def epoch(system: str, images: int, **shape) -> float:
    """Seconds of one epoch without evaluation."""
    rule, data = rule_of(system, **shape), some_images(images)
    if system == "improved FFCL":
        draws, losses = rule.training_functions(data)
        started = time.perf_counter()
        train(draws, losses, dict, rule.optimiser, rule.config.seed_list, rule.config, "")
    else:
        started = time.perf_counter()
        parameters = rule.network.layers.parameters()
        rule.train(data, rule.local_losses, parameters, "", watch=False)
    return time.perf_counter() - started


def growth() -> pd.DataFrame:
    """One row a point: system, axis, value, seconds of an epoch, µs per image and seed."""
    rows = []
    for system in ("improved FFCL", "FF"):
        for axis, values in POINTS.items():
            shapes = {value: USUAL | {axis: value} for value in values}
            if axis == "batch":  # so that the largest batch is met more than once
                shapes = {value: shape | {"images": 8192} for value, shape in shapes.items()}
            seconds = interleaved(
                {str(v): partial(epoch, system, **shape) for v, shape in shapes.items()}
            )
            for value, shape in shapes.items():
                taken = seconds[str(value)]
                per = 1e6 * taken / (shape["images"] * shape["seeds"])
                rows.append(
                    {"rule": system, "axis": axis, "value": value, "seconds": round(taken, 4)}
                    | {"microseconds per image and seed": round(per, 3)}
                )
                print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def time_to(accuracy: float) -> dict[str, float | None]:
    """Seconds of training until five seeds reach it on average, on the embedded digits.

    None where EPOCHS do not suffice. Improved FFCL at margin 0.5, where it learns best.
    """
    data = load("mnist_5k")
    found = {}
    usual = {"seeds": 5, "epochs": EPOCHS, "batch_size": 64}
    kind = {"pairing": "balanced", "margin": 0.5, "learning_rate": 1e-3}
    at_once = {"training": "simultaneous", "learning_rate": 0.01}
    rules = {
        "improved FFCL": ImprovedFFCL(configure("improved_ffcl", "smoke", **usual, **kind)),
        "FF": ForwardForward(configure("forward_forward", "smoke", **usual, **at_once)),
    }
    for name, rule in rules.items():
        started = time.perf_counter()
        history = rule.fit(data)
        taken = time.perf_counter() - started
        curve = next(v for k, v in history.values.items() if k.startswith("test_accuracy/"))
        reached = np.flatnonzero(curve.mean(1) >= accuracy)
        found[name] = round(taken * (reached[0] + 1) / EPOCHS, 2) if len(reached) else None
    return found


def figure_of(table: pd.DataFrame) -> Figure:
    """One panel an axis, a line a rule, both axes logarithmic."""
    with plt.rc_context(STYLE):
        figure = Figure(figsize=(13, 3.6), layout="constrained")
        figure.suptitle("Cost of training, two hidden layers", fontweight="bold")
        for axis, name in zip(figure.subplots(1, len(POINTS)), POINTS, strict=True):
            for k, (rule, rows) in enumerate(table[table["axis"] == name].groupby("rule")):
                axis.loglog(
                    rows["value"],
                    rows["microseconds per image and seed"],
                    color=COLOURS[k],
                    marker=MARKERS[k],
                    linestyle=LINES[k],
                    label=rule,
                )
            fixed = ", ".join(f"{n} {v}" for n, v in USUAL.items() if n != name)
            axis.set(xlabel=name, title=fixed)
            axis.set_xticks(POINTS[name], POINTS[name], fontsize=8)
            axis.set_yscale("log", base=2)
            axis.yaxis.set_major_formatter("{x:g}")
            axis.minorticks_off()
            axis.title.set_fontsize(8)
        figure.axes[0].set_ylabel("µs per image and seed")
        figure.axes[0].legend()
    return figure


def main() -> None:
    table = growth()
    write_whole(RESULTS / "benchmarks_growth.csv", lambda path: table.to_csv(path, index=False))
    figure = figure_of(table)
    for suffix in ("svg", "png"):
        write_whole(RESULTS / f"benchmarks_growth.{suffix}", figure.savefig)
    few, many = (
        table[(table["rule"] == "improved FFCL") & (table["axis"] == "seeds")]
        .set_index("value")["microseconds per image and seed"]
        .loc[[1, 20]]
    )
    reached = time_to(STATED)
    report(
        "growth",
        {
            "improved_ffcl_cost_per_seed_20_seeds_vs_1": round(many / few, 3),
            f"seconds_to_{STATED:.0%}_five_seeds": reached,
        },
    )


if __name__ == "__main__":
    main()
