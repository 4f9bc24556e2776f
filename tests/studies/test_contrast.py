"""The study of mirror contrast: tables against hand-made runs, and a small study end to end."""

import numpy as np
import pandas as pd
import pytest

from ffcl_utils.config import ConfigError
from ffcl_utils.studies import contrast as contrast_study
from ffcl_utils.studies.contrast import BACKPROP, MIRROR, SAME, WITHOUT
from tests.rules.test_improved_ffcl import small


def test_effects_compare_the_same_seeds():
    rows = [(MIRROR, seed, 0.9 + 0.01 * seed) for seed in range(5)]
    rows += [("every pixel", seed, 0.8 + 0.01 * seed + 0.001 * (seed == 1)) for seed in range(3)]
    runs = pd.DataFrame(rows, columns=["model", "seed", "mean"])
    (effect,) = contrast_study.ablation_effects(runs).to_dict("records")
    assert effect["name"] == "every pixel"
    assert effect["mean"] == pytest.approx(-10 + 0.1 / 3)
    # Student's t with two degrees of freedom, 4.3027, and the standard error of (0, 0.1, 0).
    half = 4.3027 * np.std([0, 0.1, 0], ddof=1) / 3**0.5
    assert effect["high"] - effect["mean"] == pytest.approx(half, rel=1e-4)
    only_full = runs[runs["model"] == MIRROR]
    assert contrast_study.ablation_effects(only_full).empty


def test_a_small_study_from_end_to_end(digits):
    data = small(digits)
    configs = contrast_study.configure_study("smoke", seeds=2, epochs=1, batch_size=32)
    assert list(configs) == [MIRROR, *WITHOUT, BACKPROP, SAME]
    runs, histories, twins = contrast_study.train_study(configs, data)
    assert runs.groupby("model").size().eq(2).all()
    mirror = runs[runs["model"] == MIRROR]
    last = histories[MIRROR]["test_accuracy/mean"][-1]
    assert np.array_equal(mirror["mean"], last)
    assert twins.config == configs[MIRROR]
    # The first networks of backprop's pairs are its first seeds; the second are others.
    alone = histories[BACKPROP]["test_accuracy/all"][-1]
    assert alone.shape == (4,)
    assert np.array_equal(runs[runs["model"] == BACKPROP]["one"], alone[:2])
    found = contrast_study.metrics(runs)
    assert np.array_equal(found[f"{MIRROR}/test_accuracy/mean"], last)
    assert len(found) == 6


def test_the_wide_network_trains_alone_and_others_are_refused():
    (config,) = contrast_study.configure_study("paper", "wide", epochs=None, seeds=3).values()
    assert (config.layers, config.seeds, config.epochs) == ((784, 1024, 1024, 10), 3, 30)
    assert config.temperature != contrast_study.configure_study("paper")[MIRROR].temperature
    with pytest.raises(ConfigError, match="unknown network 'deep': choose one of paper, wide"):
        contrast_study.configure_study("paper", "deep")
