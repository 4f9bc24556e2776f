"""Deep mutual learning (arXiv 1706.00384): two classifiers that learn from each other's opinion.

S networks, B images.
"""

from torch import Tensor
from torch.nn.functional import kl_div


def mutual_loss(first: Tensor, second: Tensor) -> Tensor:
    """Divergence (S,) of each one's softmax from the other's, for the same images, summed.

    first, second: logits (S, B, 10). KL(p' ‖ p) and KL(p ‖ p'), in nats, means over the images; the
    one that is learnt from, left of the bars, is held fixed (equation 4 there).
    """
    one, other = first.log_softmax(-1), second.log_softmax(-1)
    return _divergence(one, other.detach()) + _divergence(other, one.detach())


def _divergence(learner: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher ‖ learner) (S,) of logarithms of probabilities (S, B, 10)."""
    return kl_div(learner, teacher, reduction="none", log_target=True).sum(-1).mean(-1)
