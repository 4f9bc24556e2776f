"""The worked batches: figures by hand, and the mean of a table is what the loss function says."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ffcl_utils.learning.goodness import goodness_loss
from ffcl_utils.learning.losses import class_mean_loss, cosine_embedding_loss
from ffcl_utils.studies import worked


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_pairs_by_hand():
    first = torch.tensor([[1.0, 0, 0], [0, 2, 0], [0, 0, 3]])
    second = torch.tensor([[1.0, 1, 0], [0, 5, 0], [4, 0, 0]])
    table = worked.pairs(first, second, torch.tensor([7, 7, 1]), torch.tensor([7, 1, 7]), 0.25)
    np.testing.assert_allclose(table.loss, [1 - math.sqrt(0.5), 0.75, 0], rtol=1e-6)
    assert list(table["rule"]) == ["1 - cos", "max(0, cos - 0.25)", "max(0, cos - 0.25)"]
    assert table["h'"][1] == "(0, 5, 0)"


def test_goodness_by_hand():
    table = worked.goodness(torch.tensor([[3.0, 4]]), torch.tensor([[0.0, 1]]), 3.0)
    assert table["g+"][0] == 5 and table["g-"][0] == 1
    assert table.loss[0] == pytest.approx(math.log1p(math.exp(-2)))


def test_class_means_by_hand():
    # Means of the second twin at 0° and 90°: the image at 30° is an eighth turn nearer to class 4.
    first = torch.tensor([[math.sqrt(3) / 2, 0.5]])
    second = torch.tensor([[2.0, 0], [0, 1]])
    table = worked.class_means(first.expand(2, -1), second, torch.tensor([4, 9]), temperature=0.5)
    share = 1 / (1 + math.exp((0.5 - math.sqrt(3) / 2) / 0.5))
    np.testing.assert_allclose(table["share of the right class"], [share, 1 - share], rtol=1e-6)
    np.testing.assert_allclose(table.loss, [-math.log(share), -math.log(1 - share)], rtol=1e-6)
    assert {"cos(h, μ'4)", "cos(h, μ'9)"} <= set(table.columns)


def test_errors_by_hand():
    weights = torch.tensor([[1.0, -1], [0, 2], [3, 0]])
    random = torch.tensor([[1.0, 0], [1, 1], [0, 5]])
    found = worked.errors(
        torch.tensor([0.5, -0.5]), torch.tensor([2.0, 1, 0]), weights, random, sweeps=2, step=0.5
    )
    units = found[["unit 0", "unit 1", "unit 2"]].to_numpy()
    # Unit 2 is silent: nothing reaches it.
    expected = [[1, -1, 0], [0.5, 0, 0], [0.75, -0.75, 0], [0, 0, 0]]
    np.testing.assert_allclose(units, expected)
    np.testing.assert_allclose(found.cosine[:3], [1, math.sqrt(0.5), 1], rtol=1e-6)
    assert np.isnan(found.cosine.iloc[3])


@given(st.integers(0, 10_000), st.integers(1, 6), st.floats(-0.9, 0.9, allow_subnormal=False))
def test_a_table_has_the_loss_of_the_function(seed, images, margin):
    one, other = drawn(seed, images, 4), drawn(seed + 1, images, 4)
    labels = torch.randint(0, 3, (2, images), generator=torch.Generator().manual_seed(seed))
    found = worked.pairs(one, other, *labels, margin).loss.mean()
    expected = cosine_embedding_loss(one[None], other[None], *labels[:, None], margin=margin)
    assert found == pytest.approx(expected.item(), abs=1e-9)
    found = worked.goodness(one, other, 3.0).loss.mean()
    expected = goodness_loss(one.norm(dim=-1)[None], other.norm(dim=-1)[None], 3.0)
    assert found == pytest.approx(expected.item(), abs=1e-9)
    same = labels[0]
    both = [
        worked.class_means(*pair, same, 0.2).loss.mean() for pair in ((one, other), (other, one))
    ]
    expected = class_mean_loss(one[None], other[None], same[None], same[None], temperature=0.2)
    assert sum(both) / 2 == pytest.approx(expected.item(), abs=1e-9)
