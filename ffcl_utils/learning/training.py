"""The one mini-batch loop. Nothing in it knows a learning rule; all seeds train at once."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Generator, Tensor
from tqdm import tqdm

from ffcl_utils.config import Config
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.learning.history import History
from ffcl_utils.learning.memory import keep_freed_memory
from ffcl_utils.learning.precision import products_in

PerSeed = dict[str, Tensor]

# Where a unit has fallen silent, Adam's moments shrink until they are denormal numbers and stay
# there: 69 % of them after 8 epochs of improved FFCL, which made a step 2.2 times as slow. Taken
# for the zeros they stand for they change no weight. Set before torch starts its threads.
torch.set_flush_denormal(True)
keep_freed_memory()


def generators_for(seeds: list[int]) -> list[Generator]:
    """One generator per seed, on the CPU whatever the device, so that draws never depend on it."""
    return [Generator().manual_seed(seed) for seed in seeds]


def optimiser_for(
    parameters: list[Tensor], config: Config, data: Dataset
) -> tuple[torch.optim.Optimizer, Callable[[], None] | None]:
    """Adam, and what `train` calls after every step: the schedule of its learning rate, if any.

    config.schedule: "constant", or "one_cycle", which rises to the learning rate and falls to zero.
    """
    optimiser = torch.optim.Adam(parameters, lr=config.learning_rate, fused=True)
    if config.schedule == "constant":
        return optimiser, None
    steps = -(-len(data.train_images) // config.batch_size) * config.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=steps
    )
    return optimiser, schedule.step


def visits_of(draws: list[Callable[[], PerSeed]], device: torch.device) -> PerSeed:
    """What every seed visits in the next epoch, in order: named (S, N) indices on the device."""
    drawn = [draw() for draw in draws]
    return {name: torch.stack([seed[name] for seed in drawn]).to(device) for name in drawn[0]}


def train(
    draws: list[Callable[[], PerSeed]],
    losses: Callable[[PerSeed], PerSeed],
    evaluate: Callable[[], PerSeed],
    optimiser: torch.optim.Optimizer,
    seeds: list[int],
    config: Config,
    title: str,
    after_step: Callable[[], None] | None = None,
) -> History:
    """Minimise the sum of all local losses by mini-batches.

    draws: by seed, what it visits in the next epoch in order: named (N,) index arrays. losses: of
    one batch of them, named (S, B), to named local losses (S,). evaluate: named (S,) figures after
    each epoch. config: its epochs, batch size and products; what is evaluated is in float32 always.
    after_step: called after every update, such as a learning rate's schedule. Returns what evaluate
    found and, as "train_loss/<name>" and "train_loss/total", the local losses averaged over the
    batches of each epoch as they were met.
    """
    rows: list[PerSeed] = []
    batch_size = config.batch_size
    device = optimiser.param_groups[0]["params"][0].device
    progress = {"desc": f"{title}, {len(seeds)} seeds", "unit": "epoch", "mininterval": 1.0}
    for _ in tqdm(range(config.epochs), leave=False, **progress):
        visits = visits_of(draws, device)
        count = next(iter(visits.values())).shape[1]
        sums: PerSeed = {}
        with products_in(config.products):
            for start in range(0, count, batch_size):
                batch = {name: v[:, start : start + batch_size] for name, v in visits.items()}
                local = losses(batch)
                optimiser.zero_grad(set_to_none=True)
                torch.stack(list(local.values())).sum().backward()
                optimiser.step()
                if after_step:
                    after_step()
                share = next(iter(batch.values())).shape[1] / count
                for name, loss in local.items():
                    sums[name] = sums.get(name, 0) + loss.detach() * share
        means = {f"train_loss/{name}": value for name, value in sums.items()}
        means["train_loss/total"] = torch.stack(list(sums.values())).sum(0)
        rows.append(means | evaluate())
    values = {name: np.stack([row[name].numpy(force=True) for row in rows]) for name in rows[0]}
    return History(tuple(seeds), values)
