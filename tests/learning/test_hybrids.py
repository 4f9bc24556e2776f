"""Hybrid images against slow loops in exact fractions, and by what has to be true of them."""

from fractions import Fraction

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from ffcl_utils.data.pixels import MASKS
from ffcl_utils.learning.hybrids import BLURS, hybrid_masks, hybrid_visits, hybrids

FILTER = {-1: Fraction(1, 4), 0: Fraction(1, 2), 1: Fraction(1, 4)}


def slow_mask(bits, blurs):
    """Blur a square of bits pixel by pixel, a pixel beyond the border being the nearest one."""
    side, field = len(bits), [[Fraction(int(bit)) for bit in row] for row in bits]

    def at(k):
        return min(max(k, 0), side - 1)

    for _ in range(blurs):
        field = [
            [
                sum(
                    FILTER[up] * FILTER[left] * field[at(y + up)][at(x + left)]
                    for up in FILTER
                    for left in FILTER
                )
                for x in range(side)
            ]
            for y in range(side)
        ]
    return [[value > Fraction(1, 2) for value in row] for row in field]


@pytest.mark.parametrize(
    ("side", "count", "blurs"), [(5, 6, 0), (5, 6, 1), (6, 4, 3), (9, 4, BLURS), (28, 1, BLURS)]
)
def test_masks_are_blurred_bits(side, count, blurs):
    """Bits that are not blurred are the masks of no blurs; no sum in float32 is rounded."""
    bits = hybrid_masks(count, side**2, 0).unflatten(1, (side, side))
    expected = torch.tensor([slow_mask(one.tolist(), blurs) for one in bits])
    assert torch.equal(hybrid_masks(count, side**2, blurs), expected.flatten(1))


def test_masks_are_the_same_in_every_run_and_differ_among_each_other():
    masks = hybrid_masks(MASKS, 784)
    torch.rand(3)
    assert torch.equal(masks, hybrid_masks(MASKS, 784))
    assert len(masks.unique(dim=0)) == MASKS


def test_masks_have_large_regions_and_take_half_of_each_image():
    """Neighbouring bits agree in half of the pairs, and in 7 of 8 once they are blurred."""

    def agreement(masks):
        square = masks.unflatten(1, (28, 28))
        across = (square[:, :, 1:] == square[:, :, :-1]).double().mean()
        return across, (square[:, 1:] == square[:, :-1]).double().mean()

    masks = hybrid_masks(MASKS, 784)
    share = masks.double().mean(1)
    assert share.mean() == pytest.approx(0.5, abs=0.01)
    assert share.min() > 0.1 and share.max() < 0.9
    assert agreement(hybrid_masks(MASKS, 784, 0)) == pytest.approx((0.5, 0.5), abs=0.01)
    assert min(agreement(masks)) > 0.85


@given(st.integers(1, 3), st.integers(1, 5), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_a_pixel_of_a_hybrid_comes_from_one_image(seeds, batch, seed):
    drawn = torch.Generator().manual_seed(seed)
    one, other = torch.randint(256, (2, seeds, batch, 49), generator=drawn, dtype=torch.uint8)
    masks = hybrid_masks(seeds * batch, 49, 2).unflatten(0, (seeds, batch))
    mixed, kept = hybrids(one, other, masks), masks.int()
    assert torch.equal(mixed.int(), kept * one.int() + (1 - kept) * other.int())
    assert ((mixed == one) | (mixed == other)).all()
    assert torch.equal(hybrids(one, one, masks), one)


@given(st.integers(2, 60), st.integers(0, 999))
@settings(max_examples=50, deadline=None)
def test_an_epoch_visits_every_image_beside_another_one(count, seed):
    labels = torch.zeros(count, dtype=torch.int64)
    visits = hybrid_visits(labels, torch.Generator().manual_seed(seed))
    assert torch.equal(visits["image"].sort().values, torch.arange(count))
    assert (visits["partner"] != visits["image"]).all()
    for name, most in (("partner", count), ("mask", MASKS)):
        assert visits[name].shape == (count,)
        assert ((visits[name] >= 0) & (visits[name] < most)).all()


def test_every_mask_is_met_and_nothing_is_drawn_alike_in_two_epochs():
    drawn = torch.Generator().manual_seed(3)
    labels = torch.zeros(100_000, dtype=torch.int64)
    first, second = hybrid_visits(labels, drawn), hybrid_visits(labels, drawn)
    assert len(first["mask"].unique()) == MASKS
    for name, values in first.items():
        assert (values == second[name]).double().mean() < 0.01, name
