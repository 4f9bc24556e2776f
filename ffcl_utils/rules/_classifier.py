"""What rules of one network with a linear classifier at its end ask of its layers."""

from typing import Annotated

from pydantic import AfterValidator

from ffcl_utils.config import LayerSizes
from ffcl_utils.learning.losses import CLASSES

PIXELS = 784


def _fits(layers: tuple[int, ...]) -> tuple[int, ...]:
    if len(layers) < 3 or layers[0] != PIXELS or layers[-1] != CLASSES:
        raise ValueError(f"needs {PIXELS} inputs, at least one hidden layer and {CLASSES} outputs")
    return layers


# Without a hidden layer these rules have nothing to differ in; other ends do not fit the data.
ClassifierLayers = Annotated[LayerSizes, AfterValidator(_fits)]
