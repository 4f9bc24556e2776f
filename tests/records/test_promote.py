"""A run becomes the reference only where it is whole and reproducible, and nothing else is lost."""

import json
import shutil
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from ffcl_utils.errors import UserError
from ffcl_utils.files import BrokenFileError
from ffcl_utils.records import promote as promote_module
from ffcl_utils.records.contents import files_of
from ffcl_utils.records.promote import PromotionError, promote
from ffcl_utils.records.run import Run
from ffcl_utils.workflow.process import BusyError, alone
from ffcl_utils.workflow.schedule import PLANS
from tests.records import conftest as fake

WRITTEN = [run for run in fake.TABLE if run.part != "explore"]


def content(folder):
    """Every file of a folder with its bytes, but for locks."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def change_origin(result, **values):
    path = result / "provenance.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.fixture
def finish(started):
    """Makes all results in a folder, as the workflow leaves them."""

    def finish_all(folder):
        for entry in WRITTEN:
            out = folder / entry.name
            if entry.networks:
                run = started(entry.notebook, out, **entry.parameters_at("smoke"))
                run.figure("accuracy", Figure())
                run.metrics({"accuracy": [0.5, 0.6]})
            else:
                run = Run(entry.notebook, {"results": str(folder), "output_dir": str(out)})
            run.write()
            (out / "executed.ipynb").write_text("{}")
        (folder / "claims.json").write_text("[]")
        return folder

    return finish_all


@pytest.fixture
def run(finish, tmp_path):
    return finish(tmp_path / "runs" / "smoke")


@pytest.fixture
def reference(tmp_path):
    return tmp_path / "results" / "smoke"


def nothing_is_left_over(reference):
    return not reference.parent.exists() or {p.name for p in reference.parent.iterdir()} <= {
        reference.name
    }


def test_a_finished_run_becomes_the_reference(run, reference):
    expected = content(run)
    for left_over in ("logs/01.ipynb", ".01_accuracy.lock", "plan.json", "mine/metrics.json"):
        (run / left_over).parent.mkdir(exist_ok=True)
        (run / left_over).write_text("{}")
    (run / "01_accuracy" / ".ipynb_checkpoints").mkdir()
    (run / "01_accuracy" / "notes.txt").write_text("of the user")
    for _ in range(2):  # into nothing, and over what is there
        promote(run, reference)
        assert content(reference) == expected
        assert nothing_is_left_over(reference)


def test_a_run_that_the_table_does_not_know_any_more_goes(run, reference):
    promote(run, reference)
    shutil.copytree(reference / "01_accuracy", reference / "06_old")
    promote(run, reference)
    assert not (reference / "06_old").exists()


def test_a_study_stays_in_the_reference_until_it_is_run_again(run, reference):
    promote(run, reference)
    study = content(reference / "07_study")
    shutil.rmtree(run / "07_study")
    promote(run, reference)
    assert content(reference / "07_study") == study
    shutil.rmtree(reference)
    promote(run, reference)
    assert not (reference / "07_study").exists()


@pytest.mark.parametrize("part", ["claims", "studies"])
def test_what_make_reproduce_leaves_out_need_not_be_there(run, reference, monkeypatch, part):
    """And stays in the reference as it is; what it makes at this preset has to be there."""
    name = "01_accuracy-fashion_mnist"

    def table(presets):
        update = {"part": part, "with_claims": presets}
        return [e.model_copy(update=update) if e.name == name else e for e in fake.TABLE]

    promote(run, reference)
    before = content(reference / name)
    shutil.rmtree(run / name)
    monkeypatch.setattr(promote_module, "runs", lambda: table(["paper"]))
    promote(run, reference)
    assert content(reference / name) == before
    monkeypatch.setattr(promote_module, "runs", lambda: table(["smoke"]))
    with pytest.raises(PromotionError, match="is not finished: no 01_accuracy-fashion_mnist"):
        promote(run, reference)


def test_a_run_of_another_preset_need_not_be_there(run, reference, monkeypatch):
    other, *rest = (entry for entry in fake.TABLE if entry.part == "claims")
    table = [e.model_copy(update={"presets": ["paper"]}) if e == other else e for e in fake.TABLE]
    monkeypatch.setattr(promote_module, "runs", lambda: table)
    shutil.rmtree(run / other.name)
    promote(run, reference)
    assert all((reference / entry.name).is_dir() for entry in rest)
    assert not (reference / other.name).exists()


def test_one_result_is_promoted_alone_and_all_others_stay(run, reference, finish, tmp_path):
    promote(run, reference)
    before = content(reference)
    other = finish(tmp_path / "again" / "smoke")
    (other / "07_study" / "figures" / "accuracy.svg").write_text("<svg>new</svg>")
    for name in ("00_overview", "01_accuracy"):
        shutil.rmtree(other / name)  # they need not be there
    promote(other, reference, ["07_study", "07_study"])
    after = content(reference)
    changed = {name for name in after if after[name] != before.get(name)}
    assert after.keys() == before.keys()
    assert "07_study/figures/accuracy.svg" in changed
    assert all(name.startswith("07_study/") for name in changed)
    assert nothing_is_left_over(reference)


def test_a_lock_that_the_last_promotion_left_is_no_file_of_somebody(run, reference):
    """A notebook that ran into the reference, as the overview does, leaves one beside it."""
    promote(run, reference)
    expected, lock = content(reference), reference / ".01_accuracy.lock"
    lock.touch()
    promote(run, reference)
    assert content(reference) == expected and not lock.exists()
    lock.write_text("not empty")
    with pytest.raises(PromotionError, match=r"\.01_accuracy\.lock is not from a run"):
        promote(run, reference)
    lock.rename(reference / ".mine.lock")
    with pytest.raises(PromotionError, match=r"\.mine\.lock is not from a run"):
        promote(run, reference)


@pytest.mark.parametrize(
    "name, message",
    [
        ("99_nothing", "there is no run '99_nothing'"),
        ("00_overview", "has no result of its own"),
        ("07_study", "not finished: no 07_study/executed.ipynb"),
    ],
)
def test_a_single_result_that_cannot_be_promoted_is_named(run, reference, name, message):
    promote(run, reference)
    before = content(reference)
    shutil.rmtree(run / "07_study")
    with pytest.raises(UserError, match=message):
        promote(run, reference, [name])
    assert content(reference) == before


@pytest.mark.parametrize("missing", ["00_overview", "01_accuracy", "01_accuracy-fashion_mnist"])
def test_every_run_of_the_claims_and_the_overview_has_to_be_there(run, reference, missing):
    promote(run, reference)
    before = content(reference)
    shutil.rmtree(run / missing)
    with pytest.raises(PromotionError, match=f"not finished: no {missing}/executed"):
        promote(run, reference)
    assert content(reference) == before


@pytest.mark.parametrize("name", ["executed.ipynb", "metrics.json", "provenance.json"])
@pytest.mark.parametrize("result", ["01_accuracy", "07_study"])
def test_every_record_has_to_be_there(run, reference, result, name):
    (run / result / name).unlink()
    with pytest.raises(PromotionError, match=f"not finished: no {result}/{name}"):
        promote(run, reference)
    assert not reference.exists()


@pytest.mark.parametrize("name", ["../../mine.txt", "/mine.txt", "a/../../mine.txt"])
def test_a_result_names_no_file_outside_of_its_folder(run, reference, name):
    """It may come from somebody else, and what it names is copied."""
    change_origin(run / "01_accuracy", files=[name])
    with pytest.raises(BrokenFileError, match="outside of its folder"):
        files_of(run / "01_accuracy")
    with pytest.raises(UserError):
        promote(run, reference)
    assert nothing_is_left_over(reference)


def test_every_file_that_a_result_says_it_wrote_has_to_be_there(run, reference):
    (run / "01_accuracy" / "figures" / "accuracy.svg").unlink()
    with pytest.raises(PromotionError, match=r"not complete: no figures/accuracy\.svg"):
        promote(run, reference)


@pytest.mark.parametrize("flag", ["dirty", "source_changed"])
@pytest.mark.parametrize("result", ["00_overview", "01_accuracy", "07_study"])
def test_a_result_of_sources_that_no_commit_holds_is_not_promoted(run, reference, result, flag):
    change_origin(run / result, **{flag: True})
    with pytest.raises(PromotionError, match=f"{result} was made by sources that no commit holds"):
        promote(run, reference)
    assert not reference.exists()


def test_a_result_of_other_code_is_not_promoted(run, reference, package):
    (package / "rules" / "one.py").write_text("x = 2\n")
    with pytest.raises(PromotionError, match="was made by other sources than those here"):
        promote(run, reference)
    assert not reference.exists()


def test_a_result_of_another_text_of_its_notebook_is_not_promoted(run, reference):
    fake.write_notebook(promote_module.runs()[1].path, fake.PARAMETERS + "more = 1\n")
    with pytest.raises(PromotionError, match="01_accuracy was made by other sources"):
        promote(run, reference)


@pytest.mark.parametrize("changed", [{"seeds": 1}, {"first_seed": 7}, {"permutations": 9}])
def test_a_result_with_other_settings_is_not_promoted(run, reference, changed):
    """Not even with other seeds, which claims would take for an answer to the same question."""
    path = run / "01_accuracy" / "provenance.json"
    origin = json.loads(path.read_text())
    change_origin(run / "01_accuracy", parameters=origin["parameters"] | changed)
    with pytest.raises(PromotionError, match=rf"other settings .*\({next(iter(changed))}\)"):
        promote(run, reference)
    assert nothing_is_left_over(reference)


def test_a_result_of_a_subset_is_not_promoted_but_at_smoke(finish, tmp_path, monkeypatch):
    at_short = {"preset": "short", "dataset": "mnist_5k", "permutations": 1000}
    run = finish(tmp_path / "runs" / "smoke").rename(tmp_path / "runs" / "short")
    for entry in WRITTEN:
        place = run / entry.name
        if entry.networks:
            origin = json.loads((place / "provenance.json").read_text())
            change_origin(place, parameters=origin["parameters"] | at_short)
            record = json.loads((place / "metrics.json").read_text())
            (place / "metrics.json").write_text(json.dumps(record | {"preset": "short"}))
    with pytest.raises(PromotionError, match=r"01_accuracy was made with other .*\(dataset\)"):
        promote(run, tmp_path / "results" / "short")


def test_nothing_is_promoted_while_a_workflow_makes_it_anew(run, reference):
    with alone(run / PLANS), pytest.raises(BusyError, match="at this moment"):
        promote(run, reference)
    promote(run, reference)
    assert (reference / "01_accuracy" / "metrics.json").is_file()


def test_nothing_is_promoted_from_a_tree_with_changes(run, reference, monkeypatch):
    monkeypatch.setattr(promote_module, "git_state", lambda: ("abc", True))
    with pytest.raises(PromotionError, match="commit, and run again"):
        promote(run, reference)


def test_a_result_of_an_older_version_is_not_promoted(run, reference):
    for older in ('{"dirty": false}', "[]", "3"):
        (run / "01_accuracy" / "provenance.json").write_text(older)
        with pytest.raises(BrokenFileError, match="is not the origin of a run"):
            promote(run, reference)


def test_a_run_does_not_become_the_reference_of_another_preset(run, reference):
    with pytest.raises(PromotionError, match="of preset smoke: it cannot become short"):
        promote(run, reference.with_name("short"))


@pytest.mark.parametrize(
    "place", ["thesis.tex", "01_accuracy/thesis.tex", "thesis/one.tex", ".thesis"]
)
def test_a_thesis_in_the_reference_is_not_lost(run, reference, place):
    promote(run, reference)
    (reference / place).parent.mkdir(exist_ok=True)
    (reference / place).write_text("years of work")
    before = content(reference)
    with pytest.raises(PromotionError, match=r"thesis.* is not from a run, and would be lost"):
        promote(run, reference)
    assert content(reference) == before
    assert nothing_is_left_over(reference)


def test_a_folder_of_something_else_is_not_replaced(run, tmp_path):
    thesis = tmp_path / "thesis" / "smoke"
    (thesis / "01_accuracy").mkdir(parents=True)
    (thesis / "01_accuracy" / "provenance.json").write_text("{}")
    with pytest.raises(PromotionError, match="is not from a run"):
        promote(run, thesis)
    assert (thesis / "01_accuracy" / "provenance.json").is_file()


def test_a_link_or_a_file_in_the_place_of_the_reference_is_not_replaced(run, reference, tmp_path):
    reference.parent.mkdir()
    (tmp_path / "elsewhere").mkdir()
    reference.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PromotionError, match="not a folder of its own"):
        promote(run, reference)
    reference.unlink()
    reference.write_text("a file")
    with pytest.raises(PromotionError, match="not a folder of its own"):
        promote(run, reference)


def test_a_linked_folder_inside_the_reference_is_not_replaced(run, reference, tmp_path):
    promote(run, reference)
    (tmp_path / "elsewhere").mkdir()
    (reference / "figures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PromotionError, match="figures is not from a run"):
        promote(run, reference)


def test_where_copying_fails_the_old_reference_survives(run, reference, monkeypatch):
    promote(run, reference)
    before = content(reference)
    monkeypatch.setattr(shutil, "copy2", _no_space)
    with pytest.raises(PromotionError, match=r"stays as it was: .*No space left"):
        promote(run, reference)
    assert content(reference) == before
    assert nothing_is_left_over(reference)


@pytest.mark.parametrize("failing", ["old", "new"])
def test_where_a_rename_fails_the_old_reference_survives(run, reference, monkeypatch, failing):
    promote(run, reference)
    before = content(reference)
    rename = Path.rename

    def fails(self, target):
        is_old = self == reference
        if is_old == (failing == "old") and (is_old or ".promoting-" in str(self)):
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(PromotionError, match=r"stays as it was: .*Permission denied"):
        promote(run, reference)
    monkeypatch.undo()
    assert content(reference) == before
    assert nothing_is_left_over(reference)


def test_where_the_old_reference_cannot_be_deleted_the_new_one_is_whole(
    run, reference, monkeypatch
):
    promote(run, reference)
    (run / "01_accuracy" / "executed.ipynb").write_text('{"new": 1}')
    expected = content(run)
    delete = shutil.rmtree
    monkeypatch.setattr(
        shutil, "rmtree", lambda path, **how: ".old-" in str(path) or delete(path, **how)
    )
    with pytest.warns(UserWarning, match="could not be deleted"):
        promote(run, reference)
    assert content(reference) == expected


def _no_space(*_):
    raise OSError(28, "No space left on device")
