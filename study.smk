# A study of one notebook over settings and seeds: make study STUDY=studies/<name>.yaml
import os
import re
import shlex
import sys
from pathlib import Path

from ffcl_utils.records.git import git_state
from ffcl_utils.workflow.sweep import jobs, read_study

STUDY_FILE = Path(config["study"])
STUDY = read_study(STUDY_FILE)
JOBS = jobs(STUDY)
FOLDER = f"{config.get('runs', 'runs')}/studies/{STUDY_FILE.stem}"
# As in the Snakefile: a runner ends when this process does; the commit is asked for once.
os.environ["FFCL_WORKFLOW_PID"] = str(os.getpid())
commit, dirty = git_state()
os.environ.setdefault("FFCL_GIT_COMMIT", commit)
os.environ.setdefault("FFCL_GIT_DIRTY", str(int(dirty)))


def parameters(wildcards):
    pairs = [f"{name}={value}" for name, value in JOBS[wildcards.job].items()]
    return " ".join(f"-p {shlex.quote(pair)}" for pair in pairs)


wildcard_constraints:
    job="|".join(map(re.escape, JOBS)),


# Cores of a job, and threads: of one that Slurm started, what it gave. Snakemake counts the node's
# there, and not every Slurm binds a job to its own.
CORES = min(workflow.cores, int(os.environ.get("SLURM_CPUS_PER_TASK", workflow.cores)))
# No job of its own on a cluster.
localrules:
    merge,


rule summary:
    input:
        f"{FOLDER}/runs.csv",


rule job:
    input:
        sorted(str(path) for path in Path("ffcl_utils").rglob("*.py")),
        notebook=f"notebooks/{STUDY.notebook}.ipynb",
    output:
        f"{FOLDER}/jobs/{{job}}/metrics.json",
        f"{FOLDER}/jobs/{{job}}/provenance.json",
        f"{FOLDER}/jobs/{{job}}/executed.ipynb",
    params:
        parameters,
    threads: CORES
    shell:
        f"exec {sys.executable} -m ffcl_utils run {{input.notebook}} {FOLDER}/jobs/{{wildcards.job}}"
        f" --logs {FOLDER}/logs {{params}}"


rule merge:
    input:
        expand(rules.job.output[0], job=JOBS),
        study=STUDY_FILE,
    output:
        f"{FOLDER}/runs.csv",
        f"{FOLDER}/summary.svg",
    shell:
        f"exec {sys.executable} -m ffcl_utils merge {{input.study}} {FOLDER}/jobs {FOLDER}"
