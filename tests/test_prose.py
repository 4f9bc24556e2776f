"""Figures in the prose of notebooks, from the committed results that the sentence names."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from ffcl_utils.paths import NOTEBOOKS, RESULTS


def metric(preset: str, run: str, name: str) -> np.ndarray:
    record = json.loads((RESULTS / preset / run / "metrics.json").read_text(encoding="utf-8"))
    return np.array(record["metrics"][name])


def mean(preset: str, run: str, name: str) -> float:
    """Of the seeds; in % or points."""
    return 100 * metric(preset, run, name).mean()


def table(preset: str, run: str, name: str) -> pd.DataFrame:
    return pd.read_csv(RESULTS / preset / run / f"{name}.csv")


def ratios_of_silent_units():
    rows = table("paper", "06_excitation_inhibition", "inputs")
    rows = rows[rows.model == "FF"].groupby("layer")[
        ["inhibition of silent units", "excitation of silent units"]
    ]
    means = rows.mean()
    ratios = means.iloc[:, 0] / means.iloc[:, 1]
    return ratios[2], ratios[3]


def own_units():
    rows = table("paper", "05_unseen_classes", "unseen")
    rows = rows[(rows.model == "FF") & (rows.shown == "no label")]
    return tuple(100 * rows[rows.network == which].own.mean() for which in ("unseen", "learnt"))


def both_bars():
    rows = table("paper", "04_sparse_ensembles", "written_labels")
    rows = rows[(rows.model == "FF") & (rows.network == "trained") & (rows.layer == 1)]
    return (rows["wrong label"] + rows["wrong label, the label's class"]).mean()


def not_converged():
    rows = table("short", "02_loss_decay", "fits")
    rows = rows[rows.exponential == 1]
    of_a3 = (rows.reading == "literal") & (rows.part == "test") & (rows.layer == "total")
    marked = rows.verdict.str.contains("not converged")
    assert of_a3.sum() == 3 and (marked & of_a3).sum() == 1
    return len(rows), marked.sum()


def printed_row():
    rows = table("short", "10_authors_grid", "grid")
    rows = rows[rows["printed run"].str.contains("20 epochs, rate 0.01, batch 512", regex=False)]
    rows = rows[rows.quantity.str.startswith("Hoyer")]
    assert rows["printed run"].str.startswith("FF,").all() and len(rows) == 3
    return (*rows["mean"], *rows.printed)


PRUNING, BRIDGE, BACK = "31_pruning", "34_trajectory_feedback", "one_epoch_back"
SAID = [
    (
        "06_excitation_inhibition",
        "FF's layers 2 and 3 at the preset `paper` (ratios of {:.3f} and {:.3f})",
        ratios_of_silent_units,
    ),
    (
        PRUNING,
        "{:.1f} % right against {:.1f} % at 95 %",
        lambda: [
            mean("short", PRUNING, f"{name}/test_accuracy/95") for name in ("GraSP", "random")
        ],
    ),
    (
        PRUNING,
        "with 90 % of its weights removed it gets {:.1f} % right, and with 95 % removed {:.1f} %",
        lambda: [
            mean("short", PRUNING, f"FF, weights/test_accuracy/{level}") for level in (90, 95)
        ],
    ),
    (
        PRUNING,
        "when it is shuffled ({:.1f} points)",
        lambda: [mean("short", PRUNING, "SNIP, shuffled - as found/test_error/95")],
    ),
    (
        PRUNING,
        "({:.1f} points when shuffled, {:.1f} with fresh weights)",
        lambda: [
            -mean("short", PRUNING, f"GraSP, {change} - as found/test_error/95")
            for change in ("shuffled", "fresh weights")
        ],
    ),
    (
        "05_unseen_classes",
        "{:.0f} % of the units in an unseen digit's ensemble belong to no seen class, and once "
        "the digit is learnt {:.0f} % do",
        own_units,
    ),
    ("04_sparse_ensembles", "FF's two bars of layer 1 add up to {:.2f}", lambda: [both_bars()]),
    (
        "32_bayesian_recurrence",
        "units with both ways are {:.2f} points less accurate than forward units",
        lambda: [
            -mean(
                "short",
                "32_bayesian_recurrence",
                "units, both ways - units, forward/test_accuracy",
            )
        ],
    ),
    (
        "03_forward_forward",
        "(at `paper` {:.1f} against {:.1f} %)",
        lambda: [
            mean("paper", "03_forward_forward", f"{name}/test_accuracy")
            for name in ("FF, layer 1", "FF")
        ],
    ),
    (
        BRIDGE,
        "({:.1f} against {:.1f} %, and the interval of the difference holds 0)",
        lambda: [
            mean("short", BRIDGE, f"{name}/test_accuracy") for name in ("one bit", "the label")
        ],
    ),
    (
        "14_plasticity",
        "twins with Oja's term have {:.1f} points less than plain ones",
        lambda: [-mean("short", "14_plasticity", f"Oja - plain/{BACK}")],
    ),
    (
        "14_plasticity",
        "for surprise ({:.1f} less) and reward ({:.1f} less)",
        lambda: [
            -mean("short", "14_plasticity", f"{name} - plain/{BACK}")
            for name in ("surprise", "reward")
        ],
    ),
    ("02_loss_decay", "{} meet it; {} of these", not_converged),
    (
        "13_deeper",
        "mirror contrast gets {:.2f} % right with 4 convolutional blocks and {:.2f} % with 4 dense",
        lambda: [
            mean("short", "13_deeper", f"mirror contrast, {kind} 4/test_accuracy")
            for kind in ("convolutional", "dense")
        ],
    ),
    (
        "10_authors_grid",
        "(at `short` {:.3f}, {:.3f} and {:.3f}), and all three are away from the printed {:.3f}, "
        "{:.3f} and {:.3f}",
        printed_row,
    ),
]


@pytest.mark.parametrize(("notebook", "said", "figures"), SAID, ids=[each[0] for each in SAID])
def test_a_figure_in_prose_is_as_measured(notebook, said, figures):
    cells = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    prose = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    expected = said.format(*figures())
    if notebook == "10_authors_grid":  # which writes as the authors' outputs do
        expected = re.sub(r"\b0\.", ".", expected)
    assert expected in prose
