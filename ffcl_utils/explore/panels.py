"""The widgets of the notebooks 20 and 21: what is moved, and what is then drawn anew."""

from functools import cache

import numpy as np
import torch
from ipycanvas import Canvas
from ipywidgets import (
    HTML,
    Button,
    Dropdown,
    FloatSlider,
    HBox,
    Output,
    SelectionSlider,
    VBox,
)
from torch import Tensor

from ffcl_utils.explore import networks as explore
from ffcl_utils.explore import plots as explore_plots
from ffcl_utils.explore.drawing import like_mnist
from ffcl_utils.studies.silencing import can_be_silenced

PEN, SIDE = 22, 280  # pixels of the canvas
# Images on which accuracies are taken: FF looks at each ten times, and a slider wants its answer.
ANSWERED = 400
NOT_APART = (
    " Units of this layer cannot be silenced one by one (a convolution's share their weights)."
)


def ensemble_panel(
    networks: dict[str, object],
    images: Tensor,
    labels: Tensor,
    classes: tuple[str, ...],
    note: str,
) -> VBox:
    """Choose a network, layer, class and definition, and see the ensemble and what it is good for.

    images: (N, 784) uint8; labels: (N,). Every move is answered by one new picture and a sentence.
    Accuracies are those on ANSWERED of the images, every class with its share.
    """
    some = explore.stratified(labels, ANSWERED)
    asked = images[some], labels[some]

    @cache
    def layers_of(name: str) -> list[np.ndarray]:
        return explore.activations_of(networks[name], images, labels)

    @cache
    def accuracy_of(name: str) -> np.ndarray:
        return explore.class_accuracy(networks[name], *asked)

    model = Dropdown(options=list(networks), description="model")
    layer = Dropdown(options=list(range(1, len(layers_of(model.value)) + 1)), description="layer")
    chosen = SelectionSlider(
        options=[(name, c) for c, name in enumerate(classes)],
        description="class",
    )
    definition = Dropdown(options=list(explore.DEFINITIONS), description="definition")
    threshold = FloatSlider(
        explore.DEFINITIONS[definition.value][1],
        min=0,
        max=4,
        step=0.1,
        description="above",
    )
    picture, answers, sentence, errors = HTML(), HTML(), HTML(), Output()
    drawn = {}

    @errors.capture()
    def show(_=None) -> None:
        state = tuple(w.value for w in (model, layer, chosen, definition, threshold))
        if drawn.get("state") == state or layer.value is None:
            return
        drawn["state"] = state
        rule, activations = networks[model.value], layers_of(model.value)[layer.value - 1]
        scores = explore.DEFINITIONS[definition.value][0](activations, labels.numpy())
        members = scores > threshold.value
        own = members[chosen.value]
        strongest = np.argsort(-scores[chosen.value], kind="stable")[: explore_plots.SHOWN_UNITS]
        strongest = strongest[own[strongest]]
        title = f"{model.value}, layer {layer.value}: the ensemble of class {classes[chosen.value]}"
        figure = explore_plots.ensemble_figure(
            scores[chosen.value],
            threshold.value,
            definition.value,
            (members & own).sum(1),
            classes,
            chosen.value,
            _driving(images.numpy(), explore.drive(activations, own)),
            explore.fields(rule, layer.value - 1, images.numpy(), activations, strongest),
            title,
            note,
        )
        picture.value = explore_plots.image(
            figure,
            f"{title}: its units among all of the layer, the classes that share them, the images "
            "that drive it most and least, and what its units look for",
        )
        # What takes longer comes second: the page shows the ensemble meanwhile.
        accuracy = {"whole network": accuracy_of(model.value)}
        shown = "of the whole network"
        apart = can_be_silenced(rule, layer.value - 1, len(own))
        if apart:
            accuracy |= explore.lesions(rule, layer.value - 1, own, *asked)
            shown += ", without the ensemble, and of the ensemble alone"
        heading = f"accuracy per class, {len(some)} of the images"
        answers.value = explore_plots.image(
            explore_plots.accuracy_figure(accuracy, classes, chosen.value, heading),
            f"{heading}: {shown}",
        )
        told = "; ".join(f"{name} {100 * v.mean():.1f} %" for name, v in accuracy.items())
        sentence.value = (
            f"{title}: {own.sum()} of {len(own)} units, {definition.value} above "
            f"{threshold.value:g}. Accuracy: {told}."
        ) + ("" if apart else NOT_APART)

    def other_model(_) -> None:
        count = len(layers_of(model.value))
        before = layer.value
        layer.options = list(range(1, count + 1))
        layer.value = min(before, count)
        show()

    def other_definition(_) -> None:
        threshold.value = explore.DEFINITIONS[definition.value][1]
        show()

    model.observe(other_model, "value")
    definition.observe(other_definition, "value")
    for widget in (layer, chosen, threshold):
        widget.observe(show, "value")
    show()
    return VBox(
        [
            HBox([model, layer, definition]),
            HBox([chosen, threshold]),
            sentence,
            picture,
            answers,
            errors,
        ]
    )


def _driving(images: np.ndarray, drive: np.ndarray) -> np.ndarray:
    """The images (2, k, 784) that drive an ensemble most and least."""
    order = np.argsort(-drive, kind="stable")
    shown = explore_plots.SHOWN_DIGITS
    return np.stack([images[order[:shown]], images[order[::-1][:shown]]])


def drawing_panel(networks: dict[str, object], classes: tuple[str, ...], note: str) -> VBox:
    """A canvas to draw on, and what every network makes of the drawing when the pen is lifted."""
    canvas = Canvas(width=SIDE, height=SIDE, sync_image_data=True)
    canvas.layout.border = "1px solid #888"
    canvas.layout.width = f"{SIDE}px"
    wipe = Button(description="wipe")
    picture, sentence, errors = HTML(), HTML("Draw a digit."), Output()
    pen = {"at": None}

    def blank(_=None) -> None:
        canvas.fill_style = "white"
        canvas.fill_rect(0, 0, SIDE, SIDE)
        canvas.line_width, canvas.line_cap = PEN, "round"
        sentence.value, picture.value = "Draw a digit.", ""

    def down(x: float, y: float) -> None:
        pen["at"] = x, y
        canvas.stroke_line(x, y, x, y)

    def move(x: float, y: float) -> None:
        if pen["at"]:
            canvas.stroke_line(*pen["at"], x, y)
            pen["at"] = x, y

    def up(x: float, y: float) -> None:
        move(x, y)
        pen["at"] = None

    @errors.capture()
    def look(_) -> None:
        if pen["at"]:
            return  # while the pen moves, the page sends an image after every stroke
        ink = _ink(canvas.get_image_data())
        if not ink.any():
            return
        image = torch.from_numpy(like_mnist(ink))
        sentence.value = told(networks, image, classes)
        figure = answers(networks, image, classes, note)
        picture.value = explore_plots.image(
            figure,
            "The drawing as the networks see it, both twins' hidden layers, FF's goodness for "
            f"each label, and the answers of all networks. {sentence.value}",
        )

    canvas.on_touch_start(lambda fingers: down(*fingers[0]))
    canvas.on_touch_move(lambda fingers: move(*fingers[0]))
    canvas.on_touch_end(lambda _: up(*pen["at"]) if pen["at"] else None)
    canvas.on_mouse_down(down)
    canvas.on_mouse_move(move)
    canvas.on_mouse_up(up)
    canvas.on_mouse_out(up)
    canvas.observe(look, "image_data")
    wipe.on_click(blank)
    blank()
    return VBox([HBox([VBox([canvas, wipe]), VBox([sentence, picture])]), errors])


def _ink(picture: np.ndarray) -> np.ndarray:
    """How black a picture (H, W, 4) of red, green, blue and opacity is on white, (H, W) uint8.

    What was never drawn on is black and transparent.
    """
    red, opacity = picture[..., 0].astype(int), picture[..., 3].astype(int)
    return ((255 - red) * opacity // 255).astype(np.uint8)


def answers(networks: dict[str, object], image: Tensor, classes: tuple[str, ...], note: str):
    """The Figure of what every network makes of one image (784,) uint8."""
    return explore_plots.answers_figure(
        image.numpy(),
        explore.twin_activations(networks["improved FFCL, balanced"], image),
        explore.goodness_per_label(networks["FF"], image),
        {name: rule.probabilities(image[None])[0, 0].numpy() for name, rule in networks.items()},
        classes,
        note,
    )


def told(networks: dict[str, object], image: Tensor, classes: tuple[str, ...]) -> str:
    """The same in words: which class every network takes an image (784,) uint8 for."""
    found = {
        name: classes[int(rule.probabilities(image[None])[0, 0].argmax())]
        for name, rule in networks.items()
    }
    return "Predictions: " + "; ".join(f"{name} {answer}" for name, answer in found.items()) + "."
