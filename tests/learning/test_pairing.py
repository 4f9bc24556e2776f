"""Pairs: exact properties, and uniformity by a chi-squared test fixed beforehand."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy.stats import chisquare

from ffcl_utils.learning.pairing import PAIRINGS, balanced_partners, random_partners


def generator(seed):
    return torch.Generator().manual_seed(seed)


labels_with_two_of_each = st.lists(st.integers(0, 4), min_size=3, max_size=40).map(
    lambda drawn: torch.tensor([*drawn, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
)


@pytest.mark.parametrize("pairing", ["random", "balanced"])
@given(labels=labels_with_two_of_each, seed=st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_no_image_is_its_own_partner(pairing, labels, seed):
    partners = PAIRINGS[pairing](labels, generator(seed))
    assert partners.shape == labels.shape
    assert (partners != torch.arange(len(labels))).all()
    assert ((partners >= 0) & (partners < len(labels))).all()


@given(labels=labels_with_two_of_each, seed=st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_balanced_means_exactly_half_of_one_class(labels, seed):
    partners = balanced_partners(labels, generator(seed))
    assert (labels[partners] == labels).sum() == len(labels) // 2


@pytest.mark.parametrize("image", [0, 5, 11])
def test_partners_are_uniform(image):
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2])
    draws = 6000
    g = generator(7)
    random = np.bincount([random_partners(labels, g)[image] for _ in range(draws)], minlength=12)
    assert chisquare(np.delete(random, image)).pvalue > 1e-3
    balanced = np.bincount(
        [balanced_partners(labels, g)[image] for _ in range(draws)], minlength=12
    )
    same = (labels == labels[image]).numpy()
    assert chisquare([balanced[same].sum(), balanced[~same].sum()]).pvalue > 1e-3
    same[image] = False
    assert chisquare(balanced[same]).pvalue > 1e-3
    assert chisquare(balanced[(labels != labels[image]).numpy()]).pvalue > 1e-3


def test_the_same_image_is_its_own_partner():
    labels = torch.tensor([1, 0, 1])
    assert PAIRINGS["same_image"](labels, generator(0)).tolist() == [0, 1, 2]
