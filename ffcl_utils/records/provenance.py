"""Where a result came from: commit, sources, settings, networks, data, versions, machine."""

import platform
import resource
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from ffcl_utils.learning.device import device_name

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "pandas", "matplotlib")


def machine() -> str:
    """Processor and operating system, as far as they decide the last bit of a sum."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [ln for ln in cpuinfo.read_text().splitlines() if ln.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    return f"{model}, {torch.backends.cpu.get_cpu_capability()}, {platform.system()}"


def peak_memory() -> int:
    """The most memory that this process has held so far, in MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


def surroundings(seconds: float) -> dict:
    """What a result owes to the machine: versions, processor, device, time and memory.

    seconds: how long the notebook took. Peak memory is in MiB.
    """
    return {
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        "machine": machine(),
        "device": device_name(),
        "threads": torch.get_num_threads(),
        "seconds": round(seconds, 1),
        "peak_memory_mib": peak_memory(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
