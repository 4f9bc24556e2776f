"""Seeds without a figure: what a mean leaves out, and what a title says of them."""

import numpy as np
import pytest

from ffcl_utils.plots.finite import finite_mean, gaps, with_gaps


def test_means_are_over_the_finite_seeds():
    values = np.array([[1, np.nan, 3], [np.inf, np.nan, 5], [np.nan] * 3])
    np.testing.assert_array_equal(finite_mean(values), [2, 5, np.nan])
    np.testing.assert_array_equal(finite_mean(values.T[:1]), [1])


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([[1, 2], [3, 4]], ""),
        ([[np.nan, 2], [np.inf, 4]], "1 of 2 seeds has no figure"),
        ([[np.nan, 2], [3, 4]], "1 of 2 seeds has gaps"),
        ([np.nan, np.nan, 1.0], "2 of 3 seeds have no figure"),
        (
            [[np.nan, 2, 3], [np.nan, np.nan, 4]],
            "1 of 3 seeds has no figure; 1 of 3 seeds has gaps",
        ),
        ([np.nan], "1 of 1 seed has no figure"),
        (np.zeros((3, 0)), ""),
    ],
)
def test_gaps_say_how_many_seeds_lack_a_figure(values, text):
    assert gaps(np.asarray(values)) == text


def test_a_title_names_the_curves_that_have_gaps():
    whole, lacking = np.ones((2, 2)), np.array([[np.nan, 1], [np.nan, 1]])
    both = with_gaps("t", {"a": lacking, "b": lacking})
    assert both == "t\n1 of 2 seeds has no figure"
    assert with_gaps("t", {"a": whole, "b": lacking}) == "t\nb: 1 of 2 seeds has no figure"
    assert with_gaps("t", {"a": whole}) == with_gaps("t", {}) == "t"
