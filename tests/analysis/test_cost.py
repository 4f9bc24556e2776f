"""Operations and memory of a step, against counts by hand."""

import torch
from torch.nn.functional import conv2d

from ffcl_utils.analysis.cost import cost_of

FLOAT = 4  # bytes


def test_a_product_and_its_way_back_by_hand():
    images, weight = torch.rand(5, 7), torch.rand(7, 3, requires_grad=True)
    cost = cost_of(lambda: images @ weight)
    assert (cost.operations, cost.memory) == (2 * 5 * 7 * 3, 5 * 3 * FLOAT)
    # Back, one more product of this size: images have no gradient.
    cost = cost_of(lambda: torch.autograd.grad((images @ weight).sum(), [weight]))
    assert cost.operations == 2 * (2 * 5 * 7 * 3)
    # The product is gone when its gradient, a 1 for all of it, comes back: sum, 1, gradient.
    assert cost.memory == max(5 * 3 + 1, 1 + 1 + 7 * 3) * FLOAT


def test_a_convolution_by_hand():
    images, kernels = torch.rand(2, 3, 6, 6), torch.rand(4, 3, 3, 3)
    cost = cost_of(lambda: conv2d(images, kernels))
    outputs = 2 * 4 * 4 * 4
    assert (cost.operations, cost.memory) == (2 * outputs * 3 * 3 * 3, outputs * FLOAT)


def test_memory_that_is_given_back_counts_while_it_is_there():
    start = torch.zeros(1000)

    def one_after_the_other():
        for _ in range(5):
            start + 1

    def all_at_once():
        return [start + 1 for _ in range(5)]

    assert cost_of(one_after_the_other).memory == 1000 * FLOAT
    assert cost_of(all_at_once).memory == 5 * 1000 * FLOAT


def test_views_and_what_is_overwritten_are_no_new_memory():
    start = torch.zeros(1000)

    def step():
        start.add_(1)
        return start.view(10, 100).T[3:]

    assert cost_of(step) == (0, 0)
