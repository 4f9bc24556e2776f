"""Does the twin rule work with plasticity and neuromodulation? What notebook 14 trains and asks.

Every version of the twins is trained twice, at equal steps: for task A alone, and for A, then B
(the same images with their pixels in another order), then A again. The first stretch of the second
training is the first training once more; the networks that stand at its end are kept by themselves.
"""

from contextlib import ExitStack

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ffcl_utils import rules
from ffcl_utils.analysis.ensembles import (
    authors_ensembles,
    class_means,
    sharing,
    tested_ensembles,
)
from ffcl_utils.analysis.statistics import paired_difference
from ffcl_utils.config import RuleConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.learning.plasticity import oja_loss
from ffcl_utils.rules.base import Rule, right
from ffcl_utils.rules.plastic_twins import STRETCHES
from ffcl_utils.studies.models import one_by_one
from ffcl_utils.studies.silencing import silenced

PLAIN, SPARSE = "plain", "sparse, not rewired"
# Chosen on held-out training images (benchmarks/validation_plasticity.py).
HEBBIAN, ABSENT, REWIRED = 3e-4, 0.5, 0.3
VERSIONS = {
    PLAIN: {},
    "Oja": {"hebbian": HEBBIAN},
    SPARSE: {"absent": ABSENT},
    "rewired": {"absent": ABSENT, "rewired": REWIRED},
    "reward": {"modulator": "reward"},
    "surprise": {"modulator": "surprise"},
}
# What a version is held against: the twins that lack nothing but its addition.
CONTROLS = {name: PLAIN for name in VERSIONS if name != PLAIN} | {"rewired": SPARSE}
BACK = ", there and back"  # ends the name of a version's second training
LESIONED, DRAWS = 0.1, 20  # share of a hidden layer's units that is switched off; how often
LESIONS = 2  # beside the seed: what is switched off is drawn apart from all else
PERMUTATIONS = 200  # of the labels, in the test of our ensembles: enough for a table
COLUMNS = {
    "test_accuracy": "accuracy on A",
    "lesioned": "a tenth off",
    "forgetting": "A after B",
    "second_task": "B",
    "one_epoch_back": "A after one epoch back",
    "end": "A at the end",
}  # of the table: by metric, its heading


def configure(preset: str, **settings) -> dict[str, RuleConfig]:
    """The settings of both trainings of every version, by name.

    settings: seeds, first_seed, dataset, epochs (of each stretch); None: as the preset says. Raises
    ConfigError as `rules.configure` does.
    """
    tasks = {"": "one", BACK: "there_and_back"}
    return {
        f"{name}{ending}": rules.configure(
            "plastic_twins", preset, **(settings | own), tasks=tasks[ending]
        )
        for ending in tasks
        for name, own in VERSIONS.items()
    }


def curves(networks: dict[str, Rule]) -> dict[str, dict[str, np.ndarray]]:
    """For the figure: test accuracy (3E, S) on each task through A, B and A again, by version."""
    some = networks[PLAIN + BACK].config
    first, second, third = (f"{k * some.epochs + 1}–{(k + 1) * some.epochs}" for k in range(3))
    titles = {"A": f"task A (learnt in epochs {first} and {third})", "B": f"task B ({second})"}
    return {
        title: {
            name: np.concatenate(
                [_on(networks[name + BACK], stretch, task) for stretch in STRETCHES]
            )
            for name in VERSIONS
        }
        for task, title in titles.items()
    }


def _on(rule: Rule, stretch: str, task: str) -> np.ndarray:
    return rule.history[f"test_accuracy/{stretch}/{task}"]


def measure(networks: dict[str, Rule], data: Dataset) -> dict[str, dict[str, np.ndarray]]:
    """What is asked of every version: by metric, one figure (S,) per seed.

    test_accuracy: on A, after A alone. lesioned: the same with a tenth of the units switched off.
    forgetting: accuracy on A after B minus before. second_task: on B, after B. one_epoch_back,
    end: on A after one epoch of A again, and after the last. sharing/layer<k>: overlap of two
    classes' ensembles (authors' rule); members/layer<k>: share of units in an ensemble (our rule).
    A network that has diverged has no figures: NaN.
    """
    return {name: _of_version(networks[name], networks[name + BACK], data) for name in VERSIONS}


def _of_version(one: Rule, there_and_back: Rule, data: Dataset) -> dict[str, np.ndarray]:
    before = _on(there_and_back, "A", "A")[-1]
    found = {
        "test_accuracy": right(one, data).double().mean(-1).numpy(),
        "lesioned": lesioned(one, data),
        "forgetting": _on(there_and_back, "B", "A")[-1] - before,
        "second_task": _on(there_and_back, "B", "B")[-1],
        "one_epoch_back": _on(there_and_back, "A again", "A")[0],
        "end": _on(there_and_back, "A again", "A")[-1],
    }
    found |= ensembles(one, data)
    diverged = np.array([_diverged(rule) for rule in (one, there_and_back)]).any(0)
    return {name: np.where(diverged, np.nan, values) for name, values in found.items()}


def _diverged(rule: Rule) -> np.ndarray:
    finite = [tensor.isfinite().flatten(1).all(1) for tensor in rule.tensors().values()]
    return ~torch.stack(finite).all(0).numpy()


def lesioned(rule: Rule, data: Dataset) -> np.ndarray:
    """Test accuracy (S,) with a tenth of the units of every hidden layer switched off at random.

    Mean over DRAWS draws, from a generator of each seed's own: the same units in every version.
    """
    found = []
    for seed, one in zip(rule.config.seed_list, one_by_one(rule), strict=True):
        rng, accuracies = np.random.default_rng([seed, LESIONS]), []
        for _ in range(DRAWS):
            with ExitStack() as stack:
                for layer, weight in enumerate(one.hidden_weights()):
                    units = off(weight.shape[-1], rng)
                    stack.enter_context(silenced(one, layer, units))
                accuracies.append(right(one, data).double().mean().item())
        found.append(np.mean(accuracies))
    return np.array(found)


def off(units: int, rng: np.random.Generator) -> np.ndarray:
    """Which units (units,) bool are switched off: a tenth, to the nearest, at least one."""
    chosen = np.zeros(units, dtype=bool)
    chosen[rng.permutation(units)[: max(1, round(LESIONED * units))]] = True
    return chosen


def ensembles(rule: Rule, data: Dataset) -> dict[str, np.ndarray]:
    """Sharing and members (S,) of every hidden layer, as in `measure`; NaN: no two ensembles."""
    labels, found = data.test_labels.numpy(), {}
    for k, layer in enumerate(rule.representations(data.test_images), start=1):
        layers = [of_seed.numpy() for of_seed in layer]
        finite = [np.isfinite(of_seed).all() for of_seed in layers]
        for name, of_seed in (("sharing", _sharing), ("members", _members)):
            values = [
                of_seed(one, labels) if usable else np.nan
                for one, usable in zip(layers, finite, strict=True)
            ]
            found[f"{name}/layer{k}"] = np.array(values)
    return found


def _sharing(layer: np.ndarray, labels: np.ndarray) -> float:
    return sharing(authors_ensembles(class_means(layer, labels)))


def _members(layer: np.ndarray, labels: np.ndarray) -> float:
    return float(tested_ensembles(layer, labels, permutations=PERMUTATIONS).any(0).mean())


def of_layers(measured: dict[str, dict[str, np.ndarray]], name: str) -> dict[str, np.ndarray]:
    """For a figure of layers: "sharing" or "members" (layers, S) by version."""
    return {
        version: np.stack([v for metric, v in found.items() if metric.startswith(f"{name}/")])
        for version, found in measured.items()
    }


def of(measured: dict[str, dict[str, np.ndarray]], metric: str) -> dict[str, np.ndarray]:
    """A metric (S,) by version."""
    return {name: found[metric] for name, found in measured.items()}


def effects(measured: dict[str, dict[str, np.ndarray]], metric: str) -> pd.DataFrame:
    """Every version minus its control, seed by seed, in percentage points.

    Columns name, mean, low, high (95 % interval over seeds; none of one seed alone).
    """
    rows = []
    for name, control in CONTROLS.items():
        pair = 100 * np.stack([measured[version][metric] for version in (name, control)])
        one, other = pair[:, ~np.isnan(pair).any(0)]
        row = {"mean": np.nan, "low": np.nan, "high": np.nan}
        if len(one) > 1:
            row = paired_difference(one, other)._asdict()
        elif len(one):
            row["mean"] = (one - other).item()
        rows.append({"name": f"{name} − {control}"} | row)
    return pd.DataFrame(rows, columns=["name", "mean", "low", "high"])


def table(measured: dict[str, dict[str, np.ndarray]]) -> pd.DataFrame:
    """One row a version, in %, mean over seeds ± standard deviation; changes are in points."""
    return pd.DataFrame(
        {
            heading: {name: _in_words(found[metric]) for name, found in measured.items()}
            for metric, heading in COLUMNS.items()
        }
    )


def _in_words(values: np.ndarray) -> str:
    known = 100 * values[~np.isnan(values)]
    if not len(known):
        return "no figure"
    return f"{known.mean():.1f}" + (f" ± {known.std(ddof=1):.1f}" if len(known) > 1 else "")


def metrics(measured: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The metrics of notebook 14, one figure (S,) per seed each, by name; and differences."""
    found = {f"{n}/{metric}": v for n, of_one in measured.items() for metric, v in of_one.items()}
    for name, control in CONTROLS.items():
        for metric in COLUMNS:
            difference = measured[name][metric] - measured[control][metric]
            found[f"{name} - {control}/{metric}"] = difference
    return found


def update_of_oja(images: Tensor, weight: Tensor) -> pd.DataFrame:
    """Oja's update of one unit without a bias, image by image, and their mean; it must be awake.

    images: (B, inputs). weight: (inputs,). The last row is minus the gradient of `oja_loss`.
    """
    y = images @ weight
    rows = {
        f"image {k}": {"y": out, **_vector("y x", out * x), **_vector("y² w", out**2 * weight)}
        for k, (x, out) in enumerate(zip(images, y.tolist(), strict=True))
    }
    found = pd.DataFrame(rows).T
    for i in range(len(weight)):
        found[f"update {i}"] = found[f"y x {i}"] - found[f"y² w {i}"]
    found.loc["mean"] = found.mean()
    layer = weight.clone()[None, :, None].requires_grad_()
    loss = oja_loss((images[None] @ layer).relu(), layer, torch.zeros(1, 1, 1))
    (gradient,) = torch.autograd.grad(loss.sum(), [layer])
    columns = [f"update {i}" for i in range(len(weight))]
    found.loc["minus the gradient", columns] = -gradient.flatten().numpy()
    return found


def _vector(name: str, values: Tensor) -> dict[str, float]:
    return {f"{name} {i}": value for i, value in enumerate(values.tolist())}
