"""Is what was trained what the paper describes? Read from tensors and Adam's state: claim A5."""

import math

import pandas as pd
import torch

from ffcl_utils.rules.base import Rule

SIZES = (784, 64, 64, 10)
EPOCHS, LEARNING_RATE, BATCH = 30, 1e-4, 64


def paper_settings(rule: Rule, training_images: int) -> pd.DataFrame:
    """Each property that arXiv 2405.03432 gives, per seed: one row a property, one column a seed.

    rule: trained twins. training_images: how many were visited in each epoch. The batch size of 64
    is the literal reading's: the number of Adam's steps shows batch and epochs together. What Adam
    did was read from it at the end of the training (learning/history.py).
    """
    first, second = rule.twins.first, rule.twins.second
    (adam,) = rule.history.optimisers
    probe = None
    if first.weights[0].shape[1] == SIZES[0]:
        probe = torch.rand(5, SIZES[0]).to(first.device)
    steps = EPOCHS * math.ceil(training_images / BATCH)
    shared = {
        "Adam, one optimiser state per weight": adam["name"] == "Adam"
        and adam["parameters"] == len(first.parameters()),
        f"learning rate {LEARNING_RATE:g}": adam["learning_rate"] == LEARNING_RATE,
        f"{EPOCHS} epochs at batch {BATCH}": adam["steps"] == [steps],
    }
    per_seed = {}
    for k, seed in enumerate(rule.config.seed_list):
        per_seed[seed] = {
            **{f"{name} twin is {'-'.join(map(str, SIZES))}": _sizes(twin, k) == SIZES
               for name, twin in (("first", first), ("second", second))},
            "ReLU in the hidden layers, softmax at the output": probe is not None
            and _relu_and_softmax(rule, probe, k),
            "the twins' weights differ in every layer": all(
                not torch.equal(a[k], b[k])
                for a, b in zip(first.parameters(), second.parameters(), strict=True)
            ),
            **shared,
        }  # fmt: skip
    return pd.DataFrame(per_seed).rename_axis(columns="seed")


def _sizes(twin, k: int) -> tuple[int, ...]:
    return (twin.weights[0][k].shape[0], *(weight[k].shape[1] for weight in twin.weights))


@torch.no_grad()
def _relu_and_softmax(rule: Rule, probe: torch.Tensor, k: int) -> bool:
    """Compare the networks' outputs on a probe with the layers computed one by one."""
    for twin in (rule.twins.first, rule.twins.second):
        inputs = probe
        for layer, output in enumerate(twin.forward(probe)):
            inputs = inputs @ twin.weights[layer][k] + twin.biases[layer][k]
            if layer < len(twin.weights) - 1:
                inputs = inputs.clamp(min=0)
            if not torch.allclose(output[k], inputs, atol=1e-4, rtol=1e-4):
                return False
    return True
