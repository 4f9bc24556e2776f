"""Commands that run a plan: Snakemake starts its jobs, here or on a cluster, and waits for them."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from ffcl_utils.config import ConfigError
from ffcl_utils.data.files import FULL, DataDownloadError, fetch, raw_folder
from ffcl_utils.paths import ROOT
from ffcl_utils.workflow.jobs import Plan
from ffcl_utils.workflow.process import COMMAND, PLAN_FILE, alone
from ffcl_utils.workflow.runs import runs

PLANS = ".jobs"


def datasets_embedded(preset: str, studies: bool = False) -> set[str]:
    """The full datasets that the workflow takes an embedded subset of.

    studies: whether it makes all runs of the preset. All at smoke; else those that its runs need
    and that are not to be had, with a warning. The others that they need are downloaded and
    verified. Raises DataError where they are damaged.
    """
    if preset == "smoke":
        return set(FULL)
    asked = [run for run in runs() if preset in run.presets]
    needed = {run.dataset for run in asked if studies or run.is_with_claims(preset)}
    missing = set()
    for name in (name for name in FULL if name in needed):
        try:
            fetch(name)
            print(f"{name}: complete and verified in {raw_folder(name)}", file=sys.stderr)
        except DataDownloadError as error:
            missing.add(name)
            print(
                f"WARNING: {error}\nWARNING: going on with the embedded subset of {name}; every "
                "claim about it will be 'not comparable'.",
                file=sys.stderr,
            )
    return missing


@contextmanager
def new_plan_file(folder: Path) -> Iterator[Path]:
    """A place for a plan of this folder, which no other workflow works in until the block ends.

    Earlier plans and what was marked as done in them are deleted. Raises BusyError, and ConfigError
    for a folder with a brace in its name.
    """
    if {"{", "}"} & set(os.path.relpath(folder, ROOT)):
        raise ConfigError(f"Snakemake takes the braces in {folder} for a pattern: choose a folder")
    plans = folder / PLANS
    plans.mkdir(parents=True, exist_ok=True)
    with alone(plans):
        for earlier in plans.glob("*/plan.json"):
            shutil.rmtree(earlier.parent)
        yield plans / datetime.now().strftime("%Y%m%d-%H%M%S") / "plan.json"


def run_plan(plan: Plan, file: Path, cores: str = "all", profile: str = "") -> int:
    """Write the plan, have Snakemake run its jobs, and print each that ends; Snakemake's status.

    cores: how many jobs at once on this machine. profile: of Snakemake, for a cluster. Raises
    ConfigError where a cluster could not start the jobs.
    """
    if profile:
        check_path_for_cluster(sys.executable)
    plan.write(file)
    print(plan.summary(), flush=True)
    if not plan.jobs:
        return 0
    where = ["--profile", profile] if profile else ["--cores", _cores(cores), *_memory()]
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"),
        "--directory", str(ROOT), *where, "--scheduler", "greedy", "--nolock", "--keep-going",
        "--drop-metadata", "--quiet", "host", "reason", "progress",
    ]  # fmt: skip
    own = {COMMAND: str(os.getpid()), PLAN_FILE: str(file.resolve())} | _cache(file.parent)
    process = subprocess.Popen(command, env=os.environ | own)
    return _watched(process, file.parent / "done", plan)


def check_path_for_cluster(python: str) -> None:
    """Raise ConfigError for a path that Snakemake's executors for clusters leave unquoted."""
    if any(letter.isspace() for letter in python):
        raise ConfigError(
            f"Snakemake cannot start jobs of a cluster with {python}: move this folder to a path "
            "without a space, or leave out the profile"
        )


def _watched(process: subprocess.Popen, done: Path, plan: Plan) -> int:
    """Wait for Snakemake, and say of every job that has ended how far the plan is."""
    seen: set[str] = set()
    started = time.monotonic()
    status = None
    while status is None:
        try:
            status = process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            pass
        except KeyboardInterrupt:  # Snakemake has got it too, and ends its jobs
            continue
        for marker in sorted(done.glob("*/*"), key=lambda path: path.stat().st_mtime):
            if marker.name not in seen:
                seen.add(marker.name)
                far = f"{len(seen)} of {len(plan.jobs)} done: {marker.name}"
                print(f"{far}{time_left(plan, seen, time.monotonic() - started)}", flush=True)
    return status


def time_left(plan: Plan, done: set[str], elapsed: float) -> str:
    """Roughly how much longer a plan takes, in words; nothing where all is done.

    done: names of jobs that have ended. elapsed: seconds since the plan began. By the plan's own
    estimates of its jobs, at the pace of those that are done.
    """
    estimates = {name: job.seconds for name, job in plan.jobs.items()}
    behind = sum(seconds for name, seconds in estimates.items() if name in done)
    ahead = sum(estimates.values()) - behind
    if not behind or not ahead:
        return ""
    minutes = elapsed * ahead / behind / 60
    if minutes < 1:
        return ", less than a minute left"
    return (
        f", about {minutes:.0f} min left" if minutes < 90 else f", about {minutes / 60:.1f} h left"
    )


def check_cores(cores: str) -> None:
    """Raise ConfigError unless it is a number of jobs, 1 or more, or `all`."""
    if cores != "all" and not (cores.isascii() and cores.isdigit() and cores.strip("0")):
        raise ConfigError(f"cores={cores!r}: `all`, or how many jobs at once (1 or more)")


def _cache(folder: Path) -> dict[str, str]:
    """Where Snakemake may keep its cache if the home folder cannot be written."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    there = next(place for place in [cache, *cache.parents] if place.exists())
    return {} if os.access(there, os.W_OK) else {"XDG_CACHE_HOME": str(folder.resolve() / "cache")}


def _cores(cores: str) -> str:
    """Of a job that Slurm started, what it gave: Snakemake counts the node's there."""
    given = os.environ.get("SLURM_CPUS_PER_TASK")
    return given if given and cores == "all" else cores


def _memory() -> list[str]:
    """Keep jobs of this machine within its memory, where the system says how much that is."""
    names = ("SC_PHYS_PAGES", "SC_PAGE_SIZE")
    if not set(names) <= os.sysconf_names.keys():
        return []
    pages, size = map(os.sysconf, names)
    return ["--resources", f"mem_mb={pages * size // 2**20}"]
