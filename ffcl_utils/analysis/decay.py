"""Does a loss decay exponentially? Fits of loss curves and the comparison of their shapes."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit
from scipy.stats import t as student_t

MIN_R_SQUARED = 0.98  # of the exponential, below which a curve is not called exponential
MIN_EPOCHS = 7
RIVALS = ("power law", "linear")  # that the exponential has to beat by AICc
# of the stretched exponential's floor, amplitude, log τ, log β: β between 0.1 and 10
STRETCHED_BOUNDS = (
    (-np.inf, -np.inf, -10.0, -np.log(10)),
    (np.inf, np.inf, 20.0, np.log(10)),
)


def _exponential(t, floor, amplitude, log_tau):
    return floor + amplitude * np.exp(-t / np.exp(log_tau))


def _stretched(t, floor, amplitude, log_tau, log_beta):
    return floor + amplitude * np.exp(-((t / np.exp(log_tau)) ** np.exp(log_beta)))


def _power_law(t, floor, amplitude, log_power):
    return floor + amplitude * t ** -np.exp(log_power)


def _linear(t, floor, slope):
    return floor + slope * t


@dataclass(frozen=True)
class Fit:
    """One shape fitted to one curve: its parameters, their 95 % intervals and how well it fits.

    curve: (E,). values: the parameters as fitted (logarithms where positive); empty, with an
    infinite AICc, where no start of the fit converged.
    """

    curve: np.ndarray
    values: tuple[float, ...]
    parameters: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    r_squared: float
    aicc: float


@dataclass(frozen=True)
class Decay:
    """All fits of one loss curve. converged: the fitted τ is shorter than the training."""

    fits: dict[str, Fit]
    falls: bool
    converged: bool

    @property
    def exponential_is_best(self) -> bool:
        """Whether the exponential has a lower AICc than every rival."""
        exponential = self.fits["exponential"].aicc
        return all(exponential < self.fits[rival].aicc for rival in RIVALS)

    @property
    def exponential(self) -> bool:
        """The criterion of claims A2 and A3: falls, fits, and beats its rivals."""
        fits_well = self.fits["exponential"].r_squared >= MIN_R_SQUARED
        return self.falls and fits_well and self.exponential_is_best

    @property
    def verdict(self) -> str:
        """In words, for tables."""
        if not self.falls:
            return "does not fall"
        if self.exponential:
            return "exponential" if self.converged else "exponential, not converged"
        return "falls, not exponentially" if self.converged else "falls, not converged"


def can_be_fitted(loss: np.ndarray) -> bool:
    """Whether a loss curve (E,) is long enough and finite."""
    return len(loss) >= MIN_EPOCHS and bool(np.isfinite(loss).all())


def fit_decay(loss: np.ndarray) -> Decay:
    """Fit L∞ + A·exp(−t/τ), its rivals and its stretched form to a loss curve.

    loss: (E,), after epochs t = 1 … E; at least MIN_EPOCHS, so that AICc exists for every shape.
    Raises ValueError for a shorter or a non-finite curve.
    """
    loss = np.asarray(loss, dtype=float)
    if not can_be_fitted(loss):
        raise ValueError(f"a decay is fitted to at least {MIN_EPOCHS} epochs of finite losses")
    t = np.arange(1.0, len(loss) + 1)
    # Logarithms keep τ, p and β positive. The fits are not convex: they start from a grid of τ (or
    # p), each with the floor and amplitude that are best for it.
    taus, powers = np.geomspace(0.2, 10 * len(t), 12), (0.1, 0.5, 2.0)
    grid = [(*_floor_and_amplitude(np.exp(-t / x), loss), np.log(x)) for x in taus]
    exponential = _best_fit(t, loss, _exponential, grid)
    # The stretched fit starts from the plain one (β = 1); bounded, as it may drift to β = 0.
    nested = [(*exponential.values, 0.0)] if exponential.values else []
    fits = {
        "exponential": exponential,
        "power law": _best_fit(
            t, loss, _power_law, [(*_floor_and_amplitude(t**-p, loss), np.log(p)) for p in powers]
        ),
        "linear": _best_fit(t, loss, _linear, [(loss[0], 0.0)]),
        "stretched": _best_fit(t, loss, _stretched, nested, bounds=STRETCHED_BOUNDS),
    }
    converged = exponential.parameters.get("tau", np.inf) < len(t)
    return Decay(fits, falls=bool(loss[-1] < loss[0]), converged=bool(converged))


def _floor_and_amplitude(shape: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """The least-squares floor and amplitude of floor + amplitude · shape."""
    return np.linalg.lstsq(np.stack([np.ones_like(shape), shape], 1), loss)[0]


def _best_fit(t, loss, shape: Callable, starts: list[tuple], bounds=(-np.inf, np.inf)) -> Fit:
    attempts = [attempt for s in starts if (attempt := _attempt(t, loss, shape, s, bounds))]
    if not attempts:
        return Fit(np.full_like(loss, np.nan), (), {}, {}, 0.0, np.inf)
    rss, values, errors = min(attempts, key=lambda attempt: attempt[0])
    n, k = len(loss), len(values) + 1  # the variance of the residuals is a parameter too
    rss = max(rss, n * (1e-9 * np.abs(loss).max()) ** 2)  # floats cannot fit better
    total = np.square(loss - loss.mean()).sum()
    spread = student_t.ppf(0.975, n - len(values)) * errors
    with np.errstate(all="ignore"):
        curve = shape(t, *values)
    names = shape.__code__.co_varnames[1 : shape.__code__.co_argcount]
    parameters, intervals = {}, {}
    for name, value, s in zip(names, values, spread, strict=True):
        ends = np.array([value, value - s, value + s])
        with np.errstate(over="ignore"):
            value, low, high = map(float, np.exp(ends) if name.startswith("log_") else ends)
        parameters[name.removeprefix("log_")] = value
        intervals[name.removeprefix("log_")] = (low, high)
    return Fit(
        curve=curve,
        values=tuple(values),
        parameters=parameters,
        intervals=intervals,
        r_squared=float(max(0.0, 1 - rss / total)) if total > 0 else 0.0,
        aicc=float(n * np.log(rss / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)),
    )


def _attempt(t, loss, shape, start, bounds):
    """Residual sum of squares, parameters and standard errors; None where the fit fails."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", OptimizeWarning)
            values, covariance = curve_fit(
                shape, t, loss, np.clip(start, *bounds), bounds=bounds, maxfev=20_000
            )
            rss = float(np.square(loss - shape(t, *values)).sum())
            errors = np.sqrt(np.diag(covariance))
    except RuntimeError:  # curve_fit did not converge from this start
        return None
    return (rss, values, errors) if np.isfinite(rss) else None
