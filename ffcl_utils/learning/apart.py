"""What a seed draws apart from its training: a generator of its own."""

from torch import Generator

# The generator on the CPU takes the low 32 bits of a seed: what is added must not be lost.
APART = 2**31


def generator_apart(seed: int) -> Generator:
    """A generator, on the CPU, whose draws are not those of the seed itself.

    seed: from 0 to 2³¹ − 1, as settings have them; raises ValueError for others.
    """
    if not 0 <= seed < APART:
        raise ValueError(f"seed={seed}: from 0 to {APART - 1}")
    return Generator().manual_seed(seed + APART)
