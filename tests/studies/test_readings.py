"""The study of readings: tables against hand-made runs, and a small study from end to end."""

import re
import textwrap

import numpy as np
import pandas as pd
import pytest
import torch

from ffcl_utils.config import ConfigError, configure
from ffcl_utils.learning.losses import REPRESENTATION_LOSSES
from ffcl_utils.paths import ROOT
from ffcl_utils.rules.improved_ffcl import ImprovedFFCL
from ffcl_utils.studies import readings as reading_study
from tests.rules.test_improved_ffcl import small


def made_up(accuracy, seeds=2):
    """Runs of the factorial part whose accuracy is a function of the settings and the seed."""
    rows = []
    for pairing in reading_study.GRID["pairing"]:
        for margin in reading_study.GRID["margin"]:
            for batch_size in reading_study.GRID["batch_size"]:
                for seed in range(seeds):
                    config = configure(
                        "improved_ffcl", "paper", pairing=pairing, margin=margin,
                        batch_size=batch_size,
                    )  # fmt: skip
                    settings = {name: getattr(config, name) for name in reading_study.SETTINGS}
                    value = accuracy(settings, seed)
                    rows.append(
                        {"reading": reading_study.reading_name(config), **settings, "seed": seed}
                        | dict.fromkeys(reading_study.PREDICTORS, value)
                        | {"train": settings["margin"] == 0, "test": seed == 0}
                    )
    return pd.DataFrame(rows)


def test_main_effects_recover_what_was_planted():
    runs = made_up(lambda s, seed: 0.3 + 0.4 * s["margin"] + 0.01 * seed)
    effects = reading_study.main_effects(runs).set_index(["setting", "level"])
    # Margins 0, 0.2 and 0.5 give 0, 0.08 and 0.2 over the rest.
    assert effects.loc[("margin", 0.0), "mean"] == pytest.approx(0 - 0.14)
    assert effects.loc[("margin", 0.5), "mean"] == pytest.approx(0.2 - 0.04)
    for setting, level in (("pairing", "random"), ("batch_size", 64), ("predictor", "mean")):
        assert effects.loc[(setting, level), "mean"] == pytest.approx(0, abs=1e-12)
    assert reading_study.margin_effect(runs) == pytest.approx([0.2, 0.2])


def test_cells_agree_with_the_paper_where_the_claims_would():
    best = {0: 0.62, 1: 0.30}
    runs = made_up(lambda s, seed: best[seed] if s["pairing"] == "random" else 0.9)
    cells = reading_study.cells(runs)
    assert len(cells) == 12 * 3
    agree = cells["pairing"] == "random"
    assert (cells["63 %"] == agree).all()
    assert (cells["train"] == (cells["margin"] == 0)).all()
    assert not cells["test"].any()  # one seed of two is partly
    said = reading_study.answer(cells)
    assert said.startswith("Of 36 cells, 18 have a best seed within 58–68 %")
    assert "18 lie above it (balanced, margin 0, batch 64; " in said
    assert "0 cells stay below the band, " in said


def test_a_study_of_small_data_has_every_reading_as_if_trained_alone(digits):
    data = small(digits)
    configs = reading_study.configure_readings("smoke", seeds=2, compare_loss="mirror_contrast")
    assert len(configs) == 12 + 4 + 2
    runs = reading_study.train_readings(configs, data)
    assert len(runs) == 2 * len(configs)
    assert set(runs["reading"]) == set(configs)
    for name in ("balanced, margin 0.2, batch 64", "random, margin 0, batch 512, mirror_contrast"):
        alone = ImprovedFFCL(configs[name]).fit(data)
        found = runs[runs["reading"] == name]
        for twin in reading_study.PREDICTORS:
            assert np.array_equal(found[twin], alone[f"test_accuracy/{twin}"][-1])


def test_what_the_study_goes_through_is_not_to_be_set():
    with pytest.raises(ConfigError, match="margin"):
        reading_study.configure_readings("smoke", margin=0.3)
    with pytest.raises(ConfigError, match="choose one of cosine_embedding, mirror_contrast"):
        reading_study.configure_readings("smoke", compare_loss="nonsense")


def test_the_loss_that_the_readme_adds_shows_in_the_table(digits, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names = {"torch": torch, "cosine_similarity": torch.cosine_similarity}
    exec(textwrap.dedent(code), names)
    monkeypatch.setitem(REPRESENTATION_LOSSES, "angle", names["angle_loss"])
    monkeypatch.setattr(reading_study, "EXTRA", ())
    configs = reading_study.configure_readings("smoke", seeds=2, compare_loss="angle")
    chosen = {name: configs[name] for name in configs if "batch 512" in name}
    runs = reading_study.train_readings(chosen, small(digits))
    by_loss = runs.groupby("representation_loss")["reading"].unique()
    assert list(by_loss["angle"]) == ["random, margin 0, batch 512, angle"]
    assert len(by_loss["cosine_embedding"]) == 6


def test_the_weak_readings_are_told_what_is_wrong_with_them():
    figures = {  # first, silent, dimension, length
        "strong": (0.9, 0.0, 6.0, 1.0),
        "also strong": (0.6, 0.0, 2.0, 0.4),
        "collapsed": (0.2, 0.0, 1.1, 5.0),
        "starved": (0.5, 0.0, 6.0, 0.3),
        "silent": (0.1, 0.2, 6.0, 0.9),
        "riddle": (0.4, 0.0, 5.0, 0.8),
    }
    columns = ["first", "silent", "dimension", "length"]
    runs = pd.DataFrame(figures, index=columns).T.rename_axis("reading").reset_index()
    assert reading_study.why_weak(runs) == (
        "4 readings stay below 58 % on average. 1 of them have silent images (silent). 1 of them "
        "collapse to fewer than 3 directions (collapsed). 1 of them starve the output layer "
        "(starved). None of this is true of riddle."
    )
