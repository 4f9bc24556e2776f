"""Which device is taken, and that no rule leaves anything on the CPU while it trains on another.

torch's device "meta", whose tensors have a shape and no content, stands for a GPU: an operation on
a tensor of it and one of the CPU is an error there too.
"""

import pytest
import torch

from ffcl_utils import rules
from ffcl_utils.learning import device as devices
from ffcl_utils.learning import layers
from ffcl_utils.learning.training import visits_of
from tests.small import small


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


MORE = {"backprop": {"input_dropout": 0.2}}


@pytest.mark.parametrize("name", rules.names())
def test_a_step_of_training_stays_on_the_device(name, digits, monkeypatch):
    elsewhere = torch.device("meta")
    monkeypatch.setattr(layers, "device", lambda: elsewhere)
    settings = {"seeds": 2, "epochs": 1, "batch_size": 32} | MORE.get(name, {})
    rule = rules.rule(name)(rules.configure(name, "smoke", **settings))
    phase = next(rule.phases(small(digits, 64)))
    visits = visits_of(phase, rule.generators)
    local = phase.losses({quantity: rows[:, :32] for quantity, rows in visits.items()})
    total = torch.stack(list(local.values())).sum()
    gradients = torch.autograd.grad(total, phase.parameters)
    assert {gradient.device for gradient in gradients} == {elsewhere}


def test_the_stand_in_notices_a_tensor_that_was_left_behind():
    with pytest.raises(RuntimeError):
        torch.ones(3, device="meta") + torch.ones(3)
