"""The command line, and the whole workflow where a notebook fails or the data are missing."""

import os
import shutil
import subprocess
import sys

import pytest

from ffcl_utils import store
from ffcl_utils.__main__ import main
from ffcl_utils.paths import ROOT
from ffcl_utils.workflow import process, runs
from tests.workflow.made_up import notebook

NAME = "01_improved_ffcl_accuracy"


@pytest.mark.slow
def test_a_failed_notebook_is_named_kept_and_does_not_stop_the_others(tmp_path):
    """In a copy of the project whose notebook 02 fails: every other run has its result.

    The copy lies where a shell, YAML and Snakemake would each take a letter for something else.
    """
    tmp_path = tmp_path / "ein Päckchen: #1 {x} $(touch y) it's"
    tmp_path.mkdir()
    for name in ("ffcl_utils", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "Snakefile", tmp_path)
    parameters = "preset = 'smoke'\ndataset = None\noutput_dir = ''"
    notebook(tmp_path / "notebooks", "1 / 0", name="02_loss_decay", parameters=parameters)
    done = subprocess.run(
        [sys.executable, "-m", "ffcl_utils", "reproduce", "--preset", "smoke"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path), "LC_ALL": "C"},
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "error: 02_loss_decay.ipynb, cell 3: ZeroDivisionError" in done.stderr
    folder = tmp_path / "runs" / "smoke"
    assert (folder / "logs" / "02_loss_decay.ipynb").is_file()
    assert not (folder / "02_loss_decay").exists()
    for entry in runs.of_parts("claims"):
        if not entry.is_with_claims("smoke"):
            continue
        assert (folder / entry.name / "metrics.json").is_file() == (entry.name != "02_loss_decay")


def run_command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "ffcl_utils", *arguments], cwd=ROOT, capture_output=True, text=True,
        timeout=300, check=False, env=os.environ | environment,
    )  # fmt: skip


def test_data_that_no_mirror_gives_are_one_clear_error(tmp_path):
    # No network is reached: a proxy that refuses every connection stands before it.
    proxy = "http://127.0.0.1:9"
    none = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy)
    alone = run_command("data", FFCL_DATA_DIR=str(tmp_path), **none)
    assert alone.returncode != 0
    assert alone.stderr.splitlines()[-1].startswith("error: could not download train-images")
    assert "Traceback" not in alone.stderr


@pytest.mark.parametrize(
    ("ours", "heavy"),
    [
        ("__main__ workflow.jobs workflow.process workflow.schedule workflow.runs",
         "torch torchvision papermill nbformat scipy pandas matplotlib"),
        ("workflow.parameters workflow.sweep records.identity",
         "torch torchvision papermill nbformat matplotlib"),
        ("workflow.runner claims.assess claims.tables records.verify", "torch torchvision"),
    ],
)  # fmt: skip
def test_what_the_workflow_starts_with_does_not_wait_for_heavy_imports(ours, heavy):
    """Each of these takes seconds, once for every job, and on a cluster three times."""
    code = f"import sys, {', '.join(f'ffcl_utils.{name}' for name in ours.split())}\n"
    code += f"print(set(sys.modules) & set({heavy.split()}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (f"run notebooks/{NAME}.ipynb OUT -p epochs=-1", "error: epochs=-1: Input should be"),
        (f"run notebooks/{NAME}.ipynb OUT -p epoch=1", "error: unknown parameter 'epoch'"),
        (f"run notebooks/{NAME}.ipynb /proc/out", "error: cannot write to the output folder"),
        (f"run notebooks/{NAME}.ipynb", "error: name the folder that the results go to"),
        ("run notebooks/none.ipynb OUT", "error: no notebook notebooks/none.ipynb"),
        ("run 33_none OUT", "error: there is no run '33_none': choose one of 00_overview, 01_"),
        ("train 33_none", "error: there is no run '33_none': choose one of 00_overview, 01_"),
        (f"train {NAME} --preset full", "error: preset='full': it is now called 'paper'"),
        (f"train {NAME} -p epochs=-1", "error: epochs=-1: Input should be"),
        ("train none --job OUT/plan.json", "error: there is no plan OUT/plan.json"),
        ("reproduce --preset full", "error: preset='full': it is now called 'paper'"),
        ("plan --preset tiny", "error: preset='tiny': choose one of smoke, short, paper"),
        ("study OUT/none.yaml", "error: there is no study OUT/none.yaml"),
        ("verify OUT/a OUT/b", "error: no results in"),
    ],
)
def test_errors_of_the_command_line_are_one_line(arguments, message, tmp_path, monkeypatch):
    arguments, message = (text.replace("OUT", str(tmp_path)) for text in (arguments, message))
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["ffcl_utils", *arguments.split()])
    monkeypatch.setattr(process, "die_with_parent", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        main()
    assert str(ended.value).startswith(message)
    assert "\n" not in str(ended.value)


@pytest.mark.parametrize("asked", [[NAME], ["none", "--job", "plan.json"]], ids=["run", "job"])
def test_nothing_is_trained_that_could_not_be_kept(asked, monkeypatch):
    monkeypatch.setenv("FFCL_STORE", "")
    monkeypatch.setattr(store, "train_missing", lambda *_: pytest.fail("it trained"))
    monkeypatch.setattr(process, "die_with_parent", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["ffcl_utils", "train", *asked])
    with pytest.raises(SystemExit, match="error: FFCL_STORE is empty: there is no place to keep"):
        main()


def test_what_is_kept_of_every_epoch_goes_by_the_preset_that_is_asked_for(monkeypatch, tmp_path):
    planned = []
    monkeypatch.setenv("FFCL_STORE", str(tmp_path))
    monkeypatch.setattr(store, "train_missing", lambda jobs, _: planned.extend(jobs))
    arguments = ["train", "12_neighbours", "-p", "preset=paper"]
    monkeypatch.setattr(sys, "argv", ["ffcl_utils", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    kept = [job.config for job in planned if job.snapshots]
    assert {config.rule for config in kept} == {"activation_relaxation", "predictive_coding"}
    assert all(config.errors != "backpropagated" for config in kept) and len(planned) > len(kept)


def test_make_without_a_target_names_the_commands():
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "make reproduce " in done.stdout and "make help" in done.stdout


@pytest.mark.parametrize(
    ("store", "in_a_kernel"), [(None, "unset"), ("", ""), ("a b/$c", "HERE/a b/$c"), ("/d", "/d")]
)
def test_make_gives_kernels_paths_that_do_not_depend_on_their_folder(store, in_a_kernel, tmp_path):
    """JupyterLab's kernels and nbval's work in notebooks/, make in the folder above."""
    show = 'show: ; @printf \'%s|%s\' "$${FFCL_DATA_DIR-unset}" "$${FFCL_STORE-unset}"\n'
    (tmp_path / "Makefile").write_text(f"include {ROOT.name}/Makefile\n{show}")
    (tmp_path / ROOT.name).symlink_to(ROOT)
    given = {"FFCL_DATA_DIR": "../data"} | ({} if store is None else {"FFCL_STORE": store})
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FFCL_")}
    done = subprocess.run(
        ["make", "--silent", "show"], cwd=tmp_path, env=kept | given,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"{tmp_path}/../data|{in_a_kernel.replace('HERE', str(tmp_path))}"


def test_every_rule_is_named_with_its_title():
    from ffcl_utils import rules

    lines = run_command("rules").stdout.splitlines()
    assert [line.split()[0] for line in lines] == rules.names()
    assert all(line.split(maxsplit=1)[1] == rules.rule(line.split()[0]).title for line in lines)


def test_a_resumed_training_counts_its_own_epochs_alone(monkeypatch, capsys):
    """Ten epochs lie in a checkpoint; the eleventh and twelfth take two minutes each."""
    now = [0.0]
    monkeypatch.setattr(process.time, "monotonic", lambda: now[0])
    progress = process.said_at_times("training")
    for done in (11, 12):
        now[0] += 120
        progress(done, 20)
    now[0] += 1
    progress(13, 20)  # too soon after the last line
    assert capsys.readouterr().out.splitlines() == [
        "training: epoch 11 of 20, about 18 minutes left",
        "training: epoch 12 of 20, about 16 minutes left",
    ]
