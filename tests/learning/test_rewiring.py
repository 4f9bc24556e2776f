"""Absent weights and rewiring against a slow loop by hand, and what stays the same."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from ffcl_utils.learning.rewiring import SparseTwins, random_mask, rewire
from ffcl_utils.learning.training import generators_for
from ffcl_utils.learning.twins import Twins

SIZES = (12, 7, 5, 4)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@given(st.integers(1, 12), st.integers(1, 9), st.integers(0, 99), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_a_mask_lacks_its_share_to_the_nearest_weight(rows, columns, percent, seed):
    absent = percent / 100
    mask = random_mask((rows, columns), absent, generator(seed))
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    assert (mask == 0).sum() == round(absent * rows * columns)


@given(st.integers(0, 1000), st.integers(10, 90), st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_rewiring_prunes_the_weakest_and_keeps_the_sparsity(seed, absent, share):
    absent, share = absent / 100, share / 100
    mask = random_mask((8, 6), absent, generator(seed))
    weight = torch.randn(8, 6, generator=generator(seed + 1))
    before, there = weight.clone(), mask.clone().bool()
    rewire(weight, mask, share, generator(seed + 2))
    present = sorted(before[there].abs().tolist())
    count = round(share * len(present))
    assert mask.sum() == there.sum()
    survivors = there & (before.abs() > (present[count - 1] if count else -1))
    assert survivors.sum() == len(present) - count
    assert mask[survivors].all()
    assert torch.equal(weight[survivors], before[survivors])
    grown = mask.bool() & ~survivors
    assert grown.sum() == count
    assert (weight[grown] == 0).all()


def test_of_equal_weights_the_first_go_and_every_gap_can_be_filled():
    weight, mask = torch.ones(1, 6), torch.tensor([[1.0, 1, 1, 1, 0, 0]])
    places = set()
    for seed in range(60):
        w, m = weight.clone(), mask.clone()
        rewire(w, m, 0.5, generator(seed))
        assert m[0, 2:4].all()
        places |= set(m[0].nonzero().flatten().tolist()) - {2, 3}
    assert places == {0, 1, 4, 5}  # those just pruned too


def test_without_absent_weights_the_twins_are_the_plain_ones():
    sparse, plain = (kind(SIZES, generators_for([3, 4]), *more)
                     for kind, more in ((SparseTwins, (0.0,)), (Twins, ())))  # fmt: skip
    images = torch.rand(4, 9, 12, generator=generator())
    for one, other in zip(sparse.both.forward(images), plain.both.forward(images), strict=True):
        assert torch.equal(one, other)
    assert sparse.both.masks == [] and list(sparse.both.tensors()) == list(plain.both.tensors())


def test_absent_weights_carry_nothing_and_have_no_gradient():
    twins = SparseTwins(SIZES, generators_for([3, 4]), 0.6)
    assert len(twins.both.masks) == 2  # the output layer is full
    images = torch.rand(4, 9, 12, generator=generator())
    outputs = twins.both.forward(images)
    seen = images
    for k, (weight, bias) in enumerate(zip(twins.both.weights, twins.both.biases, strict=True)):
        if k < 2:
            weight = torch.where(twins.both.masks[k] == 1, weight, 0.0)
        seen = seen @ weight + bias
        seen = seen.relu() if k < 2 else seen
        torch.testing.assert_close(outputs[k], seen)
    gradients = torch.autograd.grad(sum(o.sum() for o in outputs), twins.both.weights)
    for gradient, mask in zip(gradients, twins.both.masks, strict=False):
        assert (gradient[mask == 0] == 0).all()
        assert gradient[mask == 1].any()


def test_a_seed_is_rewired_alone_both_of_its_twins_in_the_stack_that_trains():
    twins = SparseTwins(SIZES, generators_for([3, 4, 5]), 0.5)
    masks = [mask.detach().clone() for mask in twins.both.masks]
    twins.rewire(1, 0.5, generator())
    for before, after, own in zip(masks, twins.both.masks, twins.second.masks, strict=True):
        changed = (before != after).flatten(1).any(1)
        assert changed.tolist() == [False, True, False, False, True, False]
        assert torch.equal(own[1], after[4])


@pytest.mark.parametrize("absent", [0.0, 0.5])
def test_masks_stand_beside_the_weights_of_their_layer(absent):
    twins = SparseTwins(SIZES, generators_for([3]), absent)
    names = {"mask1", "mask2"} if absent else set()
    assert set(twins.first.tensors()) - set(Twins(SIZES, generators_for([3])).first.tensors()) == (
        names
    )
    assert [len(tensors) for tensors in twins.layers().values()] == (
        [3, 3, 2] if absent else [2, 2, 2]
    )
    assert len(twins.both.parameters()) == 6  # masks never learn
