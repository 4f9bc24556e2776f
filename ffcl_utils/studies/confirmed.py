"""Two readings of the improved-FFCL paper on seeds never used before, and one on many: notebook 11.

Of the readings and predictors of notebook 07, on seeds 0 to 4, these two had "up to 63 %" and
exponential losses at once.
"""

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from ffcl_utils import rules
from ffcl_utils.claims.judges import REPRODUCED
from ffcl_utils.claims.ledger import claim
from ffcl_utils.config import ConfigError, RuleConfig
from ffcl_utils.rules.base import Rule
from ffcl_utils.studies.readings import is_exponential

# By name, the reading's settings.
READINGS = {
    "balanced": {"pairing": "balanced", "margin": 0.0, "batch_size": 512},
    "random": {"pairing": "random", "margin": 0.2, "batch_size": 512},
}
LITERAL = "literal"
CLAIMS = {"balanced": ("A6-bal", "A7-bal", "A8-bal"), "random": ("A6-rand", "A7-rand", "A8-rand")}
REACHED = 0.63  # what the paper reports


def configure(preset: str, literal_seeds: int, **settings) -> dict[str, RuleConfig]:
    """The settings of both readings, and of the literal one on seeds 0 to literal_seeds − 1.

    Raises ConfigError for settings that a reading has already, and as `rules.configure` does.
    """
    clash = sorted(set(settings) & {name for own in READINGS.values() for name in own})
    if clash:
        raise ConfigError(f"{', '.join(clash)}: the readings have their own")
    configs = {
        name: rules.configure("improved_ffcl", preset, **(settings | own))
        for name, own in READINGS.items()
    }
    many = settings | {"seeds": literal_seeds, "first_seed": 0, "pairing": "random"}
    return configs | {LITERAL: rules.configure("improved_ffcl", preset, **many)}


def runs(networks: dict[str, Rule]) -> pd.DataFrame:
    """One row a run: reading, seed, accuracy (share of the test images, first network, last epoch),
    train and test (whether the total loss decays exponentially, as A2 and A3 ask)."""
    tables = []
    for name, rule in networks.items():
        history = rule.history
        losses = {
            part: [is_exponential(loss) for loss in history[f"{part}_loss/total"].T]
            for part in ("train", "test")
        }
        accuracy = history["test_accuracy/first"][-1]
        seeds = rule.config.seed_list
        tables.append(
            pd.DataFrame({"reading": name, "seed": seeds, "accuracy": accuracy, **losses})
        )
    return pd.concat(tables, ignore_index=True)


def accuracies(found: pd.DataFrame) -> dict[str, np.ndarray]:
    """For the figure: by reading, the test accuracy of every seed."""
    return {name: of["accuracy"].to_numpy() for name, of in found.groupby("reading", sort=False)}


def verdicts(found: pd.DataFrame) -> pd.DataFrame:
    """Of both readings, the verdicts on the accuracy and on the two losses; confirmed: all three.

    By the judges of the claims; they need five seeds.
    """
    rows = {}
    for name, ids in CLAIMS.items():
        of = found[found.reading == name]
        columns = zip(ids, ("accuracy", "train", "test"), strict=True)
        said = {
            column: claim(id).judge.verdict(of[column].to_numpy(dtype=float))
            for id, column in columns
        }
        rows[name] = said | {"confirmed": all(v == REPRODUCED for v in said.values())}
    return pd.DataFrame(rows).T


def reached(found: pd.DataFrame) -> tuple[int, int, float, float]:
    """Of the literal reading: how many seeds reach 63 %, of how many, and the ends of the 95 %
    interval of their share (Clopper and Pearson)."""
    literal = found[found.reading == LITERAL]
    hits, seeds = int((literal.accuracy >= REACHED).sum()), len(literal)
    interval = binomtest(hits, seeds).proportion_ci(method="exact")
    return hits, seeds, float(interval.low), float(interval.high)


def in_words(found: pd.DataFrame) -> str:
    """What both readings and the literal one came to, in sentences."""
    confirmed = int(verdicts(found)["confirmed"].sum())
    hits, seeds, low, high = reached(found)
    return (
        f"{confirmed} of the 2 readings {'is' if confirmed == 1 else 'are'} confirmed. Under the "
        f"literal reading {hits} of {seeds} seeds reach {REACHED:.0%} (95 % interval of the share: "
        f"{100 * low:.1f} to {100 * high:.1f} %)."
    )


def metrics(found: pd.DataFrame) -> dict:
    """The metrics of notebook 11, one figure per seed each, of the two readings."""
    return {
        f"{name}/{metric}": of[column].to_numpy(dtype=float)
        for name, of in found.groupby("reading", sort=False)
        if name in READINGS
        for metric, column in (
            ("test_accuracy", "accuracy"),
            ("train_loss_exponential", "train"),
            ("test_loss_exponential", "test"),
        )
    }
