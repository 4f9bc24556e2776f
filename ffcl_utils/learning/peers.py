"""Peer normalisation: the units of a layer are held to a common mean activity."""

from torch import Tensor


def peer_deviation(activations: Tensor) -> Tensor:
    """How far the units' mean activities lie apart. activations: (S, B, units). Returns (S,).

    The mean over the units of (m_u − m)², with m_u the mean activation of unit u over the batch
    and m the mean of m_u over the units of the layer. As a penalty it wakes units that are always
    silent and calms those that are always active (Hinton, arXiv 2212.13345, names the idea; the
    formula is a reading).
    """
    means = activations.mean(1)
    return (means - means.mean(-1, keepdim=True)).square().mean(-1)
