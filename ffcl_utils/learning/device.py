"""On which device networks train: the CPU, or a GPU where there is one."""

import os

import torch

from ffcl_utils.errors import UserError

CHOICES = ("auto", "cpu", "cuda")


class DeviceError(UserError, ValueError):
    """The device asked for is unknown or not there; the message says what to do."""


def device() -> torch.device:
    """What FFCL_DEVICE says: "auto" (a GPU where there is one, the default), "cpu" or "cuda".

    A property of the machine, not of an experiment: all draws are made on the CPU, so that they are
    the same everywhere. Raises DeviceError for another word, and for "cuda" without a GPU.
    """
    choice = os.environ.get("FFCL_DEVICE") or "auto"
    if choice not in CHOICES:
        raise DeviceError(f"FFCL_DEVICE={choice!r}: choose one of {', '.join(CHOICES)}")
    if choice == "cuda" and not torch.cuda.is_available():
        raise DeviceError("FFCL_DEVICE='cuda', but torch sees no GPU: set it to cpu or auto")
    if choice == "auto":
        choice = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(choice)


def device_name() -> str:
    """ "cpu", or what the GPU calls itself."""
    return "cpu" if device().type == "cpu" else torch.cuda.get_device_name()
