"""Settings: what is refused, and with which words."""

import pytest
import torch
from pydantic import ValidationError

from ffcl_utils.config import (
    MOST_SEEDS,
    SEEDS_END,
    ConfigError,
    LayerSizes,
    RuleConfig,
    validated,
)
from ffcl_utils.rules import configure
from ffcl_utils.rules.improved_ffcl import Config


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"epochs": -1}, "epochs=-1: Input should be greater than 0"),
        ({"seeds": 0}, "seeds=0: Input should be greater than 0"),
        ({"dataset": "cifar"}, "dataset='cifar': Input should be 'mnist'"),
        ({"learning_rate": "1e-3"}, "learning_rate='1e-3': Input should be a valid number"),
        ({"epochs": 2.5}, "epochs=2.5: Input should be a valid integer"),
        ({"margin": 1.5}, "margin=1.5: Input should be less than or equal to 1"),
        ({"pairing": "half"}, "pairing='half'"),
        ({"epoch": 3}, "epoch=3: Extra inputs are not permitted"),
        ({"layers": (784,)}, "layers="),
        ({"trainable_input_layer": 1}, "trainable_input_layer=1: Input should be a valid boolean"),
        ({"learning_rate": float("inf")}, "learning_rate=inf"),
        ({"margin": float("nan")}, "margin=nan"),
    ],
)
def test_bad_settings_are_named(override, message):
    with pytest.raises(ConfigError) as error:
        configure("improved_ffcl", "smoke", **override)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_every_bad_setting_is_named_at_once():
    with pytest.raises(ConfigError, match=r"seeds=0.*; .*epochs=-1|epochs=-1.*; .*seeds=0"):
        configure("improved_ffcl", "smoke", seeds=0, epochs=-1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tiny", "preset='tiny': choose one of smoke, short, paper"),
        ("full", "preset='full': it is now called 'paper' (and the old 'paper' is now 'short')"),
    ],
)
def test_an_unknown_preset_is_told_the_known_ones_and_an_old_one_its_new_name(name, message):
    with pytest.raises(ConfigError) as error:
        configure("improved_ffcl", name)
    assert message in str(error.value)


def test_none_means_as_the_preset_says():
    given = configure("improved_ffcl", "paper", epochs=None, seeds=3)
    assert (given.epochs, given.seeds) == (30, 3)


def test_paper_defaults_are_the_papers():
    paper = configure("improved_ffcl", "paper")
    assert paper.layers == (784, 64, 64, 10)
    assert (paper.learning_rate, paper.epochs, paper.dataset) == (1e-4, 30, "mnist")
    assert paper.seeds >= 10


def test_configs_cannot_be_changed():
    with pytest.raises(ValidationError):
        Config().epochs = 3


def test_settings_are_all_that_a_seed_learns_by():
    one = configure("improved_ffcl", "short", seeds=3, first_seed=4).settings()
    assert one == Config(preset="smoke", seeds=9).settings()
    assert not {"preset", "seeds", "first_seed"} & one.keys()
    assert {"dataset", "change", "epochs", "margin", "products"} <= one.keys()


@pytest.mark.parametrize("change", ["without_class:10", "without_class:", "without", "labels"])
def test_an_unknown_change_of_the_data_is_named(change):
    with pytest.raises(ConfigError, match=f"unknown change '{change}'"):
        configure("improved_ffcl", "smoke", change=change)


def test_seed_list_starts_at_first_seed():
    assert configure("improved_ffcl", "smoke", seeds=3, first_seed=4).seed_list == [4, 5, 6]


def test_half_of_all_seeds_are_kept_for_what_a_seed_draws_apart():
    """Of a seed the generator takes 32 bits: one that is 2**32 larger draws the same."""
    last = Config(first_seed=SEEDS_END - 1, seeds=1).seed_list[-1]
    assert last + 2**31 < 2**32
    draws = [torch.rand(4, generator=torch.Generator().manual_seed(last + k)) for k in (0, 2**31)]
    assert not torch.equal(*draws)
    many = Config(first_seed=SEEDS_END - MOST_SEEDS, seeds=MOST_SEEDS)
    assert many.of_seeds(last, 1) == Config(first_seed=last, seeds=1)  # as a job of a plan has it
    for first, seeds in ((SEEDS_END - 1, 2), (SEEDS_END, 1)):
        with pytest.raises(ConfigError, match=f"first_seed={first}: "):
            configure("improved_ffcl", "smoke", first_seed=first, seeds=seeds)


def test_a_setting_that_nothing_gives_is_named_alone():
    """And not with all other settings as its value."""

    class Unfinished(RuleConfig):
        layers: LayerSizes = (784, 10)
        epochs: int
        learning_rate: float

    with pytest.raises(ConfigError) as error:
        validated(Unfinished, preset="smoke", dataset="mnist_5k", seeds=1, epochs=2, batch_size=8)
    assert str(error.value) == "learning_rate: no value, and no default"
