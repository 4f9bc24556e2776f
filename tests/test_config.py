"""Settings: what is refused, and with which words."""

import pytest
from pydantic import ValidationError

from ffcl_utils.config import PRESETS, SYSTEMS, ConfigError, ImprovedFFCLConfig, configure


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


def test_unknown_preset_names_the_known_ones():
    with pytest.raises(ConfigError, match="unknown preset 'tiny': choose one of smoke, paper"):
        configure("improved_ffcl", "tiny")


def test_none_means_as_the_preset_says():
    given = configure("improved_ffcl", "paper", epochs=None, seeds=3)
    assert (given.epochs, given.seeds) == (30, 3)


def test_paper_defaults_are_the_papers():
    paper = configure("improved_ffcl", "paper")
    assert paper.layers == (784, 64, 64, 10)
    assert (paper.learning_rate, paper.epochs, paper.dataset) == (1e-4, 30, "mnist")
    assert paper.seeds >= 10


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_every_preset_is_valid(system, preset):
    assert configure(system, preset).preset == preset


def test_configs_cannot_be_changed_and_hash_by_content():
    one, other = ImprovedFFCLConfig(), ImprovedFFCLConfig(margin=0.5)
    with pytest.raises(ValidationError):
        one.epochs = 3
    assert one.hash == ImprovedFFCLConfig().hash != other.hash


def test_seed_list_starts_at_first_seed():
    assert configure("improved_ffcl", "smoke", seeds=3, first_seed=4).seed_list == [4, 5, 6]
