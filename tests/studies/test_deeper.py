"""Notebook 13: its networks, measures against other libraries, tables by hand."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from ffcl_utils import rules
from ffcl_utils.claims.ledger import claim, ledger
from ffcl_utils.config import PRESETS, ConfigError
from ffcl_utils.paths import NOTEBOOKS, RESULTS
from ffcl_utils.studies import deeper as study
from ffcl_utils.studies.deeper import Measured, Place


@pytest.fixture(scope="module")
def networks(few):
    """Three networks of two seeds, trained for a moment."""
    configs = study.configure("smoke", "few", epochs=1)
    chosen = ("best reading, dense 2", "backprop, dense 8, skips", "mirror contrast, dense 2")
    trained = {name: rules.rule("deep_twins")(configs[name]) for name in chosen}
    for rule in trained.values():
        rule.fit(few)
    return trained


@pytest.fixture(scope="module")
def measured(networks, few):
    return {name: study.measure(rule, few) for name, rule in networks.items()}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("rows", ["few", "all"])
def test_every_place_has_settings_of_its_own(preset, rows):
    configs = study.configure(preset, rows)
    places = study.places(rows)
    assert list(configs) == [place.name for place in places]
    assert len({repr(config.settings()) for config in configs.values()}) == len(configs)
    for place, config in zip(places, configs.values(), strict=True):
        assert len(config.layers) == place.depth + 2 and config.skip is place.skip
        assert config.convolutional is (place.kind == "convolutional")
        assert config.across is (place.rule == study.BACKPROP)
        assert config.predictor == "first"


def test_convolutions_take_a_fifth_of_the_epochs():
    configs = study.configure("short", "all")
    dense, convolutional = (
        configs[f"backprop, {kind} 4"].epochs for kind in ("dense", "convolutional")
    )
    assert dense == study.CONVOLUTIONAL_SHARE * convolutional
    configs = study.configure("short", "all", epochs=3)
    assert configs["backprop, convolutional 4"].epochs == 1


def test_unknown_rows_are_one_line():
    with pytest.raises(ConfigError, match="rows='most': choose one of few, all"):
        study.configure("smoke", "most")


def test_the_readings_are_those_of_the_first_papers_notebooks():
    """The literal one but for the rate; the best one is that of the most accurate cell of 07."""
    cells = pd.read_csv(RESULTS / "short" / "07_reading_the_paper" / "cells.csv")
    own = (cells.representation_loss == "cosine_embedding") & (cells.predictor == "first")
    cells = cells[own & ~cells.trainable_input_layer & (cells.pairing != "same_image")]
    best = cells.loc[cells.accuracy.idxmax()]
    config = study.configure("paper", "all")["best reading, dense 2"]
    found = (config.pairing, config.margin, config.batch_size)
    assert found == (best.pairing, best.margin, best.batch_size)
    literal = study.configure("paper", "all")["literal reading, dense 2"]
    paper = rules.configure("improved_ffcl", "paper")
    for name in ("layers", "batch_size", "pairing", "margin", "classification_loss"):
        assert getattr(literal, name) == getattr(paper, name), name
    assert literal.learning_rate == pytest.approx(10 * paper.learning_rate)
    mirror = study.configure("paper", "all")["mirror contrast, dense 2"]
    ours = rules.configure("mirror_contrast", "paper")
    for name in ("layers", "batch_size", "contrast", "temperature", "input_dropout", "schedule"):
        assert getattr(mirror, name) == getattr(ours, name), name
    assert mirror.learning_rate == ours.learning_rate and ours.normalised


def test_measures_have_a_figure_for_each_seed_and_block(networks, measured, few):
    found = measured["backprop, dense 8, skips"]
    assert found.accuracy.shape == (2,) and found.read.shape == (8, 2)
    assert found.alike.shape == (8, 8)
    rule = networks["backprop, dense 8, skips"]
    right = rule.twin_probabilities(few.test_images)["first"].argmax(-1) == few.test_labels
    np.testing.assert_allclose(found.accuracy, right.double().mean(-1))


def test_the_gradient_across_blocks_is_0_of_twins_alone(measured):
    assert not measured["best reading, dense 2"].across.any()
    assert not measured["mirror contrast, dense 2"].across.any()
    assert (measured["backprop, dense 8, skips"].across > 0).all()


def test_operations_are_those_of_the_products(few):
    """By hand: two networks, three products a weight (forward, and two backward but for the first
    layer, whose images need no gradient), a multiplication and an addition each."""
    config = study.configure("smoke", "few", epochs=3)["backprop, dense 2"]
    found = study.measure(rules.rule("deep_twins")(config), few)
    first, others = 784 * 64, 64 * 64 + 64 * 10
    images = len(few.train_labels)
    expected = 3 * images * 2 * 2 * (2 * first + 3 * others)
    assert found.operations == pytest.approx(expected, rel=0.03)  # besides products, little else


def test_read_outs_have_a_column_a_block():
    found = study.read_outs(made_up("all"))
    assert list(found.columns) == [f"block {k}" for k in range(1, 17)]
    two = found.loc["best reading, convolutional 2"]
    assert list(two.dropna()) == [50.0, 90.0]


def test_a_network_that_has_diverged_has_no_figures(few):
    config = study.configure("smoke", "few")["best reading, dense 2"]
    rule = rules.rule("deep_twins")(config)
    with torch.no_grad():
        rule.twins.first.weights[0][0] = torch.nan
    found = study.measure(rule, few)
    assert np.isnan(found.accuracy[0]) and np.isnan(found.read[:, 0]).all()
    assert np.isfinite(found.accuracy[1]) and np.isfinite(found.read[:, 1]).all()
    table = study.table({"one": found}, {"one": config})
    assert table.loc["one", "accuracy"] == pytest.approx(100 * found.accuracy[1], abs=0.006)
    assert np.isnan(table.loc["one", "std"]) and table.loc["one", "constant"] == 2


def made_up(rows):
    """Made-up figures of every place: accuracy depth / 100, less without skips."""
    found = {}
    for place in study.places(rows):
        accuracy = np.array([place.depth, place.depth + 1]) / 100 - 0.5 * (not place.skip)
        read = np.linspace(0.5, 0.9, place.depth)[:, None].repeat(2, 1)
        found[place.name] = Measured(accuracy, read, np.eye(place.depth), *np.zeros((3, 2)), 1e12)
    return found


def test_figures_and_differences_are_those_of_their_places():
    measured = made_up("all")
    over = study.over_depth(measured, "all")
    assert list(over) == [
        f"{kind}, {how} skip connections"
        for kind in ("dense", "convolutional")
        for how in ("no", "with")
    ]
    deep = measured[Place("best reading", "dense", 16, True).name]
    assert over["dense, with skip connections"]["best reading"][16] is deep.accuracy
    assert list(over["convolutional, no skip connections"]) == list(study.RULES)
    blocks = study.over_blocks(measured, "all")
    assert next(iter(blocks)) == "dense, no skip connections, 16 blocks"
    assert list(blocks["dense, no skip connections, 16 blocks"]["backprop"]) == list(range(1, 17))
    found = study.metrics(measured, "all")
    figures = {
        "best reading, dense 8 - 2 blocks/test_accuracy": 0.06,
        "best reading, dense 16, skips - without skips/test_accuracy": 0.5,
        "mirror contrast, convolutional 4 - dense/test_accuracy": 0.0,
        "mirror contrast, dense 8/read-out, last - first block": 0.4,
    }
    for name, value in figures.items():
        np.testing.assert_allclose(found[name], value, atol=1e-12, err_msg=name)


def test_metrics_have_every_claims_figure():
    own = [one for one in ledger() if one.notebook == study.NOTEBOOK]
    assert [one.id for one in own] == ["D1", "D2", "D3", "D4", "D5"]
    found = study.metrics(made_up("all"), "all")
    for one in own:
        assert all(np.isfinite(found[metric]).all() for metric in one.metrics), one.id
    few = study.metrics(made_up("few"), "few")
    assert np.isnan(few["mirror contrast, convolutional 4 - dense/test_accuracy"]).all()


def test_the_worked_way_up_is_by_hand_and_as_the_notebook_says():
    found = study.way_up(0.5)
    plain, skips = found["plain"], found["with skips"]
    np.testing.assert_allclose(plain["activation"], 0.5 ** np.arange(1, 7), atol=6e-4)
    np.testing.assert_allclose(skips["activation"], 1.5 ** np.arange(1, 7), atol=6e-4)
    assert plain["of a change"].equals(plain["activation"])
    text = (NOTEBOOKS / "13_deeper.ipynb").read_text(encoding="utf-8")
    for value in (plain["activation"].iloc[-1], skips["activation"].iloc[-1]):
        assert f" {value:g} " in text


def test_where_and_why_they_stop_is_what_the_committed_tables_say():
    folder = RESULTS / "short" / study.NOTEBOOK
    nets = pd.read_csv(folder / "networks.csv", index_col=0)
    text = (NOTEBOOKS / "13_deeper.ipynb").read_text(encoding="utf-8")
    text = text.split("## Where and why they stop")[1].split("## What deviates")[0]
    accuracy = {name: f"{value:.2f}" for name, value in nets.accuracy.items()}
    mirror, best = ("mirror contrast", "best reading")
    said = [
        f"{accuracy[f'{mirror}, dense 2']} % with 2 dense blocks and "
        f"{accuracy[f'{mirror}, dense 16']} % with 16",
        f"falls from {accuracy['backprop, dense 2']} to {accuracy['backprop, dense 16']} %",
        f"from {accuracy[f'{mirror}, convolutional 2']} % with 2 blocks to "
        f"{accuracy[f'{mirror}, convolutional 8']} % with 8; with skips it has "
        f"{accuracy[f'{mirror}, convolutional 2, skips']} and "
        f"{accuracy[f'{mirror}, convolutional 8, skips']} %",
        f"16 dense blocks ({accuracy[f'{best}, dense 16']} %) and, with convolutions, already at "
        f"4 ({accuracy[f'{best}, convolutional 4']} %) and 8 "
        f"({accuracy[f'{best}, convolutional 8']} %)",
        f"{accuracy[f'{best}, dense 16, skips']} % with 16 dense blocks, "
        f"{accuracy[f'{best}, convolutional 8, skips']} % with 8 convolutional ones",
    ]
    clothes = RESULTS / "short" / f"{study.NOTEBOOK}-fashion_mnist" / "networks.csv"
    clothes = pd.read_csv(clothes, index_col=0).map("{:.2f}".format, na_action="ignore")
    deep, skips = clothes.loc[f"{best}, dense 8"], clothes.loc[f"{best}, dense 8, skips"]
    said += [
        f"from {clothes.accuracy[f'{best}, dense 2']} % with 2 to {deep.accuracy} %",
        f"{float(deep['first block read']):.1f} % in the first of the 8 to "
        f"{float(deep['last block read']):.1f} % in the last",
        f"({skips.accuracy} %, and {float(skips['last block read']):.1f} % in the last)",
        f"{clothes.accuracy[f'{mirror}, dense 2']} % with 2 dense blocks, "
        f"{clothes.accuracy[f'{mirror}, dense 8']} % with 8",
    ]
    last, first = nets["last block read"], nets["first block read"]
    literal = "literal reading, dense 16"
    said += [
        f"still gets {last[f'{best}, dense 16']} % and {last[f'{best}, convolutional 8']} % right",
        f"differ from one another by {nets.varies[f'{best}, convolutional 8']} % of the length",
        f"gets {first[literal]} % from the first and {last[literal]} % from the last",
        f"slow this down ({last[literal + ', skips']} %)",
        f"a length of {nets.length[literal + ', skips']:.1e}",
    ]
    for words in said:
        assert words in text, words
    assert 0.28 < nets.length[f"{best}, dense 16"] / nets.length[f"{best}, dense 2"] < 0.38
    assert nets.varies[f"{best}, dense 16"] > 80
    record = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    gains = 100 * np.array(record["metrics"][claim("D2").metric])
    assert "of {:.1f}, {:.1f} and {:.1f} points".format(*gains) in text and (gains > 0).all()
    assert claim("D2").verdict({claim("D2").metric: gains / 100}) == "not supported"
