"""What a training leaves behind: one figure per quantity, epoch and seed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class History:
    """values: by quantity (such as "test_loss/layer1"), (E, S); row 0 is after the first epoch."""

    seeds: tuple[int, ...]
    values: dict[str, np.ndarray]

    @property
    def epochs(self) -> np.ndarray:
        """(E,): 1, 2, …"""
        return np.arange(1, len(next(iter(self.values.values()))) + 1)

    def __getitem__(self, quantity: str) -> np.ndarray:
        return self.values[quantity]

    def starting_with(self, prefix: str) -> dict[str, np.ndarray]:
        """The quantities under a prefix, such as "test_loss/", without it."""
        return {k.removeprefix(prefix): v for k, v in self.values.items() if k.startswith(prefix)}

    def frame(self) -> pd.DataFrame:
        """Tidy table with columns quantity, epoch, seed, value."""
        index = pd.MultiIndex.from_product(
            [self.values, self.epochs, self.seeds], names=["quantity", "epoch", "seed"]
        )
        flat = np.stack(list(self.values.values())).ravel()
        return pd.Series(flat, index=index, name="value").reset_index()


def save_histories(path: Path, histories: dict[str, History]) -> None:
    """Write named histories of the same seeds into one npz file."""
    arrays = {f"{name}|{k}": v for name, h in histories.items() for k, v in h.values.items()}
    seeds = next(iter(histories.values())).seeds
    np.savez_compressed(path, seeds=np.array(seeds), **arrays)


def load_histories(path: Path) -> dict[str, History]:
    """What `save_histories` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        seeds = tuple(stored["seeds"].tolist())
        values: dict[str, dict] = {}
        for key in stored.files:
            if key != "seeds":
                name, quantity = key.split("|")
                values.setdefault(name, {})[quantity] = stored[key]
    return {name: History(seeds, quantities) for name, quantities in values.items()}
