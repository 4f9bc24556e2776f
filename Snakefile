# Which notebook, with which parameters, makes which files. Run it through the Makefile.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from ffcl_utils.config import PRESETS
from ffcl_utils.data import FULL
from ffcl_utils.provenance import git_state

PRESET = config.get("preset", "paper")
if PRESET not in PRESETS:
    raise WorkflowError(f"unknown preset {PRESET!r}: choose one of {', '.join(PRESETS)}")
RUNS = f"{config.get('runs', 'runs')}/{PRESET}"
# The full data, or the embedded subset where there is no other (chosen by the Makefile).
MNIST = {"full": "mnist", "embedded": FULL["mnist"].embedded}[config.get("data", "full")]

# A runner ends when this process does.
os.environ["FFCL_WORKFLOW_PID"] = str(os.getpid())
# Asked once: a file saved while a job runs must not make the next job look dirty.
commit, dirty = git_state()
os.environ.setdefault("FFCL_GIT_COMMIT", commit)
os.environ.setdefault("FFCL_GIT_DIRTY", str(int(dirty)))

CODE = sorted(str(path) for path in Path("ffcl_utils").rglob("*.py"))
# `exec`: the runner must be a child of Snakemake itself, so that it ends when Snakemake does.
RUN = f"exec {sys.executable} -m ffcl_utils run {{input.notebook}} {RUNS}/{{params.name}} -p preset={PRESET}"
RESULTS = ["executed.ipynb", "metrics.json", "provenance.json"]


def results_of(name, *more):
    return [f"{RUNS}/{name}/{file}" for file in (*RESULTS, *more)]


rule claims_of_the_papers:
    input:
        f"{RUNS}/00_overview/executed.ipynb",


# With the studies that go beyond the papers' claims, once there are any.
rule everything:
    input:
        rules.claims_of_the_papers.input,


rule improved_ffcl_accuracy:
    input:
        CODE,
        notebook="notebooks/01_improved_ffcl_accuracy.ipynb",
    output:
        results_of("01_improved_ffcl_accuracy", "histories.npz"),
    params:
        name="01_improved_ffcl_accuracy",
    threads: workflow.cores
    shell:
        RUN + f" -p dataset={MNIST}"


rule loss_decay:
    input:
        CODE,
        rules.improved_ffcl_accuracy.output,
        notebook="notebooks/02_loss_decay.ipynb",
    output:
        results_of("02_loss_decay"),
    params:
        name="02_loss_decay",
    threads: workflow.cores
    shell:
        RUN + f" -p dataset={MNIST} -p training={RUNS}/01_improved_ffcl_accuracy"


rule assess_claims:
    input:
        rules.improved_ffcl_accuracy.output,
        rules.loss_decay.output,
    output:
        f"{RUNS}/claims.json",
    shell:
        f"exec {sys.executable} -m ffcl_utils claims {RUNS} --write {{output}} > /dev/null"


rule overview:
    input:
        rules.assess_claims.output,
        notebook="notebooks/00_overview.ipynb",
    output:
        f"{RUNS}/00_overview/executed.ipynb",
    params:
        name="00_overview",
    shell:
        f"exec {sys.executable} -m ffcl_utils run {{input.notebook}} {RUNS}/{{params.name}} -p results={RUNS}"
