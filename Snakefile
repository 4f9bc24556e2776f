# Runs the jobs of a plan, and decides nothing itself: `python -m ffcl_utils reproduce` makes the
# plan of what is missing and starts this. A job's output is a marker beside the plan, so that the
# jobs of the plan run once each, whatever the dates of any other files.
import os
import shlex
from pathlib import Path

from snakemake.exceptions import WorkflowError

from ffcl_utils.errors import UserError
from ffcl_utils.workflow.jobs import read_plan
from ffcl_utils.workflow.process import (
    COMMAND,
    ONE_THREAD,
    PLAN_FILE,
    WORKFLOW,
    die_with_parent,
)

if os.environ.get(COMMAND):
    die_with_parent(COMMAND)
    del os.environ[COMMAND]  # of this process alone, not of the jobs
os.environ[WORKFLOW] = str(os.getpid())
os.environ.update(ONE_THREAD)
try:
    PLAN = read_plan(Path(os.environ.get(PLAN_FILE, "")))
except UserError as error:
    raise WorkflowError(str(error))
# As seen from the repository: a brace in the path to it would be taken for a wildcard.
DONE = Path(os.path.relpath(os.environ[PLAN_FILE])).parent / "done"


def marker(name):
    return str(DONE / ("local" if PLAN.jobs[name].local else "jobs") / name)


def needs(wildcards):
    return [marker(name) for name in PLAN.jobs[wildcards.job].needs]


def command(wildcards):
    return shlex.join(PLAN.jobs[wildcards.job].command)


localrules:
    everything,
    local_job,


rule everything:
    input:
        [marker(name) for name in PLAN.jobs],
    message:
        "every job of the plan has ended"


rule job:
    input:
        needs,
    output:
        touch(DONE / "jobs" / "{job}"),
    params:
        command=command,
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: attempt * PLAN.jobs[wildcards.job].mem_mb,
        runtime=lambda wildcards: PLAN.jobs[wildcards.job].minutes,
    priority: lambda wildcards: PLAN.jobs[wildcards.job].seconds
    message:
        "{wildcards.job} starts"
    shell:
        "exec {params.command}"  # as a child of Snakemake's, with which it ends


rule local_job:
    input:
        needs,
    output:
        touch(DONE / "local" / "{job}"),
    params:
        command=command,
    threads: 1
    message:
        "{wildcards.job} starts"
    shell:
        "exec {params.command}"
