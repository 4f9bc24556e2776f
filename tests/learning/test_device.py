"""Which device is taken, and that no rule leaves anything on the CPU while it trains on another.

torch's device "meta", whose tensors have a shape and no content, stands for a GPU: an operation on
a tensor of it and one of the CPU is an error there too.
"""

import numpy as np
import pytest
import torch

from ffcl_utils.config import configure
from ffcl_utils.learning import device as devices
from ffcl_utils.learning import layers, training
from ffcl_utils.learning.history import History
from ffcl_utils.rules import _goodness as goodness_rule
from ffcl_utils.rules import backprop, improved_ffcl, mirror_contrast
from ffcl_utils.rules.bp_ff import BPFF
from ffcl_utils.rules.forward_forward import ForwardForward
from tests.rules.test_improved_ffcl import small


def test_without_a_gpu_auto_is_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for choice in ("", "auto", "cpu"):
        monkeypatch.setenv("FFCL_DEVICE", choice)
        assert devices.device() == torch.device("cpu")
    monkeypatch.setenv("FFCL_DEVICE", "cuda")
    with pytest.raises(devices.DeviceError, match="torch sees no GPU"):
        devices.device()


def test_with_a_gpu_auto_is_the_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv("FFCL_DEVICE", raising=False)
    assert devices.device() == torch.device("cuda")
    monkeypatch.setenv("FFCL_DEVICE", "cpu")
    assert devices.device() == torch.device("cpu")


def test_an_unknown_device_is_refused(monkeypatch):
    monkeypatch.setenv("FFCL_DEVICE", "tpu")
    with pytest.raises(devices.DeviceError, match="choose one of auto, cpu, cuda"):
        devices.device()


RULES = {
    "improved_ffcl": (improved_ffcl, improved_ffcl.ImprovedFFCL),
    "mirror_contrast": (mirror_contrast, mirror_contrast.MirrorContrast),
    "forward_forward": (goodness_rule, ForwardForward),
    "bp_ff": (goodness_rule, BPFF),
    "backprop": (backprop, backprop.Backprop),
}
MORE = {"backprop": {"input_dropout": 0.2}}


@pytest.mark.parametrize("system", RULES)
def test_a_step_of_training_stays_on_the_device(system, digits, monkeypatch):
    elsewhere = torch.device("meta")
    monkeypatch.setattr(layers, "device", lambda: elsewhere)
    seen = []

    def one_step(draws, losses, evaluate, optimiser, *rest):
        visits = training.visits_of(draws, elsewhere)
        local = losses({name: rows[:, :32] for name, rows in visits.items()})
        torch.stack(list(local.values())).sum().backward()
        seen.extend(p.grad.device for group in optimiser.param_groups for p in group["params"])
        return History((0, 1), {"train_loss/total": np.zeros((1, 2))})

    module, rule = RULES[system]
    monkeypatch.setattr(module, "train", one_step)
    settings = {"seeds": 2, "epochs": 1, "batch_size": 32} | MORE.get(system, {})
    rule(configure(system, "smoke", **settings)).fit(small(digits, 64))
    assert seen
    assert set(seen) == {elsewhere}


def test_the_stand_in_notices_a_tensor_that_was_left_behind():
    with pytest.raises(RuntimeError):
        torch.ones(3, device="meta") + torch.ones(3)
