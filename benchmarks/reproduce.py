"""What `make reproduce` took, by the provenance of the reference run, now and before.

Writes `reproduce` into results/benchmarks.json. Nothing is run. Needs the history of git.
"""

import json
import subprocess
import sys

from common import write_report

from ffcl_utils.files import read_json
from ffcl_utils.paths import RESULTS, ROOT
from ffcl_utils.records.results import is_study

BEFORE = "0384e62"  # the last commit before the first change for speed


def before(path: str) -> dict:
    """A JSON file as it was in BEFORE."""
    shown = subprocess.run(
        ["git", "show", f"{BEFORE}:{path}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if shown.returncode:
        sys.exit(f"error: git has no {BEFORE}:{path}: this needs the project's whole history")
    return json.loads(shown.stdout)


def main() -> None:
    paths = [
        path.relative_to(ROOT)
        for path in sorted(RESULTS.glob("paper/*/provenance.json"))
        if not is_study(path.parent.name)
    ]
    now = {path.parent.name: read_json(ROOT / path) for path in paths}
    then = {path.parent.name: before(path.as_posix()) for path in paths}
    seconds, seconds_before = (
        sum(origin["seconds"] for origin in run.values()) for run in (now, then)
    )
    write_report(
        "reproduce",
        {
            "seconds": round(seconds),
            "seconds_before": round(seconds_before),
            "share_of_before": round(seconds / seconds_before, 3),
            "seconds_of": {name: origin["seconds"] for name, origin in now.items()},
            "peak_memory_mib": max(origin["peak_memory_mib"] for origin in now.values()),
            "git_commits": sorted({origin["git_commit"] for origin in now.values()}),
            "machines": sorted({origin["machine"] for origin in now.values()}),
            "machines_before": sorted({origin["machine"] for origin in then.values()}),
        },
    )


if __name__ == "__main__":
    main()
