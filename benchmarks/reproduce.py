"""How long `make reproduce` takes as a whole command, and what cores and other programs change.

Every run is `python -m ffcl_utils reproduce` in a temporary folder, with an empty store and no
results. Four figures can be measured, each against one quiet run on two cores:

- seconds: that quiet run itself;
- seconds_from_a_full_store: the same command again, its results deleted and its store kept;
- speedup_of_two_cores: a run on one core, over the quiet run;
- slowdown_beside_a_busy_core: a run beside a program that keeps one core busy, over the quiet run.

Each is written into `reproduce` in results/benchmarks.json as soon as it is known, so that an
interrupted measurement keeps what it has; `--only` chooses some of the four.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from common import origin, read_reports, write_report

from ffcl_utils.config import check_preset
from ffcl_utils.errors import UserError
from ffcl_utils.paths import ROOT
from ffcl_utils.workflow.schedule import datasets_embedded

END_SECONDS = 3  # after which the jobs of a command that was killed are gone, too
# A program that keeps one core busy as long as the process that started it is there.
BUSY = """
import os
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""


class Figure(StrEnum):
    """What can be measured, by its name in results/benchmarks.json."""

    SECONDS = "seconds"
    FULL_STORE = "seconds_from_a_full_store"
    TWO_CORES = "speedup_of_two_cores"
    BUSY_CORE = "slowdown_beside_a_busy_core"


def reproduce(folder: Path, preset: str, cores: int, what: str) -> float:
    """Seconds of the whole command; its store and its results are in `folder`.

    what: of this run, for the line that says it has begun. Exits where the command fails.
    """
    runs = folder / "runs"
    shutil.rmtree(runs, ignore_errors=True)
    command = [
        sys.executable, "-m", "ffcl_utils", "reproduce",
        "--preset", preset, "--cores", str(cores), "--runs", str(runs),
    ]  # fmt: skip
    environment = os.environ | {"FFCL_STORE": str(folder / "store")}
    print(f"\n{time.strftime('%H:%M:%S')} {what}", flush=True)
    started = time.perf_counter()
    try:
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    except BaseException:  # this process is interrupted: subprocess.run has killed the command
        time.sleep(END_SECONDS)
        raise
    if status:
        sys.exit(f"error: reproduce ended with status {status}, so there is nothing to compare")
    taken = time.perf_counter() - started
    print(f"{time.strftime('%H:%M:%S')} {what}: {taken:.0f} seconds", flush=True)
    return taken


def from_nothing(preset: str, cores: int, what: str) -> float:
    """Seconds of the command with an empty store and no results, which are deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="ffcl-reproduce-") as folder:
        return reproduce(Path(folder), preset, cores, what)


@contextmanager
def a_busy_core() -> Iterator[None]:
    """Keep one core busy with a plain Python loop while the block runs."""
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def measure(preset: str, chosen: list[Figure]) -> Iterator[tuple[Figure, dict]]:
    """Name and content of each of the chosen figures, as soon as it is known."""
    with tempfile.TemporaryDirectory(prefix="ffcl-reproduce-") as name:
        folder = Path(name)
        quiet = reproduce(folder, preset, 2, "two cores, empty store")
        if Figure.SECONDS in chosen:
            yield Figure.SECONDS, {"value": round(quiet, 1)}
        if Figure.FULL_STORE in chosen:
            again = reproduce(folder, preset, 2, "two cores, full store")
            yield Figure.FULL_STORE, {"value": round(again, 1)}
    if Figure.TWO_CORES in chosen:
        one = from_nothing(preset, 1, "one core, empty store")
        yield Figure.TWO_CORES, ratio({"one core": one, "two cores": quiet})
    if Figure.BUSY_CORE in chosen:
        with a_busy_core():
            busy = from_nothing(preset, 2, "two cores, one of them busy, empty store")
        yield Figure.BUSY_CORE, ratio({"one core busy": busy, "quiet": quiet})


def ratio(seconds: dict[str, float]) -> dict:
    """The first of two times over the second, and both."""
    first, second = seconds.values()
    rounded = {name: round(value, 1) for name, value in seconds.items()}
    return {"value": round(first / second, 3), "seconds": rounded}


def main(
    preset: Annotated[str, typer.Option(help="smoke, short or paper")] = "short",
    only: Annotated[
        list[Figure], typer.Option(help="one of the figures; as often as needed")
    ] = list(Figure),  # noqa: B006 - typer copies it
) -> None:
    """Measure `make reproduce` and write results/benchmarks.json."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: terminated"))
    try:
        check_preset(preset)
        if datasets_embedded(preset) and preset != "smoke":
            raise UserError("without the full data these times would say nothing")
    except UserError as error:
        sys.exit(f"error: {error}")
    where = {"preset": preset} | origin()
    for name, figure in measure(preset, only):
        known = read_reports().get("reproduce", {})
        kept = {other: known[other] for other in Figure if other in known}
        write_report("reproduce", kept | {name: figure | where})


if __name__ == "__main__":
    typer.run(main)
