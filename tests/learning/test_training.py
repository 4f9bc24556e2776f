"""The mini-batch loop's ground: numbers too small to matter cost no time."""

import torch

from ffcl_utils.learning import training  # noqa: F401 - importing it is what is tested


def test_denormal_numbers_are_zero_in_every_thread():
    """2**-130 is denormal in float32; a million of them are shared out among torch's threads."""
    small = torch.full((1_000_000,), 2.0**-120) * 2.0**-10
    assert not small.any()
    assert (torch.full((1_000_000,), 2.0**-120) * 2.0**-6).all()  # the smallest normal number
