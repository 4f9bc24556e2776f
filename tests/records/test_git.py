"""The commit and the state of the sources, in repositories made for the test."""

import subprocess

import pytest

from ffcl_utils.records import git


@pytest.fixture
def repository(tmp_path, monkeypatch):
    root = tmp_path / "repository"
    (root / "package").mkdir(parents=True)
    (root / "package" / "one.py").write_text("x = 1\n")
    monkeypatch.setattr(git, "ROOT", root)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    run(root, "init", "-q")
    run(root, "add", ".")
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    run(root, *identity, "commit", "-q", "-m", "one")
    return root


def run(root, *arguments):
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_clean_tree_is_its_commit(repository):
    assert git.git_state() == (run(repository, "rev-parse", "HEAD"), False)


@pytest.mark.parametrize("name", ["package/one.py", "package/new.py", "new.txt"])
def test_a_changed_or_new_file_makes_it_dirty(repository, name):
    (repository / name).write_text("x = 2\n")
    assert git.git_state()[1]


@pytest.mark.parametrize("name", ["results/short/a.json", "runs/short/a.json", "trained/a"])
def test_what_runs_write_does_not(repository, name):
    (repository / name).parent.mkdir(parents=True)
    (repository / name).write_text("{}")
    assert not git.git_state()[1]


def test_every_process_asks_git_itself(repository, monkeypatch):
    monkeypatch.setenv("FFCL_GIT_COMMIT", "abc")
    monkeypatch.setenv("FFCL_GIT_DIRTY", "1")
    assert git.git_state() == (run(repository, "rev-parse", "HEAD"), False)


def test_a_folder_in_another_repository_has_no_commit(repository, monkeypatch):
    monkeypatch.setattr(git, "ROOT", repository / "package")
    assert git.git_state() == ("unknown", True)


def test_without_git_the_commit_is_unknown(repository, monkeypatch):
    monkeypatch.setenv("PATH", str(repository))
    assert git.git_state() == ("unknown", True)


def test_without_a_repository_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(git, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git.git_state() == ("unknown", True)
