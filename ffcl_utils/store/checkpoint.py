"""Long trainings can be interrupted: at epoch ends everything is kept that is needed to go on."""

import json
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from ffcl_utils.config import RuleConfig
from ffcl_utils.learning.training import State
from ffcl_utils.store.keys import key
from ffcl_utils.store.networks import StoreError, load_arrays, save_arrays

SECONDS = 60.0  # between two checkpoints: a training of under a minute has none


class Checkpoint:
    """The checkpoint file of one training job. Going on from it equals never having stopped."""

    def __init__(self, path: Path, rule, snapshots: bool, seconds: float = SECONDS):
        self.path, self.rule, self.seconds = path, rule, seconds
        config: RuleConfig = rule.config
        self.expected = {
            "key": key(config),
            "seeds": config.seed_list,
            "keeps_snapshots": snapshots,
        }
        self.started = self.saved = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds that the training has taken so far, those before its interruptions included."""
        return time.monotonic() - self.started

    def save_if_due(self, state: State, snapshots: list[dict]) -> None:
        """Save where the last one is older than `seconds`. snapshots: weights of the epochs."""
        if time.monotonic() - self.saved >= self.seconds:
            self.save(state, snapshots)

    def save(self, state: State, snapshots: list[dict]) -> None:
        """Write the state and the weights, whole or not at all."""
        optimiser = state.optimiser["state"]
        arrays = {
            **{f"weights/{n}": t.numpy(force=True) for n, t in self.rule.tensors().items()},
            **{f"finished/{name}": values for name, values in state.finished.items()},
            **{f"values/{name}": values for name, values in state.values.items()},
            **{f"generator/{k}": g.numpy() for k, g in enumerate(state.generators)},
            **{
                f"optimiser/{k}/{name}": tensor.numpy(force=True)
                for k, moments in optimiser.items()
                for name, tensor in moments.items()
            },
            **{
                f"snapshot/{epoch}/{name}": array
                for epoch, of_epoch in enumerate(snapshots)
                for name, array in of_epoch.items()
            },
        }
        header = self.expected | {
            "phase": state.phase,
            "epoch": state.epoch,
            "optimisers": state.optimisers,
            "groups": state.optimiser["param_groups"],
            "schedule": {k: v for k, v in state.schedule.items() if _is_json(v)},
            "snapshots": len(snapshots),
            "elapsed": self.elapsed,
        }
        save_arrays(self.path, arrays, header)
        self.saved = time.monotonic()

    def load(self) -> tuple[State | None, list[dict]]:
        """The state to go on from, its weights put into the rule; (None, []) where there is none.

        A checkpoint that is damaged, or of other settings or code, is not used: a warning says so.
        """
        try:
            arrays, header = load_arrays(self.path, **self.expected)
        except FileNotFoundError:
            return None, []
        except StoreError as error:
            warnings.warn(f"{error}: this training begins anew", stacklevel=2)
            return None, []
        self.started -= header.get("elapsed", 0.0)  # earlier code kept none
        parts: dict[str, dict[str, np.ndarray]] = {}
        for name, array in arrays.items():
            part, _, rest = name.partition("/")
            parts.setdefault(part, {})[rest] = array
        with torch.no_grad():
            for name, tensor in self.rule.tensors().items():
                tensor.copy_(torch.from_numpy(parts["weights"][name]))
        moments: dict[int, dict] = {}
        for name, array in parts["optimiser"].items():
            k, _, moment = name.partition("/")
            moments.setdefault(int(k), {})[moment] = torch.from_numpy(array)
        generators = parts["generator"]
        snapshots = [{} for _ in range(header["snapshots"])]
        for name, array in parts.get("snapshot", {}).items():
            epoch, _, tensor = name.partition("/")
            snapshots[int(epoch)][tensor] = array
        state = State(
            header["phase"],
            header["epoch"],
            parts.get("finished", {}),
            parts["values"],
            header["optimisers"],
            {"state": moments, "param_groups": [_group(group) for group in header["groups"]]},
            header["schedule"],
            [torch.from_numpy(generators[str(k)]) for k in range(len(generators))],
        )
        return state, snapshots

    def remove(self) -> None:
        """Delete the file: the networks are in the store."""
        self.path.unlink(missing_ok=True)


def _is_json(value) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True


def _group(stored: dict) -> dict:
    return stored | {"betas": tuple(stored["betas"])}
