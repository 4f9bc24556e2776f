"""The figure of a study: a metric over its settings."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ffcl_utils.analysis.statistics import mean_interval
from ffcl_utils.plots.finite import finite, finite_mean, gaps
from ffcl_utils.plots.style import frame, look, nothing


def study_summary(table: pd.DataFrame, settings: list[str], metric: str, title: str) -> Figure:
    """A metric over the first of the settings, a line for each combination of the others.

    table: a row a run, as `sweep.merge` makes it. One dot a run, lines through the means, bars:
    95 % intervals over seeds, of the runs that have a figure.
    """
    if table.empty:
        return nothing(title, "no run")
    if not settings:
        table, settings = table.assign(runs="all"), ["runs"]
    across, others = settings[0], settings[1:]
    levels = list(dict.fromkeys(table[across]))
    groups = list(table.groupby(others, sort=False, dropna=False)) if others else [((), table)]
    origin = (
        f"{', '.join(table['dataset'].unique())} · preset {', '.join(table['preset'].unique())}"
    )
    lack = gaps(table[metric].to_numpy(), "run")
    about = f"{origin} · {len(table)} runs, {table['seed'].nunique()} seeds each"
    about = f"{about} · {lack}" if lack else about
    with frame(8, max(4.6, 1 + 0.2 * len(groups)), title, about) as figure:
        axis = figure.subplots()
        step = min(0.08, 0.8 / len(groups))
        for k, (values, rows) in enumerate(groups):
            at = np.arange(len(levels)) + step * (k - (len(groups) - 1) / 2)
            found = [finite(rows.loc[rows[across] == level, metric]) for level in levels]
            for place, of_seeds in zip(at, found, strict=True):
                dot = {"marker": ".", "linestyle": "", "alpha": 0.35, "color": look(k)["color"]}
                axis.plot(np.full(len(of_seeds), place), of_seeds, **dot)
            means = np.array([finite_mean(of_seeds) for of_seeds in found])
            low, high = np.array([_interval(of_seeds) for of_seeds in found]).T
            label = ", ".join(f"{n} {v}" for n, v in zip(others, values, strict=True))
            ends = np.maximum([means - low, high - means], 0)  # equal seeds: rounding errors
            axis.errorbar(at, means, ends, **look(k), capsize=3, label=label or None)
        long = sum(len(str(level)) + 2 for level in levels) > 80
        axis.set_xticks(range(len(levels)), levels, **({"rotation": 45} if long else {}))
        axis.set(xlabel=across, ylabel=f"{metric} (bars: 95 % intervals)")
        if others:
            axis.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9)
    return figure


def _interval(values: np.ndarray) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    return mean_interval(values) if len(values) else (np.nan, np.nan)
