"""Both entrances install the same pins, and the pins satisfy the package's ranges."""

import tomllib

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ffcl_utils.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = [
    Requirement(line)
    for line in (ROOT / "requirements.lock").read_text().splitlines()
    if line and not line.startswith("#")
]


def locked(name: str) -> list[Requirement]:
    return [r for r in LOCK if canonicalize_name(r.name) == canonicalize_name(name)]


def test_every_line_of_the_lock_is_one_exact_version():
    for requirement in LOCK:
        (pin,) = requirement.specifier
        assert pin.operator == "==", requirement


def test_the_lock_satisfies_every_range_of_the_package():
    ranges = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    for requirement in map(Requirement, ranges):
        pins = locked(requirement.name)
        assert pins, f"{requirement} is not in the lock: run `make lock`"
        for pin in pins:
            (version,) = pin.specifier
            assert requirement.specifier.contains(version.version), f"{pin} is not {requirement}"


def test_the_lock_serves_linux_and_macos():
    for system in ("linux", "darwin"):
        environment = {"sys_platform": system, "python_full_version": "3.11.9",
                       "python_version": "3.11", "platform_machine": "arm64"}  # fmt: skip
        lines = [r for r in LOCK if not r.marker or r.marker.evaluate(environment)]
        installed = {canonicalize_name(r.name) for r in lines}
        assert {"torch", "torchvision", "jupyterlab", "papermill", "nbval"} <= installed
        assert any(name.startswith("nvidia-") for name in installed) == (system == "linux")


def test_conda_installs_the_same_lock_and_a_python_that_the_package_takes():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python = Requirement(next(d for d in environment["dependencies"] if str(d).startswith("python=")
                              ).replace("=", "==", 1) + ".*")  # fmt: skip
    (version,) = python.specifier
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(
        version.version.removesuffix(".*")
    )
    pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert pip == ["-r requirements.lock", "-e ."]


def test_no_registry_is_named_in_the_lock():
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert "--index" not in text


def test_pre_commit_has_the_ruff_of_the_lock():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    (ruff,) = (repo for repo in hooks if repo["repo"].endswith("ruff-pre-commit"))
    (pin,) = locked("ruff")
    assert ruff["rev"] == f"v{next(iter(pin.specifier)).version}"


def test_the_version_is_said_once_and_the_command_is_there():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()
    assert PROJECT["scripts"]["ffcl"] == "ffcl_utils.__main__:main"
