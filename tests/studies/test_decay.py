"""Notebook 02: a row for every loss curve, whether it can be fitted or not."""

import numpy as np
import pytest

from ffcl_utils.analysis.decay import fit_decay
from ffcl_utils.learning.history import History
from ffcl_utils.studies import decay

T = np.arange(1.0, 31.0)
FALLING = np.exp(-T / 4)


def history_of(*curves, seeds):
    losses = np.stack(curves, 1)
    return History(seeds, {"train_loss/total": losses, "test_loss/total": losses})


def test_the_table_of_decays_has_a_row_for_every_curve():
    history = history_of(FALLING, 2 * FALLING, 0.1 * T, seeds=(5, 6, 7))
    table = decay.decay_table(decay.fit_history(history), history)
    assert list(table.seed) == [5, 6, 7] * 2
    assert list(table.exponential) == [1, 1, 0] * 2
    fit = fit_decay(2 * FALLING).fits["exponential"]
    assert table.tau[1] == fit.parameters["tau"]
    assert (table.tau_low[1], table.tau_high[1]) == fit.intervals["tau"]
    summary = decay.decay_summary(table)
    assert summary.exponential.tolist() == pytest.approx([2 / 3, 2 / 3])
    assert summary.verdicts.iloc[0] == "2 exponential, 1 does not fall"


@pytest.mark.parametrize("verdict", [decay.DIVERGED, decay.TOO_SHORT])
def test_a_curve_that_cannot_be_fitted_is_a_row_and_a_sentence(verdict):
    curves = FALLING.copy(), FALLING.copy()
    if verdict == decay.DIVERGED:
        curves[1][12:] = np.nan
        history, lacking = history_of(*curves, seeds=(0, 1)), [False, True] * 2
    else:
        history, lacking = history_of(*(c[:5] for c in curves), seeds=(0, 1)), [True, True] * 2
    rule = type("Rule", (), {"history": history})
    table = decay.every_seed({"r": rule}, {"r": decay.fit_history(history)})
    assert (table.verdict == verdict).tolist() == lacking
    figures = table.drop(columns=["part", "layer", "seed", "verdict"])
    assert figures.isna().all(axis=1).tolist() == lacking
    assert f"{lacking.count(False)} of 4 loss curves could be fitted" in decay.in_words(table)
    metrics = decay.metrics(table)
    assert np.isnan(metrics["r/test_loss_exponential"]).tolist() == lacking[:2]
    assert f"{lacking.count(True) // 2} {verdict}" in decay.summaries(table).verdicts.iloc[0]


def test_a_short_run_that_diverged_is_called_diverged():
    history = history_of(np.array([1.0, np.inf]), np.array([1.0, 0.5]), seeds=(0, 1))
    table = decay.decay_table(decay.fit_history(history), history)
    assert list(table.verdict[:2]) == [decay.DIVERGED, decay.TOO_SHORT]
