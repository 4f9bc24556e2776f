"""Snakemake on the tests' cluster looks at its jobs every second.

Its executor for Slurm looks ever more rarely, up to every three minutes, and no setting says
otherwise: a test would mostly wait. Where a later Snakemake has another name for this, the tests
are slow again, and nothing else changes.
"""

import sys

if "snakemake" in sys.orig_argv:
    from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

    RemoteExecutor.next_seconds_between_status_checks = property(lambda self: 1, lambda *_: None)
