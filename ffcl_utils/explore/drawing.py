"""A drawing as a network trained on MNIST expects it."""

import numpy as np
from PIL import Image
from scipy.ndimage import center_of_mass, shift

SIDE, BOX = 28, 20  # pixels of an MNIST image, and of the box that its digit fits


def like_mnist(drawing: np.ndarray) -> np.ndarray:
    """A drawing (H, W), 0 blank to 255 ink, as an image (784,) uint8 in the way of MNIST.

    Cut to the ink, scaled to fit a box of 20 × 20 pixels with its sides' ratio kept, and put with
    its centre of mass in the middle of 28 × 28 (LeCun et al. 1998, section III.A). A drawing that
    is blank, or too faint to be seen at that size, gives a blank image. Raises ValueError for
    anything but two dimensions.
    """
    if drawing.ndim != 2:
        raise ValueError(f"a drawing has two dimensions, not {drawing.ndim}")
    rows, columns = (np.flatnonzero(drawing.any(axis)) for axis in (1, 0))
    if not rows.size:
        return np.zeros(SIDE * SIDE, np.uint8)
    ink = drawing[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX / max(ink.shape)
    size = [max(1, round(side * scale)) for side in reversed(ink.shape)]
    small = np.array(Image.fromarray(ink.astype(np.uint8)).resize(size, Image.Resampling.BOX))
    canvas = np.zeros((SIDE, SIDE))
    if not small.any():
        return canvas.astype(np.uint8).reshape(-1)
    top, left = ((SIDE - side) // 2 for side in small.shape)
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    # By whole pixels: in MNIST every centre of mass is within half a pixel of row and column 14.
    steps = [round(SIDE / 2 - place) for place in center_of_mass(canvas)]
    return shift(canvas, steps, order=0).clip(0, 255).round().astype(np.uint8).reshape(-1)
