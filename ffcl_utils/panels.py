"""The widgets of the notebooks 20 and 21: what is moved, and what is then drawn anew."""

import numpy as np
import torch
from ipycanvas import Canvas
from ipywidgets import (
    HTML,
    Button,
    Dropdown,
    FloatSlider,
    HBox,
    Image,
    Output,
    SelectionSlider,
    VBox,
)
from torch import Tensor

from ffcl_utils import explore, explore_plots
from ffcl_utils.drawing import like_mnist

PEN, SIDE = 22, 280  # pixels of the canvas


def ensemble_panel(
    networks: dict[str, object],
    images: Tensor,
    labels: Tensor,
    classes: tuple[str, ...],
    note: str,
) -> VBox:
    """Choose a network, layer, class and definition, and see the ensemble and what it is good for.

    images: (N, 784) uint8; labels: (N,). Every move is answered by one new picture and a sentence.
    """
    found = {name: explore.activations_of(rule, images, labels) for name, rule in networks.items()}
    whole = {name: explore.class_accuracy(rule, images, labels) for name, rule in networks.items()}
    model = Dropdown(options=list(networks), description="model")
    layer = Dropdown(options=[1, 2, 3], description="layer")
    chosen = SelectionSlider(
        options=[(name, c) for c, name in enumerate(classes)],
        description="class",
        continuous_update=False,
    )
    definition = Dropdown(options=list(explore.DEFINITIONS), description="definition")
    threshold = FloatSlider(
        explore.DEFINITIONS[definition.value][1],
        min=0,
        max=4,
        step=0.1,
        description="above",
        continuous_update=False,
    )
    picture, sentence, errors = Image(format="png"), HTML(), Output()
    drawn = {}

    @errors.capture()
    def show(_=None) -> None:
        state = tuple(w.value for w in (model, layer, chosen, definition, threshold))
        if drawn.get("state") == state or layer.value is None:
            return
        drawn["state"] = state
        rule, activations = networks[model.value], found[model.value][layer.value - 1]
        scores = explore.DEFINITIONS[definition.value][0](activations, labels.numpy())
        members = scores > threshold.value
        own = members[chosen.value]
        strongest = np.argsort(-scores[chosen.value], kind="stable")[: explore_plots.SHOWN_UNITS]
        strongest = strongest[own[strongest]]
        accuracy = {"whole network": whole[model.value]} | explore.lesions(
            rule, layer.value - 1, own, images, labels
        )
        title = f"{model.value}, layer {layer.value}: the ensemble of class {classes[chosen.value]}"
        picture.value = explore_plots.png(
            explore_plots.ensemble_figure(
                scores[chosen.value],
                threshold.value,
                definition.value,
                (members & own).sum(1),
                classes,
                chosen.value,
                _driving(images.numpy(), explore.drive(activations, own)),
                explore.fields(rule, layer.value - 1, images.numpy(), activations, strongest),
                accuracy,
                title,
                note,
            )
        )
        told = "; ".join(f"{name} {100 * v.mean():.1f} %" for name, v in accuracy.items())
        sentence.value = f"{title}: {own.sum()} of {len(own)} units. Accuracy: {told}."

    def other_model(_) -> None:
        count = len(found[model.value])
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
        [HBox([model, layer, definition]), HBox([chosen, threshold]), sentence, picture, errors]
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
    picture, sentence, errors = Image(format="png"), HTML("Draw a digit."), Output()
    pen = {"at": None}

    def blank(_=None) -> None:
        canvas.fill_style = "white"
        canvas.fill_rect(0, 0, SIDE, SIDE)
        canvas.line_width, canvas.line_cap = PEN, "round"
        sentence.value, picture.value = "Draw a digit.", b""

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
        ink = 255 - canvas.get_image_data()[..., 0]
        if not ink.any():
            return
        image = torch.from_numpy(like_mnist(ink))
        picture.value = explore_plots.png(answers(networks, image, classes, note))
        sentence.value = told(networks, image, classes)

    canvas.on_mouse_down(down)
    canvas.on_mouse_move(move)
    canvas.on_mouse_up(up)
    canvas.on_mouse_out(up)
    canvas.observe(look, "image_data")
    wipe.on_click(blank)
    blank()
    return VBox([HBox([canvas, wipe]), sentence, picture, errors])


def answers(networks: dict[str, object], image: Tensor, classes: tuple[str, ...], note: str):
    """The Figure of what every network makes of one image (784,) uint8."""
    return explore_plots.answers_figure(
        image.numpy(),
        explore.twin_activations(networks["improved FFCL, balanced"], image),
        explore.goodness_per_label(networks["FF"], image),
        {name: explore.probabilities(rule, image[None])[0] for name, rule in networks.items()},
        classes,
        note,
    )


def told(networks: dict[str, object], image: Tensor, classes: tuple[str, ...]) -> str:
    """The same in words: which class every network takes an image (784,) uint8 for."""
    found = {
        name: classes[int(explore.probabilities(rule, image[None])[0].argmax())]
        for name, rule in networks.items()
    }
    return "Predictions: " + "; ".join(f"{name} {answer}" for name, answer in found.items()) + "."
