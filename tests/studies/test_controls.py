"""Controls: what was not there to be learnt is not found, what was planted is."""

import dataclasses

import numpy as np
import pytest
import torch

from ffcl_utils import rules
from ffcl_utils.analysis import ensembles
from ffcl_utils.rules.base import right
from ffcl_utils.studies.models import activations


@pytest.fixture(scope="module")
def shuffled(digits):
    """FF trained on digits whose labels were shuffled, and its untrained network."""
    order = torch.randperm(len(digits.train_labels), generator=torch.Generator().manual_seed(1))
    data = dataclasses.replace(digits, train_labels=digits.train_labels[order])
    config = rules.configure("forward_forward", "smoke", seeds=1, epochs=2, layers=(784, 784))
    trained = rules.rule("forward_forward")(config)
    trained.fit(data)
    return trained, rules.rule("forward_forward")(config)


def test_shuffled_labels_leave_the_accuracy_at_chance(shuffled, digits):
    accuracy = right(shuffled[0], digits).double().mean().item()
    # 1,000 images, ten equal classes: chance is 10 ± 1 %, and three of that are allowed
    assert accuracy < 0.13


def test_shuffled_labels_leave_no_ensembles_beyond_an_untrained_network(shuffled, digits):
    """Images without a label, so that only what was learnt of the classes could show."""
    labels = digits.test_labels.numpy()
    silent = torch.full_like(digits.test_labels, -1)
    shares = []
    for rule in shuffled:
        layer = rule.representations(digits.test_images, silent)[0][0].numpy()
        shares.append(ensembles.tested_ensembles(layer, labels, permutations=100).any(0).mean())
    assert shares[0] <= shares[1] + 0.01


def test_learnt_labels_do(networks, digits):
    """The control of the control: the same measure rises where there is something to learn."""
    config = rules.configure("forward_forward", "smoke", seeds=1, epochs=2, layers=(784, 784))
    rule = rules.rule("forward_forward")(config)
    labels = digits.test_labels.numpy()
    before = ensembles.tested_ensembles(activations(rule, digits)[0][0], labels, permutations=100)
    rule.fit(digits)
    after = ensembles.tested_ensembles(activations(rule, digits)[0][0], labels, permutations=100)
    assert after.any(0).mean() > before.any(0).mean() + 0.01


def test_both_rules_recover_planted_ensembles():
    """Blocks of units for each class in a noisy layer with silent units."""
    rng = np.random.default_rng(4)
    labels = np.arange(1000) % 10
    layer = rng.exponential(0.1, (1000, 120))
    truth = np.zeros((10, 120), bool)
    for c in range(10):
        truth[c, 6 * c : 6 * c + 6] = True
        layer[np.ix_(labels == c, truth[c])] += 2.0
    layer[:, 100:] = 0
    assert np.array_equal(ensembles.authors_ensembles(ensembles.class_means(layer, labels)), truth)
    assert np.array_equal(ensembles.tested_ensembles(layer, labels, permutations=200), truth)
