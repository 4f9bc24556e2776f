"""Small trained networks that several studies' tests look at."""

import pytest

from ffcl_utils import rules
from ffcl_utils.data import datasets
from ffcl_utils.studies import models, neighbour_rows
from tests.small import SMALL_LAYERS, small


@pytest.fixture(scope="session")
def few():
    """400 training digits, all 1,000 test digits."""
    return small(datasets.load("mnist_5k"), 400)


@pytest.fixture(scope="session")
def neighbours(few):
    """The few rows of notebook 12, two seeds each, narrow and trained for a moment."""
    narrow, trained = {"layers": (784, 24, 16, 10)}, {}
    for name, config in neighbour_rows.configure("smoke", "few", epochs=1).items():
        layers = narrow if config.rule in ("backprop", "random_layers") else {}
        trained[name] = rules.rule(config.rule)(config.model_copy(update=layers))
        trained[name].fit(few)
    return trained


@pytest.fixture(scope="session")
def networks(few):
    """The models of notebook 03, two seeds each, narrow and trained for a moment."""
    settings = {"seeds": 2, "epochs": 2, "batch_size": 64}
    trained = {}
    for name, config in models.configure("smoke", **settings).items():
        layers = {"layers": SMALL_LAYERS[config.rule]}
        trained[name] = models.rules.rule(config.rule)(config.model_copy(update=layers))
        trained[name].fit(few)
    return trained
