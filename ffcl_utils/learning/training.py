"""The one mini-batch loop. Nothing in it knows a learning rule; all seeds train at once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from ffcl_utils.config import RuleConfig
from ffcl_utils.learning.history import History
from ffcl_utils.learning.layers import whole
from ffcl_utils.learning.precision import exact_products, products_in

PerSeed = dict[str, Tensor]
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Phase:
    """A stretch of training: what is visited, what is minimised, and which parameters move.

    draw_epoch: from a seed's generator, what that seed visits in one epoch, in order: named (N,)
    index arrays. losses: of one batch of them, named (S, B), to named local losses (S,). evaluate:
    named (S,) figures after each epoch. total: whether the sum of the losses is a figure too.
    """

    draw_epoch: Callable[[Generator], PerSeed]
    visits: int  # N
    losses: Callable[[PerSeed], PerSeed]
    parameters: list[Tensor]
    evaluate: Callable[[], PerSeed] = dict
    total: bool = True


@dataclass(frozen=True)
class State:
    """Where a training stands after an epoch: all that is needed to go on, but the parameters.

    epoch: how many epochs of the present phase are done. finished: figures (E, S) of the phases
    before it, values: its own. optimiser and schedule: their state_dict. generators: their states.
    """

    phase: int
    epoch: int
    finished: Arrays
    values: Arrays
    optimisers: list[dict]
    optimiser: dict
    schedule: dict
    generators: list[Tensor]


def generators_for(seeds: list[int]) -> list[Generator]:
    """One generator per seed, on the CPU whatever the device, so that draws never depend on it."""
    return [Generator().manual_seed(seed) for seed in seeds]


def train(
    phases: Iterator[Phase],
    config: RuleConfig,
    generators: list[Generator],
    after_epoch: Callable[[State], None] = lambda _: None,
    start: State | None = None,
) -> History:
    """Minimise the sum of all local losses of every phase by mini-batches, with Adam.

    config: its epochs (of every phase), batch size, learning rate, schedule (where it has one) and
    products; what is evaluated is in float32 always. after_epoch: is given the state after every
    epoch; its tensors go on changing with the training. start: a state to go on from; the
    parameters must be those of that state already. Returns what was evaluated and, as
    "train_loss/<name>" and "train_loss/total", the local losses averaged over the batches of each
    epoch as they were met. A seed whose training diverges has figures that are not finite, and
    disturbs no other seed.
    """
    finished: Arrays = dict(start.finished) if start else {}
    optimisers = list(start.optimisers) if start else []
    for number, phase in enumerate(phases):
        if start and number < start.phase:
            continue
        optimiser, schedule = optimiser_for(phase, config)
        rows, first = [], 0
        if start and number == start.phase:
            rows, first = [start.values], start.epoch
            optimiser.load_state_dict(start.optimiser)
            schedule.load_state_dict(start.schedule)
            for generator, state in zip(generators, start.generators, strict=True):
                generator.set_state(state)
        for epoch in range(first, config.epochs):
            figures = _train_epoch(phase, config, generators, optimiser, schedule)
            rows.append({name: v.numpy(force=True)[None] for name, v in figures.items()})
            values = _joined(rows)
            states = [generator.get_state() for generator in generators]
            after_epoch(
                State(
                    number,
                    epoch + 1,
                    finished,
                    values,
                    optimisers,
                    optimiser.state_dict(),
                    schedule.state_dict(),
                    states,
                )
            )
        finished = finished | _joined(rows)
        optimisers = [*optimisers, _description(optimiser)]
    return History(tuple(config.seed_list), finished, optimisers)


def optimiser_for(
    phase: Phase, config: RuleConfig
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Adam for the parameters of a phase, and the schedule of its learning rate.

    config.schedule, where the rule has one: "constant", or "one_cycle", which rises to the learning
    rate and falls to zero. Adam works on each weight alone: one for all layers is one per layer. It
    is given what `aligned` made of the parameters, so that a seed's last bit is its own.
    """
    parameters = [whole(parameter).requires_grad_() for parameter in phase.parameters]
    optimiser = torch.optim.Adam(parameters, lr=config.learning_rate, fused=True)
    if getattr(config, "schedule", "constant") == "constant":
        return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, lambda _: 1.0)
    steps = -(-phase.visits // config.batch_size) * config.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=steps
    )
    return optimiser, schedule


def visits_of(phase: Phase, generators: list[Generator]) -> PerSeed:
    """What every seed visits in the next epoch, in order: named (S, N) indices on the device."""
    drawn = [phase.draw_epoch(generator) for generator in generators]
    device = phase.parameters[0].device
    return {name: torch.stack([seed[name] for seed in drawn]).to(device) for name in drawn[0]}


def _train_epoch(phase: Phase, config: RuleConfig, generators, optimiser, schedule) -> PerSeed:
    visits = visits_of(phase, generators)
    sums: PerSeed = {}
    with products_in(config.products):
        for start in range(0, phase.visits, config.batch_size):
            batch = {name: v[:, start : start + config.batch_size] for name, v in visits.items()}
            local = phase.losses(batch)
            _set_gradients(torch.stack(list(local.values())).sum(), phase.parameters, optimiser)
            optimiser.step()
            schedule.step()
            share = next(iter(batch.values())).shape[1] / phase.visits
            for name, loss in local.items():
                sums[name] = sums.get(name, 0) + loss.detach() * share
    figures = {f"train_loss/{name}": value for name, value in sums.items()}
    if phase.total:
        figures["train_loss/total"] = torch.stack(list(sums.values())).sum(0)
    with exact_products(config.products):
        return figures | phase.evaluate()


def _set_gradients(loss: Tensor, parameters: list[Tensor], optimiser) -> None:
    """Give the optimiser's parameters the gradient of the loss by the phase's."""
    gradients = torch.autograd.grad(loss, parameters)
    for parameter, gradient in zip(optimiser.param_groups[0]["params"], gradients, strict=True):
        count = gradient[0].numel()
        if parameter.shape[1] == count:
            parameter.grad = gradient.reshape(len(gradient), count)
        else:
            parameter.grad = torch.zeros_like(parameter)
            parameter.grad[:, :count] = gradient.flatten(1)


def _joined(rows: list[Arrays]) -> Arrays:
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def _description(optimiser: torch.optim.Optimizer) -> dict:
    """What History.optimisers says of a phase, from the optimiser's own state."""
    states = list(optimiser.state.values())
    return {
        "name": type(optimiser).__name__,
        "learning_rate": optimiser.param_groups[0]["lr"],
        "parameters": len(states),
        "steps": sorted({int(state["step"]) for state in states}),
    }
