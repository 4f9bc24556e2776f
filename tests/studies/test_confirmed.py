"""Notebook 11: two readings on new seeds, and how often the literal one reaches 63 %."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from ffcl_utils import rules
from ffcl_utils.claims import tables
from ffcl_utils.claims.ledger import claim
from ffcl_utils.config import ConfigError
from ffcl_utils.studies import confirmed as study


def rows(reading, accuracy, train=True, test=True):
    return pd.DataFrame(
        {"reading": reading, "seed": range(len(accuracy)), "accuracy": accuracy,
         "train": train, "test": test}
    )  # fmt: skip


TEN = [0.3, 0.35, 0.4, 0.45, 0.5, 0.5, 0.55, 0.58, 0.6, 0.66]


def test_the_readings_are_trained_on_seeds_that_chose_nothing():
    configs = study.configure("short", 100, first_seed=200)
    assert configs["balanced"].seed_list == list(range(200, 210))
    assert configs["random"].margin == 0.2 and configs["random"].batch_size == 512
    assert configs["literal"].seed_list == list(range(100))
    assert (configs["literal"].margin, configs["literal"].batch_size) == (0.0, 64)
    with pytest.raises(ConfigError, match="margin: the readings have their own"):
        study.configure("short", 100, margin=0.5)


def test_a_reading_is_confirmed_by_its_three_claims_together():
    literal = rows("literal", [0.4] * 98 + [0.63, 0.7])
    good, flat = rows("balanced", TEN), rows("random", TEN, test=[True] * 7 + [False] * 3)
    found = pd.concat([good, flat, literal])
    table = study.verdicts(found)
    assert table["confirmed"].tolist() == [True, False]
    assert table.loc["random", "test"] == "partly"
    words = study.in_words(found)
    assert words.startswith("1 of the 2 readings is confirmed. Under the literal reading 2 of 100")
    for name, ids in study.CLAIMS.items():
        for id, column in zip(ids, ("accuracy", "train", "test"), strict=True):
            values = study.metrics(found)
            verdict = claim(id).verdict(values)
            assert verdict == table.loc[name, column]


def test_the_share_that_reaches_it_has_clopper_and_pearsons_interval():
    hits, seeds, low, high = study.reached(rows("literal", [0.4] * 98 + [0.63, 0.7]))
    assert (hits, seeds) == (2, 100)
    assert low == pytest.approx(beta.ppf(0.025, 2, 99))
    assert high == pytest.approx(beta.ppf(0.975, 3, 98))


def test_runs_come_from_the_histories(few):
    config = rules.configure("improved_ffcl", "smoke", seeds=2, epochs=2)
    rule = rules.rule("improved_ffcl")(config)
    rule.fit(few)
    found = study.runs({"balanced": rule})
    assert found.accuracy.tolist() == rule.history["test_accuracy/first"][-1].tolist()
    assert not found.train.any()  # two epochs cannot be fitted
    assert list(study.accuracies(found)) == ["balanced"]
    assert np.isfinite(found.accuracy).all()


def test_the_readme_names_the_readings_by_the_settings_that_they_have():
    said = [f"{own['pairing']}, margin {own['margin']:g}, batch {own['batch_size']}"
            for own in study.READINGS.values()]  # fmt: skip
    assert list(tables.READINGS.values()) == said
    for words, ids in zip(said, study.CLAIMS.values(), strict=True):
        assert all(words in claim(one).statement for one in ids)
