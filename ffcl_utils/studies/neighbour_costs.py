"""What the learning rules of notebook 12 cost: time, operations, memory, epochs."""

from dataclasses import replace
from functools import partial
from time import perf_counter

import numpy as np
import pandas as pd
import torch

from ffcl_utils.analysis.cost import Cost, cost_of
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.parts import spread
from ffcl_utils.learning.training import PerSeed, Phase, visits_of
from ffcl_utils.rules.base import Rule

# Seeds that are counted at once: a narrow network by itself would be trained beside a copy.
TOGETHER = 2
REPEATS = 3  # of what is timed
PARTS, BATCHES, MOST_EPOCHS, TESTED = 30, 5, 10, 10  # of the trainings that are timed
MARKS = (0.9, 0.95, 0.97)  # test accuracies whose first epoch is looked for


def seconds_a_seed(networks: dict[str, Rule], data: Dataset) -> dict[str, float]:
    """Seconds of training a seed, by row, here and with one thread, where two seeds are trained.

    Timed on a part of the images, from fresh networks: one epoch, one epoch of twice as many
    images, and some epochs. The first two say what is needed once, and what every image costs in
    its first epoch, with all that is computed of it for later ones; the last says what every image
    costs in an epoch more. What is solved at once is timed once, as a whole. Checkpoints and the
    evaluation of test images are not in it. The rows take turns, and the shortest of the times
    counts. AR and PC stop their sweeps when nothing changes any more, which takes fewer or more of
    them in a network that has learnt.
    """
    few = {name: rule for name, rule in networks.items() if rule.history.optimisers}
    taken: dict[str, list[list[float]]] = {name: [] for name in few}
    for _ in range(REPEATS):
        for name, rule in few.items():
            part = _part(rule, data)
            trained = ((1, part), (1, 2 * part), (_some_epochs(rule), part))
            times = [_seconds(rule, epochs, _some(images, data)) for epochs, images in trained]
            taken[name].append(times)
    found = {}
    for name, rule in networks.items():
        if name not in few:
            found[name] = _seconds(rule, 1, _some(len(data.train_labels), data))
            continue
        one, twice, more = (min(times) for times in zip(*taken[name], strict=True))
        parts = len(data.train_labels) / _part(rule, data)
        epoch = max(more - one, 0) / (_some_epochs(rule) - 1)
        later = parts * (rule.config.epochs - 1) * epoch
        found[name] = one + (parts - 1) * max(twice - one, 0) + later
    return found


def _part(rule: Rule, data: Dataset) -> int:
    """How many images are timed: enough batches, and there are twice as many."""
    images = len(data.train_labels)
    return min(max(images // PARTS, BATCHES * rule.config.batch_size), images // 2)


def _some_epochs(rule: Rule) -> int:
    """Enough that what is computed once does not hide what an epoch takes."""
    return min(max(3, rule.config.epochs // 5), MOST_EPOCHS)


def _some(images: int, data: Dataset) -> Dataset:
    """So many training images, and next to no test images."""
    few = {"test_images": data.test_images[:TESTED], "test_labels": data.test_labels[:TESTED]}
    return replace(spread(data, images), **few)


def _seconds(rule: Rule, epochs: int, data: Dataset) -> float:
    """Of a training of so many epochs, a seed."""
    config = rule.config.of_seeds(rule.config.first_seed, TOGETHER)
    fresh = type(rule)(config.model_copy(update={"epochs": epochs}))
    start = perf_counter()
    fresh.fit(data)
    return (perf_counter() - start) / TOGETHER


def cost_of_an_epoch(rule: Rule, data: Dataset) -> Cost:
    """What one seed's training costs, before it has begun: operations an epoch, memory in bytes.

    An epoch of layers or stages that learn one after the other is one of each. Memory: all
    weights, fixed ones too, what Adam keeps of those that learn, and the most that a batch needs
    besides; without the images, and without what is computed of them once for all epochs. All in
    float32, so that it does not depend on the machine.
    """
    settings = rule.config.model_copy(update={"products": "float32"})
    pair = type(rule)(settings.of_seeds(settings.first_seed, TOGETHER))
    some = spread(data, min(pair.config.batch_size, len(data.train_labels)))
    weights = sum(tensor.nbytes for tensor in [*pair.tensors().values(), *pair.fixed()])
    operations, memory = 0, 0
    for phase in pair.phases(some):
        visits = visits_of(phase, pair.generators)
        step = cost_of(partial(_gradients, phase, visits))
        operations += step.operations * len(data.train_labels) / len(some.train_labels)
        moments = 2 * sum(parameter.nbytes for parameter in phase.parameters)
        memory = max(memory, weights + moments + step.memory)
    return Cost(round(operations / TOGETHER), round(memory / TOGETHER))


def _gradients(phase: Phase, visits: PerSeed) -> tuple[torch.Tensor, ...]:
    loss = torch.stack(list(phase.losses(visits).values())).sum()
    return torch.autograd.grad(loss, phase.parameters)


def costs_table(
    networks: dict[str, Rule], seconds: dict[str, float], data: Dataset
) -> pd.DataFrame:
    """What each rule costs for one seed.

    Per epoch: seconds as `seconds_a_seed` has them, and operations in thousands of millions.
    Memory in MB, as `cost_of_an_epoch` has it. Rules that are solved at once have no epochs, and no
    row.
    """
    rows = {}
    for name, rule in networks.items():
        if not rule.history.optimisers:
            continue
        cost = cost_of_an_epoch(rule, data)
        rows[name] = {
            "s an epoch": round(seconds[name] / rule.config.epochs, 2),
            "operations an epoch": round(cost.operations / 1e9, 1),
            "memory": round(cost.memory / 1e6, 1),
        }
    return pd.DataFrame(rows).T


def reached_table(
    networks: dict[str, Rule], costs: pd.DataFrame, accuracy: dict[str, np.ndarray]
) -> pd.DataFrame:
    """When each rule first reached an accuracy, and what that took: rows as those of `costs_table`.

    accuracy: (S,) in the end, by row; NaN of a network that has diverged, which has reached
    nothing, whatever it once had. For each of MARKS the epochs until the test accuracy first
    reached it, mean over the seeds that did, and what so many epochs take: seconds, and operations
    in thousands of millions. A dash: no seed did, or it is not asked: of rules whose layers or
    stages learn one after the other, and of rules that are not watched. Of twins the curve is that
    of what predicts.
    """
    rows = {}
    for name, cost in costs.iterrows():
        rows[name] = {}
        for mark, epochs in epochs_to(networks[name], accuracy[name]).items():
            at = f"{100 * mark:g} %"
            rows[name] |= {
                f"epochs to {at}": _or_dash(epochs, 1),
                f"s to {at}": _or_dash(epochs * cost["s an epoch"], 1),
                f"operations to {at}": _or_dash(epochs * cost["operations an epoch"], 0),
            }
    return pd.DataFrame(rows).T


def _or_dash(value: float, digits: int) -> float | str:
    return "–" if np.isnan(value) else round(value, digits)


def epochs_to(rule: Rule, accuracy: np.ndarray) -> dict[float, float]:
    """Epochs until the test accuracy first reached each of MARKS, mean over the seeds that did.

    NaN where no seed did, and where `reached_table` does not ask; accuracy as it has it.
    """
    curves = rule.history.starting_with("test_accuracy/")
    predicts = getattr(rule.config, "predictor", "")  # of twins: "first", "second" or "mean"
    if predicts in curves:
        curves = {predicts: curves[predicts]}
    sequential = getattr(rule.config, "training", "") == "sequential"
    curve = next(iter(curves.values())) if len(curves) == 1 else ()
    if sequential or len(curve) != rule.config.epochs:
        return dict.fromkeys(MARKS, float("nan"))
    found = {}
    for mark in MARKS:
        reached = (curve >= mark) & ~np.isnan(accuracy)
        epochs = reached.argmax(0)[reached.any(0)] + 1
        found[mark] = float(epochs.mean()) if len(epochs) else float("nan")
    return found
