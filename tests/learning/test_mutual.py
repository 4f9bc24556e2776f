"""Mutual learning against scipy's relative entropy, and what holds for any two opinions."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr, softmax

from ffcl_utils.learning.mutual import mutual_loss

seeds = st.integers(0, 2**31)


def some_logits(seed, count=2):
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(count, 3, 5, 10, generator=generator, dtype=torch.float64)


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_it_is_the_relative_entropy_both_ways(seed):
    one, other = some_logits(seed)
    p, q = softmax(one.numpy(), -1), softmax(other.numpy(), -1)
    expected = (rel_entr(p, q) + rel_entr(q, p)).sum(-1).mean(-1)
    torch.testing.assert_close(mutual_loss(one, other), torch.from_numpy(expected))


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_two_of_one_opinion_pay_nothing_and_others_something(seed):
    one, other = some_logits(seed)
    torch.testing.assert_close(mutual_loss(one, one + 7), torch.zeros(3).double())
    assert (mutual_loss(one, other) > 0).all()


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_the_one_that_is_learnt_from_is_held_fixed(seed):
    """The gradient of KL(p' ‖ p) in the learner's logits is p - p', over the images' number."""
    one, other = (logits.requires_grad_() for logits in some_logits(seed).unbind(0))
    found = torch.autograd.grad(mutual_loss(one, other).sum(), [one, other])
    difference = (one.softmax(-1) - other.softmax(-1)) / 5
    torch.testing.assert_close(found[0], difference)
    torch.testing.assert_close(found[1], -difference)
