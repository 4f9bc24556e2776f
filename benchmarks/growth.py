"""How the cost of a training grows with seeds, width, batch and data, and the time to an accuracy.

Medians of REPETITIONS epochs without evaluation, in one thread; the points of a curve take turns.
Writes results/benchmarks_growth.csv, a figure beside it, and `growth` into results/benchmarks.json.
"""

import time
from functools import partial

import numpy as np
import pandas as pd
from common import first_phase, interleaved, report, some_images, train_phase
from matplotlib.figure import Figure

from ffcl_utils import plots, rules
from ffcl_utils.data.datasets import load
from ffcl_utils.files import write_whole
from ffcl_utils.learning.process import prepare_process
from ffcl_utils.paths import RESULTS
from ffcl_utils.plots.style import frame, legend, look
from ffcl_utils.rules.base import Rule

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
AT_ONCE = {"training": "simultaneous", "products": "float32"}
# By rule: its settings here, and the units of its output layer, where it has one.
MEASURED = {"improved_ffcl": ({}, (10,)), "forward_forward": (AT_ONCE, ())}


def make(name: str, preset: str, **settings) -> Rule:
    """An untrained rule."""
    return rules.rule(name)(rules.configure(name, preset, **settings))


def epoch(name: str, images: int, seeds: int, width: int, batch: int) -> float:
    """Seconds of one epoch of two hidden layers of one width, without evaluation."""
    settings, output = MEASURED[name]
    layers = (784, width, width, *output)
    rule = make(name, "short", seeds=seeds, layers=layers, batch_size=batch, epochs=1, **settings)
    return train_phase(rule, first_phase(rule, some_images(images)))


def growth() -> pd.DataFrame:
    """One row a point: rule, axis, value, seconds of an epoch, µs per image and seed."""
    rows = []
    for name in MEASURED:
        title = rules.rule(name).title
        for axis, values in POINTS.items():
            shapes = {value: USUAL | {axis: value} for value in values}
            if axis == "batch":  # so that the largest batch is met more than once
                shapes = {value: shape | {"images": 8192} for value, shape in shapes.items()}
            seconds = interleaved(
                {str(v): partial(epoch, name, **shape) for v, shape in shapes.items()}
            )
            for value, shape in shapes.items():
                taken = seconds[str(value)]
                per = 1e6 * taken / (shape["images"] * shape["seeds"])
                rows.append(
                    {"rule": title, "axis": axis, "value": value, "seconds": round(taken, 4)}
                    | {"microseconds per image and seed": round(per, 3)}
                )
                print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def time_to(accuracy: float) -> dict[str, float | None]:
    """Seconds of training until five seeds reach it on average, on the embedded digits.

    None where EPOCHS do not suffice. Improved FFCL at margin 0.5, where it learns best.
    """
    data = load("mnist_5k")
    seconds = {}
    usual = {"seeds": 5, "epochs": EPOCHS, "batch_size": 64}
    kind = {"pairing": "balanced", "margin": 0.5, "learning_rate": 1e-3}
    at_once = AT_ONCE | {"learning_rate": 0.01}
    for rule in (
        make("improved_ffcl", "smoke", **usual, **kind),
        make("forward_forward", "smoke", **usual, **at_once),
    ):
        started = time.perf_counter()
        history = rule.fit(data)
        taken = time.perf_counter() - started
        curve = next(iter(history.starting_with("test_accuracy/").values()))
        reached = np.flatnonzero(curve.mean(1) >= accuracy)
        share = (reached[0] + 1) / EPOCHS if len(reached) else None
        seconds[rule.title] = share and round(taken * share, 2)
    return seconds


def figure_of(table: pd.DataFrame) -> Figure:
    """One panel an axis, a line a rule, both axes logarithmic."""
    usual = ", ".join(f"{name} {value}" for name, value in USUAL.items())
    note = f"one epoch in one thread; what is not varied: {usual} (8192 images for the batch)"
    with frame(13, 3.8, "Cost of training, two hidden layers", note) as figure:
        for axis, name in zip(figure.subplots(1, len(POINTS)), POINTS, strict=True):
            for k, (rule, rows) in enumerate(table[table["axis"] == name].groupby("rule")):
                axis.loglog(
                    rows["value"],
                    rows["microseconds per image and seed"],
                    label=rule,
                    **look(k),
                )
            axis.set(xlabel=name)
            axis.set_xticks(POINTS[name], POINTS[name], fontsize=8)
            axis.set_yscale("log", base=2)
            axis.yaxis.set_major_formatter("{x:g}")
            axis.minorticks_off()
        figure.axes[0].set_ylabel("µs per image and seed")
        legend(figure)
    return figure


def main() -> None:
    prepare_process()
    table = growth()
    write_whole(RESULTS / "benchmarks_growth.csv", lambda path: table.to_csv(path, index=False))
    figure = figure_of(table)
    write_whole(RESULTS / "benchmarks_growth.svg", partial(plots.save, figure))
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
