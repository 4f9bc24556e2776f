"""Where a result came from: commit, settings, data, versions, machine."""

import platform
import resource
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from ffcl_utils.config import Config
from ffcl_utils.data.files import DataOrigin
from ffcl_utils.learning.device import device_name
from ffcl_utils.learning.precision import rounding
from ffcl_utils.records.git import git_state

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "pandas", "matplotlib")


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


def provenance(configs: dict[str, Config], data: DataOrigin, seconds: float) -> dict:
    """Everything that the run of one notebook depended on. seconds: how long it took."""
    commit, dirty = git_state()
    seeds = next(iter(configs.values())).seed_list
    return {
        "git_commit": commit,
        "dirty": dirty,
        "config": {name: config.model_dump(mode="json") for name, config in configs.items()},
        "config_hash": {name: config.hash for name, config in configs.items()},
        "seeds": seeds,
        "dataset": data.name,
        "data_sha256": data.sha256,
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        "machine": machine(),
        "device": device_name(),
        "auto_products": rounding(),
        "threads": torch.get_num_threads(),
        "seconds": round(seconds, 1),
        "peak_memory_mib": peak_memory(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
