"""FF, BP on the FF objective, and BP: what notebooks 03, 04 and 06 train and ask of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ffcl_utils import rules
from ffcl_utils.analysis import locality
from ffcl_utils.analysis.ensembles import PERMUTATIONS
from ffcl_utils.analysis.geometry import silent_share
from ffcl_utils.analysis.locality import Learning
from ffcl_utils.analysis.sparsity import mean_hoyer
from ffcl_utils.config import ConfigError, RuleConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.parts import spread
from ffcl_utils.rules._goodness import WATCHED, GoodnessRule
from ffcl_utils.rules.base import Rule, right
from ffcl_utils.studies.printed import ACCURACY, FF, GRID, HOYER, OTHERS, in_words

# By model, its learning rule and what differs from the rule's preset.
MODELS = {
    "FF": ("forward_forward", {}),
    "BP/FF": ("bp_ff", {}),
    "BP": ("backprop", {}),
    "BP, rate 0.01": ("backprop", {"learning_rate": 0.01}),
}
# Where they are not those of the rule's preset: of FF on clothes as the authors' configuration has
# them, of BP at 0.01 as in the row that they printed (printed.GRID).
_PRINTED_BP = {"BP, rate 0.01": next(row.epochs for row in GRID if row.model == "BP")}
PAPER_EPOCHS = {"mnist": _PRINTED_BP, "fashion_mnist": _PRINTED_BP | {"FF": 100}}
UNTRAINED = "untrained"  # FF's network before its training


def configure(preset: str, permutations: int = PERMUTATIONS, **settings) -> dict[str, RuleConfig]:
    """The settings of every model; each takes those of the notebook's settings that it has.

    permutations: of notebook 04, 20 or more, so that there is a 95 % quantile. Raises ConfigError,
    also for a setting that no model has.
    """
    if permutations < 20:
        raise ConfigError(f"permutations={permutations}: 20 or more are needed")
    fields = {rule: rules.rule(rule).Config.model_fields for rule, _ in MODELS.values()}
    unknown = settings.keys() - set().union(*fields.values())
    if unknown:
        raise ConfigError(f"no model has the setting {', '.join(sorted(unknown))}")
    epochs = {}
    if preset == "paper" and settings.get("epochs") is None:
        epochs = PAPER_EPOCHS.get(settings.get("dataset") or "mnist", {})
    configs = {}
    for name, (rule, own) in MODELS.items():
        known = {key: value for key, value in settings.items() if key in fields[rule]}
        if name in epochs:
            known["epochs"] = epochs[name]
        configs[name] = rules.configure(rule, preset, **(known | own))
    return configs


def untrained(networks: dict[str, Rule]) -> Rule:
    """FF's networks as they were before their training."""
    ff = networks["FF"]
    return type(ff)(ff.config)


@torch.no_grad()
def one_by_one(rule: Rule) -> Iterator[Rule]:
    """Every seed's network as a rule of its own, which takes less memory than all together."""
    tensors = rule.tensors()
    for k, seed in enumerate(rule.config.seed_list):
        one = type(rule)(rule.config.of_seeds(seed, 1))
        for name, tensor in one.tensors().items():
            tensor.copy_(tensors[name][k : k + 1])
        yield one


def file_name(model: str) -> str:
    """A model's name as part of a file's name."""
    return re.sub(r"\W+", "_", model.lower())


@dataclass(frozen=True)
class Measured:
    """What notebook 03 says of a model.

    correct: (S, N) bool, test images. hoyer, silent: (layers, S); of the images that are classified
    correctly, the mean sparsity of those for which the layer is active, and the share of the rest.
    """

    correct: np.ndarray
    hoyer: np.ndarray
    silent: np.ndarray


def measure(rule: Rule, data: Dataset) -> Measured:
    """Which test images a trained model gets right, and the Hoyer sparsity of each layer on them.

    The right label is written into the images where the rule writes one. A layer that is silent for
    all of them has no sparsity: NaN.
    """
    correct = right(rule, data).numpy()
    hoyer, silent = [], []
    for one, of_seed in zip(one_by_one(rule), correct, strict=True):
        layers = [
            layer.numpy() for layer in one.representations(data.test_images, data.test_labels)
        ]
        hoyer.append([mean_hoyer(layer, of_seed[None])[0] for layer in layers])
        silent.append([silent_share(layer[0, of_seed]) for layer in layers])
    return Measured(correct, np.array(hoyer).T, np.array(silent).T)


def accuracy_of_layers(networks: dict[str, Rule], data: Dataset) -> dict[str, np.ndarray]:
    """What each layer's goodness says by itself: test accuracy (S,) of FF and BP/FF.

    By "FF, layer 1", …, and "FF, all but the first": the label of highest goodness in that layer,
    or of the highest softmax summed over the layers but the first. The published code takes all
    layers (`predict`); Hinton's (2212.13345) leaves the first one out.
    """
    found = {}
    for name, rule in networks.items():
        if not isinstance(rule, GoodnessRule):
            continue
        goodness = rule.network.label_goodness(data.test_images)
        single = {f"layer {k}": g for k, g in enumerate(goodness.unbind(1), start=1)}
        rest = {"all but the first": goodness[:, 1:].softmax(-1).sum(1)}
        for part, scores in (single | rest).items():
            right = scores.argmax(-1) == data.test_labels
            found[f"{name}, {part}"] = right.double().mean(-1).numpy()
    return found


def learning(networks: dict[str, Rule], data: Dataset) -> dict[str, Learning]:
    """For the diagram, measured: which layers each loss of FF, BP/FF and BP changes."""
    names = {f"layer{k}": f"goodness of\nlayer {k}" for k in range(1, 4)}
    names |= {"goodness": "goodness of\nall layers", "cross_entropy": "cross-entropy"}
    return {
        name: locality.learning(
            networks[name].example_losses(spread(data)),
            networks[name].layers(),
            names,
            ("image" if name == "BP" else "image with a label",),
        )
        for name in ("FF", "BP/FF", "BP")
    }


def accuracy_curves(networks: dict[str, Rule], data: Dataset) -> dict[str, dict[str, np.ndarray]]:
    """Test accuracy per epoch (E, S) by model, a panel for each number of test images.

    FF and BP/FF are watched on the first images only, as they need ten passes for each.
    """
    panels: dict[str, dict[str, np.ndarray]] = {}
    every = len(data.test_images)
    for name, rule in networks.items():
        ((key, curve),) = rule.history.starting_with("test_accuracy/").items()
        watched = min(WATCHED, every) if key == "watched" else every
        panels.setdefault(f"{watched:,} test images", {})[name] = curve
    return panels


def goodness_curves(networks: dict[str, Rule]) -> dict[str, dict[str, np.ndarray]]:
    """Mean goodness of positive and negative data per epoch (E, S), by model and layer."""
    return {
        f"{name}, {layer}": {
            f"{kind} data": networks[name].history[f"{kind}_goodness/{layer}"]
            for kind in ("positive", "negative")
        }
        for name in ("FF", "BP/FF")
        for layer in networks[name].history.starting_with("positive_goodness/")
    }


def settings_table(networks: dict[str, Rule]) -> pd.DataFrame:
    """Every model's settings, a column each."""
    return pd.DataFrame({n: rule.config.model_dump() for n, rule in networks.items()}).fillna("")


def accuracy_table(measured: dict[str, Measured], seeds: list[int], dataset: str) -> pd.DataFrame:
    """Accuracy on all test images in %, as `in_percent`, and the range of the printed runs."""
    printed = {
        name: in_words(*(round(100 * end, 2) for end in ends))
        for name, ends in ACCURACY.get(dataset, {}).items()
    }
    table = in_percent({name: found.correct.mean(1) for name, found in measured.items()}, seeds)
    return table.assign(printed=[printed.get(name, "") for name in table.index])


def in_percent(shares: dict[str, np.ndarray], seeds: list[int]) -> pd.DataFrame:
    """Shares (S,) by name in %: a row a name, a column a seed, then mean and std."""
    table = 100 * pd.DataFrame(shares, index=seeds).rename_axis("seed").T
    return table.round(2).assign(mean=table.mean(axis=1).round(2), std=table.std(axis=1).round(2))


def hoyer_table(measured: dict[str, Measured], dataset: str) -> pd.DataFrame:
    """Hoyer sparsity by model and layer beside the range that the authors' outputs print.

    silent: share of the correctly classified images that activate no unit, and have no sparsity.
    """
    printed = HOYER.get(dataset, {})
    rows = {}
    for name, found in measured.items():
        for k, values in enumerate(found.hoyer):
            known, ranges = pd.Series(values).dropna(), printed.get(name)
            rows[name, f"layer {k + 1}"] = {
                "mean": round(known.mean(), 3),
                "lowest seed": round(known.min(), 3),
                "highest seed": round(known.max(), 3),
                "silent, %": (100 * found.silent[k].mean()).round(2),
                "printed": in_words(*ranges[k]) if ranges and k < len(ranges) else "",
            }
    return pd.DataFrame(rows).T


def nearest_printed(measured: dict[str, Measured], dataset: str) -> pd.DataFrame:
    """FF's means over seeds, and below them the printed runs on full data, the nearest first.

    Columns: accuracy, in %; Hoyer sparsity of layers 1, 2, 3; largest difference of the three.
    """
    ff = measured["FF"]
    ours = pd.DataFrame(ff.hoyer).mean(axis=1).to_numpy()  # of the seeds that have a figure
    rows = {"ours": (ff.correct.mean(), *ours, 0.0)}
    for name, (accuracy, hoyer) in _printed_runs(dataset).items():
        rows[name] = (accuracy, *hoyer, np.abs(ours - hoyer).max())
    columns = ["accuracy", "layer 1", "layer 2", "layer 3", "largest difference"]
    table = pd.DataFrame(rows, index=columns).T.sort_values("largest difference")
    return table.assign(accuracy=100 * table.accuracy).round(dict.fromkeys(columns, 3))


def _printed_runs(dataset: str) -> dict[str, tuple[float, tuple[float, ...]]]:
    """Accuracy and sparsity of FF's printed runs that have both, by the run's name."""
    runs = {row.name: (row.accuracy, row.hoyer) for row in FF} if dataset == "mnist" else {}
    batch = ", batch 1024" if dataset == "mnist" else ""
    for k, run in enumerate(OTHERS.get(dataset, {}).get("FF", ())):
        if run[1]:
            runs[f"FF{batch}, {f'run {k + 1}' if k else 'the plotted run'}"] = run
    return runs


def metrics(measured: dict[str, Measured], of_layers: dict[str, np.ndarray]):
    """The metrics of notebook 03, one figure (S,) per seed each, by name.

    of_layers: of `accuracy_of_layers`.
    """
    found = {f"{name}/test_accuracy": m.correct.mean(1) for name, m in measured.items()}
    found |= {f"{name}/test_accuracy": values for name, values in of_layers.items()}
    hoyer = {name: m.hoyer for name, m in measured.items()}
    for name, layers in hoyer.items():
        for k, values in enumerate(layers, start=1):
            found[f"{name}/hoyer/layer{k}"] = values
        for k, values in enumerate(measured[name].silent, start=1):
            found[f"{name}/silent/layer{k}"] = values
    difference = hoyer["FF"][:2] - hoyer["BP"][:2]
    found["FF - BP/hoyer/layers 1 and 2"] = difference.min(0)
    found["BP, rate 0.01 - FF/hoyer/layer1"] = hoyer["BP, rate 0.01"][0] - hoyer["FF"][0]
    return found


def with_untrained(networks: dict[str, Rule]) -> Iterator[tuple[str, Rule]]:
    """Every model by name, the untrained network last."""
    yield from networks.items()
    yield UNTRAINED, untrained(networks)


def activations(rule: Rule, data: Dataset) -> list[tuple[np.ndarray, ...]]:
    """`activations_of` the test images, their label written."""
    return activations_of(rule, data.test_images, data.test_labels)


def activations_of(rule: Rule, images: Tensor, labels: Tensor) -> list[tuple[np.ndarray, ...]]:
    """Activations of each hidden layer, by seed (N, units), for images with labels written.

    In float16, which halves the memory; every figure of an ensemble is computed from these.
    labels: (N,), of which a rule that writes none makes no use; −1 writes none.
    """
    seeds = [
        [layer[0].half().numpy() for layer in one.representations(images, labels)]
        for one in one_by_one(rule)
    ]
    return list(zip(*seeds, strict=True))
