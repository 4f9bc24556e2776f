"""What a training leaves behind: one figure per quantity, epoch and seed."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class History:
    """values: by quantity (such as "test_loss/layer1"), (E, S); row 0 is after the first epoch.

    optimisers: what each phase of the training used, read from the optimiser at its end: its class,
    learning rate, steps and the number of parameters that it has a state for.
    """

    seeds: tuple[int, ...]
    values: dict[str, np.ndarray]
    optimisers: list[dict] = field(default_factory=list)

    @property
    def epochs(self) -> np.ndarray:
        """(E,): 1, 2, …"""
        return np.arange(1, len(next(iter(self.values.values()))) + 1)

    def __getitem__(self, quantity: str) -> np.ndarray:
        return self.values[quantity]

    def starting_with(self, prefix: str) -> dict[str, np.ndarray]:
        """The quantities under a prefix, such as "test_loss/", without it."""
        return {k.removeprefix(prefix): v for k, v in self.values.items() if k.startswith(prefix)}


def side_by_side(histories: list[History]) -> History:
    """Histories of other seeds of the same settings as one, in their order."""
    values = {
        name: np.concatenate([history[name] for history in histories], axis=1)
        for name in histories[0].values
    }
    seeds = tuple(seed for history in histories for seed in history.seeds)
    return History(seeds, values, histories[0].optimisers)
