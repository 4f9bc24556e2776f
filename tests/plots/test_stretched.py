"""Axes of per cent: places by hand, and there and back again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from ffcl_utils.plots import stretched as plots


def test_each_tenth_of_what_is_missing_is_one_step():
    places = plots.stretched(np.array([0, 50, 90, 99, 99.9, 100]))
    np.testing.assert_allclose(places, [0, np.log10(2), 1, 2, 3, 3], atol=1e-9)


@settings(deadline=None)
@given(st.floats(-50, 99.9, allow_subnormal=False))
def test_back_is_the_inverse(percent):
    assert plots.back(plots.stretched(np.array(percent))) == pytest.approx(percent, abs=1e-6)


@pytest.mark.parametrize(
    ("percent", "ends"),
    [([96, 98.5], (95, 99)), ([10, 100], (0, 99.9)), ([np.nan], (0, 99)), ([50], (50, 80))],
)
def test_the_ends_are_the_ticks_around(percent, ends):
    axes = Figure().subplots()
    plots.stretch_accuracy(axes, np.array(percent, dtype=float))
    assert axes.get_ylim() == pytest.approx(ends)
    shown = [tick.get_text() for tick in axes.get_yticklabels()]
    assert shown == [f"{tick:g}" for tick in plots.TICKS if ends[0] <= tick <= ends[1]]
