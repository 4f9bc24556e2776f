"""Notebook 10: printed runs against prediction intervals, by hand; what cannot be judged."""

import numpy as np
import pytest

from ffcl_utils.analysis.statistics import prediction_interval
from ffcl_utils.config import ConfigError
from ffcl_utils.studies import grid as study
from ffcl_utils.studies.models import Measured
from ffcl_utils.studies.printed import GRID

ROW = GRID[0]


def made_up(accuracy, hoyer, images=2000):
    """What five seeds measured: shares of images that are right, and sparsities by layer."""
    correct = np.stack([np.arange(images) < round(a * images) for a in accuracy])
    return {ROW.name: Measured(correct, np.array(hoyer), np.zeros((3, len(accuracy))))}


def five(centre, step=0.002):
    return [centre + step * k for k in (-2, -1, 0, 1, 2)]


def test_every_row_is_its_own_training_with_the_printed_settings():
    configs = study.configure("short")
    assert len(configs) == 4
    for row in study.FIRST:
        config = configs[row.name]
        assert (config.epochs, config.learning_rate) == (row.epochs, row.learning_rate)
        assert (config.batch_size, config.seeds) == (row.batch_size, 5)
    assert configs[ROW.name].negatives == "unpaired"
    assert len(study.configure("paper", rows="all")) == 8
    assert all(c.epochs == study.SMOKE_EPOCHS for c in study.configure("smoke").values())
    with pytest.raises(ConfigError, match="rows='some': choose one of first, all"):
        study.configure("short", rows="some")


def test_short_is_the_first_row():
    """The same settings as notebook 03's, so that its networks are trained once."""
    from ffcl_utils import rules
    from ffcl_utils.store.keys import key

    ours = rules.configure("forward_forward", "short", dataset="mnist")
    assert key(study.configure("short", dataset="mnist")[ROW.name]) == key(ours)


def test_a_printed_figure_inside_and_outside_of_the_interval():
    hoyer = [five(ROW.hoyer[0]), five(ROW.hoyer[1] + 0.1), five(ROW.hoyer[2], 0.05)]
    table = study.table(made_up(five(0.9355, 0.001), hoyer)).loc[ROW.name]
    assert table["verdict"].tolist() == ["reproduced", "reproduced", "not reproduced", "undecided"]
    low, high = prediction_interval(np.array(five(ROW.hoyer[0])))
    assert (table.loc["Hoyer, layer 1", "low"], table.loc["Hoyer, layer 1", "high"]) == (low, high)
    assert "0.05" in table.loc["Hoyer, layer 3", "why"]


@pytest.mark.parametrize(
    ("accuracy", "verdict", "why"),
    [
        (five(0.9355, 0.001), "reproduced", ""),
        (five(0.9500, 0.001), "not reproduced", ""),
        (five(0.9345, 0.001), "undecided", "our mean is below 0.935"),
        (five(0.9400, 0.004), "undecided", "interval wider than ± 0.01"),
        (five(0.9355, 0.001)[:4], "undecided", "fewer than 5 seeds"),
        (five(0.9355, 0.001)[:1], "undecided", "fewer than two"),
    ],
)
def test_an_accuracy_is_judged_only_where_it_can_be(accuracy, verdict, why):
    hoyer = [[0.5] * len(accuracy)] * 3
    row = study.table(made_up(accuracy, hoyer)).loc[(ROW.name, "accuracy")]
    assert row["verdict"] == verdict
    assert why in row["why"]


def test_the_grid_is_reproduced_with_one_in_eight_outside():
    inside = [five(h) for h in ROW.hoyer]
    found = {
        row.name: made_up(five(0.94), [five(h) for h in row.hoyer])[ROW.name] for row in GRID[:3]
    }
    wrong = made_up(five(0.94), [five(0.2), *inside[1:]])[ROW.name]
    tables = study.table(found | {GRID[3].name: wrong})
    judged = tables[tables.verdict != "undecided"]
    assert len(judged) == 16
    assert (
        judged.verdict == "not reproduced"
    ).sum() == 3  # of the fourth row, made up for the first
    assert study.whole(tables) == "not reproduced"
    assert "13 of 16 judged figures" in study.in_words(tables)
    eight = study.table(dict(list(found.items())[:2]))
    assert study.whole(eight) == "reproduced"
    undecided = study.table(made_up([0.94], [[0.5]] * 3))
    assert study.in_words(undecided) == "None of the 4 printed figures could be judged."


def test_the_figures_of_a_rate_are_judged_together():
    """Two rows at 0.01, of which one has its four figures elsewhere, and one at 0.001."""
    inside = made_up(five(0.9375, 0.001), [five(h) for h in ROW.hoyer])[ROW.name]
    elsewhere = made_up(five(0.955, 0.001), [five(0.2)] * 3)[ROW.name]
    slow = next(row for row in GRID if row.learning_rate == 0.001)
    theirs = made_up(five(slow.accuracy, 0.001), [five(h) for h in slow.hoyer])[ROW.name]
    found = study.table({ROW.name: inside, GRID[1].name: elsewhere, slow.name: theirs})
    rates = study.by_rate(found)
    assert list(rates.index) == ["FF, rate 0.01", "FF, rate 0.001"]
    assert rates.loc["FF, rate 0.01"].tolist() == [4, 4, 0, "not reproduced"]
    assert rates.loc["FF, rate 0.001"].tolist() == [4, 0, 0, "reproduced"]
    third = found.xs("Hoyer, layer 3", level="quantity")["why"]
    assert third.tolist() == ["", "nor does the published code (20 epochs) give it", ""]


def test_the_published_code_is_named_beside_its_own_rate_alone():
    """It was run for FF at 0.01; layer 3 of another row says nothing of it."""
    wrong = {}
    for row in (GRID[1], GRID[-1]):  # FF at 0.01, and BP
        hoyer = [five(h) for h in (*row.hoyer[:2], 0.2)]
        wrong[row.name] = made_up(five(0.94), hoyer)[ROW.name]
    said = study.in_words(study.table(wrong))
    assert "1 of the 2 outside are the sparsity of layer 3 of FF at the rate 0.01" in said
    assert "published code" not in study.in_words(study.table({GRID[-1].name: wrong.popitem()[1]}))


def test_metrics_are_what_was_measured():
    found = made_up(five(0.94), [five(h) for h in ROW.hoyer])
    metrics = study.metrics(found)
    assert metrics[f"{ROW.name}/hoyer/layer3"].tolist() == five(ROW.hoyer[2])
    assert metrics[f"{ROW.name}/test_accuracy"] == pytest.approx(five(0.94))
    assert study.bands(found)[ROW.name][0] == (0.834, 0.834)
