"""Which commit is running."""

import os
import subprocess

from ffcl_utils.paths import ROOT


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
