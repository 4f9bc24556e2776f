"""Loss-decay fits: planted curves are recovered, rivals win where they should."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from sklearn.metrics import r2_score

from ffcl_utils.analysis.decay import MIN_R_SQUARED, fit_decay

T = np.arange(1, 31.0)


def noise(seed, scale):
    return np.random.default_rng(seed).normal(0, scale, len(T))


@given(st.floats(1, 12), st.floats(0, 2, allow_subnormal=False), st.floats(0.1, 5))
@settings(max_examples=40, deadline=None)
def test_an_exact_exponential_is_recovered(tau, floor, amplitude):
    decay = fit_decay(floor + amplitude * np.exp(-T / tau))
    found = decay.fits["exponential"].parameters
    assert found["tau"] == pytest.approx(tau, rel=1e-3)
    assert found["floor"] == pytest.approx(floor, abs=1e-3 * amplitude)
    assert found["amplitude"] == pytest.approx(amplitude, rel=1e-3)
    assert decay.verdict == "exponential"


def test_the_interval_of_tau_covers_the_truth_as_often_as_it_says():
    hits = 0
    for seed in range(200):
        decay = fit_decay(0.3 + 0.5 * np.exp(-T / 4) + noise(seed, 0.01))
        low, high = decay.fits["exponential"].intervals["tau"]
        hits += low <= 4 <= high
    assert 180 <= hits <= 199  # 95 % of 200 is 190; a fair interval leaves this range 1 in 1,000


def test_a_power_law_and_a_line_are_not_called_exponential():
    power = fit_decay(0.3 + 0.5 * T**-0.5 + noise(0, 1e-3))
    assert not power.exponential
    assert power.fits["power law"].parameters["power"] == pytest.approx(0.5, rel=0.1)
    line = fit_decay(1 - 0.01 * T + noise(0, 1e-3))
    assert not line.converged
    assert line.fits["linear"].parameters["slope"] == pytest.approx(-0.01, rel=0.02)


def test_a_power_law_that_an_exponential_fits_well_is_told_by_its_rival():
    decay = fit_decay(0.1 + T**-0.1 + noise(0, 1e-3))
    assert decay.fits["exponential"].r_squared >= MIN_R_SQUARED
    assert decay.fits["linear"].aicc > decay.fits["exponential"].aicc
    assert not decay.exponential


def test_a_stretched_exponential_is_found_and_decides_nothing():
    decay = fit_decay(0.3 + 0.5 * np.exp(-((T / 4) ** 0.6)) + noise(1, 5e-4))
    low, high = decay.fits["stretched"].intervals["beta"]
    assert low < 0.6 < high < 1
    plain = fit_decay(0.3 + 0.5 * np.exp(-T / 4) + noise(1, 5e-4))
    assert plain.exponential_is_best


@given(st.integers(0, 10_000), st.floats(0.2, 60))
@settings(max_examples=60, deadline=None)
def test_no_exponential_fits_better_than_the_one_found(seed, tau):
    """Brute force: for each τ of a fine grid, floor and amplitude by linear least squares."""
    curve = np.exp(-T / tau)
    loss = 0.1 + 0.5 * curve / curve[0] + noise(seed, 0.05)
    best = max(
        r2_score(loss, np.polyval(np.polyfit(np.exp(-T / x), loss, 1), np.exp(-T / x)))
        for x in np.geomspace(0.2, 300, 200)
    )
    assert fit_decay(loss).fits["exponential"].r_squared >= best - 1e-6


@given(st.integers(0, 500))
@settings(max_examples=40, deadline=None)
def test_the_stretched_exponential_contains_the_plain_one(seed):
    decay = fit_decay(0.3 + 0.5 * np.exp(-T / 5) + noise(seed, 0.05))
    plain, stretched = (decay.fits[name] for name in ("exponential", "stretched"))
    assert stretched.r_squared >= plain.r_squared - 1e-9


@pytest.mark.parametrize("loss", [0.3 + 0.01 * T, np.full(30, 0.5), 1 - np.exp(-T / 3)])
def test_a_loss_that_does_not_fall_is_reported(loss):
    decay = fit_decay(loss)
    assert decay.verdict == "does not fall"
    assert not decay.exponential


def test_a_slow_fall_is_reported_as_not_converged():
    assert "not converged" in fit_decay(np.exp(-T / 200)).verdict


def test_a_bad_fit_is_not_exponential_however_bad_its_rivals():
    decay = fit_decay(np.exp(-T / 4) + noise(3, 0.2))
    assert decay.fits["exponential"].r_squared < 0.98
    assert not decay.exponential


def test_r_squared_and_aicc_are_the_textbooks():
    loss = 0.3 + 0.5 * np.exp(-T / 4) + noise(2, 0.02)
    for name, parameters in (("exponential", 3), ("linear", 2), ("stretched", 4)):
        fit = fit_decay(loss).fits[name]
        assert fit.r_squared == pytest.approx(r2_score(loss, fit.curve))
        n, k = 30, parameters + 1
        rss = np.square(loss - fit.curve).sum()
        aic = n * np.log(rss / n) + 2 * k
        assert fit.aicc == pytest.approx(aic + 2 * k * (k + 1) / (n - k - 1))


def test_a_linear_fit_is_the_least_squares_line():
    loss = 0.3 + noise(4, 1)
    slope, floor = np.polyfit(T, loss, 1)
    found = fit_decay(loss).fits["linear"].parameters
    assert found["slope"] == pytest.approx(slope, rel=1e-5)
    assert found["floor"] == pytest.approx(floor, rel=1e-5)


@pytest.mark.parametrize("loss", [np.ones(6), np.array([1.0] * 8 + [np.nan])])
def test_too_short_or_broken_curves_are_refused(loss):
    with pytest.raises(ValueError, match="at least 7 epochs of finite losses"):
        fit_decay(loss)
