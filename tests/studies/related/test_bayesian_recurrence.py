"""Notebook 32: exactness, recovery of a known chain, digits read row by row."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from ffcl_utils.config import ConfigError
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.related import bayesian_recurrence as recurrence
from ffcl_utils.related.bayesian_recurrence import Chain
from ffcl_utils.studies.related import bayesian_recurrence as study
from ffcl_utils.studies.related import recurrent_chain as known
from ffcl_utils.studies.related import recurrent_readers as readers
from tests.small import small

TINY = {"sequences": 12, "steps": 8, "units": 4, "epochs": 1, "batch_size": 50}
CLAIMS = (
    "separation 1.5/largest_difference",
    "p1 and p2/mean_absolute_error",
    "units, both ways - units, forward/test_accuracy",
    "units, both ways - GRU/test_accuracy",
)


@pytest.fixture(scope="module")
def few(digits):
    found = small(digits, 100)
    return Dataset(
        found.name, found.train_images, found.train_labels, found.test_images[::10],
        found.test_labels[::10], found.classes, {},
    )  # fmt: skip


def tiny(**settings):
    return study.configure("smoke", **(TINY | settings))["units"]


def measured(config, data):
    found = study.differences(config), study.recovery(config), study.read(config, data)
    return study.metrics(*found)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"steps": 1}, "steps=1"),
        ({"sequences": 0}, "sequences=0"),
        ({"units": 1}, "units=1"),
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 2.5}, "batch_size=2.5"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"dataset": "synthetic"}, "dataset='synthetic'"),
        ({"seeds": 0}, "seeds=0"),
        ({"unit": 3}, "unit=3"),
    ],
)
def test_bad_settings_are_one_clear_error(wrong, says):
    with pytest.raises(ConfigError, match=says.replace(".", r"\.")) as error:
        study.configure("smoke", **wrong)
    assert "\n" not in str(error.value)


def test_settings_come_from_the_preset_where_nothing_is_given():
    with pytest.raises(ConfigError, match="preset='tiny'"):
        study.configure("tiny")
    for preset, dataset in (("smoke", "mnist_5k"), ("short", "mnist"), ("paper", "mnist")):
        config = study.configure(preset, seeds=None, dataset=None, epochs=None)["units"]
        assert (config.preset, config.dataset) == (preset, dataset)
        assert config.seeds == study.PRESETS[preset]["seeds"]
    assert study.configure("short", epochs=1, first_seed=7)["units"].first_seed == 7


def test_metrics_have_the_claims_names_and_a_seed_alone_gives_what_it_gives_among_others(few):
    both = measured(tiny(seeds=2, epochs=4), few)
    alone = measured(tiny(seeds=1, first_seed=1, epochs=4), few)
    assert set(CLAIMS) <= set(both) and both.keys() == alone.keys()
    for name, values in both.items():
        assert values.shape == (2,)
        assert values[1] == alone[name][0], name
        assert np.isfinite(values).all()
    again = measured(tiny(seeds=2, epochs=4), few)
    assert all((again[name] == values).all() for name, values in both.items())
    assert both[CLAIMS[0]].max() < 1e-12
    accuracy = {n: both[f"{n}/test_accuracy"] for n in (study.FORWARD, study.BOTH, study.GRU)}
    assert len({tuple(values) for values in accuracy.values()}) == 3  # so that a mix-up is seen
    gain = accuracy[study.BOTH] - accuracy[study.FORWARD]
    assert both[CLAIMS[2]].tolist() == gain.tolist()
    assert both[CLAIMS[3]].tolist() == (accuracy[study.BOTH] - accuracy[study.GRU]).tolist()
    errors = [np.abs(both[f"{name}/error"]) for name in ("p1", "p2")]
    assert both[CLAIMS[1]].tolist() == ((errors[0] + errors[1]) / 2).tolist()


def test_only_the_published_limit_makes_a_difference_to_the_exact_beliefs():
    found = study.differences(tiny(seeds=1, sequences=100, steps=40))
    near, _, far = (found[found.separation == s].iloc[0] for s in study.SEPARATIONS)
    assert near.limited == 0 and max(near["filter"], near["smoother"]) < 1e-12
    # Of state 0, the log ratio of means 6 apart is normal with mean 18 and deviation 6; a third of
    # the steps are in state 0.
    assert far.limited == pytest.approx(0.91 / 3, abs=0.05)
    assert 1e-6 < far["filter"] < 1e-2


def test_beliefs_are_calibrated():
    """A share b of the steps with a belief of b is in state 1, within five standard errors."""
    states, x = known.simulated(3, 60, 400, 1.5)
    for belief in known.beliefs(x, known.TRUTH, known.emissions_of(1.5)):
        for low in np.arange(0, 1, 0.2):
            chosen = (belief >= low) & (belief < low + 0.2)
            expected = belief[chosen]
            bound = 5 * (expected * (1 - expected)).sum() ** 0.5
            assert abs(states[chosen].sum() - expected.sum()) < bound


def test_the_worked_table_has_both_beliefs_twice():
    table = study.worked([0.2, 3.0, 0.1], 0.5, 0.9, 0.2)
    assert table["α"].to_numpy() == pytest.approx(table["α, all paths"].to_numpy())
    assert table["γ"].to_numpy() == pytest.approx(table["γ, all paths"].to_numpy())
    # The first step by hand: p = 0.9 · ½ + 0.2 · ½, and Bayes's theorem.
    assert table.loc[1, "p"] == pytest.approx(0.55)
    assert table.loc[1, "α"] == pytest.approx(0.55 / (0.55 + 0.2 * 0.45))


def test_the_chain_is_learnt_within_the_standard_errors_whatever_names_the_states_get():
    emissions = known.emissions_of(1.5)
    truth = known.named(known.TRUTH, emissions).numpy()
    _, x = known.simulated(11, 40, 120, 1.5)
    allowed = known.standard_errors(x, known.TRUTH, emissions)
    found = [known.named(*known.learnt(x, seed)).numpy() for seed in range(5)]
    for values in found:  # one largest likelihood, from every start
        assert values == pytest.approx(found[0], abs=1e-3)
    assert (np.abs(found[0] - truth) < 4 * allowed).all()
    best = recurrence.log_likelihood(x, *known.learnt(x, 0))
    assert best > recurrence.log_likelihood(x, known.TRUTH, emissions)


def test_the_recovery_of_every_seed_and_its_summary():
    found = study.recovery(tiny(seeds=2))
    emissions = known.emissions_of(1.5)
    _, x = known.simulated(1, TINY["steps"], TINY["sequences"], 1.5)
    chain, learnt = known.learnt(x, 1)
    rows = found[found.seed == 1].set_index("parameter")
    assert rows.loc["p1", "error"] == pytest.approx(chain.p1.item() - 0.9)
    assert rows.loc["W2", "truth"] == pytest.approx(-emissions.means[1, 1].item())
    assert rows.loc["b", "truth"] == pytest.approx(1.5**2 / 2)
    slope = (learnt.means[0] - learnt.means[1]) / learnt.deviation**2
    assert rows.loc["W2", "estimate"] == pytest.approx(slope[1].item())
    table = study.recovery_table(found).set_index("name")
    errors = found[found.parameter == "p2"].error.to_numpy()
    assert table.loc["p2", "mean"] == pytest.approx(errors.mean())
    assert table.loc["p2", "mean size"] == pytest.approx(np.abs(errors).mean())
    # Student's t of two values: 12.7 standard errors on each side.
    half = 12.706 * errors.std(ddof=1) / 2**0.5
    assert table.loc["p2", "high"] - table.loc["p2", "mean"] == pytest.approx(half, rel=1e-3)


def test_standard_errors_are_those_of_visible_states_where_the_means_are_far_apart():
    """Then p1 and p2 are shares of visible steps, and the weights follow from two means."""
    steps, sequences = 30, 80
    chain = Chain(*torch.tensor([0.5, 0.7, 0.4], dtype=torch.float64))
    emissions = known.emissions_of(4.0)  # hardly a state is in doubt, or a ratio limited
    states, x = recurrence.simulated(np.random.default_rng(2), steps, sequences, chain, emissions)
    found = known.standard_errors(torch.from_numpy(x), chain, emissions)
    for k, (last, p) in enumerate(((1, 0.7), (0, 0.4)), start=1):
        count = (states[:-1] == last).sum()
        assert found[k] == pytest.approx((p * (1 - p) / count) ** 0.5, rel=0.15)


def test_the_gru_has_about_as_many_parameters():
    for units in (4, 16, 64, 128):
        layer, gru = readers.units_reader(units, True, 0), readers.gru_reader(units, 0)
        ours, theirs = (sum(p.numel() for p in m.parameters()) for m in (layer, gru))
        assert ours == units * 32 + units * 10 + 10
        width = gru.read_out.shape[0]
        apart = [abs(3 * (28 * h + h * h + 2 * h) + 10 * h + 10 - ours)
                 for h in (width - 1, width, width + 1)]  # fmt: skip
        assert apart[1] == min(apart) == abs(theirs - ours)
    table = study.sizes(tiny(units=16))
    assert table["parameters"].tolist()[:2] == [16 * 32 + 16 * 10 + 10] * 2


def test_readers_of_a_seed_start_equal_and_leave_the_global_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    one, other = readers.units_reader(5, False, 3), readers.units_reader(5, True, 3)
    gru, again = readers.gru_reader(5, 3), readers.gru_reader(5, 3)
    assert torch.rand(3).tolist() == expected.tolist()
    for pair in ((one, other), (gru, again)):
        assert all(torch.equal(a, b) for a, b in zip(*(m.parameters() for m in pair), strict=True))
    assert not torch.equal(one.read_out, readers.units_reader(5, False, 4).read_out)


def test_the_last_row_of_both_ways_knows_what_forward_knows_and_the_first_knows_more():
    rows = torch.rand(28, 6, 28, generator=torch.Generator().manual_seed(0))
    one, other = readers.units_reader(5, False, 3), readers.units_reader(5, True, 3)
    a, b = one.of_rows(rows), other.of_rows(rows)
    assert torch.equal(a[-1], b[-1])
    with torch.no_grad():
        chain, weights = one.layer.chain, (one.layer.weights, one.layer.bias)
        alpha = recurrence.filtered(recurrence.ratio(rows, *weights), chain)[1]
        assert torch.allclose(one.layer(rows), 2 * alpha - 1)
    changed = rows.clone()
    changed[20:] = 0
    assert torch.equal(one.of_rows(changed)[:20], a[:20])
    assert not torch.allclose(other.of_rows(changed)[0], b[0])
    # The scores of an image are the mean of those of its rows.
    assert torch.allclose(other(rows), b.mean(0), atol=1e-5)


def test_rows_are_those_of_the_image(few):
    rows = readers.rows_of(few.test_images[:3])
    image = few.test_images[1].reshape(28, 28).float() / 255
    assert torch.equal(rows[:, 1], image)


def test_training_lowers_the_loss_and_counts_what_is_right(few):
    reader = readers.units_reader(8, True, 0)
    before = cross_entropy(reader(readers.rows_of(few.train_images)), few.train_labels).item()
    told = []
    found = readers.trained(reader, few, 0, 3, 50, 0.03, lambda: told.append(1))
    after = cross_entropy(reader(readers.rows_of(few.train_images)), few.train_labels).item()
    assert after < before and len(told) == 3 == len(found.accuracy)
    with torch.no_grad():
        scores = reader(readers.rows_of(few.test_images))
        first = reader.of_rows(readers.rows_of(few.test_images))[0]
    right = [s.argmax().item() == y for s, y in zip(scores, few.test_labels, strict=True)]
    assert found.accuracy[-1] == pytest.approx(np.mean(right))
    right = (first.argmax(1) == few.test_labels).float().mean().item()
    assert found.of_rows[0] == pytest.approx(right)


def test_the_order_of_the_images_is_the_seeds_own_and_all_readers_of_a_seed_have_it(few):
    ends = []
    for seed in (0, 0, 1):
        reader = readers.units_reader(4, False, 5)
        readers.trained(reader, few, seed, 1, 30, 0.03, lambda: None)
        ends.append(reader.read_out.detach())
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_a_reader_that_diverges_is_marked_and_ends_nothing(few):
    reader = readers.units_reader(4, True, 0)
    with torch.no_grad():
        reader.read_out.fill_(np.nan)
    found = readers.trained(reader, few, 0, 2, 50, 0.03, lambda: None)
    assert np.isnan(found.accuracy).all() and np.isnan(found.of_rows).all()
