"""Notebook 33: what is asked, what is measured, and by whom a figure may be changed."""

import numpy as np
import pytest
import torch

from ffcl_utils.config import ConfigError
from ffcl_utils.plots import scoring_rules as drawn
from ffcl_utils.related.scoring_rules import gaussian_energy_score
from ffcl_utils.related.simulation_tasks import TASKS
from ffcl_utils.studies.related import proper_scores
from ffcl_utils.studies.related import scoring_rules as study

TINY = {"simulations": (20,), "steps": 2, "every": 1, "samples": 10, "truths": 50, "draws": 3}


def tiny(**settings):
    return study.configure("smoke", **(TINY | settings))["scoring rules"]


def run(config):
    observed = study.observe(config)
    return observed, study.trainings(config, observed)


def test_a_preset_is_its_settings_and_none_means_the_preset():
    (config,) = study.configure("short", seeds=None).values()
    assert config.simulations == (1000, 10_000, 100_000)
    assert (config.dataset, config.seeds, config.draws) == ("synthetic", 5, 20)
    (few,) = study.configure("short", most_simulations=10_000, seeds=3).values()
    assert few.simulations == (1000, 10_000) and few.seed_list == [0, 1, 2]
    assert study.configure("paper")["scoring rules"].two_moons_learning_rate == 1e-4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"most_simulations": 0}, "no simulations to learn from; the smallest number of them is"),
        ({"most_simulations": 199}, "no simulations"),
        ({"simulations": ()}, "no simulations"),
        ({"simulations": (0, 100)}, "simulations.0"),
        ({"simulations": (19, 100)}, "no simulations to learn from: give numbers of 20"),
        ({"simulations": (100, 100)}, "different numbers of simulations"),
        ({"draws": 1}, "draws=1"),
        ({"samples": 9}, "samples=9"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"steps": "10"}, "steps='10'"),
        ({"dataset": "mnist"}, "dataset"),
        ({"tempo": 3}, "tempo=3"),
    ],
)
def test_settings_that_cannot_work_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        study.configure("smoke", **settings)


def test_an_unknown_preset_is_named():
    with pytest.raises(ConfigError, match="'long'"):
        study.configure("long")


def test_the_metrics_have_the_names_of_the_claims():
    config = tiny(simulations=(1000, 10_000, 100_000), steps=1, seeds=1)
    _, results = run(config)
    metrics = study.metrics(results) | proper_scores.metrics(
        proper_scores.estimates(config.seed_list, 20, 3)
    )
    asked = {
        "energy score/lowest at truth",
        "two moons, 1000/c2st",
        "two moons, 10000/c2st",
        "two moons, 1000 - 10000/c2st",
        "SLCP, 100000/c2st",
        "Gaussian mixture, 100000/c2st",
    }
    assert asked <= set(metrics)
    assert all(values.shape == (1,) for values in metrics.values())
    table = study.table(results)
    assert table["published"]["two moons", 1000] == 0.85
    assert table["published"].notna().sum() == 5
    assert table["C2ST"]["SLCP", 100_000] == metrics["SLCP, 100000/c2st"][0]


def test_figures_over_seeds_are_worked_out_from_every_training():
    told = {1000: [0.9, 0.8], 10_000: [0.7, 0.75]}
    results = {
        ("two moons", count): [study.Result(c, 0.5 + c, 10 * k, None) for k, c in enumerate(of)]
        for count, of in told.items()
    }
    metrics = study.metrics(results)
    assert metrics["two moons, 1000/c2st"].tolist() == [0.9, 0.8]
    assert metrics["two moons, 1000 - 10000/c2st"] == pytest.approx([0.2, 0.05])
    row = study.table(results).loc["two moons", 1000]
    assert row.tolist() == pytest.approx([0.85, 0.1 / 2**0.5, 0.85, 1.35, 5])


def test_a_seed_alone_gives_what_it_gives_among_others():
    _, both = run(tiny(seeds=2, first_seed=4))
    _, alone = run(tiny(seeds=1, first_seed=5))
    for key, runs in both.items():
        assert runs[1][:3] == alone[key][0][:3]
        assert np.array_equal(runs[1].draws, alone[key][0].draws)
        assert not np.array_equal(runs[0].draws, runs[1].draws)


def test_an_observation_is_the_same_however_many_there_are():
    one, three = study.observe(tiny()), study.observe(tiny(observations=3))
    for name in TASKS:
        assert np.array_equal(one[name].x[0], three[name].x[0])
        assert np.array_equal(one[name].references[0], three[name].references[0])
        assert three[name].references[2].shape == (10, TASKS[name].dimensions)


def test_a_training_that_diverges_is_a_marked_row():
    config = tiny(learning_rate=1e30, two_moons_learning_rate=1e30, simulations=(20,), seeds=1)
    observed, results = run(config)
    assert np.isnan(study.table(results)["C2ST"].astype(float)).all()
    assert all(np.isnan(values).all() for values in study.metrics(results).values())
    assert drawn.told_apart(study.of_seeds(results), study.PUBLISHED, "", "").axes
    assert drawn.samples(study.pictures(observed, results), 1, "", "").axes


def test_the_pictures_of_slcp_show_the_parameters_with_four_modes():
    observed, results = run(tiny(seeds=1))
    shown = study.pictures(observed, results)
    reference, made = shown["SLCP, 20"]
    assert np.array_equal(reference, observed["SLCP"].references[0][:, 2:4])
    assert np.array_equal(made, results["SLCP", 20][0].draws[:, 2:4])
    assert len(drawn.samples(shown, 2, "", "").axes) == 3


def test_estimates_lie_about_the_closed_form_and_are_lowest_at_the_truth():
    found = proper_scores.estimates([0, 1, 2], 8000, 20)
    exact = proper_scores.exact()
    for varied, of_scores in found.items():
        for name, scores in of_scores.items():  # one truth's score has a deviation below 2.5
            assert np.abs(scores.T - exact[varied][name]).max() < 4 * 2.5 / 8000**0.5
    half = gaussian_energy_score(0.0, 0.5)
    assert exact["scale"]["energy score"][list(proper_scores.GRIDS["scale"]).index(0.5)] == half
    at = proper_scores.lowest(found)
    assert (at["mean"]["energy score"] == 0).all() and (at["scale"]["energy score"] == 1).all()
    assert (at["scale"]["without spread"] == 0.1).all()  # the narrowest candidate of all
    assert proper_scores.metrics(found)["energy score/lowest at truth"].tolist() == [1, 1, 1]
    alone = proper_scores.estimates([2], 8000, 20)
    assert np.array_equal(
        alone["scale"]["energy score"][:, 0], found["scale"]["energy score"][:, 2]
    )


def test_a_seed_whose_lowest_score_is_elsewhere_is_counted():
    found = proper_scores.estimates([0, 1], 20, 3)
    for varied, wrong in (("mean", 0), ("scale", 1)):
        for name in found[varied]:
            found[varied][name] = np.ones_like(found[varied][name])
        found[varied]["energy score"][
            proper_scores.GRIDS[varied] == proper_scores.TRUTH[varied]
        ] = 0
        found[varied]["energy score"][0, wrong] = -1
    assert proper_scores.metrics(found)["energy score/lowest at truth"].tolist() == [0, 0]


def test_the_worked_example_is_right():
    table = proper_scores.worked({"a": [-1.0, 1.0, 3.0], "b": [1.0, 1.0, 1.0]}, 0.0)
    assert table.loc["a"].tolist()[1:] == pytest.approx([10 / 3, -8 / 3, 2 / 3])
    assert table.loc["b"].tolist()[1:] == pytest.approx([2, 0, 2])


def test_a_draw_is_pulled_to_the_truth_and_pushed_from_the_others():
    rng = np.random.default_rng(0)
    draws, truth = rng.normal(size=(4, 2)), rng.normal(size=2)
    pull, push = proper_scores.pulls(torch.tensor(draws), torch.tensor(truth))
    for j in range(4):
        assert pull[j] == pytest.approx(2 * (truth - draws[j]) / np.hypot(*(truth - draws[j])))
        away = [(draws[j] - d) / np.hypot(*(draws[j] - d)) for k, d in enumerate(draws) if k != j]
        assert push[j] == pytest.approx(2 / 3 * np.sum(away, 0))
    assert push.sum(0) == pytest.approx([0, 0], abs=1e-12)
    assert drawn.pulls(draws, truth, pull, push, "", "").axes
    curves = proper_scores.exact()
    seeds = {v: {n: c[:, None] for n, c in of.items()} for v, of in curves.items()}
    figure = drawn.scores_of_candidates(
        proper_scores.GRIDS, seeds, curves, proper_scores.TRUTH, "", ""
    )
    assert len(figure.axes) == 2
