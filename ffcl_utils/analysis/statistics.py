"""Means over seeds, and intervals of means and of differences."""

from typing import NamedTuple

import numpy as np
from scipy.stats import t as student_t


class Difference(NamedTuple):
    """Mean difference and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


def mean_of_known(values: np.ndarray) -> np.float64:
    """Mean of the values that are a figure (not NaN); NaN where none is."""
    known = values[~np.isnan(values)]
    return known.mean() if known.size else np.float64("nan")


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """The ends of the 95 % interval of the mean of values (S,), Student's t.

    For a single seed, and where all are equal, the mean itself.
    """
    if len(values) < 2 or np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    # By its formula: scipy's test computes a p-value too, and warns of it where the figures of all
    # seeds are nearly equal.
    half = student_t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    return float(np.mean(values) - half), float(np.mean(values) + half)


def prediction_interval(values: np.ndarray) -> tuple[float, float]:
    """The ends of the 95 % interval for one new value beside values (S,), Student's t.

    mean ± t · s · √(1 + 1/S), for values of a normal distribution. Raises ValueError for fewer than
    two values.
    """
    count = len(values)
    if count < 2:
        raise ValueError("one value says nothing about how far the next one may lie from it")
    half = student_t.ppf(0.975, count - 1) * np.std(values, ddof=1) * (1 + 1 / count) ** 0.5
    return float(np.mean(values) - half), float(np.mean(values) + half)


def paired_difference(one: np.ndarray, other: np.ndarray) -> Difference:
    """one − other for the same seeds (S,), Student's t; of one seed alone the ends are NaN."""
    differences = np.asarray(one) - np.asarray(other)
    ends = mean_interval(differences) if len(differences) > 1 else (np.nan, np.nan)
    return Difference(float(np.mean(differences)), *ends)
