"""Notebook 03: settings go to the models that have them, and metrics are what they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ffcl_utils.analysis.sparsity import hoyer_sparsity
from ffcl_utils.claims.ledger import claim
from ffcl_utils.config import ConfigError
from ffcl_utils.studies import models
from ffcl_utils.studies.printed import ACCURACY, GRID, HOYER, OTHERS


def test_settings_go_to_the_models_that_have_them():
    configs = models.configure("smoke", threshold=2.0, training="simultaneous", epochs=4)
    assert [c.epochs for c in configs.values()] == [4] * 4
    assert configs["FF"].threshold == configs["BP/FF"].threshold == 2.0
    assert configs["BP, rate 0.01"].learning_rate == 0.01
    assert configs["FF"].training == "simultaneous"


def test_short_is_what_the_reference_was_trained_with():
    """FF has the settings of a row that the authors printed: 20 epochs at batch 512."""
    configs = models.configure("short")
    assert [c.seeds for c in configs.values()] == [5] * 4
    assert [c.epochs for c in configs.values()] == [20, 12, 12, 12]
    assert [c.batch_size for c in configs.values()] == [512, 1024, 1024, 1024]
    assert [c.learning_rate for c in configs.values()] == [0.01, 1e-3, 1e-4, 0.01]
    assert {c.products for c in configs.values()} == {"auto"}


def test_paper_is_what_the_authors_configured():
    """In their public code, or, of the fourth model, in the row that they printed."""
    (row,) = (row for row in GRID if row.model == "BP")
    for dataset, ff in (("mnist", 1200), ("fashion_mnist", 100)):
        configs = models.configure("paper", dataset=dataset)
        assert [c.epochs for c in configs.values()] == [ff, 300, 80, row.epochs]
        assert [c.batch_size for c in configs.values()] == [1024, 1024, 2048, row.batch_size]
        assert [c.learning_rate for c in configs.values()] == [0.01, 1e-4, 1e-4, row.learning_rate]
    assert {c.epochs for c in models.configure("paper", epochs=7).values()} == {7}
    assert models.configure("paper", epochs=None) == models.configure("paper")


def test_the_nearest_printed_run_is_the_one_whose_figures_ours_are():
    plotted, printed = "FF, batch 1024, the plotted run", OTHERS["mnist"]["FF"]
    accuracy, hoyer = printed[0]
    layers = np.repeat(np.array(hoyer)[:, None], 3, axis=1)
    found = {"FF": models.Measured(np.full((3, 100), accuracy), layers, np.zeros((3, 3)))}
    table = models.nearest_printed(found, "mnist")
    assert list(table.index[:2]) == ["ours", plotted] and len(table) == 1 + 8 + 5 + len(printed)
    assert list(table.loc[plotted]) == [93.76, 0.845, 0.633, 0.756, 0.0]
    assert table["largest difference"].is_monotonic_increasing
    longest = table.loc["FF, 1200 epochs, rate 0.01, batch 512"]
    assert longest["largest difference"] == pytest.approx(0.756 - 0.139)
    assert "FF, 1200 epochs, rate 0.0001, batch 512" in table.index
    clothes = models.nearest_printed(found, "fashion_mnist")
    assert set(clothes.index) == {"ours", "FF, the plotted run", "FF, run 2"}
    assert list(clothes.loc["FF, the plotted run"])[:4] == [84.21, 0.725, 0.512, 0.479]
    assert list(models.nearest_printed(found, "mnist_5k").index) == ["ours"]


def test_a_seed_whose_layer_is_silent_leaves_the_figures_of_the_others():
    hoyer = np.array([[0.5, 0.7, 0.6], [0.5, np.nan, 0.7], [np.nan] * 3])
    silent = np.array([[0.0, 0.0, 0.0], [0.25, 1.0, 0.25], [1.0] * 3])
    found = {"FF": models.Measured(np.ones((3, 4), bool), hoyer, silent)}
    table = models.hoyer_table(found, "mnist").loc["FF"]
    assert table["mean"].tolist()[:2] == [0.6, 0.6] and np.isnan(table.loc["layer 3", "mean"])
    assert table["lowest seed"].tolist()[:2] == [0.5, 0.5]
    assert table["silent, %"].tolist() == [0.0, 50.0, 100.0]
    assert models.nearest_printed(found, "mnist").loc["ours", "layer 2"] == 0.6


def test_bands_hold_every_printed_run():
    """Of FF the lowest is that of 1200 epochs in layer 3, the highest of 50 epochs in layer 2."""
    assert HOYER["mnist"]["FF"] == [(0.630, 0.901), (0.385, 0.688), (0.139, 0.756)]
    assert HOYER["mnist"]["BP, rate 0.01"] == [(0.966, 0.966), (0.857, 0.857), (0.781, 0.781)]
    assert HOYER["mnist"]["BP/FF"] == [(0.907, 0.963), (0.690, 0.810), (0.038, 0.320)]
    assert HOYER["mnist"]["BP"] == [(0.311, 0.595), (0.187, 0.456), (0.214, 0.403)]
    assert HOYER["fashion_mnist"]["FF"] == [(0.725, 0.768), (0.498, 0.512), (0.479, 0.566)]


def test_claims_have_the_ends_of_the_runs_that_they_name():
    """B1c of BP's above .977; B2 to B2c of FF's at batch 1024, with and without settings."""
    bp = claim("B1c").judge
    assert (bp.low, bp.high) == (round(ACCURACY["mnist"]["BP"][0], 3), ACCURACY["mnist"]["BP"][1])
    runs = [hoyer for _, hoyer in OTHERS["mnist"]["FF"]]
    runs += [row.hoyer for row in GRID if row.model == "FF" and row.batch_size == 1024]
    for id, layer in zip(("B2", "B2b", "B2c"), zip(*runs, strict=True), strict=True):
        judge = claim(id).judge
        assert (judge.low, judge.high) == (min(layer), max(layer))


@pytest.mark.parametrize(
    ("id", "dataset", "model", "layer"),
    [
        ("B1b", "mnist", "BP/FF", None),
        ("B1e", "fashion_mnist", "FF", None),
        ("B1f", "fashion_mnist", "BP/FF", None),
        ("B1g", "fashion_mnist", "BP", None),
        ("B2g", "fashion_mnist", "FF", 0),
        ("B2h", "fashion_mnist", "FF", 1),
        ("B2i", "fashion_mnist", "FF", 2),
    ],
)
def test_claims_have_the_printed_figures(id, dataset, model, layer):
    """The range of all printed runs, or the one that the paper plots."""
    judge = claim(id).judge
    if judge.name == "mean_within":
        assert (judge.low, judge.high) == ACCURACY[dataset][model]
    else:
        accuracy, hoyer = OTHERS[dataset][model][0]
        assert judge.figure == (accuracy if layer is None else hoyer[layer])


def test_too_few_permutations_are_refused():
    with pytest.raises(ConfigError, match="permutations=19: 20 or more"):
        models.configure("smoke", permutations=19)


def test_a_setting_that_no_model_has_is_refused():
    with pytest.raises(ConfigError, match="no model has the setting treshold"):
        models.configure("smoke", treshold=2.0)


def test_a_network_by_itself_represents_the_same_as_among_others(networks, few):
    """To the last bit, whichever model, and before half precision rounds anything."""
    for rule in networks.values():
        together = rule.representations(few.test_images, few.test_labels)
        for k, one in enumerate(models.one_by_one(rule)):
            assert one.config.seed_list == [rule.config.seed_list[k]]
            alone = one.representations(few.test_images, few.test_labels)
            assert all(torch.equal(a[0], t[k]) for a, t in zip(alone, together, strict=True))
        layers = models.activations(rule, few)
        assert len(layers) == len(together)
        for layer, exact in zip(layers, together, strict=True):
            assert [a.dtype for a in layer] == [np.float16] * 2
            np.testing.assert_array_equal(np.stack(layer), exact.numpy().astype(np.float16))


def test_metrics_are_taken_over_correct_images(networks, few):
    measured = {name: models.measure(rule, few) for name, rule in networks.items()}
    of_layers = models.accuracy_of_layers(networks, few)
    metrics = models.metrics(measured, of_layers)
    assert all(
        (metrics[f"{name}/test_accuracy"] == values).all() for name, values in of_layers.items()
    )
    rule = networks["FF"]
    right = (rule.predict(few.test_images).argmax(-1) == few.test_labels).numpy()
    np.testing.assert_allclose(metrics["FF/test_accuracy"], right.mean(1))
    for k, layer in enumerate(rule.representations(few.test_images, few.test_labels), start=1):
        for seed in range(2):
            seen = layer[seed].numpy()[right[seed]]
            expected = np.nanmean([hoyer_sparsity(image) for image in seen])
            assert metrics[f"FF/hoyer/layer{k}"][seed] == pytest.approx(expected, rel=1e-5)
            silent = [not image.any() for image in seen]
            assert metrics[f"FF/silent/layer{k}"][seed] == pytest.approx(np.mean(silent))
    ff, bp = measured["FF"].hoyer, measured["BP"].hoyer
    lowest = np.minimum(ff[0] - bp[0], ff[1] - bp[1])
    np.testing.assert_allclose(metrics["FF - BP/hoyer/layers 1 and 2"], lowest)
    assert all(len(values) == 2 for values in metrics.values())


def test_a_layer_alone_takes_the_label_that_excites_it_most(networks, few):
    """Against every label written into every image, and the squares added up."""
    images = torch.arange(200)
    some = replace(few, test_images=few.test_images[images], test_labels=few.test_labels[images])
    found = models.accuracy_of_layers(networks, some)
    for name in ("FF", "BP/FF"):
        shown = [
            networks[name].representations(some.test_images, torch.full((200,), label))
            for label in range(10)
        ]
        for k in range(len(shown[0])):
            excited = torch.stack([(layers[k].double() ** 2).sum(-1) for layers in shown], -1)
            right = (excited.argmax(-1) == some.test_labels).double().mean(-1)
            np.testing.assert_allclose(found[f"{name}, layer {k + 1}"], right, atol=0.01)
    assert not [name for name in found if not name.startswith(("FF", "BP/FF"))]


def test_a_model_that_gets_nothing_right_has_no_sparsity_and_no_error(few, networks):
    measured = models.measure(networks["FF"], few)
    nothing = np.zeros_like(measured.correct)
    layer = np.ones((2, 1000, 5))
    assert np.isnan(models.mean_hoyer(layer, nothing)).all()


def test_tables_have_a_row_a_model(networks, few):
    measured = {name: models.measure(rule, few) for name, rule in networks.items()}
    table = models.accuracy_table(measured, [0, 1], "fashion_mnist")
    assert table["printed"].to_dict() == {
        "FF": "83.17 – 84.98", "BP/FF": "87.52", "BP": "89.63", "BP, rate 0.01": ""
    }  # fmt: skip
    assert models.accuracy_table(measured, [0, 1], "mnist_5k")["printed"].eq("").all()
    table = models.hoyer_table(measured, "mnist")
    assert table.loc[("FF", "layer 1"), "printed"] == "0.63 – 0.901"
    assert models.hoyer_table(measured, "mnist_5k")["printed"].eq("").all()
    assert "threshold" in models.settings_table(networks).index


def test_curves_are_those_of_the_history(networks):
    curves = models.goodness_curves(networks)
    assert list(curves) == [f"{m}, layer{k}" for m in ("FF", "BP/FF") for k in (1, 2, 3)]
    history = networks["BP/FF"].history
    positive = curves["BP/FF, layer2"]["positive data"]
    assert np.array_equal(positive, history["positive_goodness/layer2"])


def test_the_curves_of_a_panel_are_of_equally_many_images(networks, few, digits):
    """FF is watched on 2,000 images at most: with more test images BP needs a panel of its own."""
    every = f"{len(few.test_labels):,} test images"
    (panel,) = models.accuracy_curves(networks, few).items()
    assert panel[0] == every and list(panel[1]) == list(networks)
    assert all(curve.shape == (2, 2) for curve in panel[1].values())
    many = replace(
        few,
        test_images=digits.test_images.repeat(9, 1)[:3000],
        test_labels=digits.test_labels.repeat(9)[:3000],
    )
    panels = models.accuracy_curves(networks, many)
    assert {name: set(curves) for name, curves in panels.items()} == {
        "2,000 test images": {"FF", "BP/FF"},
        "3,000 test images": {"BP", "BP, rate 0.01"},
    }


def test_the_diagram_shows_who_changes_what(networks, few):
    found = models.learning(networks, few)
    every = ["layer 1", "layer 2", "layer 3"]
    assert list(found["FF"].losses.values()) == [[layer] for layer in every]
    assert list(found["BP/FF"].losses.values()) == [every]
    assert list(found["BP"].losses.values()) == [[*every[:2], "output"]]  # small: two layers


def test_the_untrained_network_is_ffs_before_its_training(networks):
    before = models.untrained(networks)
    assert before.config == networks["FF"].config
    assert before.history is None
    assert list(dict(models.with_untrained(networks))) == [*networks, "untrained"]
