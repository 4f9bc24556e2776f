"""The plan: exactly what is missing or out of date, whatever the dates of files say.

The runs are made up: `a` and `b` share networks, of which `b` wants snapshots; `c` has its own.
Their trainings and results are recorded without any training.
"""

import os
import shutil
import time
from itertools import pairwise, product
from pathlib import Path

import pytest

from ffcl_utils import rules
from ffcl_utils.config import ConfigError, ExperimentConfig, of_rules
from ffcl_utils.data.files import DataError
from ffcl_utils.files import OutputError, read_json, write_json
from ffcl_utils.learning.precision import BY_ONEDNN
from ffcl_utils.records import identity as identities
from ffcl_utils.store import jobs as store_jobs
from ffcl_utils.workflow import plan as planning
from ffcl_utils.workflow import runs
from ffcl_utils.workflow.jobs import VERSION, PlanError, read_plan
from ffcl_utils.workflow.parameters import complete, default_parameters
from tests.workflow.made_up import PARAMETERS, notebook

RUNS, END = {"a", "b", "c"}, {"claims", "o"}


class Project:
    """Made-up runs in a folder, a store in memory, and what a workflow would leave."""

    def __init__(self, folder: Path) -> None:
        self.results = folder / "runs" / "smoke"
        self.file = folder / "plan.json"
        self.package = folder / "package"
        self.stored: set[tuple[str, int, bool]] = set()
        self.entries = {
            name: runs.RunEntry(
                name=name, notebook=name, title=name, question="?", networks=networks, part="claims"
            )
            for name, networks in (("a", "shared"), ("b", "shared"), ("c", "own"))
        }
        self.entries["b"] = self.entries["b"].model_copy(update={"snapshots": True})
        self.entries["o"] = runs.RunEntry(
            name="o", notebook="o", title="o", question="?", part="overview", needs=sorted(RUNS)
        )
        for name in self.entries:
            notebook(folder, "1 + 1", name=name)

    def of_parts(self, *parts: str) -> list[runs.RunEntry]:
        return [entry for entry in self.entries.values() if entry.part in parts]

    def configs_of(self, entry: runs.RunEntry, parameters: dict) -> dict:
        if not entry.networks:
            return {}
        given = {name: parameters[name] for name in ("preset", "seeds", "epochs")}
        shared = {"BP": rules.configure("backprop", dataset=self.dataset, **given)}
        if entry.networks == "own":
            return {"FF": rules.configure("improved_ffcl", dataset=self.dataset, **given)}
        return shared

    dataset = "mnist_5k"

    def is_stored(self, folder: Path, seed: int, snapshots: bool) -> bool:
        return any((folder.name, seed, kept) in self.stored for kept in {True, snapshots})

    def plan(self, **options):
        options = {"preset": "smoke", "studies": False, "embedded": {"mnist"}} | options
        planned = planning.plan(folder=self.results, file=self.file, **options)
        planned.write(self.file)
        return planned

    def names(self) -> set[str]:
        """The planned jobs, every training by its rule."""
        return {name.split("-")[0] for name in self.plan().jobs}

    def do(self, planned) -> None:
        """What the jobs of a plan would leave."""
        for name, job in planned.jobs.items():
            if job.training is not None:
                training = planning.training_of(self.file, name)
                folder = planning.store.key(training.config)
                self.stored |= {
                    (folder, seed, training.snapshots) for seed in training.config.seed_list
                }
            elif name in self.entries:
                self.write_result(self.entries[name])
            else:
                write_json(self.results / "claims.json", [])

    def write_result(self, entry: runs.RunEntry, preset: str = "smoke") -> None:
        """As records.Run does it: from the parameters that the notebook has got."""
        parameters = complete(entry.path, entry.parameters_at(preset))
        configs = self.configs_of(entry, parameters)
        keys = {name: planning.store.key(config) for name, config in of_rules(configs).items()}
        seeds = {name: config.seed_list for name, config in configs.items()}
        reads = identities.recorded(self.results, entry.needs)
        found = identities.identity(entry.path, parameters, keys, seeds, reads)
        folder = self.results / entry.name
        write_json(folder / "executed.ipynb", {})
        write_json(folder / "figure.svg", {})
        write_json(folder / "provenance.json", {"identity": found, "files": ["figure.svg"]})
        if entry.networks:
            write_json(folder / "metrics.json", {})


@pytest.fixture
def project(tmp_path, monkeypatch):
    made_up = Project(tmp_path)
    made_up.package.mkdir()
    (made_up.package / "module.py").write_text("1")
    monkeypatch.setattr(runs, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(identities, "PACKAGE", made_up.package)
    monkeypatch.setattr(planning, "of_parts", made_up.of_parts)
    monkeypatch.setattr(planning, "configs_of", made_up.configs_of)
    monkeypatch.setattr(store_jobs, "is_stored", made_up.is_stored)
    monkeypatch.setenv("FFCL_STORE", str(tmp_path / "store"))
    return made_up


@pytest.fixture
def finished(project):
    project.do(project.plan())
    return project


def test_an_experiment_without_a_rule_trains_nothing_and_gets_fresh(project, monkeypatch):
    """Beside a rule's network it only counts with its seeds and its data."""
    of_rule = project.configs_of(project.entries["a"], {"preset": "smoke", "seeds": 2, "epochs": 1})
    own = {"own": ExperimentConfig(preset="smoke", dataset="synthetic", seeds=2)}
    for configs, trainings in ((own, set()), (own | of_rule, {"backprop"})):

        def configs_of(entry, *_, made=configs):
            return made if entry.networks else {}

        monkeypatch.setattr(planning, "configs_of", configs_of)
        monkeypatch.setattr(project, "configs_of", configs_of)
        assert project.names() == trainings | RUNS | END
        project.do(project.plan())
        assert project.names() == set()


def test_a_study_may_belong_to_the_claims_at_a_preset(project):
    study = project.entries["c"].model_copy(update={"part": "studies"})
    for presets, planned in ((None, False), ([], False), (["paper"], False), (["smoke"], True)):
        project.entries["c"] = study.model_copy(update={"with_claims": presets})
        assert ("c" in project.plan().jobs) is planned
        assert "c" in project.plan(studies=True).jobs


def test_a_run_of_the_claims_may_wait_for_the_studies_at_a_preset(project):
    for presets, planned in ((None, True), (["paper"], False), (["smoke"], True)):
        project.entries["c"] = project.entries["c"].model_copy(update={"with_claims": presets})
        assert ("c" in project.plan().jobs) is planned
        assert "c" in project.plan(studies=True).jobs


def test_images_that_an_experiment_looks_at_are_asked_for_before_it_starts(project, monkeypatch):
    own = {"own": ExperimentConfig(preset="short", dataset="mnist", seeds=2)}
    monkeypatch.setattr(planning, "configs_of", lambda *_: own)
    monkeypatch.setenv("FFCL_DATA_DIR", str(project.package))
    with pytest.raises(DataError, match="train-images"):
        project.plan()


def test_with_nothing_there_everything_is_made_and_each_network_once(project):
    planned = project.plan()
    assert project.names() == {"backprop", "improved_ffcl"} | RUNS | END
    trained = [
        (planning.store.key(training.config), seed)
        for name, job in planned.jobs.items()
        if job.training is not None
        for training in [planning.training_of(project.file, name)]
        for seed in training.config.seed_list
    ]
    assert len(set(trained)) == len(trained) == 2 * 2
    backprop = [name for name in planned.jobs if name.startswith("backprop")]
    assert all(planning.training_of(project.file, name).snapshots for name in backprop)


def test_every_job_waits_for_what_it_reads(project):
    jobs = project.plan().jobs
    of_rule = {
        rule: {name for name in jobs if name.startswith(rule)}
        for rule in ("backprop", "improved_ffcl")
    }
    assert set(jobs["a"].needs) == set(jobs["b"].needs) == of_rule["backprop"]
    assert set(jobs["c"].needs) == of_rule["improved_ffcl"]
    assert set(jobs["claims"].needs) >= RUNS and jobs["claims"].local
    assert jobs["o"].needs == ["claims"]
    trainings = [job.seconds for job in jobs.values() if job.training is not None]
    assert trainings == sorted(trainings, reverse=True)


def test_trainings_of_a_machine_of_another_kind_are_said(project, monkeypatch):
    assert len(project.plan().summary().splitlines()) == 1

    def trained_elsewhere(job, folder):
        assert folder == planning.store.store_folder()
        return {"bfloat16 on a CPU"} if job.config.rule == "backprop" else set()

    monkeypatch.setattr(planning.store, "trained_elsewhere", trained_elsewhere)
    planned = project.plan()
    trainings = [job.training for job in planned.jobs.values() if job.training]
    count = sum(training["key"].startswith("backprop-") for training in trainings)
    assert 0 < count < len(trainings)
    said = f"Of these trainings, {count} were made before, in bfloat16 on a CPU."
    assert planned.summary().splitlines()[1].startswith(said)
    assert read_plan(project.file) == planned


def test_with_everything_there_nothing_is_made(finished):
    assert finished.plan().jobs == {}
    assert "up to date" in finished.plan().summary()


def test_a_run_of_another_preset_is_not_made(project):
    other = project.entries["c"].model_copy(update={"presets": ["paper"]})
    project.entries["c"] = other
    assert "c" not in project.names() and {"a", "b"} < project.names()


@pytest.mark.parametrize("file", ["", "executed.ipynb", "metrics.json", "figure.svg"])
def test_a_deleted_result_is_made_again_alone(finished, file):
    place = finished.results / "a" / file
    if file:
        place.unlink()
    else:
        shutil.rmtree(place)
    assert finished.names() == {"a"} | END


@pytest.mark.parametrize("content", ["", "[]", '{"identity": "0", "files": []}', None])
def test_a_folder_that_does_not_say_what_is_ours_is_not_replaced(finished, content):
    record = finished.results / "c" / "provenance.json"
    record.unlink()
    if content is not None:
        record.write_text(content)
    with pytest.raises(OutputError, match=r"(Move the folder|: move it) .*away"):
        finished.plan()


def test_a_thesis_beside_an_outdated_result_is_named_before_any_job(finished):
    (finished.package / "module.py").write_text("2")
    (finished.results / "c" / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"thesis\.tex is not of a notebook's result"):
        finished.plan()


def test_a_thesis_in_the_place_of_the_overview_is_named_before_any_job(finished):
    (finished.package / "module.py").write_text("2")
    (finished.results / "o" / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"thesis\.tex is not of a notebook's result"):
        finished.plan()


def test_copies_that_viewers_leave_are_no_thesis(finished):
    (finished.package / "module.py").write_text("2")
    (finished.results / "c" / ".ipynb_checkpoints").mkdir()
    (finished.results / "c" / ".ipynb_checkpoints" / "executed-checkpoint.ipynb").touch()
    assert "c" in finished.names()


def test_a_result_that_lacks_one_of_its_files_is_made_again(finished):
    record = finished.results / "c" / "provenance.json"
    write_json(record, read_json(record) | {"files": ["figure.svg", "gone.csv"]})
    assert finished.names() == {"c"} | END


@pytest.mark.parametrize("file", ["executed.ipynb", "metrics.json", "figure.svg"])
def test_a_result_with_an_empty_file_is_made_again(finished, file):
    """As a power cut may leave it."""
    (finished.results / "c" / file).write_text("")
    assert finished.names() == {"c"} | END


def test_finished_results_of_full_data_need_the_data_no_more(project, monkeypatch, tmp_path):
    """And those that are out of date are not replaced by results of a subset."""
    project.dataset, project.results = "mnist", project.results.with_name("short")
    for name in RUNS:
        update = {"parameters": {"dataset": "mnist"}}
        project.entries[name] = project.entries[name].model_copy(update=update)
        notebook(tmp_path, "1 + 1", name=name, parameters=f"{PARAMETERS}\ndataset = None")
    monkeypatch.setattr(planning, "verify", lambda name: None)
    for name in RUNS:
        project.write_result(project.entries[name], "short")
    record = {"run": "c", "dataset": "mnist", "preset": "short", "changed": {}, "seeds": [0]}
    write_json(project.results / "c" / "metrics.json", record | {"metrics": {}})
    assert not RUNS & set(project.plan(preset="short").jobs)
    assert not RUNS & set(project.plan(preset="short", embedded=set()).jobs)
    (project.package / "module.py").write_text("2")
    with pytest.raises(DataError, match=r"c is out of date, and mnist is not there"):
        project.plan(preset="short")
    assert set(project.plan(preset="short", embedded=set()).jobs) >= RUNS


def test_a_lost_network_of_a_fresh_result_is_not_made_again(finished):
    finished.stored.clear()
    assert finished.plan().jobs == {}
    shutil.rmtree(finished.results / "c")
    assert finished.names() == {"improved_ffcl", "c"} | END


def test_a_changed_parameter_makes_its_run_and_only_new_networks(finished):
    entry = finished.entries["c"]
    finished.entries["c"] = entry.model_copy(update={"parameters": {"smoke": {"seeds": 3}}})
    planned = finished.plan()
    (training,) = [job for job in planned.jobs.values() if job.training is not None]
    name = next(name for name in planned.jobs if name.startswith("improved_ffcl"))
    assert planning.training_of(finished.file, name).config.seed_list == [2]
    assert training.command[-1] == name
    assert finished.names() == {"improved_ffcl", "c"} | END


def test_changed_code_makes_notebooks_again_and_trains_nothing(finished):
    (finished.package / "module.py").write_text("2")
    assert finished.names() == RUNS | END


def test_a_changed_notebook_is_run_again_alone(finished, tmp_path):
    notebook(tmp_path, "1 + 2", name="a", parameters=PARAMETERS)
    assert finished.names() == {"a"} | END


def test_dates_of_files_decide_nothing(finished):
    for when in (time.time() + 1e8, 0):
        for path in finished.results.rglob("*"):
            os.utime(path, (when, when))
        for path in finished.package.rglob("*"):
            os.utime(path, (-when % 1e9, -when % 1e9))
        assert finished.plan().jobs == {}


def test_the_end_is_made_again_where_it_was_cut_off(finished):
    (finished.results / "claims.json").unlink()
    assert finished.names() == {"claims"}
    shutil.rmtree(finished.results / "o")
    assert finished.names() == END


def test_an_overview_of_other_results_is_out_of_date(finished):
    """All runs were made again and the workflow was killed before the overview."""
    (finished.package / "module.py").write_text("2")
    planned = finished.plan()
    finished.do(planned.model_copy(update={"jobs": {n: planned.jobs[n] for n in RUNS}}))
    assert finished.names() == END


def test_without_a_store_notebooks_train_for_themselves(project, monkeypatch):
    monkeypatch.setenv("FFCL_STORE", "")
    assert project.names() == RUNS | END
    assert project.plan().jobs["a"].needs == []


def test_full_data_that_are_missing_are_named_before_any_job(project, monkeypatch, tmp_path):
    project.dataset = "mnist"
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("FFCL_DATA_DIR", str(tmp_path / "empty"))
    with pytest.raises(DataError, match="mnist is not complete"):
        project.plan()


def test_a_parameter_that_a_notebook_lacks_is_named(project):
    entry = project.entries["c"]
    project.entries["c"] = entry.model_copy(update={"parameters": {"margin": 0.5}})
    with pytest.raises(ConfigError, match="unknown parameter 'margin'"):
        project.plan()


def test_a_notebooks_command_gives_it_what_the_table_says(project):
    entry = project.entries["c"]
    project.entries["c"] = entry.model_copy(update={"parameters": {"smoke": {"epochs": 2}}})
    command = project.plan().jobs["c"].command
    assert command[2:5] == ["ffcl_utils", "run", str(runs.NOTEBOOKS / "c.ipynb")]
    pairs = [after for before, after in pairwise(command) if before == "-p"]
    assert pairs == ["preset='smoke'", "epochs=2"]
    assert set(default_parameters(entry.path)) >= {pair.split("=")[0] for pair in pairs}


def test_a_plan_that_does_not_fit_any_more_is_one_clear_error(project, monkeypatch):
    planned = project.plan()
    name = next(iter(planned.jobs))
    with pytest.raises(PlanError, match="no training 'none'"):
        planning.training_of(project.file, "none")
    with pytest.raises(PlanError, match="no training 'a'"):
        planning.training_of(project.file, "a")
    monkeypatch.setattr(store_jobs, "key", lambda config: "backprop-0")
    with pytest.raises(planning.store.JobError, match="make the plan again"):
        planning.training_of(project.file, name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no plan"),
        ("[]", "is not a plan"),
        ("{", "is not a plan"),
        (f'{{"version": {VERSION}}}', "is not a plan"),
        ('{"version": 0}', f"of version 0, not {VERSION}"),
    ],
)
def test_what_is_no_plan_is_named(content, message, tmp_path):
    file = tmp_path / "plan.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(PlanError, match=message) as error:
        read_plan(file)
    assert "make the plan again" in str(error.value)


def test_the_longest_training_is_the_one_with_most_to_do():
    small = rules.configure("improved_ffcl", "smoke", epochs=30, dataset="mnist", seeds=1)
    jobs = [
        small,
        small.model_copy(update={"epochs": 60}),
        rules.configure("backprop", "short", epochs=60, seeds=1),
    ]
    seconds = [planning.seconds_of(planning.store.Job(config)) for config in jobs]
    assert seconds == sorted(set(seconds))
    subset = small.model_copy(update={"dataset": "mnist_5k"})
    assert planning.seconds_of(planning.store.Job(subset)) < seconds[0]


def test_products_that_are_quicker_here_take_less_time(monkeypatch):
    """FF's layers in sequence by four, other wide layers by two, and float32 as everywhere."""
    monkeypatch.setattr(planning, "rounding", lambda kept: "bfloat16" if kept else BY_ONEDNN)
    found = {}
    for name, products in product(("forward_forward", "bp_ff"), ("float32", "auto")):
        config = rules.configure(name, "paper", products=products)
        spent = planning.seconds_of(planning.store.Job(config)) - planning.TRAINING_SECONDS
        found[name, products] = spent
    for name, times in (("forward_forward", 4), ("bp_ff", 2)):
        assert found[name, "float32"] == pytest.approx(times * found[name, "auto"], rel=1e-3)


def test_a_notebook_that_works_long_at_paper_is_not_ended_before(project):
    long = project.entries["a"].model_copy(update={"seconds": 100, "paper_seconds": 30_000})
    assert [long.seconds_at(preset) for preset in ("smoke", "short", "paper")] == [20, 100, 30_000]
    assert project.entries["a"].seconds_at("paper") == project.entries["a"].seconds
    wanted = planning.Wanted("a", long, project.results / "a", {"preset": "paper"})
    job = planning._notebook_job(wanted, {}, [], project.results / "logs")
    assert job.seconds == 30_000 and job.minutes * 60 > 3 * job.seconds
    assert job.command[job.command.index("--minutes") + 1] == str(job.minutes)


def test_a_notebook_has_the_memory_that_its_run_asks_for(project):
    """With full data: subsets need less."""
    folder = project.results
    for dataset, memory in (("mnist", 7000), ("mnist_5k", planning.NOTEBOOK_MEMORY)):
        entry = project.entries["a"].model_copy(update={"memory": 7000})
        wanted = planning.Wanted("a", entry, folder / "a", {"preset": "short"})
        configs = {"BP": rules.configure("backprop", "short", dataset=dataset)}
        assert planning._notebook_job(wanted, configs, [], folder / "logs").mem_mb == memory
