"""One figure per seed in short: mean, spread, 95 % interval, and the same in words."""

import numpy as np

# An end of an interval or a mean that equals a bound up to the rounding of floats lies on it.
DECIMALS = 12


def mean(values: np.ndarray) -> float:
    """Mean of (S,), to 12 decimals: what the judges compare with their bounds."""
    return round(float(values.mean()), DECIMALS)


def interval(values: np.ndarray) -> tuple[float, float] | None:
    """Student's t 95 % interval of the mean of (S,); None for fewer than two seeds."""
    from ffcl_utils.analysis.statistics import mean_interval

    return mean_interval(values) if len(values) > 1 else None


def share_interval(passing: int, seeds: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of seeds."""
    from scipy.stats import binomtest

    found = binomtest(passing, seeds).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def summary(values: np.ndarray, unit: str) -> dict:
    """mean, std, min, max, n_seeds, n_missing and ci95 of one figure per seed (S,), for JSON.

    NaN is a seed without a figure: n_missing counts these, n_seeds counts all seeds. They are left
    out of the rest, except with the unit "seeds", where they have failed (0), as for the judge.
    ci95: Wilson's interval for "seeds", else Student's t; None, as std, for fewer than two figures.
    Where no seed has a figure, mean, min and max are None too.
    """
    values = np.asarray(values, dtype=float)
    missing = np.isnan(values)
    counted = np.where(missing, 0.0, values) if unit == "seeds" else values[~missing]
    short = {"n_seeds": len(values), "n_missing": int(missing.sum())}
    if not counted.size:
        return dict.fromkeys(("mean", "std", "min", "max")) | short | {"ci95": None}
    n = len(counted)
    ci95 = share_interval(round(counted.sum()), n) if unit == "seeds" else interval(counted)
    return {
        "mean": float(counted.mean()),
        "std": float(counted.std(ddof=1)) if n > 1 else None,
        "min": float(counted.min()),
        "max": float(counted.max()),
        **short,
        "ci95": None if ci95 is None else list(ci95),
    }


def missing_in_words(ours: dict) -> str:
    """ "2 of 10 seeds have no figure", from a summary; "" where every seed has one."""
    missing, seeds = ours["n_missing"], ours["n_seeds"]
    if not missing:
        return ""
    return f"{missing} of {_seeds(seeds)} {'has' if missing == 1 else 'have'} no figure"


def in_words(ours: dict | None, unit: str) -> str:
    """A summary with its spread and number of seeds; a dash for None."""
    if ours is None:
        return "–"
    without = missing_in_words(ours)
    if ours["mean"] is None:
        return without
    if unit == "seeds":
        passing = f"{round(ours['mean'] * ours['n_seeds'])} of {_seeds(ours['n_seeds'])}"
        return f"{passing} ({without})" if without else passing
    counted = _seeds(ours["n_seeds"] - ours["n_missing"])
    counted = f"({counted}; {without})" if without else f"({counted})"
    if ours["std"] is None:  # of a single figure
        alone = {"%": f"{100 * ours['mean']:.2f} %", "points": f"{100 * ours['mean']:.2f} points"}
        return f"{alone.get(unit, format(ours['mean'], '.3g'))} {counted}"
    if unit == "%":
        average, std, high = (100 * ours[key] for key in ("mean", "std", "max"))
        digits = 1 if std >= 0.1 else 2
        return f"{average:.{digits}f} ± {std:.{digits}f} %, best {high:.{digits}f} % {counted}"
    if unit == "points":
        return f"{100 * ours['mean']:.2f} ± {100 * ours['std']:.2f} points {counted}"
    return f"{ours['mean']:.3g} ± {ours['std']:.2g} {counted}"


def _seeds(number: int) -> str:
    return f"{number} seed{'s' * (number > 1)}"
