"""What is missing of a set of runs, and the jobs that make it: Snakemake only schedules them.

A run is fresh where its folder holds its files and the identity that it would have if it ran now.
Networks are made for runs that are not fresh only, and each once, whichever runs need it.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ffcl_utils import store
from ffcl_utils.config import ExperimentConfig, of_rules
from ffcl_utils.data.files import FULL, DataError, verify
from ffcl_utils.files import read_json
from ffcl_utils.learning.precision import BY_ONEDNN, rounding
from ffcl_utils.records.contents import check_replaceable
from ffcl_utils.records.identity import identity, recorded
from ffcl_utils.records.metrics import RecordError, read_record
from ffcl_utils.workflow.jobs import Plan, PlanError, PlannedJob, read_plan
from ffcl_utils.workflow.parameters import as_given, check_parameters, complete
from ffcl_utils.workflow.runs import RunEntry, configs_of, of_parts

CLAIMS = "claims"
PYTHON = [sys.executable, "-m", "ffcl_utils"]
# Rough: images × weights × epochs that one thread gets through in a second, and what else it takes.
SPEED = 6e9
# How many times as many where products="auto" takes them in these.
QUICKER = {"bfloat16": 4, BY_ONEDNN: 2}
FULL_IMAGES, SUBSET_IMAGES = 60_000, 4_000
TRAINING_SECONDS = 5
NOTEBOOK_MINUTES = 120
# Of a job, in MiB, by whether its data are a subset.
TRAINING_MEMORY = {False: 3000, True: 1500}
NOTEBOOK_MEMORY = 1500  # where its data are a subset


@dataclass(frozen=True)
class Wanted:
    """A run that should be in `output`, of an entry of the table with these parameters."""

    name: str
    entry: RunEntry
    output: Path
    parameters: dict[str, object]
    reads: dict[str, str] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, object]:
        """All parameters of the notebook, without output_dir."""
        return complete(self.entry.path, self.parameters)


def plan(preset: str, studies: bool, embedded: set[str], folder: Path, file: Path) -> Plan:
    """The jobs that bring the results of a preset in `folder` up to date.

    studies: also the runs that `make reproduce` leaves to `make reproduce-all`. embedded: the full
    datasets that an embedded subset is taken of. file: where the plan will be written, which
    training jobs read. Raises ConfigError for an unknown preset and for parameters that a notebook
    does not take, OutputError where something else than a result is in a run's place, DataError
    where full data are needed and missing: a result of them that is up to date needs them no more,
    and one that is not is not replaced by one of a subset.
    """
    wanted = []
    for entry in of_parts("claims", "studies", "related"):
        if preset in entry.presets and (studies or entry.is_with_claims(preset)):
            run = Wanted(entry.name, entry, folder / entry.name, entry.parameters_at(preset))
            if entry.dataset in embedded and preset != "smoke" and not _is_there(run):
                _check_not_of_full_data(run.output)
                run = replace(run, parameters=entry.parameters_at(preset, embedded=True))
            wanted.append(run)
    jobs, identities = plan_runs(wanted, folder / "logs", file)
    jobs |= _conclusion(folder, identities, list(jobs))
    return Plan(preset=preset, folder=as_given(folder), jobs=jobs, notes=notes(jobs))


def plan_runs(
    wanted: Iterable[Wanted], logs: Path, file: Path
) -> tuple[dict[str, PlannedJob], dict[str, str]]:
    """The trainings and notebooks that are missing, by name, and the identity of every run."""
    identities, stale = {}, []
    for run in wanted:
        check_parameters(run.entry.path, run.parameters)
        configs = configs_of(run.entry, run.values)
        identities[run.name] = expected_identity(run, configs)
        if not is_fresh(run, identities[run.name]):
            check_replaceable(run.output)
            stale.append((run, configs))
    trainings = _missing_trainings(stale)
    jobs = {job.name: _training_job(job, file) for job in trainings}
    for run, configs in stale:
        needs = [job.name for job in trainings if _is_needed(job, configs)]
        jobs[run.name] = _notebook_job(run, configs, needs, logs)
    return jobs, identities


def notes(jobs: dict[str, PlannedJob]) -> list[str]:
    """Which trainings the store has from machines of another kind, as after a change of machine."""
    trainings = [store.Job.from_json(job.training) for job in jobs.values() if job.training]
    kinds = Counter(
        (kind, rounding(training.config.keeps_bfloat16))
        for training in trainings
        for kind in store.trained_elsewhere(training, store.store_folder())
    )
    return [
        f"Of these trainings, {count} were made before, in {kind}. Here products are in {here}, on "
        "another kind of machine, so they are made again."
        for (kind, here), count in sorted(kinds.items())
    ]


def expected_identity(run: Wanted, configs: dict[str, ExperimentConfig]) -> str:
    """The identity that a run leaves in its provenance.json if it runs now."""
    keys = {name: store.key(config) for name, config in of_rules(configs).items()}
    seeds = {name: config.seed_list for name, config in configs.items()}
    return identity(run.entry.path, run.values, keys, seeds, run.reads)


def is_fresh(run: Wanted, identity: str) -> bool:
    """Whether a run's folder holds its whole result, of this identity.

    An empty file is none: a power cut leaves such. So are a record and a notebook that are no JSON.
    """
    needed = ["executed.ipynb"] + ["metrics.json"] * bool(run.entry.networks)
    try:
        origin = read_json(run.output / "provenance.json")
        if origin["identity"] != identity:
            return False
        for name in needed:
            read_json(run.output / name)
        return all((run.output / name).stat().st_size for name in origin["files"])
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return False


def _is_there(run: Wanted) -> bool:
    """Whether a run's result is there and up to date."""
    return is_fresh(run, expected_identity(run, configs_of(run.entry, run.values)))


def _check_not_of_full_data(output: Path) -> None:
    """Raise DataError where a result of a full dataset is in this folder."""
    try:
        dataset = read_record(output / "metrics.json").dataset
    except RecordError:  # there is none, or a damaged one
        return
    if dataset in FULL:
        raise DataError(
            f"{output} is out of date, and {dataset} is not there to make it again: a subset's "
            "result would replace it. Get the data, or choose another folder with --runs"
        )


def _missing_trainings(stale: list[tuple[Wanted, dict[str, ExperimentConfig]]]) -> list[store.Job]:
    """The networks that the store lacks for these runs, each once, the longest trainings first.

    None where nothing is kept (FFCL_STORE is empty): every notebook trains its own then.
    """
    folder = store.store_folder()
    if folder is None:
        return []
    jobs = [
        store.Job(config, name in run.entry.with_snapshots(configs, run.values.get("preset")))
        for run, configs in stale
        for name, config in of_rules(configs).items()
    ]
    datasets = {config.dataset for _, configs in stale for config in configs.values()}
    for dataset in sorted(datasets & FULL.keys()):
        verify(dataset)
    return sorted(store.missing(jobs, folder), key=seconds_of, reverse=True)


def _is_needed(job: store.Job, configs: dict[str, ExperimentConfig]) -> bool:
    """Whether one of the configs has a network in common with a training job."""
    trained = job.config
    return any(
        (config.rule, config.settings()) == (trained.rule, trained.settings())
        and set(config.seed_list) & set(trained.seed_list)
        for config in of_rules(configs).values()
    )


def _training_job(job: store.Job, file: Path) -> PlannedJob:
    return PlannedJob(
        command=[*PYTHON, "train", "--job", as_given(file), job.name],
        mem_mb=TRAINING_MEMORY[job.config.dataset not in FULL],
        minutes=30 + seconds_of(job) // 15,
        seconds=seconds_of(job),
        training=job.to_json(),
    )


def _notebook_job(
    run: Wanted, configs: dict[str, ExperimentConfig], needs: list[str], logs: Path
) -> PlannedJob:
    pairs = [f"{name}={value!r}" for name, value in run.parameters.items()]
    subset = all(config.dataset not in FULL for config in configs.values())
    seconds = run.entry.seconds_at(run.values.get("preset"))
    minutes = NOTEBOOK_MINUTES + seconds // 15
    if store.store_folder() is None:  # it trains its networks itself
        minutes += sum(seconds_of(store.Job(config)) for config in of_rules(configs).values()) // 15
    return PlannedJob(
        command=[
            *PYTHON, "run", as_given(run.entry.path), as_given(run.output),
            "--logs", as_given(logs), "--minutes", str(minutes),
            *(word for pair in pairs for word in ("-p", pair)),
        ],
        needs=needs,
        mem_mb=NOTEBOOK_MEMORY if subset else run.entry.memory,
        minutes=minutes,
        seconds=seconds,
    )  # fmt: skip


def _conclusion(folder: Path, identities: dict[str, str], jobs: list[str]) -> dict[str, PlannedJob]:
    """The verdicts on the claims and the overview, where they are missing or out of date."""
    (entry,) = of_parts("overview")
    others = [name for name in entry.needs if name not in identities]
    reads = recorded(folder, others) | {
        name: value for name, value in identities.items() if name in entry.needs
    }
    overview = Wanted(entry.name, entry, folder / entry.name, {"results": as_given(folder)}, reads)
    fresh = not jobs and is_fresh(overview, expected_identity(overview, {}))
    concluding = {}
    if not fresh or not (folder / "claims.json").is_file():
        place = as_given(folder)
        command = [*PYTHON, "claims", place, "--quiet", "--write", f"{place}/claims.json"]
        concluding[CLAIMS] = PlannedJob(
            command=command, needs=jobs, local=True, mem_mb=1000, minutes=30, seconds=5
        )
    if not fresh:
        check_replaceable(overview.output)
        concluding[entry.name] = _notebook_job(overview, {}, [CLAIMS], folder / "logs")
    return concluding


def seconds_of(job: store.Job) -> int:
    """Roughly how long a training takes in one thread: epochs × images × weights × seeds."""
    images = FULL_IMAGES if job.config.dataset in FULL else SUBSET_IMAGES
    quicker = 1
    if job.config.products == "auto":
        quicker = QUICKER.get(rounding(job.config.keeps_bfloat16), 1)
    return TRAINING_SECONDS + round(job.cost * images / (SPEED * quicker))


def training_of(file: Path, name: str) -> store.Job:
    """A training job of a plan.

    Raises PlanError where the plan has none of this name, store.JobError where it would train
    other networks by now.
    """
    planned = read_plan(file).jobs.get(name)
    if planned is None or planned.training is None:
        raise PlanError(f"{file} has no training {name!r}: make the plan again")
    return store.Job.from_json(planned.training)
