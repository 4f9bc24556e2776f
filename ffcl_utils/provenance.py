"""Where a result came from: commit, settings, data, versions, machine."""

import os
import platform
import resource
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import torch

from ffcl_utils.config import Config
from ffcl_utils.devices import device_name
from ffcl_utils.paths import ROOT
from ffcl_utils.products import rounding

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "pandas", "matplotlib")


def git_state() -> tuple[str, bool]:
    """Commit and whether the tree has changes outside results/, which holds what runs leave.

    The workflow asks once, when it starts, and hands the answer down in FFCL_GIT_COMMIT and
    FFCL_GIT_DIRTY. Without git, ("unknown", True).
    """
    if "FFCL_GIT_COMMIT" in os.environ:
        return os.environ["FFCL_GIT_COMMIT"], os.environ.get("FFCL_GIT_DIRTY") != "0"
    try:
        changes = _git("status", "--porcelain", "--", ".", ":(exclude)results")
        return _git("rev-parse", "HEAD"), bool(changes)
    except (OSError, subprocess.CalledProcessError):
        return "unknown", True


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


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


class DataOrigin(Protocol):
    """What a result says of its data: a Dataset has it, and so has a Source."""

    name: str
    sha256: dict[str, str]


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
