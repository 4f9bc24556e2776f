"""Do twin networks become mirrors of each other? What notebook 09 shows.

Beside the twins of one seed stand two controls: the same twins before training, and the first twin
of a seed with the second twin of another, which learnt the same task without ever meeting.
"""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from ffcl_utils import rules, store
from ffcl_utils.analysis.ensembles import PERMUTATIONS, effect_size
from ffcl_utils.analysis.similarity import linear_cka, match_units
from ffcl_utils.analysis.statistics import paired_difference
from ffcl_utils.config import ConfigError, RuleConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.rules.base import Rule
from ffcl_utils.studies.ensembles import ensemble_rows, find_ensembles, shares
from ffcl_utils.studies.models import UNTRAINED, one_by_one

TWINS, STRANGERS = "twins", "strangers"
# Of the readings of notebook 07, the two of the claims and the one that learns best.
READINGS = {
    "literal": {"pairing": "random"},
    "balanced": {"pairing": "balanced"},
    "balanced, margin 0.5": {"pairing": "balanced", "margin": 0.5},
}
LAYERS = ("layer1", "layer2")
PROBES = 2000  # test images on which the networks are compared
KEPT_EPOCHS = (0, 1, 2, 3, 5, 8, 12, 17, 23)  # that the page to play with shows, beside the last
Curves = dict[str, dict[str, np.ndarray]]  # by reading, by figure, (1 + E, S)


def configure(preset: str, permutations: int = PERMUTATIONS, **settings) -> dict[str, RuleConfig]:
    """The settings of every reading.

    Raises ConfigError as `rules.configure` does, also for a single seed, which has no strangers,
    and for fewer than 20 permutations.
    """
    if permutations < 20:
        raise ConfigError(f"permutations={permutations}: 20 or more are needed")
    configs = {
        name: rules.configure("improved_ffcl", preset, **(settings | reading))
        for name, reading in READINGS.items()
    }
    if any(config.seeds < 2 for config in configs.values()):
        raise ConfigError("seeds=1: two or more are needed, to compare twins with strangers")
    return configs


def curves(networks: dict[str, Rule], data: Dataset) -> Curves:
    """The figures of `compare` before the training and after every epoch, by reading."""
    images = data.test_images[:PROBES]
    found = {}
    for name, rule in networks.items():
        epochs = [compare(at_epoch, images) for at_epoch in store.epochs_of(rule)]
        found[name] = {figure: np.stack([e[figure] for e in epochs]) for figure in epochs[0]}
    return found


def kept_epochs(rule: Rule) -> dict[int, Rule]:
    """The first seed's twins before the training and after some epochs of it, but the last."""
    return {
        epoch: next(one_by_one(at_epoch))
        for epoch, at_epoch in enumerate(store.epochs_of(rule))
        if epoch in KEPT_EPOCHS and epoch < rule.config.epochs
    }


def compare(rule: Rule, images) -> dict[str, np.ndarray]:
    """How alike the twins, and strangers, are in every hidden layer; by name, (S,) each.

    "cka/<who>/layer<k>": linear CKA. "matched/<who>/layer<k>": mean correlation of the units
    matched one to one. NaN where a network has diverged.
    """
    figures = {}
    layers = zip(*_hidden(rule, images), strict=True)
    for k, (one, other) in enumerate(layers, start=1):
        for who, partner in ((TWINS, other), (STRANGERS, np.roll(other, 1, axis=0))):
            pairs = list(zip(one, partner, strict=True))
            figures[f"cka/{who}/layer{k}"] = np.array([_if_finite(linear_cka, p) for p in pairs])
            matched = [_if_finite(_mean_match, pair) for pair in pairs]
            figures[f"matched/{who}/layer{k}"] = np.array(matched)
    return figures


def _hidden(rule: Rule, images) -> tuple[list[np.ndarray], list[np.ndarray]]:
    return tuple([layer.numpy() for layer in twin] for twin in rule.hidden_layers(images))


def _mean_match(one: np.ndarray, other: np.ndarray) -> float:
    return match_units(one, other)[1].mean()


def _if_finite(measure, pair: tuple[np.ndarray, np.ndarray]) -> float:
    return measure(*pair) if all(np.isfinite(a).all() for a in pair) else float("nan")


def panels(found: Curves, quantity: str) -> dict[str, dict[str, np.ndarray]]:
    """For the figure of "cka" or "matched": by reading and layer, twins and strangers."""
    return {
        f"{name}, {layer}": {
            who: of_reading[f"{quantity}/{who}/{layer}"] for who in (TWINS, STRANGERS)
        }
        for name, of_reading in found.items()
        for layer in LAYERS
    }


def before_and_after(found: Curves) -> pd.DataFrame:
    """Mean likeness before and after the training; minus strangers with its 95 % interval."""
    rows = {}
    for name, of_reading in found.items():
        for quantity in ("cka", "matched"):
            for layer in LAYERS:
                twins, strangers = (
                    of_reading[f"{quantity}/{who}/{layer}"] for who in (TWINS, STRANGERS)
                )
                rows[name, quantity, layer] = {
                    "untrained twins": twins[0].mean(),
                    "twins": twins[-1].mean(),
                    "strangers": strangers[-1].mean(),
                    **paired_difference(twins[-1], strangers[-1])._asdict(),
                }
    return pd.DataFrame(rows).T.rename(columns={"mean": "minus strangers"}).round(3)


def ensembles(networks: dict[str, Rule], data: Dataset, permutations: int) -> pd.DataFrame:
    """Rows of `studies.ensembles.ensemble_rows` of the first twins, and of the untrained ones.

    A seed that has diverged has a row without figures (NaN).
    """
    labels = data.test_labels.numpy()
    some = next(iter(networks.values()))
    rows = []
    for name, rule in (networks | {UNTRAINED: type(some)(some.config)}).items():
        layers = _hidden(rule, data.test_images)[0]
        tables = [find_ensembles(layer, labels, permutations) for layer in layers]
        found = ensemble_rows(name, layers, tables, labels)
        usable = [np.isfinite(of_seed).all() for layer in layers for of_seed in layer]
        rows += [r if ok else _without_figures(r) for r, ok in zip(found, usable, strict=True)]
    return pd.DataFrame(rows)


def _without_figures(row: dict) -> dict:
    return {k: v if k in ("model", "layer", "seed") else np.nan for k, v in row.items()}


def mirroring_and_selectivity(rule: Rule, data: Dataset, layer: int = 0) -> pd.DataFrame:
    """One row a unit of the first twins' layer (from 0): is a mirrored unit a specific one?

    Columns: seed, unit; mirrored, its correlation with the unit of the second twin that it is
    matched to; effect, its largest effect size for any class. Dead units are left out, and seeds
    that have diverged.
    """
    first, second = _hidden(rule, data.test_images[:PROBES])
    labels = data.test_labels[:PROBES].numpy()
    rows = [pd.DataFrame(columns=["seed", "unit", "mirrored", "effect"], dtype=float)]
    for seed, one, other in zip(rule.config.seed_list, first[layer], second[layer], strict=True):
        if not (np.isfinite(one).all() and np.isfinite(other).all()):
            continue
        alive = one.max(0) > 0
        rows.append(
            pd.DataFrame(
                {
                    "seed": seed,
                    "unit": np.flatnonzero(alive),
                    "mirrored": match_units(one, other)[1][alive],
                    "effect": effect_size(one, labels).max(0)[alive],
                }
            )
        )
    return pd.concat(rows[1:] or rows, ignore_index=True)


def rank_correlation(units: pd.DataFrame, seeds: list[int]) -> np.ndarray:
    """Spearman's correlation of `mirrored` and `effect` over the units of each seed, (S,)."""
    found = {
        seed: spearmanr(rows["mirrored"], rows["effect"]).statistic
        for seed, rows in units.groupby("seed", sort=False)
    }
    return np.array([found.get(seed, np.nan) for seed in seeds])


def ranks_table(ranks: dict[str, np.ndarray], seeds: list[int]) -> pd.DataFrame:
    """`rank_correlation` of every reading, a column a seed, then the mean."""
    table = pd.DataFrame(ranks, index=seeds).T
    return table.round(2).assign(mean=table.mean(axis=1).round(2))


def metrics(
    found: Curves, rows: pd.DataFrame, ranks: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The metrics of notebook 09, one figure per seed each."""
    share = shares(rows)
    values = {}
    for name, of_reading in found.items():
        for layer in LAYERS:
            twins, strangers = (of_reading[f"cka/{who}/{layer}"][-1] for who in (TWINS, STRANGERS))
            values[f"{name}/cka/twins/{layer}"] = twins
            values[f"{name}/cka/twins - strangers/{layer}"] = twins - strangers
        untrained = share[UNTRAINED][0]
        values[f"{name}/ensemble_units - untrained/layer1"] = share[name][0] - untrained
        values[f"{name}/mirrored and specific/layer1"] = ranks[name]
    return values
