"""Trained networks as files and back; the studies of ensembles and of unseen classes."""

import numpy as np
import pandas as pd
import pytest
import torch

from ffcl_utils.config import configure
from ffcl_utils.data import datasets
from ffcl_utils.data.datasets import without_class
from ffcl_utils.files import write_whole
from ffcl_utils.paths import RESULTS
from ffcl_utils.records import results
from ffcl_utils.rules.improved_ffcl import ImprovedFFCL
from ffcl_utils.store.compact import network_files, read_network, read_weights, stacks_of
from ffcl_utils.studies import ensembles as ensemble_study
from ffcl_utils.studies import models
from ffcl_utils.studies import unseen as unseen_study
from tests.rules.test_improved_ffcl import small

OVERRIDES = {"seeds": 2, "epochs": 2, "batch_size": 64}


@pytest.fixture(scope="module")
def trained():
    digits = small(datasets.load("mnist_5k"), 400)
    configs = models.configure_models("smoke", **OVERRIDES)
    rules, _ = models.train_models(configs, digits)
    return configs, rules, digits


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    configs, rules, digits = trained
    where = tmp_path_factory.mktemp("run")
    results.write(
        str(where), configs=configs, data=digits, overrides={}, seconds=1.0, metrics={}, figures={},
        files=models.weight_files(rules) | models.compact_files(rules, digits),
    )  # fmt: skip
    return where


def test_overrides_go_to_the_models_that_have_them():
    configs = models.configure_models("smoke", threshold=2.0, training="simultaneous", epochs=4)
    assert [c.epochs for c in configs.values()] == [4] * 4
    assert configs["FF"].threshold == configs["BP/FF"].threshold == 2.0
    assert configs["BP, rate 0.01"].learning_rate == 0.01


def test_weights_come_back_as_they_were(trained, folder):
    configs, rules, digits = trained
    for name, config in configs.items():
        back = models.read_rule(folder / "weights" / f"{models.file_name(name)}.npz", config)
        images = digits.test_images[:50]
        assert torch.equal(back.predict(images), rules[name].predict(images))


def test_representations_of_a_run_have_every_seed_and_the_untrained_network(trained, folder):
    configs, rules, digits = trained
    source = models.read_representations(str(folder))
    assert list(source.representations) == [*configs, models.UNTRAINED]
    for name, rule in rules.items():
        found = source.representations[name]
        layers = rule.representations(digits.test_images, digits.test_labels)
        for read, computed in zip(found.layers, layers, strict=True):
            np.testing.assert_allclose(read, computed.numpy(), rtol=1e-3, atol=1e-4)
        right = rule.predict(digits.test_images).argmax(-1) == digits.test_labels
        assert np.array_equal(found.correct, right.numpy())
    untrained = source.representations[models.UNTRAINED]
    assert untrained.correct.all()
    fresh = models.ForwardForward(configs["FF"]).network.layers.weights[0].detach().numpy()
    assert np.array_equal(untrained.weights[0], fresh)


def test_the_compact_set_is_the_first_seed_of_stratified_images(trained, folder):
    _, _, digits = trained
    compact = models._read_compact(folder)
    full = models.read_representations(str(folder))
    rows = models.stratified(digits.test_labels, models.COMPACT_IMAGES).numpy()
    for name, found in compact.representations.items():
        whole = full.representations[name]
        assert np.array_equal(found.labels, whole.labels[rows])
        assert np.array_equal(found.correct, whole.correct[:1, rows])
        for one, every in zip(found.layers, whole.layers, strict=True):
            np.testing.assert_allclose(one, every[:1, rows], rtol=2e-3, atol=1e-3)


def test_a_network_comes_back_from_its_small_files_in_half_precision(trained, folder):
    configs, rules, _ = trained
    for name, rule in rules.items():
        fresh = models.RULES[models.MODELS[name][0]](configs[name].model_copy(update={"seeds": 1}))
        read_network(folder / "representations" / models.file_name(name), fresh)
        for stack, layers in stacks_of(rule).items():
            back = stacks_of(fresh)[stack]
            for one, every in zip(back.weights, layers.weights, strict=True):
                torch.testing.assert_close(one, every[:1], rtol=1e-3, atol=1e-6)
            for one, every in zip(back.biases, layers.biases, strict=True):
                assert torch.equal(one, every[:1])


def test_both_twins_come_back_from_their_small_files(tmp_path):
    config = configure("improved_ffcl", "smoke", seeds=2)
    rule = ImprovedFFCL(config)
    for path, write in network_files("improved_ffcl", rule).items():
        write_whole(tmp_path / path, write)
    fresh = ImprovedFFCL(config.model_copy(update={"seeds": 1, "first_seed": 5}))
    read_network(tmp_path / "representations" / "improved_ffcl", fresh)
    for twin in ("first", "second"):
        one, every = getattr(fresh, twin), getattr(rule, twin)
        for a, b in zip(one.parameters(), every.parameters(), strict=True):
            torch.testing.assert_close(a, b[:1], rtol=1e-3, atol=1e-6)
    with pytest.raises(FileNotFoundError, match="no weights of nobody in"):
        read_weights(tmp_path / "nobody")


def test_a_folder_without_representations_is_named(folder, tmp_path):
    (tmp_path / "provenance.json").write_text((folder / "provenance.json").read_text())
    with pytest.raises(FileNotFoundError, match="no representations of FF in"):
        models._read_compact(tmp_path)


def test_the_committed_set_is_small_and_balanced():
    folder = RESULTS / "paper" / "03_forward_forward" / "representations"
    sizes = [path.stat().st_size for path in folder.iterdir()]
    assert sum(sizes) <= 25 * 2**20
    assert max(sizes) < 4_000_000
    source = models.read_representations("")
    labels = source.representations["FF"].labels
    assert len(labels) == models.COMPACT_IMAGES
    assert np.bincount(labels).min() >= 85  # 1,000 of 10,000, every class with its share
    assert "committed 1000 images of" in source.note


def test_stratified_takes_every_class_with_its_share():
    labels = torch.tensor([0] * 600 + [1] * 300 + [2] * 100)
    chosen = models.stratified(labels, 100)
    assert labels[chosen].bincount().tolist() == [60, 30, 10]
    assert torch.equal(chosen, models.stratified(labels, 100))
    assert len(models.stratified(labels, 5000)) == 1000


@pytest.fixture(scope="module")
def planted():
    """Two seeds; units 0-4 of layer 1 answer class 0, 5-9 class 1, …; layer 2 is noise."""
    labels = np.arange(600) % 10
    rng = np.random.default_rng(0)
    first = rng.random((2, 600, 60)).astype(np.float16)
    for c in range(10):
        first[:, labels == c, 5 * c : 5 * c + 5] += 20
    second = rng.random((2, 600, 60)).astype(np.float16)
    right = np.ones((2, 600), bool)
    return {"made up": models.Representation([first, second], [], right, labels)}


def test_planted_ensembles_make_the_table(planted):
    found = ensemble_study.find_ensembles(planted, permutations=100)
    table = ensemble_study.ensemble_table(planted, found).set_index(["layer", "seed"])
    for seed in range(2):
        first, second = table.loc[(1, seed)], table.loc[(2, seed)]
        assert (first.units, first["size"], first.classes) == (50 / 60, 5, 10)
        assert first["ratio 1"] == first["ratio 2"] == 50 / 60
        assert first.nearest == 1.0
        assert (second.units, second.classes) == (0, 0)
        assert second.active == 1.0
    stable = ensemble_study.stability(planted, 100).loc["made up"]
    assert stable.halves == 1.0
    assert stable.seeds > 0.8


def test_similar_classes_are_compared_with_all_other_pairs():
    overlaps = np.full((1, 10, 10), 0.1)
    for a, b in ((0, 6), (2, 4), (2, 6), (4, 6)):
        overlaps[:, a, b] = overlaps[:, b, a] = 0.5
    assert ensemble_study.similar_minus_others(overlaps) == pytest.approx([0.4])


def test_a_held_out_class_is_not_in_the_training(digits):
    part = without_class(digits, 3)
    assert part.train_labels.bincount().tolist() == [400] * 3 + [0] + [400] * 6
    assert len(part.test_labels) == 1000


def test_unseen_study_has_a_row_per_model_and_seed(digits):
    configs = unseen_study.configure_unseen("smoke", seeds=2, epochs=1)
    table = unseen_study.hold_out(configs, small(digits, 400), 3)
    assert list(table.model) == ["FF"] * 2 + ["BP"] * 2 + ["untrained"] * 2
    for definition in ("effect", "ratio"):
        auc, size = table[f"{definition} auc"], table[f"{definition} size"]
        assert auc.between(0, 1).all()
        assert (auc[size == 0] == 0.5).all()
    assert (table["largest effect"].gt(2.5) == table["effect size"].gt(0)).all()


def test_share_with_ensemble_compares_with_the_untrained_network():

    sizes = {
        ("FF", 0): [5, 0],
        ("FF", 1): [5, 3],
        ("untrained", 0): [0, 0],
        ("untrained", 1): [5, 0],
    }
    table = pd.DataFrame(
        [
            {"model": model, "seed": seed, "held out": label, "effect size": size}
            for (model, seed), of_classes in sizes.items()
            for label, size in enumerate(of_classes)
        ]
    )
    assert unseen_study.share_with_ensemble(table).loc["FF"].tolist() == [0.5, 0.5]
