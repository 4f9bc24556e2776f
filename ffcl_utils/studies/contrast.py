"""Mirror contrast, its ingredients taken away, backpropagation, and read-outs: notebook 08.

Mirror contrast has the settings that were best on training images held out for validation
(benchmarks/validation_twins.py); read_outs.py has the others'.
"""

from typing import Literal, get_args

import numpy as np
import pandas as pd

from ffcl_utils import rules
from ffcl_utils.analysis import locality
from ffcl_utils.analysis.locality import Learning, off_layer_gradient
from ffcl_utils.analysis.statistics import paired_difference
from ffcl_utils.claims.ledger import claim
from ffcl_utils.config import ConfigError, RuleConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.parts import spread
from ffcl_utils.learning.twins import accuracies, with_mean
from ffcl_utils.rules.base import Rule
from ffcl_utils.studies import read_outs
from ffcl_utils.studies.accuracy import of_twins
from ffcl_utils.studies.read_outs import BACKPROP_JOINT, JOINT, MEETINGS, STRANGERS

MIRROR, BACKPROP, SAME = "mirror contrast", "backprop", "backprop, same ingredients"
ITSELF, MULTIPLIED = "each network its own guide", "strangers, opinions multiplied"
Network = Literal["paper", "wide", "shifted", "convolutional"]
TARGETS = {"paper": "X1", "wide": "X2", "shifted": "X2s", "convolutional": "X8"}
# Their own best settings, where an ingredient's loss wants other ones.
PAIRS = {
    "contrast": "every_pair",
    "temperature": 0.05,
    "learning_rate": 1.2e-2,
    "input_dropout": 0.1,
}
# What mirror contrast adds to improved FFCL, and what is left without it. A rate that does not
# fall has to be smaller.
WITHOUT = {
    "every pair, no class means": PAIRS,
    "one partner an image": {"contrast": "one_partner"},
    ITSELF: {"guide": "itself"},
    "lengths not evened out": {"normalised": False},
    "every pixel": {"input_dropout": 0.0},
    "constant learning rate": {"schedule": "constant", "learning_rate": 1e-3},
}
ABLATION_SEEDS = 3
# Of the paper's network; a rate that rises and falls may be higher.
BACKPROP_RATE, SAME_RATE = 1e-3, 6e-3


def configure(preset: str, network: Network = "paper", **settings) -> dict[str, RuleConfig]:
    """The settings of every training, by name; raises ConfigError as `rules.configure` does.

    network: "paper", with all ablations, backpropagation and read-outs; "wide", three layers of
    1024 units, "shifted", the same with shifted images, or "convolutional": twins with joint
    read-outs, strangers and backpropagation.
    """
    if network not in get_args(Network):
        raise ConfigError(f"network={network!r}: choose one of {', '.join(get_args(Network))}")
    given = {name: value for name, value in settings.items() if value is not None}
    if network in read_outs.LARGER:
        return read_outs.configure(preset, network, **given)
    full = rules.configure("mirror_contrast", preset, **given)
    configs = {MIRROR: full}
    for name, change in WITHOUT.items():
        # What a twin brings is a claim, which wants every seed; the other ablations are a look.
        count = full.seeds if name == ITSELF else min(ABLATION_SEEDS, full.seeds)
        own = given | {"seeds": count} | change
        configs[name] = rules.configure("mirror_contrast", preset, **own)
    shared = {name: getattr(full, name) for name in ("dataset", "layers", "epochs")}
    shared["batch_size"] = 2 * full.batch_size  # as it was tuned: there are no pairs to be had
    # Two for every seed: the mean of a pair is what the mean of the twins has to be held against.
    shared |= {"seeds": 2 * full.seeds, "first_seed": full.first_seed}
    ingredients = {name: getattr(full, name) for name in ("input_dropout", "schedule")}
    rates = {"learning_rate": BACKPROP_RATE}, ingredients | {"learning_rate": SAME_RATE}
    for name, own in zip((BACKPROP, SAME), rates, strict=True):
        configs[name] = rules.configure("backprop", preset, **(shared | own))
    # What was chosen for mirror contrast, by the caller too, is not theirs.
    common = ("dataset", "layers", "epochs", "seeds", "first_seed")
    common = {name: getattr(full, name) for name in common}
    return configs | read_outs.configure(preset, **common)


def target(network: Network) -> float:
    """The share of images that the network's claim asks for."""
    return claim(TARGETS[network]).judge.low


def run_table(networks: dict[str, Rule], data: Dataset) -> pd.DataFrame:
    """One row a run: model, seed; one (test accuracy of the first network of a pair) and mean (of
    both: their softmax outputs averaged, or a joint read-out's own opinion).

    Strangers have a second row, in which their outputs are multiplied, as joint read-outs do it.
    """
    tables = []
    for name, rule in networks.items():
        seeds = rule.config.seed_list
        if name in (BACKPROP, SAME):
            seeds = seeds[: len(seeds) // 2]
            scores = with_mean(*rule.predict(data.test_images).split(len(seeds)))
        else:
            scores = rule.twin_probabilities(data.test_images)
        if name == STRANGERS:
            scores["product"] = scores["first"] * scores["second"]
        found = accuracies(scores, data.test_labels)
        both = {name: "mean"} | ({MULTIPLIED: "product"} if "product" in found else {})
        for model, which in both.items():
            columns = {"one": found["first"].numpy(), "mean": found[which].numpy()}
            tables.append(pd.DataFrame({"model": model, "seed": seeds, **columns}))
    return pd.concat(tables, ignore_index=True)


def accuracy_of_models(runs: pd.DataFrame) -> dict[str, np.ndarray]:
    """By model, the test accuracy of two networks together, of every seed."""
    return {name: rows["mean"].to_numpy() for name, rows in runs.groupby("model", sort=False)}


def error_curves(networks: dict[str, Rule]) -> dict[str, np.ndarray]:
    """Test error per epoch (E, S) of mirror contrast, read-outs and backpropagation."""
    errors, others = {}, [JOINT, STRANGERS, BACKPROP_JOINT]
    if MIRROR in networks:
        curves = networks[MIRROR].history.starting_with("test_accuracy/")
        errors = {f"mirror contrast, {name}": 1 - values for name, values in curves.items()}
        others = [JOINT]  # more lines could not be told apart
    for name in others:
        if name in networks:
            errors[name] = 1 - networks[name].history["test_accuracy/mean"]
    for name in (BACKPROP, SAME):
        if name in networks:
            errors[f"{name}, one network"] = 1 - networks[name].history["test_accuracy/all"]
    return errors


def gradient_across_layers(networks: dict[str, Rule], data: Dataset) -> dict[str, np.ndarray]:
    """Largest gradient (S,) of a layer's loss on another layer's weights, in trained twins."""
    return {
        name: off_layer_gradient(rule.example_losses(spread(data)), rule.layers()).numpy()
        for name, rule in networks.items()
        if name in (MIRROR, JOINT)
    }


def learning(networks: dict[str, Rule], data: Dataset) -> dict[str, Learning]:
    """For the diagram, measured: which layers each loss changes, of the twins and of backprop."""
    found = {}
    if MIRROR in networks:
        twins = networks[MIRROR]
        found[MIRROR] = of_twins(twins.example_losses(spread(data)), twins.layers())
    if JOINT in networks:
        twins = networks[JOINT]
        losses = twins.example_losses(spread(data))
        names = {name: f"joint\nread-out {k}" for k, name in enumerate(losses, start=1)}
        sees = ("image x", "image x")
        found[JOINT] = locality.learning(losses, twins.layers(), names, sees)
    if BACKPROP in networks:
        one = networks[BACKPROP]
        names = {"cross_entropy": "cross-entropy"}
        found[BACKPROP] = locality.learning(
            one.example_losses(spread(data)), one.layers(), names, ("image",)
        )
    return found


def ablation_effects(runs: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of both twins together without an ingredient minus with all, for the same seeds.

    Columns name, mean, low, high: percentage points, with the 95 % interval over seeds. Empty
    where no ablation was trained; of one seed alone there is no interval.
    """
    return _effects(runs, list(WITHOUT), MIRROR)


def meeting_effects(runs: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of two networks with read-outs together minus that of strangers, whose outputs are
    averaged, for the same seeds. Columns as of `ablation_effects`."""
    return _effects(
        runs, [name for name in [*MEETINGS, MULTIPLIED] if name != STRANGERS], STRANGERS
    )


def _effects(runs: pd.DataFrame, names: list[str], reference: str) -> pd.DataFrame:
    by_model = runs.pivot(index="seed", columns="model", values="mean")
    rows = []
    for name in names:
        if name in by_model:
            pair = 100 * by_model[[reference, name]].dropna()
            effect = {"mean": (pair[name] - pair[reference]).mean(), "low": np.nan, "high": np.nan}
            if len(pair) > 1:
                effect = paired_difference(pair[name], pair[reference])._asdict()
            rows.append({"name": name, **effect})
    return pd.DataFrame(rows, columns=["name", "mean", "low", "high"])


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """Per model: number of seeds, and mean and standard deviation of `one` and `mean`, in %."""
    by_model = runs.groupby("model", sort=False)[["one", "mean"]]
    table = by_model.agg(["mean", "std"]).mul(100).round(2)
    table.insert(0, ("seeds", ""), by_model.size())
    return table


def metrics(runs: pd.DataFrame) -> dict[str, np.ndarray]:
    """Of what has every seed: accuracies by name, (S,), and what a twin brings, in points."""
    few = set(WITHOUT) - {ITSELF}
    found = {
        f"{model}/test_accuracy/{who}": rows[who].to_numpy()
        for model, rows in runs.groupby("model", sort=False)
        if model not in few
        for who in ("one", "mean")
    }
    for twins, alone in ((MIRROR, ITSELF), (JOINT, STRANGERS)):
        names = [f"{name}/test_accuracy/mean" for name in (twins, alone)]
        if found.keys() >= set(names):
            found[f"{twins} - {alone}/test_accuracy"] = 100 * (found[names[0]] - found[names[1]])
    return found
