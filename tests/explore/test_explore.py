"""Committed networks taken apart, drawings as MNIST digits, rules side by side."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ffcl_utils import rules, store
from ffcl_utils.data.datasets import load
from ffcl_utils.explore import networks as explore
from ffcl_utils.explore import panels
from ffcl_utils.explore import plots as explore_plots
from ffcl_utils.explore.drawing import like_mnist
from ffcl_utils.files import read_json
from ffcl_utils.records.results import looked_at
from ffcl_utils.store.compact import write_compact
from ffcl_utils.studies import models, neighbour_rows
from ffcl_utils.studies.silencing import can_be_silenced, silenced
from tests.small import small, small_rule

ONE = {"seeds": 1, "epochs": 1, "batch_size": 64}


@pytest.fixture(scope="module")
def networks():
    return explore.read_networks()


@pytest.fixture(scope="module")
def seen(digits):
    rows = explore.stratified(digits.test_labels, 200)
    return digits.test_images[rows], digits.test_labels[rows]


def test_every_model_is_there_and_the_untrained_network(networks):
    assert list(networks) == [
        *models.MODELS, "improved FFCL, literal", "improved FFCL, balanced",
        *(explore.neighbour_files() if explore.are_committed() else ()), models.UNTRAINED,
    ]  # fmt: skip
    assert all(rule.config.seeds == 1 for rule in networks.values())


@pytest.mark.skipif(not explore.are_committed(), reason="no networks in results/short")
def test_committed_networks_are_those_of_the_committed_results(networks, full_data):
    """Their accuracy on MNIST's test images is that of the first seed of the run, nearly."""
    data = load("mnist")
    for run, metric in (("03_forward_forward", "FF"), ("03_forward_forward", "BP"),
                        ("01_improved_ffcl_accuracy", "balanced")):  # fmt: skip
        record = read_json(explore.REFERENCE / run / "metrics.json")
        name = metric if metric in networks else f"improved FFCL, {metric}"
        right = networks[name].predict(data.test_images)[0].argmax(-1) == data.test_labels
        expected = record["metrics"][f"{metric}/test_accuracy"][0]
        assert right.double().mean().item() == pytest.approx(expected, abs=0.01)


def test_networks_that_notebooks_left_are_read_and_one_missing_file_is_noticed(
    networks, monkeypatch, tmp_path
):
    monkeypatch.setattr(explore, "REFERENCE", tmp_path)
    assert not explore.are_committed()
    assert "embedded digits" in explore.origin()
    files = explore.network_files()
    for name, file in files.items():
        write_compact(file, networks[name])
    left = {str(file.relative_to(tmp_path)) for file in files.values()}
    assert left == {
        *(f"03_forward_forward/networks/{n}.safetensors"
          for n in ("ff", "bp_ff", "bp", "bp_rate_0_01")),
        *(f"01_improved_ffcl_accuracy/networks/improved_ffcl_{n}.safetensors"
          for n in ("literal", "balanced")),
    }  # fmt: skip
    assert explore.are_committed()
    assert "trained on MNIST" in explore.origin()
    monkeypatch.setattr(store, "trained", None)  # nothing is trained
    again = explore.read_networks()
    assert list(again) == [name for name in networks if name not in neighbour_rows.LEFT]
    for name, rule in again.items():
        assert rule.config.rule == networks[name].config.rule
        assert rule.config.settings() == networks[name].config.settings()
    files["BP"].unlink()
    assert not explore.are_committed()


def test_every_rule_can_be_chosen():
    """With those that notebooks 01 and 03 leave; a row of notebook 12 has a file of its own."""
    left = {neighbour_rows.ROWS[name].rule for name in neighbour_rows.LEFT}
    elsewhere = {"improved_ffcl", "forward_forward", "bp_ff", "backprop"}
    assert left | elsewhere == {row.rule for row in neighbour_rows.ROWS.values()}
    assert not left & elsewhere
    places = {models.file_name(name) for name in neighbour_rows.LEFT}
    assert len(places) == len(neighbour_rows.LEFT)
    assert all(re.fullmatch(r"[a-z0-9_]+", place) for place in places)


def test_networks_of_other_rules_are_read_where_they_are_there(networks, monkeypatch, tmp_path):
    monkeypatch.setattr(explore, "REFERENCE", tmp_path)
    for name, file in explore.network_files().items():
        write_compact(file, networks[name])
    assert explore.neighbour_files() == {}
    place = tmp_path / "12_neighbours" / "networks" / "hinton_s_ff.safetensors"
    write_compact(place, small_rule("hinton_ff", **ONE))
    assert explore.neighbour_files() == {"Hinton's FF": place}
    assert explore.read_networks()["Hinton's FF"].config.rule == "hinton_ff"


@pytest.mark.parametrize(
    ("name", "variant"),
    [(name, {}) for name in rules.names()] + [("local_losses", {"norm": "batch"})],
    ids=str,
)
def test_of_every_rule_a_silenced_unit_is_silent_or_cannot_be(name, variant, seen, digits):
    rule, (images, labels) = small_rule(name, **ONE, **variant), seen
    if variant:
        rule.fit(small(digits, 100))  # before it is trained, batch norm takes nothing away
    before = explore.activations_of(rule, images, labels)
    for layer, activations in enumerate(before):
        units = np.arange(activations.shape[1]) % 3 == 0
        if not can_be_silenced(rule, layer, len(units)):
            own = rule.hidden_weights()[layer].shape[-1]  # channels, or the units of one twin
            assert own < len(units) and len(units) % own == 0
            continue
        with silenced(rule, layer, units):
            during = explore.activations_of(rule, images, labels)
        assert (during[layer][:, units] == 0).all()
        rest = during[layer][:, ~units]
        np.testing.assert_allclose(rest, activations[:, ~units], rtol=1e-4, atol=1e-5)
        for below in range(layer):
            np.testing.assert_array_equal(during[below], before[below])


def test_stratified_takes_every_class_with_its_share():
    labels = torch.tensor([0] * 600 + [1] * 300 + [2] * 100)
    chosen = explore.stratified(labels, 100)
    assert labels[chosen].bincount().tolist() == [60, 30, 10]
    assert torch.equal(chosen, explore.stratified(labels, 100))
    assert len(explore.stratified(labels, 5000)) == 1000


def test_networks_answer_the_embedded_digits(networks, seen):
    images, labels = seen
    least = 0.9 if explore.are_committed() else 0.5
    for name in ("FF", "BP/FF", "BP"):
        assert explore.class_accuracy(networks[name], images, labels).mean() > least
    assert explore.class_accuracy(networks[models.UNTRAINED], images, labels).mean() < 0.5


@pytest.mark.parametrize("name", ["FF", "BP", "improved FFCL, balanced"])
def test_silenced_units_are_silent_and_come_back(networks, seen, name):
    rule, (images, labels) = networks[name], seen
    before = explore.activations_of(rule, images, labels)
    answers = rule.predict(images)
    units = np.arange(before[0].shape[1]) % 3 == 0
    with silenced(rule, 0, units):
        during = explore.activations_of(rule, images, labels)
        assert (during[0][:, units] == 0).all()
        np.testing.assert_allclose(during[0][:, ~units], before[0][:, ~units], rtol=1e-4, atol=1e-5)
        assert not np.allclose(during[1], before[1])
    assert torch.equal(rule.predict(images), answers)
    with pytest.raises(KeyError), silenced(rule, 0, units):
        raise KeyError
    assert torch.equal(rule.predict(images), answers)


def test_a_lesion_is_what_a_slow_forward_pass_without_the_units_gives(digits):
    """Plain matrix products in double precision, the units set to 0 by hand."""
    rule = rules.rule("backprop")(rules.configure("backprop", "smoke", **ONE | {"epochs": 2}))
    rule.fit(small(digits, 500))
    rows = explore.stratified(digits.test_labels, 100)
    images, labels = digits.test_images[rows], digits.test_labels[rows]
    members = np.random.default_rng(0).random(784) < 0.6
    found = explore.lesions(rule, 1, members, images, labels)
    weights, biases = (
        [t[0].detach().double().numpy() for t in ts]
        for ts in (rule.predicting().weights, rule.predicting().biases)
    )
    for name, silent in (("without it", members), ("it alone", ~members)):
        x = (images.double().numpy() / 255 - 0.1307) / 0.3081
        for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
            x = x @ w + b
            if k < 3:
                x = np.maximum(x, 0)
            if k == 1:
                x[:, silent] = 0
        right = x.argmax(1) == labels.numpy()
        expected = [right[labels.numpy() == c].mean() for c in range(10)]
        np.testing.assert_allclose(found[name], expected, atol=0.11)  # one image of a class
        assert abs(found[name].mean() - np.mean(expected)) < 0.02


def test_every_definition_says_who_belongs(digits):
    """Units that answer one class alone belong to it by all three."""
    labels = np.arange(100) % 10
    activations = np.eye(10)[labels] + 0.01
    for scores, threshold in explore.DEFINITIONS.values():
        assert np.array_equal(scores(activations, labels) > threshold, np.eye(10, dtype=bool))


def test_fields_above_the_first_layer_are_what_activates_a_unit():
    images = np.array([[0, 10, 20], [30, 40, 50], [60, 10, 0]], dtype=np.uint8)
    activations = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]])
    found = explore.fields(None, 1, images, activations, np.array([1, 0]))
    expected = np.stack([images[2], images[0]], 1) - images.mean(0)[:, None]
    np.testing.assert_allclose(found, expected)


def test_probabilities_add_up_to_one(networks, seen):
    for rule in networks.values():
        found = rule.probabilities(seen[0][:20])[0].numpy()
        np.testing.assert_allclose(found.sum(1), 1, rtol=1e-4)
        assert np.array_equal(found.argmax(1), rule.predict(seen[0][:20])[0].argmax(-1).numpy())


def test_goodness_per_label_is_largest_where_ff_answers_most_often(networks, seen):
    image, label = seen[0][0], int(seen[1][0])
    found = explore.goodness_per_label(networks["FF"], image)
    assert found.shape == (3, 10)
    again = networks["FF"].network.label_goodness(seen[0][:1])[0, :, 0].numpy()
    np.testing.assert_allclose(found, again)
    assert 0 <= label < 10


@pytest.mark.parametrize("move", [(0, 0), (40, 20), (-30, 35)])
def test_a_digit_drawn_large_and_anywhere_comes_out_as_mnist_has_it(digits, move):
    """MNIST's own digits, ten times as large and shifted on a larger canvas."""
    alike = []
    for image in digits.test_images[::20].numpy():
        large = Image.fromarray(image.reshape(28, 28)).resize((280, 280), Image.Resampling.NEAREST)
        canvas = np.zeros((400, 400), np.uint8)
        top, left = 60 + move[0], 60 + move[1]
        canvas[top : top + 280, left : left + 280] = np.array(large)
        alike.append(np.corrcoef(like_mnist(canvas), image)[0, 1])
    assert np.median(alike) > 0.999  # the same image, but for digits that fit their box loosely
    assert min(alike) > 0.8


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_any_drawing_becomes_an_image_in_its_box(height, width, seed):
    ink = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    found = like_mnist(ink)
    assert found.shape == (784,)
    assert found.dtype == np.uint8
    rows, columns = np.nonzero(found.reshape(28, 28))
    if len(rows):
        assert np.ptp(rows) < 20
        assert np.ptp(columns) < 20


def test_a_blank_drawing_stays_blank_and_a_picture_in_colour_is_refused():
    assert not like_mnist(np.zeros((50, 50), np.uint8)).any()
    far_apart = np.zeros((280, 280), np.uint8)
    far_apart[10, 10] = far_apart[200, 220] = 40  # two dots that a box of 20 × 20 averages away
    assert not like_mnist(far_apart).any()
    with pytest.raises(ValueError, match="two dimensions, not 3"):
        like_mnist(np.zeros((50, 50, 4), np.uint8))


def test_the_panel_answers_its_widgets(networks, seen, digits):
    chosen = {name: networks[name] for name in ("FF", "improved FFCL, balanced")}
    panel = panels.ensemble_panel(chosen, *seen, digits.classes, "note")
    (model, layer, definition), (chosen_class, threshold) = (
        row.children for row in panel.children[:2]
    )
    sentence, picture, answers, errors = panel.children[2:]
    shown = {sentence.value}
    for widget, value in (
        (chosen_class, 3), (threshold, 1.5), (layer, 3), (definition, "authors' rule"),
        (definition, "class mean"), (model, "improved FFCL, balanced"),
    ):  # fmt: skip
        before = picture.value, answers.value
        widget.value = value
        assert picture.value != before[0]
        assert answers.value
        for shown_image in (picture, answers):
            assert len(re.match('<img alt="([^"]+)"', shown_image.value)[1]) > 40
        assert sentence.value not in shown
        shown.add(sentence.value)
    assert layer.value == 2  # these networks have no third
    assert threshold.value == 0.5
    assert not errors.outputs


def test_the_panel_shows_a_layer_whose_units_share_their_weights(seen, digits):
    chosen = {"CaFo": small_rule("cascaded_forward", **ONE, layers=(784, 2, 3))}
    panel = panels.ensemble_panel(chosen, *seen, digits.classes, "note")
    sentence, picture, answers, errors = panel.children[2:]
    assert sentence.value.endswith(panels.NOT_APART)
    assert "without" not in answers.value and "whole network" in answers.value
    assert picture.value and not errors.outputs


def test_many_networks_answer_in_rows_that_fit(digits):
    names = [f"a rule with quite a long name, {k}" for k in range(14)]
    scores = {name: np.full(10, 0.1) for name in names}
    twins = {"one": [np.ones(4), np.ones(4)], "two": [np.ones(4), np.ones(4)]}
    figure = explore_plots.answers_figure(
        digits.test_images[0].numpy(), twins, np.ones((3, 10)), scores, digits.classes, "note"
    )
    figure.canvas.draw()
    boxes = [axis.get_tightbbox() for axis in figure.axes]
    assert len(boxes) == 1 + 4 + 1 + len(names)
    for k, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[k + 1 :])
        assert figure.bbox.x0 <= one.x0 and one.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= one.y0 and one.y1 <= figure.bbox.y1


def test_networks_of_digits_that_look_at_garments_are_named_as_such(digits):
    clothes = SimpleNamespace(name="fashion_mnist_1k")
    assert looked_at(clothes.name, 10, "networks").endswith("networks of digits look at garments")
    assert looked_at(digits.name, 10, "networks").endswith("10 images · networks")


def test_what_was_never_drawn_on_is_blank():
    picture = np.zeros((2, 2, 4), np.uint8)  # as a canvas comes: black, and transparent
    picture[0, 0] = 255  # wiped: white and opaque
    picture[1, 1] = (0, 0, 0, 255)
    picture[0, 1] = (0, 0, 0, 128)
    assert panels._ink(picture).tolist() == [[0, 128], [0, 255]]


def test_an_ensemble_without_units_is_drawn_too():
    figure = explore_plots.ensemble_figure(
        np.zeros(10), 1.0, "authors' rule", np.zeros(10, int), tuple("0123456789"), 0,
        np.zeros((2, 3, 784)), np.zeros((784, 0)), "t", "n",
    )  # fmt: skip
    assert explore_plots.image(figure, "<it>").startswith(
        '<img alt="&lt;it&gt;" src="data:image/png'
    )


def test_a_tie_is_right_by_chance_alone():
    class Silent:
        def predict(self, images):
            return torch.zeros(1, len(images), 10)

    labels = torch.arange(10).repeat(2)
    found = explore.class_accuracy(Silent(), torch.zeros(20, 784), labels)
    np.testing.assert_allclose(found, 0.1)
