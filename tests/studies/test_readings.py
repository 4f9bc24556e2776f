"""The study of readings: tables against hand-made runs, and a small study from end to end."""

import numpy as np
import pandas as pd
import pytest

from ffcl_utils import rules
from ffcl_utils.config import ConfigError
from ffcl_utils.studies import readings as reading_study


def made_up(accuracy, seeds=2):
    """Runs of the factorial part whose accuracy is a function of the settings and the seed."""
    rows = []
    for pairing in reading_study.GRID["pairing"]:
        for margin in reading_study.GRID["margin"]:
            for batch_size in reading_study.GRID["batch_size"]:
                for seed in range(seeds):
                    config = rules.configure(
                        "improved_ffcl", "short", pairing=pairing, margin=margin,
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


def test_short_is_what_the_first_reference_was_trained_with():
    configs = reading_study.configure("short", seeds=5)
    assert len(configs) == 12 + 4
    assert {c.epochs for c in configs.values()} == {30}
    assert {c.learning_rate for c in configs.values()} == {1e-4}
    wide = [c for c in configs.values() if c.trainable_input_layer]
    assert {(c.batch_size, c.margin, c.products) for c in wide} == {(512, 0.0, "auto")}
    assert len(wide) == 2


def test_smoke_has_the_factorial_part_and_enough_epochs_for_a_fit():
    configs = reading_study.configure("smoke")
    assert len(configs) == 12 + 2
    assert not any(c.trainable_input_layer for c in configs.values())
    assert {c.epochs for c in configs.values()} == {7}
    assert {c.epochs for c in reading_study.configure("smoke", epochs=1).values()} == {1}


def trained(few, names, **settings):
    configs = reading_study.configure("smoke", seeds=2, **settings)
    networks = {}
    for name in names:
        networks[name] = rules.rule("improved_ffcl")(configs[name])
        networks[name].fit(few)
    return networks


def test_the_table_has_a_row_a_run_with_its_figures(few):
    names = ["balanced, margin 0.2, batch 512", "random, margin 0, batch 512, mirror_contrast"]
    networks = trained(few, names, compare_loss="mirror_contrast")
    runs = reading_study.run_table(networks, few)
    assert list(runs["reading"]) == [names[0]] * 2 + [names[1]] * 2
    assert list(runs["seed"]) == [0, 1, 0, 1]
    for name, rows in runs.groupby("reading", sort=False):
        for twin in reading_study.PREDICTORS:
            assert np.array_equal(rows[twin], networks[name].history[f"test_accuracy/{twin}"][-1])
    hidden = networks[names[0]].hidden_layers(few.test_images)[0][-1]
    length = hidden.norm(dim=-1).mean(-1).numpy()
    np.testing.assert_allclose(runs["length"][:2], length, rtol=1e-5)
    assert list(reading_study.geometry(runs)) == [
        "accuracy", "silent", "same", "other", "dimension", "length",
    ]  # fmt: skip
    assert len(reading_study.geometry_panels(runs)) == 4


def test_a_reading_that_diverges_or_is_short_is_a_row(few):
    name = "random, margin 0, batch 512"
    runs = reading_study.run_table(trained(few, [name], epochs=2), few)
    assert not runs["train"].any()
    networks = trained(few, [name], epochs=2)
    networks[name].history.values["train_loss/total"][:] = np.nan
    assert not reading_study.run_table(networks, few)["train"].any()


def test_one_seed_has_effects_without_an_interval():
    effects = reading_study.main_effects(made_up(lambda s, seed: s["margin"], seeds=1))
    assert effects["low"].isna().all()
    assert effects["mean"].notna().all()
    assert "no interval" in reading_study.about_intervals(1)
    assert "no interval" not in reading_study.about_intervals(2)


def test_what_the_study_goes_through_is_not_to_be_set():
    with pytest.raises(ConfigError, match="margin"):
        reading_study.configure("smoke", margin=0.3)
    with pytest.raises(ConfigError, match="choose one of cosine_embedding, mirror_contrast"):
        reading_study.configure("smoke", compare_loss="nonsense")


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
