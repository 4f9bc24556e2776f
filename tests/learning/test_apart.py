"""What a seed draws apart from its training is not what its training draws."""

import pytest
import torch

from ffcl_utils.config import SEEDS_END
from ffcl_utils.learning.apart import generator_apart
from ffcl_utils.learning.training import generators_for

SEEDS = [0, 1, 7, 999, SEEDS_END - 1]


def draws(generator):
    return tuple(torch.randint(2**31, (4,), generator=generator).tolist())


def test_no_two_streams_are_the_same():
    """As those of a seed and of one that is 2³² larger are."""
    seen = {draws(g) for g in generators_for(SEEDS)} | {draws(generator_apart(s)) for s in SEEDS}
    assert len(seen) == 2 * len(SEEDS)
    assert draws(generator_apart(7)) == draws(generator_apart(7))


@pytest.mark.parametrize("seed", [-1, SEEDS_END, 2**32])
def test_a_seed_that_another_one_would_be_taken_for_is_refused(seed):
    with pytest.raises(ValueError, match=f"seed={seed}: from 0 to 2147483647"):
        generator_apart(seed)
