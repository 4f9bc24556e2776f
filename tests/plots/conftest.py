import warnings

import numpy as np
import pytest
from matplotlib.text import Text


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def words():
    """Every text of a figure, drawn, as one string; none may be smaller than 7 points."""

    def read(figure) -> str:
        figure.draw_without_rendering()
        texts = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
        assert min(text.get_fontsize() for text in texts) >= 7
        return "\n".join(text.get_text() for text in texts)

    return read
