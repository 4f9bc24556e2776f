# Which notebook, with which parameters, makes which files. Run it through the Makefile.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from ffcl_utils.config import PRESETS
from ffcl_utils.data.files import FULL
from ffcl_utils.records.git import git_state

PRESET = config.get("preset", "paper")
if PRESET not in PRESETS:
    raise WorkflowError(f"unknown preset {PRESET!r}: choose one of {', '.join(PRESETS)}")
RUNS = f"{config.get('runs', 'runs')}/{PRESET}"
# The full data, or the embedded subsets where there is no other (chosen by the Makefile).
DATA = config.get("data", "full")
DATASETS = {name: name if DATA == "full" else full.embedded for name, full in FULL.items()}
# A runner ends when this process does.
os.environ["FFCL_WORKFLOW_PID"] = str(os.getpid())
# Asked once: a file saved while a job runs must not make the next job look dirty.
commit, dirty = git_state()
os.environ.setdefault("FFCL_GIT_COMMIT", commit)
os.environ.setdefault("FFCL_GIT_DIRTY", str(int(dirty)))

# Cores of a job, and threads: of one that Slurm started, what it gave. Snakemake counts the node's
# there, and not every Slurm binds a job to its own.
CORES = min(workflow.cores, int(os.environ.get("SLURM_CPUS_PER_TASK", workflow.cores)))
# Two seconds of reading results: no job of its own on a cluster.
localrules:
    assess_claims,


CODE = sorted(str(path) for path in Path("ffcl_utils").rglob("*.py"))
RESULTS = ["executed.ipynb", "metrics.json", "provenance.json"]
WEIGHTS = [f"weights/{name}.npz" for name in ("ff", "bp_ff", "bp", "bp_rate_0_01")]
# At smoke what the notebooks' own defaults say.
UNSEEN = "" if PRESET == "smoke" else "-p held_out_classes=10 -p epochs=5"
STUDY_SEEDS = "" if PRESET == "smoke" else "-p seeds=5"
WIDE_SEEDS = "" if PRESET == "smoke" else "-p seeds=3"
FASHION = "" if PRESET == "smoke" else "-p seeds=3"
# So few images are so few steps an epoch that the models need smaller batches to learn at all.
FEW = "" if DATA == "full" else "-p epochs=10 -p batch_size=64"
FEW_DIGITS = "" if PRESET == "smoke" else FEW


def results_of(name, *more):
    return [f"{RUNS}/{name}/{file}" for file in (*RESULTS, *more)]


def run(name, parameters):
    """The command that makes a results folder. `exec`: the runner must be Snakemake's own child."""
    return (
        f"exec {sys.executable} -m ffcl_utils run {{input.notebook}} {RUNS}/{name} "
        f"--logs {RUNS}/logs {parameters}"
    )


rule claims_of_the_papers:
    input:
        f"{RUNS}/00_overview/executed.ipynb",


rule improved_ffcl_accuracy:
    input:
        CODE,
        notebook="notebooks/01_improved_ffcl_accuracy.ipynb",
    output:
        results_of("01_improved_ffcl_accuracy", "histories.npz"),
    threads: CORES
    shell:
        run("01_improved_ffcl_accuracy", f"-p preset={PRESET} -p dataset={DATASETS['mnist']}")


rule loss_decay:
    input:
        CODE,
        rules.improved_ffcl_accuracy.output,
        notebook="notebooks/02_loss_decay.ipynb",
    output:
        results_of("02_loss_decay"),
    threads: CORES
    shell:
        run(
            "02_loss_decay",
            f"-p preset={PRESET} -p dataset={DATASETS['mnist']} "
            f"-p training={RUNS}/01_improved_ffcl_accuracy",
        )


rule forward_forward:
    input:
        CODE,
        notebook="notebooks/03_forward_forward.ipynb",
    output:
        results_of("03_forward_forward", *WEIGHTS),
    threads: CORES
    shell:
        run("03_forward_forward", f"-p preset={PRESET} -p dataset={DATASETS['mnist']} {FEW_DIGITS}")


rule forward_forward_fashion:
    input:
        CODE,
        notebook="notebooks/03_forward_forward.ipynb",
    output:
        results_of("03_forward_forward-fashion_mnist", *WEIGHTS),
    threads: CORES
    shell:
        run(
            "03_forward_forward-fashion_mnist",
            f"-p preset={PRESET} -p dataset={DATASETS['fashion_mnist']} {FASHION} {FEW}",
        )


rule sparse_ensembles:
    input:
        CODE,
        rules.forward_forward.output,
        notebook="notebooks/04_sparse_ensembles.ipynb",
    output:
        results_of("04_sparse_ensembles"),
    threads: CORES
    shell:
        run("04_sparse_ensembles", f"-p representations={RUNS}/03_forward_forward")


rule sparse_ensembles_fashion:
    input:
        CODE,
        rules.forward_forward_fashion.output,
        notebook="notebooks/04_sparse_ensembles.ipynb",
    output:
        results_of("04_sparse_ensembles-fashion_mnist"),
    threads: CORES
    shell:
        run(
            "04_sparse_ensembles-fashion_mnist",
            f"-p representations={RUNS}/03_forward_forward-fashion_mnist",
        )


rule unseen_classes:
    input:
        CODE,
        notebook="notebooks/05_unseen_classes.ipynb",
    output:
        results_of("05_unseen_classes"),
    threads: CORES
    shell:
        run("05_unseen_classes", f"-p preset={PRESET} -p dataset={DATASETS['mnist']} {UNSEEN}")


rule excitation_inhibition:
    input:
        CODE,
        rules.forward_forward.output,
        notebook="notebooks/06_excitation_inhibition.ipynb",
    output:
        results_of("06_excitation_inhibition"),
    threads: CORES
    shell:
        run("06_excitation_inhibition", f"-p representations={RUNS}/03_forward_forward")


rule reading_the_paper:
    input:
        CODE,
        notebook="notebooks/07_reading_the_paper.ipynb",
    output:
        results_of("07_reading_the_paper", "runs.csv", "cells.csv"),
    threads: CORES
    shell:
        run("07_reading_the_paper", f"-p preset={PRESET} -p dataset={DATASETS['mnist']} {STUDY_SEEDS}")


rule beyond_63:
    input:
        CODE,
        notebook="notebooks/08_beyond_63.ipynb",
    output:
        results_of("08_beyond_63", "runs.csv"),
    threads: CORES
    shell:
        run("08_beyond_63", f"-p preset={PRESET} -p dataset={DATASETS['mnist']}")


rule beyond_63_wide:
    input:
        CODE,
        notebook="notebooks/08_beyond_63.ipynb",
    output:
        results_of("08_beyond_63-wide", "runs.csv"),
    threads: CORES
    shell:
        run("08_beyond_63-wide", f"-p preset={PRESET} -p dataset={DATASETS['mnist']} -p network=wide {WIDE_SEEDS}")


rule mirror_neurons:
    input:
        CODE,
        notebook="notebooks/09_mirror_neurons.ipynb",
    output:
        results_of("09_mirror_neurons", "ensembles.csv"),
    threads: CORES
    shell:
        run("09_mirror_neurons", f"-p preset={PRESET} -p dataset={DATASETS['mnist']} {STUDY_SEEDS}")


# Beyond the papers' claims: with `make reproduce-all`.
STUDIES = [
    rules.reading_the_paper.output,
    rules.beyond_63.output,
    rules.beyond_63_wide.output,
    rules.mirror_neurons.output,
]
STUDIES = STUDIES if config.get("studies") else []


rule assess_claims:
    input:
        STUDIES,
        rules.improved_ffcl_accuracy.output,
        rules.loss_decay.output,
        rules.sparse_ensembles.output,
        rules.sparse_ensembles_fashion.output,
        rules.unseen_classes.output,
        rules.excitation_inhibition.output,
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
    shell:
        run("00_overview", f"-p results={RUNS}")
