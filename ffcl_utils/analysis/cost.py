"""What a step of a training costs: floating-point operations, and memory at its peak."""

import weakref
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.weak import WeakIdKeyDictionary


class Cost(NamedTuple):
    """What something costs.

    operations: of products of matrices and of convolutions; a multiplication and an addition are
    two. memory: bytes of the tensors that were made and were there at the same time, at most.
    """

    operations: int
    memory: int


def cost_of(step: Callable[[], object]) -> Cost:
    """What calling `step` costs. What it returns is still there at its end."""
    with FlopCounterMode(display=False) as counter, _Held() as held:
        step()
    return Cost(counter.get_total_flops(), held.most)


class _Held(TorchDispatchMode):
    """Counts the bytes of all tensors that are made within it and still there."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known = WeakIdKeyDictionary()  # the memory of tensors; several may share one

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        for tensor in _tensors((args, kwargs)):
            self._known.setdefault(tensor.untyped_storage(), True)
        made = func(*args, **(kwargs or {}))
        for tensor in _tensors(made):
            self._count(tensor.untyped_storage())
        return made

    def _count(self, storage) -> None:
        if storage in self._known:  # a view, or written into what was there
            return
        self._known[storage] = True
        self.now += storage.nbytes()
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._given_back, storage.nbytes())

    def _given_back(self, size: int) -> None:
        self.now -= size


def _tensors(nested: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(nested) if isinstance(leaf, Tensor)]
