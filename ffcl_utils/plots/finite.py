"""Figures that some seeds lack: what is drawn of the others, and how a title says so."""

import numpy as np


def finite(values: np.ndarray) -> np.ndarray:
    """The values as floats, NaN where they are infinite."""
    values = np.asarray(values, dtype=float)
    return np.where(np.isfinite(values), values, np.nan)


def finite_mean(values: np.ndarray) -> np.ndarray:
    """Mean over the finite values of the last axis, (…, S) -> (…); NaN where there is none."""
    values = np.asarray(values, dtype=float)
    usable = np.isfinite(values)
    count = usable.sum(-1)
    total = np.where(usable, values, 0).sum(-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def gaps(values: np.ndarray, what: str = "seed") -> str:
    """How many seeds of (…, S) have no figure at all, or lack one somewhere; "" where none does.

    what: what the last axis counts.
    """
    usable = np.isfinite(np.asarray(values, dtype=float))
    others = tuple(range(usable.ndim - 1))
    total, none = usable.shape[-1], int((~usable.any(others)).sum())
    some = total - none - int(usable.all(others).sum())
    of_all = f"of {total} {what}{'s' if total != 1 else ''}"
    parts = [
        f"{count} {of_all} {'has' if count == 1 else 'have'} {lack}"
        for count, lack in ((none, "no figure"), (some, "gaps"))
        if count
    ]
    return "; ".join(parts)


def with_gaps(title: str, curves: dict[str, np.ndarray]) -> str:
    """The title, and below it the gaps of the curves: once where all have the same, else by name.

    curves: by name, (…, S).
    """
    found = {name: gaps(values) for name, values in curves.items()}
    lines = [f"{name}: {text}" for name, text in found.items() if text]
    if len(set(found.values())) == 1:
        lines = list(found.values())[:1]
    return "\n".join(filter(None, [title, *lines]))
