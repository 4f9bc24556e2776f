"""The mini-batch loop on a problem whose every figure can be written down: a plain Adam."""

import platform
import subprocess
import sys
from copy import deepcopy

import numpy as np
import pytest
import torch

from ffcl_utils.config import RuleConfig
from ffcl_utils.learning.layers import aligned
from ffcl_utils.learning.process import prepare_process
from ffcl_utils.learning.training import Phase, generators_for, train

TARGETS = torch.tensor([[1.0, -2.0, 0.5], [3.0, 0.0, 1.0]])  # (S, 3)
IMAGES = 10


def config(**changes):
    settings = {"seeds": 2, "epochs": 3, "batch_size": 4, "learning_rate": 0.1}
    return RuleConfig(**(settings | changes))


class Toy:
    """Each seed's three numbers go to its targets, one batch after the other."""

    def __init__(self, phases=1):
        self.parameters = [aligned(torch.zeros(2, 3)).requires_grad_() for _ in range(phases)]
        self.generators = generators_for([5, 6])
        self.orders = []

    def draw(self, generator):
        order = torch.randperm(IMAGES, generator=generator)
        self.orders.append(order)
        return {"image": order}

    def phases(self):
        for parameter in self.parameters:

            def losses(batch, parameter=parameter):
                weight = (batch["image"] + 1).double().mean(-1) / IMAGES
                return {"toy": ((parameter - TARGETS) ** 2).sum(-1) * weight}

            yield Phase(self.draw, IMAGES, losses, [parameter])


def plain(seed, epochs):
    """One seed's parameters and losses, step by step with torch's own Adam."""
    k = seed - 5
    x = torch.zeros(3, requires_grad=True)
    adam = torch.optim.Adam([x], lr=0.1)
    generator = torch.Generator().manual_seed(seed)
    history = []
    for _ in range(epochs):
        order = torch.randperm(IMAGES, generator=generator)
        met = 0.0
        for rows in order.split(4):
            loss = ((x - TARGETS[k]) ** 2).sum() * ((rows + 1).double().mean() / IMAGES)
            adam.zero_grad()
            loss.backward()
            adam.step()
            met += loss.item() * len(rows) / IMAGES
        history.append(met)
    return x.detach(), np.array(history)


def test_every_seed_is_trained_by_its_own_adam_in_its_own_order():
    toy = Toy()
    history = train(toy.phases(), config(), toy.generators)
    for k, seed in enumerate((5, 6)):
        weights, losses = plain(seed, 3)
        torch.testing.assert_close(toy.parameters[0][k].detach(), weights, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(history["train_loss/toy"][:, k], losses, rtol=1e-5)
    assert np.array_equal(history["train_loss/total"], history["train_loss/toy"])


def test_what_the_optimiser_did_is_read_from_it():
    toy = Toy(phases=2)
    history = train(toy.phases(), config(), toy.generators)
    adam = {"name": "Adam", "learning_rate": 0.1, "parameters": 1, "steps": [9]}  # 3 epochs of 3
    assert history.optimisers == [adam, adam]


@pytest.mark.parametrize("stop", [(0, 1), (0, 3), (1, 2), (1, 3)])
def test_going_on_from_a_state_equals_never_having_stopped(stop):
    whole = Toy(phases=2)
    expected = train(whole.phases(), config(), whole.generators)
    kept = []
    first = Toy(phases=2)

    def keep(state):
        if (state.phase, state.epoch) == stop:
            kept.append((deepcopy(state), [p.detach().clone() for p in first.parameters]))

    train(first.phases(), config(), first.generators, keep)
    ((state, weights),) = kept
    second = Toy(phases=2)
    with torch.no_grad():
        for parameter, weight in zip(second.parameters, weights, strict=True):
            parameter.copy_(weight)
    again = train(second.phases(), config(), second.generators, start=state)
    assert np.array_equal(again["train_loss/toy"], expected["train_loss/toy"])
    for one, other in zip(second.parameters, whole.parameters, strict=True):
        assert torch.equal(one, other)


def test_a_seed_that_diverges_has_no_finite_figures_and_disturbs_no_other():
    toy, other = Toy(), Toy()
    train(other.phases(), config(), other.generators)
    with torch.no_grad():
        toy.parameters[0][1] = float("inf")
    history = train(toy.phases(), config(), toy.generators)
    assert not np.isfinite(history["train_loss/toy"][:, 1]).any()
    assert torch.equal(toy.parameters[0][0], other.parameters[0][0])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="is about glibc's malloc")
def test_memory_amid_which_a_small_tensor_lies_is_given_back():
    """As between two blocks of CaFo, whose features take 1.5 GB each at the published widths."""
    code = """
from pathlib import Path
import torch
from ffcl_utils.learning.process import give_back_freed_memory, prepare_process
prepare_process()
held = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
parts = [torch.zeros(25, 2**18) for _ in range(8)]  # of 25 MiB
small = torch.zeros(10)
parts.clear()
before = held()
give_back_freed_memory()
print(before - held())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert float(done.stdout) > 150


def test_denormal_numbers_are_zero_and_there_is_one_thread():
    """2**-130 is denormal in float32."""
    prepare_process()
    assert torch.get_num_threads() == 1
    small = torch.full((1_000_000,), 2.0**-120) * 2.0**-10
    assert not small.any()
    assert (torch.full((1_000_000,), 2.0**-120) * 2.0**-6).all()  # the smallest normal number
