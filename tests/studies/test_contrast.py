"""The study of mirror contrast: tables against hand-made runs, and a small study end to end."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from ffcl_utils import rules
from ffcl_utils.claims.ledger import claim
from ffcl_utils.claims.summary import interval
from ffcl_utils.config import ConfigError
from ffcl_utils.paths import NOTEBOOKS, RESULTS
from ffcl_utils.studies import contrast as study
from ffcl_utils.studies.contrast import BACKPROP, ITSELF, MIRROR, MULTIPLIED, SAME, WITHOUT
from ffcl_utils.studies.read_outs import BACKPROP_JOINT, JOINT, MEETINGS, STRANGERS


def test_effects_compare_the_same_seeds():
    rows = [(MIRROR, seed, 0.9 + 0.01 * seed) for seed in range(5)]
    rows += [("every pixel", seed, 0.8 + 0.01 * seed + 0.001 * (seed == 1)) for seed in range(3)]
    runs = pd.DataFrame(rows, columns=["model", "seed", "mean"])
    (effect,) = study.ablation_effects(runs).to_dict("records")
    assert effect["name"] == "every pixel"
    assert effect["mean"] == pytest.approx(-10 + 0.1 / 3)
    # Student's t with two degrees of freedom, 4.3027, and the standard error of (0, 0.1, 0).
    half = 4.3027 * np.std([0, 0.1, 0], ddof=1) / 3**0.5
    assert effect["high"] - effect["mean"] == pytest.approx(half, rel=1e-4)
    only_full = runs[runs["model"] == MIRROR]
    assert study.ablation_effects(only_full).empty


def test_a_small_study_from_end_to_end(few):
    settings = {"seeds": 2, "epochs": 1, "batch_size": 32}
    configs = study.configure("smoke", **settings)
    assert list(configs) == [MIRROR, *WITHOUT, BACKPROP, SAME, *MEETINGS]
    networks = {}
    for name in (MIRROR, "every pixel", BACKPROP, JOINT, STRANGERS):
        networks[name] = rules.rule(configs[name].rule)(configs[name])
        networks[name].fit(few)
    runs = study.run_table(networks, few)
    assert runs.groupby("model").size().eq(2).all()
    # Strangers are counted twice: of their outputs the mean, and the product.
    one, other = (
        networks[STRANGERS].twin_probabilities(few.test_images)[w] for w in ("first", "second")
    )
    right = ((one * other).argmax(-1) == few.test_labels).double().mean(-1)
    assert np.array_equal(runs[runs["model"] == MULTIPLIED]["mean"], right)
    last = networks[MIRROR].history["test_accuracy/mean"][-1]
    assert np.array_equal(runs[runs["model"] == MIRROR]["mean"], last)
    # The first networks of backprop's pairs are its first seeds; the second are others.
    alone = networks[BACKPROP].history["test_accuracy/all"][-1]
    assert alone.shape == (4,)
    assert np.array_equal(runs[runs["model"] == BACKPROP]["one"], alone[:2])
    metrics = study.metrics(runs)
    assert np.array_equal(metrics[f"{MIRROR}/test_accuracy/mean"], last)
    brings = f"{JOINT} - {STRANGERS}/test_accuracy"
    assert len(metrics) == 11
    together = [networks[name].history["test_accuracy/mean"][-1] for name in (JOINT, STRANGERS)]
    assert np.array_equal(metrics[brings], 100 * (together[0] - together[1]))
    across = study.gradient_across_layers(networks, few)
    assert list(across) == [MIRROR, JOINT]
    assert all((largest == 0).all() for largest in across.values())
    found = study.learning(networks, few)
    own, every = ["layer 1", "layer 2", "output"], [["layer 1", "layer 2", "output"]]
    assert list(found) == [MIRROR, JOINT, BACKPROP]
    for twins in (MIRROR, JOINT):
        assert list(found[twins].losses.values()) == [[layer] for layer in own]
    assert list(found[JOINT].losses) == [f"joint\nread-out {k}" for k in (1, 2, 3)]
    assert list(found[BACKPROP].losses.values()) == every
    assert list(study.error_curves(networks))[-2:] == [JOINT, "backprop, one network"]
    assert list(study.summary(runs).index) == [*networks, MULTIPLIED]
    effect, multiplied = study.meeting_effects(runs).to_dict("records")
    assert multiplied["name"] == MULTIPLIED
    assert effect["name"] == JOINT
    assert effect["mean"] == pytest.approx(metrics[brings].mean())


def test_what_a_twin_brings_is_measured_where_every_seed_has_its_control():
    rows = [(MIRROR, seed, 0.9, 0.92) for seed in range(3)]
    rows += [(ITSELF, seed, 0.9, 0.91 + 0.001 * seed) for seed in range(3)]
    columns = ["model", "seed", "one", "mean"]
    found = study.metrics(pd.DataFrame(rows, columns=columns))
    assert found[f"{MIRROR} - {ITSELF}/test_accuracy"] == pytest.approx([1.0, 0.9, 0.8])
    alone = study.metrics(pd.DataFrame(rows[:3], columns=columns))
    assert list(alone) == [f"{MIRROR}/test_accuracy/{who}" for who in ("one", "mean")]


def test_one_seed_has_effects_without_an_interval():
    rows = [(MIRROR, 0, 0.9), ("every pixel", 0, 0.8)]
    (effect,) = study.ablation_effects(
        pd.DataFrame(rows, columns=["model", "seed", "mean"])
    ).to_dict("records")
    assert effect["mean"] == pytest.approx(-10)
    assert np.isnan(effect["low"])


def test_short_is_what_the_first_reference_was_trained_with():
    configs = study.configure("short")
    fewer = [3] * 2 + [10] + [3] * 3  # what a twin brings is a claim, of all seeds
    assert [c.seeds for c in configs.values()] == [10, *fewer, 20, 20] + [10] * 5
    assert {c.epochs for c in configs.values()} == {30}
    crossed = configs[BACKPROP_JOINT].settings() | {"across": False}
    assert configs[JOINT].settings() == crossed
    assert {configs[name].batch_size for name in MEETINGS} == {128}
    assert configs[BACKPROP].batch_size == configs[SAME].batch_size == 512
    assert (configs[BACKPROP].learning_rate, configs[SAME].learning_rate) == (1e-3, 6e-3)
    assert configs[SAME].schedule == "one_cycle"


def test_an_unknown_network_is_refused():
    with pytest.raises(ConfigError, match="network='deep': choose one of paper, wide, shifted"):
        study.configure("short", "deep")


LARGER = {
    "wide": ((784, 1024, 1024, 1024, 10), 0, ()),
    "shifted": ((784, 1024, 1024, 1024, 10), 2, ()),
    "convolutional": ((784, 32, 64, 128, 128, 10), 0, (1, 2, 3)),
}


@pytest.fixture(scope="module")
def trials():
    """The committed trials on held-out images."""
    return pd.read_csv(RESULTS / "validation_frontier.csv").rename(
        columns={"validation_accuracy/mean": "accuracy"}
    )


STEPS = ["batch_size", "learning_rate", "dropout", "input_dropout"]


@pytest.mark.parametrize("network", LARGER)
def test_larger_networks_are_those_of_their_claims(network):
    configs = study.configure("short", network)
    assert list(configs) == [JOINT, STRANGERS, BACKPROP_JOINT]
    for config in configs.values():
        assert (config.layers, config.shift, config.pools) == LARGER[network]
        assert (config.seeds, config.epochs) == (5, 20 if network == "convolutional" else 40)
    assert all(c.epochs == 1 for c in study.configure("smoke", network).values())
    with pytest.raises(ConfigError, match=r"temperature: the networks .* compare nothing"):
        study.configure("short", network, temperature=0.1)


@pytest.mark.parametrize("network", LARGER)
def test_joint_read_outs_have_the_settings_of_their_best_trial(network, trials):
    """Among trials of as many epochs; the others take those of joint read-outs."""
    tried = trials[(trials.network == network) & (trials.read_out == "joint")]
    tried = tried[tried.epochs == tried.epochs.min()]
    best = tried.loc[tried.accuracy.idxmax()]
    for config in study.configure("short", network).values():
        assert [getattr(config, name) for name in STEPS] == list(best[STEPS])
        assert list(config.layers) == json.loads(best.layers)


def test_numbers_in_the_prose_are_those_of_the_trials(trials):
    text = (NOTEBOOKS / "08_beyond_63.ipynb").read_text(encoding="utf-8")
    shown = {k: f"{100 * accuracy:.2f} %" for k, accuracy in trials.accuracy.items()}

    def of(network, read_out="joint", contrast="none", **settings):
        chosen = trials[trials.network == network]
        for name, value in {"read_out": read_out, "contrast": contrast, **settings}.items():
            chosen = chosen[chosen[name] == value]
        return chosen

    def best(*args, **settings):
        chosen = of(*args, **settings)
        return shown[chosen.accuracy.idxmax()]

    small = {"batch_size": 256, "mutual": 0}
    alone = best("small, guides", "own", **small)
    assert f"({alone} and {best('small, guides', 'own', 'class_means', **small)}, three" in text
    assert "Joint read-outs had seven (wide), three (shifted) and three (convolutional)" in text
    assert [len(of(network)) for network in LARGER] == [7, 3, 3]
    assert [len(of(network, "own")) for network in LARGER] == [1, 1, 1]
    assert f"from {best('wide', epochs=15)} after 15 epochs to {best('wide', epochs=40)}" in text
    assert f"({best('shifted')} after 15)" in text
    assert f"8 epochs ({best('convolutional')})" in text
    strangers = best("shifted", "own"), best("convolutional", "own")
    assert "network ({}) and in the convolutional one ({})".format(*strangers) in text
    assert [len(of(network, "own", "class_means")) for network in LARGER] == [1, 0, 0]
    assert "Class means beside own read-outs had one (wide)" in text


def test_where_meeting_cost_accuracy_is_what_the_prose_says():
    text = (NOTEBOOKS / "08_beyond_63.ipynb").read_text(encoding="utf-8")
    assert 'left of 0 as a whole for `network=\\"shifted\\"`' in text
    assert "for the paper's, the wide and the convolutional network it holds 0" in text
    found = {}
    for name in ("", "-wide", "-shifted", "-convolutional"):
        record = RESULTS / "short" / f"08_beyond_63{name}" / "metrics.json"
        metrics = json.loads(record.read_text(encoding="utf-8"))["metrics"]
        low, high = interval(np.array(metrics[f"{JOINT} - {STRANGERS}/test_accuracy"]))
        found[name] = "left" if high < 0 else "holds" if low <= 0 <= high else "right"
    assert found == {"": "holds", "-wide": "holds", "-shifted": "left", "-convolutional": "holds"}


def test_what_is_chosen_for_mirror_contrast_does_not_reach_read_outs():
    given = study.configure("short", batch_size=64, learning_rate=1e-3, temperature=0.2)
    for name, config in study.configure("short").items():
        assert (given[name] == config) is (name in MEETINGS), name


@pytest.mark.parametrize("network", LARGER)
def test_larger_networks_from_end_to_end(network, few):
    """On few units and images."""
    sizes = {"convolutional": (784, 4, 4, 4, 4, 10)}.get(network, (784, 12, 10))
    small = {"layers": sizes, "epochs": 1, "seeds": 1, "batch_size": 32}
    networks = {}
    for name, config in study.configure("short", network, **small).items():
        networks[name] = rules.rule(config.rule)(config)
        networks[name].fit(few)
    runs = study.run_table(networks, few)
    assert list(study.accuracy_of_models(runs)) == [JOINT, STRANGERS, MULTIPLIED, BACKPROP_JOINT]
    assert list(study.error_curves(networks)) == [JOINT, STRANGERS, BACKPROP_JOINT]
    assert list(study.meeting_effects(runs)["name"]) == [JOINT, BACKPROP_JOINT, MULTIPLIED]
    assert study.ablation_effects(runs).empty
    assert list(study.learning(networks, few)) == [JOINT]
    assert (study.gradient_across_layers(networks, few)[JOINT] == 0).all()
    assert f"{JOINT} - {STRANGERS}/test_accuracy" in study.metrics(runs)


def test_targets_are_those_of_the_claims():
    assert study.target("shifted") == claim("X2s").judge.low
    assert study.target("convolutional") == claim("X8").judge.low
    assert study.target("paper") == claim("X1").judge.low
    assert study.target("wide") == claim("X2").judge.low


def test_what_was_found_is_what_the_committed_metrics_say():
    cells = json.loads((NOTEBOOKS / "08_beyond_63.ipynb").read_text(encoding="utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    (text,) = (text for text in texts if "## What was found" in text)
    reached = {}
    for network, run in (("paper", ""), *((name, f"-{name}") for name in LARGER)):
        record = RESULTS / "short" / f"08_beyond_63{run}" / "metrics.json"
        metrics = json.loads(record.read_text(encoding="utf-8"))["metrics"]
        of = {
            name: np.array(metrics[f"{name}/test_accuracy/mean"])
            for name in (JOINT, STRANGERS, BACKPROP_JOINT)
        }
        shown = [f"{(100 * values.mean()).round(2):.2f}" for values in of.values()]
        reached[network] = shown[0]
        for other in (STRANGERS, BACKPROP_JOINT):
            apart = 100 * (of[JOINT] - of[other])
            low, high = interval(apart)
            said = f"{apart.mean():+.2f} [{low:+.2f}, {high:+.2f}]"
            shown.append(said.replace("-", "−"))
        assert f"| {network} | {' | '.join(shown)} |" in text
    for network, known in (("wide", "98.69"), ("shifted", "99.38"), ("convolutional", "99.42")):
        assert re.search(rf"\| {known} % \([^|]*\) \| {reached[network]} % \|", text), network


def test_convolutional_twins_have_as_many_weights_as_the_prose_says():
    config = study.configure("short", "convolutional")[JOINT].of_seeds(0, 1)
    twins = rules.rule("deep_twins")(config)
    weights = sum(tensor.numel() for tensor in twins.twins.first.parameters())
    assert f"about {weights / 1e6:.2f} million weights each" in (
        NOTEBOOKS / "08_beyond_63.ipynb"
    ).read_text(encoding="utf-8")
    assert weights < 1e6
