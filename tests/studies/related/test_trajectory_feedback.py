"""Notebook 34: regret and its growth, what returns cannot teach, the bridge, and their figures."""

from itertools import product

import numpy as np
import pytest

from ffcl_utils.claims.ledger import ledger
from ffcl_utils.config import ConfigError
from ffcl_utils.data import datasets
from ffcl_utils.plots import trajectory_feedback as drawn
from ffcl_utils.related.tabular_mdps import expected_returns, random_mdp
from ffcl_utils.related.trajectory_feedback import METHODS
from ffcl_utils.studies.related import trajectory_bridge as bridge
from ffcl_utils.studies.related import trajectory_feedback as study
from ffcl_utils.studies.related import trajectory_identified as identified

NAN = np.nan


def tiny(**settings):
    given = {"seeds": 2, "episodes": 40, "passes": 1, "units": (12, 8)} | settings
    return study.configure("smoke", **given)["trials"]


@pytest.fixture(scope="module")
def config():
    return tiny()


@pytest.fixture(scope="module")
def outcomes(config):
    return study.compare(config)


@pytest.fixture(scope="module")
def told(config):
    return bridge.bridge(config, datasets.load(bridge.DIGITS))


def test_the_presets_have_as_many_seeds_as_were_asked_for():
    short = study.configure("short", seeds=None, first_seed=3)["trials"]
    assert (short.seeds, short.episodes, short.dataset) == (20, 5000, "synthetic")
    assert short.seed_list[0] == 3
    assert study.configure("smoke")["trials"].seeds == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"episode_length": 0},
        {"episode_length": 51},
        {"episode_length": 2.5},
        {"episodes": 5},
        {"seeds": 0},
        {"ridge": 0.0},
        {"bonus": -1.0},
        {"bonus": NAN},
        {"dataset": "mnist"},
        {"passes": 0},
        {"units": ()},
        {"learning_rate": 0.0},
        {"unheard_of": 1},
    ],
)
def test_what_cannot_work_is_one_clear_error(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=f"^{name}") as error:
        study.configure("smoke", **wrong)
    assert "\n" not in str(error.value)


def test_an_unknown_preset_is_refused():
    with pytest.raises(ConfigError, match="choose one of smoke, short, paper"):
        study.configure("fast")


@pytest.mark.parametrize("power", [0.5, 0.65, 1.0])
def test_the_slope_of_a_power_is_its_exponent(power):
    lost = 3 * np.arange(1, 401.0) ** power
    assert study.slope(lost) == pytest.approx(power)
    assert study.beyond(lost) == pytest.approx(lost[-1] - 2**0.65 * lost[199])
    assert (study.beyond(lost) > 1e-9) == (power > 0.65)
    assert study.slope(np.ones(10)) == study.slope(np.zeros(10)) == 0
    assert np.isnan(study.slope(np.arange(10) > 7))


def test_the_slope_is_that_of_the_second_half():
    k = np.arange(1, 401.0)
    assert study.slope(np.where(k <= 200, k, 200 * (k / 200) ** 0.3)) == pytest.approx(0.3)


def test_lucky_seeds_do_not_hide_one_that_loses_for_ever():
    """Why `beyond` is asked too: three of four seeds lose nothing more, one always does."""
    k = np.arange(1, 101.0)
    seeds = [np.ones(100)] * 3 + [k]
    assert np.mean([study.slope(lost) for lost in seeds]) == pytest.approx(0.25)
    assert np.mean([study.beyond(lost) for lost in seeds]) > 0


def test_regret_is_what_the_best_of_all_policies_has_more():
    mdp = random_mdp(2, 2, 3, np.random.default_rng(0))
    every = np.array(list(product(range(2), repeat=6))).reshape(-1, 3, 2)
    values = expected_returns(mdp, every)
    order = np.random.default_rng(1).integers(len(every), size=20)
    np.testing.assert_allclose(
        study.regret(mdp, every[order]), np.cumsum(values.max() - values[order]), atol=1e-12
    )
    assert (study.regret(mdp, every[[values.argmax()] * 5]) == 0).all()


def test_the_metrics_are_those_of_the_claims(outcomes, told):
    found = study.metrics(outcomes) | bridge.metrics(told)
    assert all(values.shape == (2,) for values in found.values())
    for kind, method in product(outcomes, METHODS):
        assert {f"{kind}/{method}/{of}" for of in ("regret", "slope", "beyond")} <= set(found)
    for kind in ("random MDP", "RiverSwim"):
        greedy, thompson, steps = (
            outcomes[kind][m].regret[:, -1]
            for m in ("greedy, returns", "Thompson, returns", "Thompson, every step")
        )
        assert (found[f"{kind}/greedy - Thompson/regret"] == greedy - thompson).all()
        assert (found[f"{kind}/returns - every step/regret"] == thompson - steps).all()
    for one in ("one bit - chance", "one bit - a coin", "the label - one bit"):
        assert f"{one}/test_accuracy" in found
    for claim in ledger():
        if claim.run == "34_trajectory_feedback":
            assert set(claim.metrics) <= set(found)


def test_a_seed_alone_gives_what_it_gives_among_others(outcomes, told):
    alone = tiny(seeds=1, first_seed=1)
    for kind, methods in study.compare(alone).items():
        for name, outcome in methods.items():
            many = outcomes[kind][name]
            assert (outcome.regret[0] == many.regret[1]).all()
            assert (outcome.estimates[0] == many.estimates[1]).all()
    again = bridge.bridge(alone, datasets.load(bridge.DIGITS))
    for name, accuracies in again.items():
        assert (accuracies[..., 0] == told[name][..., 1]).all()


def test_the_tables_are_of_the_outcomes(outcomes, told):
    table = study.regret_table(outcomes)
    row = table.loc["RiverSwim", "greedy, returns"]
    regret = outcomes["RiverSwim"]["greedy, returns"].regret
    assert row["regret"] == pytest.approx(regret[:, -1].mean())
    assert row["worst seed"] == regret[:, -1].max()
    ratio = regret.mean(0)[-1] / regret.mean(0)[19]
    assert 2 ** row["slope of the mean"] == pytest.approx(ratio)
    prices = study.prices(outcomes)
    mean = {m: o.regret[:, -1].mean() for m, o in outcomes["doors"].items()}
    expected = mean["optimism, returns"] / mean["UCBVI, every step"]
    assert prices.loc["doors", "unknown transitions"] == pytest.approx(expected)
    shown = bridge.table(told)
    assert shown.loc["one bit", "all layers"] == pytest.approx(100 * told["one bit"][2, -1].mean())
    assert list(shown.columns[:3]) == ["layer 1 alone", "layer 2 alone", "all layers"]


def test_no_price_where_the_regret_is_zero():
    zero = study.Outcome(np.zeros((2, 20)), np.zeros((2, 1, 1)))
    outcomes = {"doors": dict.fromkeys(METHODS, zero)}
    assert np.isnan(study.prices(outcomes).to_numpy(float)).all()
    assert np.isnan(study.regret_table(outcomes)["slope of the mean"]).all()


def test_the_worked_ways_add_up_and_the_estimate_repeats_their_returns():
    trials, rewards = identified.worked_trials(), identified.worked_rewards()
    counts = trials.drop(columns="return").to_numpy(float)
    assert trials["return"].tolist() == pytest.approx([0.6, 0.8, 0.4, 1.0])
    assert (counts.sum(1) == 2).all() and np.linalg.matrix_rank(counts) == 4
    shortest = np.linalg.pinv(counts) @ trials["return"]
    np.testing.assert_allclose(rewards["estimate"], shortest, atol=1e-5)
    np.testing.assert_allclose(counts @ rewards["estimate"], trials["return"], atol=1e-5)
    assert (counts @ rewards["changes no return"] == 0).all()


def test_what_is_in_no_return_is_not_learnt_and_is_counted(config, outcomes):
    ranks = identified.ranks(config)
    assert ranks.loc["doors"].tolist() == [14, 8, 7, 1, 6]
    assert ranks.loc["RiverSwim"].tolist() == [10, 10, 9, 1, 0]
    errors = identified.errors(config, outcomes)
    assert "in no return" not in errors["random MDP"]
    unseen = errors["doors"]["in no return"]
    np.testing.assert_allclose(unseen, np.tile(unseen[0], (len(unseen), 1)))
    first = [mdp.rewards.ravel() for mdp in study.problems(config)["doors"]]
    squares = sum(
        ranks.loc["doors", name] * errors["doors"][name][0] ** 2 for name in errors["doors"]
    )
    np.testing.assert_allclose(squares, [(r**2).sum() for r in first])  # r̂ = 0: all of r is missing


def test_one_step_leaves_most_pairs_in_no_return():
    short = tiny(episode_length=1, seeds=1)
    assert identified.ranks(short).loc["random MDP"].tolist() == [10, 2, 1, 1, 8]


def test_figures_show_their_input(config, outcomes):
    episodes = study.moments(config) + 1
    assert episodes[0] == 1 and episodes[-1] == config.episodes
    figure = drawn.regret(study.curves(outcomes, config), episodes, "n")
    assert [axis.get_title() for axis in figure.axes[:3]] == list(outcomes)
    line = next(ln for ln in figure.axes[3].lines if ln.get_label() == "greedy, returns")
    mean = outcomes["random MDP"]["greedy, returns"].regret.mean(0)[episodes - 1]
    np.testing.assert_allclose(line.get_ydata(), mean / episodes**0.5)
    figure = drawn.recovered(identified.errors(config, outcomes), episodes, "n")
    assert {axis.get_xscale() for axis in figure.axes} == {"log"}
    slopes = study.slopes(outcomes)
    figure = drawn.by_problem(slopes, list(outcomes), 0.65, "0.65", "slope", "t", "n")
    heights = [bar.get_height() for bar in figure.axes[0].containers[0]]
    np.testing.assert_allclose(heights, np.nanmean(slopes["Thompson, returns"], 1))


def test_figures_of_nothing_and_of_seeds_without_a_figure():
    for figure in (
        drawn.regret({}, np.arange(1), "n"),
        drawn.recovered({}, np.arange(1), "n"),
        drawn.by_problem({}, [], 0.65, "l", "y", "t", "n"),
    ):
        assert any(text.get_text() == "nothing to show" for text in figure.axes[0].texts)
    gap = {"doors": {"a": np.array([[NAN, 1.0], [NAN, 2.0]]), "b": np.zeros((2, 2))}}
    for draw in (drawn.regret, drawn.recovered):
        assert "1 of 2 seeds has no figure" in draw(gap, np.array([1, 2]), "n").axes[0].get_title()
