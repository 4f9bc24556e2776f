"""Which commit the sources in this folder are, and whether they differ from it."""

import subprocess

from ffcl_utils.paths import ROOT

# What runs and promotions write: it is no source.
WRITTEN = ("results", "runs", "trained")


def git_state() -> tuple[str, bool]:
    """The commit, and whether any source differs from it (an untracked file counts too).

    Every process asks git itself. ("unknown", True) where git is missing, or where this folder is
    no repository of its own, such as an unpacked archive inside another repository.
    """
    outside = [f":(exclude){folder}" for folder in WRITTEN]
    try:
        if _git("rev-parse", "--show-prefix"):
            return "unknown", True
        # Without the optional lock, which would make a `git commit` at this moment fail.
        changes = _git("--no-optional-locks", "status", "--porcelain", "--", ".", *outside)
        return _git("rev-parse", "HEAD"), bool(changes)
    except (OSError, subprocess.SubprocessError):
        return "unknown", True


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()
