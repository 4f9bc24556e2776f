"""Ensembles: closed forms, brute force, scipy, planted ensembles."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from scipy.stats import ks_2samp, permutation_test

from ffcl_utils import rules
from ffcl_utils.analysis import ensembles, statistics

LABELS = np.arange(600) % 10


def planted(seed, units=80, effect=3.0):
    """Noise in every unit; units 0-2 prefer class 0, 3-5 class 1, …; the rest is noise."""
    rng = np.random.default_rng(seed)
    activations = rng.exponential(1.0, (600, units)).astype(np.float32)
    truth = np.zeros((10, units), bool)
    for c in range(10):
        truth[c, 3 * c : 3 * c + 3] = True
        activations[np.ix_(c == LABELS, truth[c])] += effect
    return activations, truth


def test_activations_go_to_and_from_float16_as_numpys_do():
    """To the last bit: every float16 that is a number, and what lies halfway between two."""
    every = np.arange(2**16, dtype=np.uint16).view(np.float16).reshape(256, 256)
    every = np.where(np.isnan(every), np.float16(1), every)
    for activations in (every, every[::3, 1:]):
        found = ensembles.in_float32(activations)
        expected = activations.astype(np.float32)
        np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))
    finite = np.sort(every[np.isfinite(every)].astype(np.float32))
    halfway = np.concatenate([finite, (finite[1:] + finite[:-1]) / 2])
    halved = torch.from_numpy(halfway).half().numpy()
    expected = halfway.astype(np.float16)
    np.testing.assert_array_equal(halved.view(np.uint16), expected.view(np.uint16))


@pytest.mark.parametrize("kind", [np.float32, np.int64, bool])
def test_activations_of_other_kinds_are_computed_in_float32(kind):
    assert ensembles.in_float32(np.array([[0, 1], [1, 0]], kind)).dtype == np.float32


def test_planted_ensembles_are_found():
    for seed in range(5):
        activations, truth = planted(seed)
        found = ensembles.tested_ensembles(activations, LABELS, seed, 200, effect=1.0)
        assert np.array_equal(found, truth)


def test_pure_noise_has_no_ensembles_beyond_the_family_wise_rate():
    hits = 0
    for seed in range(60):
        noise = np.random.default_rng(seed).exponential(1.0, (600, 80))
        # no effect asked, so that only the test stands between noise and an ensemble
        hits += ensembles.tested_ensembles(noise, LABELS, seed, 200, effect=0.0).any()
    assert hits <= 8  # 3 are expected of 60 at 5 %; more than 8 has probability 0.003


@pytest.mark.parametrize("system", ["forward_forward", "backprop"])
def test_an_untrained_network_has_no_ensembles_at_the_effect_threshold(digits, system):
    rule = rules.rule(system)(rules.configure(system, "smoke", seeds=2))
    labels = digits.test_labels.numpy()
    for layer in rule.representations(digits.test_images, digits.test_labels):
        for activations in layer.numpy():
            by_test = ensembles.tested_ensembles(activations, labels, permutations=100, effect=0.0)
            ensemble = ensembles.tested_ensembles(activations, labels, permutations=100)
            assert by_test.any(0).mean() > 0.5  # the test alone calls most units category-specific
            assert ensemble.any(0).sum() <= 1  # of 784


def test_effect_size_of_a_unit_that_answers_one_class_alone():
    alone = (LABELS == 4).astype(float)[:, None]
    found = ensembles.effect_size(alone, LABELS)
    assert found[4, 0] == pytest.approx(1 / (0.1 * 0.9) ** 0.5)  # 1 over the deviation of a tenth
    assert (np.delete(found[:, 0], 4) < 0).all()
    assert (ensembles.effect_size(np.ones((600, 3)), LABELS) == 0).all()


def test_class_means_are_the_plain_ones():
    activations, _ = planted(0)
    means = ensembles.class_means(activations, LABELS)
    for c in (0, 7):
        np.testing.assert_allclose(means[c], activations[c == LABELS].mean(0), rtol=1e-5)
    without = ensembles.class_means(activations[LABELS != 3], LABELS[LABELS != 3])
    assert np.isnan(without[3]).all()
    assert np.isfinite(np.delete(without, 3, 0)).all()


@given(
    arrays(float, (3, 6), elements=st.floats(0, 9, allow_subnormal=False)),
    st.sampled_from([0.5, 1.0, 2.0]),
)
@settings(max_examples=80, deadline=None)
def test_the_authors_rule_is_a_loop_over_units(means, threshold):
    found = ensembles.authors_ensembles(means, threshold)
    for c, of_class in enumerate(means):
        for u, mean in enumerate(of_class):
            others = sum(m for v, m in enumerate(of_class) if v != u) / 5
            # m above (1 + threshold) times the others; of equal ones rounding may decide
            gap = mean - (1 + threshold) * others
            if abs(gap) > 1e-9:
                assert found[c, u] == (gap > 0)


def test_the_authors_rule_of_a_layer_made_by_hand():
    # One unit far above the rest, two that are shared, a silent class, and one without images.
    means = np.array([[9.0, 1, 1, 1], [8, 8, 1, 1], [0, 0, 0, 0], [np.nan] * 4, [0, 0, 0, 2]])
    excess = ensembles.excess_over_layer(means)
    assert excess[0].tolist() == [8.0, -8 / 11, -8 / 11, -8 / 11]
    assert excess[1, 0] == (8 - 10 / 3) / (10 / 3)
    assert excess[4].tolist() == [-1.0, -1.0, -1.0, np.inf]
    found = ensembles.authors_ensembles(means)
    assert found.sum(1).tolist() == [1, 2, 0, 0, 1]
    assert ensembles.authors_ensembles(means, 2).sum(1).tolist() == [1, 0, 0, 0, 1]
    # Of the pairs of classes that have an ensemble: {0} and {0, 1} share a half, the others none.
    assert ensembles.sharing(found) == pytest.approx(0.5 / 3)
    assert np.isnan(ensembles.sharing(found[:1]))
    assert ensembles.class_mean_ensembles(means[:3], 7.5).sum() == 3


def test_a_layer_of_one_unit_has_no_ensembles():
    with pytest.raises(ValueError, match="no other units"):
        ensembles.excess_over_layer(np.ones((10, 1)))


def test_planted_ensembles_are_found_by_the_authors_rule_and_in_halves():
    for seed in range(3):
        activations, truth = planted(seed, effect=9.0)
        for rows in (slice(None), *ensembles.halves(len(LABELS), seed)):
            means = ensembles.class_means(activations[rows], LABELS[rows])
            assert np.array_equal(ensembles.authors_ensembles(means), truth)
        assert ensembles.sharing(truth) == 0


def test_halves_are_all_images_once():
    one, other = ensembles.halves(11, 3)
    assert sorted([*one, *other]) == list(range(11))
    assert abs(len(one) - len(other)) == 1


def test_excess_is_standardised_under_permutation():
    """Closed form: over all permutations the excess has mean 0 and variance 1."""
    activations, _ = planted(1, units=40)
    rng = np.random.default_rng(0)
    drawn = np.stack(
        [ensembles.standardised_excess(activations, rng.permutation(LABELS)) for _ in range(400)]
    )
    assert abs(drawn.mean()) < 0.01
    assert drawn.std() == pytest.approx(1, abs=0.01)


def test_largest_excess_agrees_with_scipys_permutation_test():
    """One unit, two classes: the maximum over classes is two-sided, as scipy computes it."""
    rng = np.random.default_rng(3)
    labels = np.arange(40) % 2
    unit = rng.normal(size=(40, 1)) + 0.5 * labels[:, None]
    observed = ensembles.standardised_excess(unit, labels, 2).max()
    drawn = ensembles.largest_excess(unit, labels, 0, 4000, 2)
    ours = (drawn >= observed - 1e-6).mean()
    scipys = permutation_test(
        (unit[labels == 0, 0], unit[labels == 1, 0]),
        lambda a, b: abs(a.mean() - b.mean()), n_resamples=4000, rng=1, alternative="greater",
    ).pvalue  # fmt: skip
    assert ours == pytest.approx(scipys, abs=0.03)


def test_permutations_are_reproducible_and_differ_by_seed():
    activations, _ = planted(0, units=40)
    one, again, other = (
        ensembles.largest_excess(activations, LABELS, seed, 50) for seed in (0, 0, 1)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_largest_excess_is_the_largest_under_the_same_permutations():
    """By hand: classes of different sizes, more permutations and units than go at once."""
    labels = np.repeat(np.arange(10), np.arange(20, 30))
    activations = np.random.default_rng(1).exponential(1.0, (len(labels), 70))
    activations[:, 50:60] = 3.0  # never varies: no excess
    found = ensembles.largest_excess(activations, labels, 4, 130)
    rng = np.random.default_rng(4)
    expected = [
        ensembles.standardised_excess(activations, rng.permutation(labels)).max()
        for _ in range(130)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_large_effect_that_chance_explains_is_no_ensemble():
    """With two images a class, permuted labels reach any effect; with sixty they do not."""
    for images, expected in ((2, False), (60, True)):
        labels = np.arange(10).repeat(images)
        alone = np.stack([labels == 4, labels == 7], 1).astype(float)
        assert ensembles.tested_ensembles(alone, labels, permutations=200)[4, 0] == expected


def test_kolmogorov_smirnov_between_units_is_scipys():
    rng = np.random.default_rng(0)
    activations = np.maximum(rng.normal(0, 1, (60, 7)), 0)
    activations[:, 0] += 2
    grid = np.unique(activations)
    p = np.array(
        [[ks_2samp(a, b, method="asymp").pvalue for b in activations.T] for a in activations.T]
    )
    mean_p = (p.sum(1) - np.diag(p)) / 6
    for level in (0.01, 0.05, 0.3, 0.6):
        found = ensembles.ks_ensemble(activations, grid, level)
        assert np.array_equal(found, mean_p < level)
    assert ensembles.ks_ensemble(activations, grid).tolist() == [True] + [False] * 6


def test_overlaps_and_jaccard_by_hand():
    table = np.array([[1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 0, 0]], bool)
    assert ensembles.shared_units(table).tolist() == [[3, 2, 0], [2, 3, 0], [0, 0, 0]]
    assert ensembles.jaccard(table[0], table[1]) == 0.5
    assert np.isnan(ensembles.jaccard(table[2], table[2]))
    assert ensembles.jaccard(table, table)[:2].tolist() == [1, 1]


def test_nearest_ensemble_finds_planted_classes():
    activations, truth = planted(2, effect=6)
    scores = ensembles.ensemble_scores(activations, truth)
    assert (scores.argmax(1) == LABELS).mean() > 0.99
    np.testing.assert_allclose(scores[:, 4], activations[:, 12:15].mean(1), rtol=1e-5)


def test_differences_have_students_intervals():
    one, other = np.array([0.9, 0.92, 0.95]), np.array([0.8, 0.85, 0.84])
    paired = statistics.paired_difference(one, other)
    gaps = one - other
    half = 4.302653 * gaps.std(ddof=1) / 3**0.5  # Student's t, 2 degrees of freedom
    assert paired == pytest.approx((gaps.mean(), gaps.mean() - half, gaps.mean() + half))
