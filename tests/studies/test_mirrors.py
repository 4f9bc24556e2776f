"""Twins and strangers: planted likeness is found, and a small study runs from end to end."""

import numpy as np
import pandas as pd
import pytest
import torch

from ffcl_utils.config import ConfigError
from ffcl_utils.rules.improved_ffcl import ImprovedFFCL
from ffcl_utils.studies import mirrors as mirror_study
from tests.rules.test_improved_ffcl import config, small


def test_a_twin_that_is_the_other_in_another_order_is_its_mirror(digits):
    rule = ImprovedFFCL(config(seeds=3))
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        rule.second.weights[0][:] = rule.first.weights[0][:, :, order]
        rule.second.biases[0][:] = rule.first.biases[0][:, :, order]
    found = mirror_study.compare(rule, digits.test_images[:200])
    assert found["cka/twins/layer1"].numpy() == pytest.approx(np.ones(3))
    dead = (mirror_study.hidden_layers(rule, digits.test_images[:200])[0][0].max(1) <= 0).mean(1)
    assert found["matched/twins/layer1"].numpy() == pytest.approx(1 - dead, abs=1e-5)
    assert (found["matched/strangers/layer1"] < 0.9).all()
    assert (found["cka/strangers/layer1"] < found["cka/twins/layer1"]).all()


def test_curves_begin_before_the_training(digits):
    data = small(digits)
    configs = mirror_study.configure_twins("smoke", epochs=2)
    rules, curves = mirror_study.train_and_compare(configs, data)
    untrained = mirror_study.compare(ImprovedFFCL(configs["literal"]), data.test_images)
    for name, found in curves.items():
        assert found["cka/twins/layer1"].shape == (3, 2)
        after = mirror_study.compare(rules[name], data.test_images)
        for figure, values in found.items():
            np.testing.assert_allclose(values[0], untrained[figure], rtol=1e-5)
            np.testing.assert_allclose(values[-1], after[figure], rtol=1e-5)
    with pytest.raises(ConfigError, match="two or more"):
        mirror_study.train_and_compare(mirror_study.configure_twins("smoke", seeds=1), data)


def test_rank_correlation_is_of_each_seed():
    units = pd.DataFrame(
        {
            "seed": [0] * 4 + [1] * 4,
            "mirrored": [1, 2, 3, 4] * 2,
            "effect": [1, 4, 9, 16, 4, 3, 2, 1],
        }
    )
    assert mirror_study.rank_correlation(units) == pytest.approx([1, -1])


def test_untrained_units_are_compared_without_the_dead_ones(digits):
    rule = ImprovedFFCL(config(seeds=2))
    with torch.no_grad():
        rule.first.biases[0][0, :, :5] = -1e3
    units = mirror_study.mirroring_and_selectivity(rule, digits)
    assert not set(range(5)) & set(units[units["seed"] == 0]["unit"])
    assert units["mirrored"].between(-1, 1).all()


def test_representations_of_first_twins_are_theirs_and_of_the_untrained(digits):
    rules = {"one": ImprovedFFCL(config(seeds=2))}
    rules["one"].fit(small(digits))
    found = mirror_study.represent_first(rules, digits)
    assert list(found) == ["one", "untrained"]
    first = rules["one"].representations(digits.test_images)
    np.testing.assert_allclose(found["one"].layers[1], first[1].numpy(), rtol=1e-5, atol=1e-6)
    right = rules["one"].predict(digits.test_images).argmax(-1) == digits.test_labels
    assert (found["one"].correct == right.numpy()).all()
    untrained = ImprovedFFCL(config(seeds=2)).representations(digits.test_images)
    np.testing.assert_allclose(found["untrained"].layers[0], untrained[0].numpy(), rtol=1e-5)
