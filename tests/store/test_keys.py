"""The name of a trained network: what changes it, what does not, and that nothing is forgotten."""

import ast
import shutil
from pathlib import Path

import pytest

from ffcl_utils import rules, store
from ffcl_utils.learning import precision
from ffcl_utils.store import keys
from ffcl_utils.store.keys import NOT_LEARNING, PACKAGE, code_hash, learning_modules

BASE = {"seeds": 3, "first_seed": 2}


def key_of(name="improved_ffcl", preset="short", **overrides):
    return store.key(rules.configure(name, preset, **(BASE | overrides)))


def test_a_key_is_a_rule_and_twelve_digits():
    name, _, digits = key_of().rpartition("-")
    assert name == "improved_ffcl"
    assert len(digits) == 12
    assert int(digits, 16) >= 0


@pytest.mark.parametrize("change", [{"seeds": 7}, {"first_seed": 9}, {"epochs": 30}])
def test_seeds_and_what_the_preset_says_anyway_do_not_change_it(change):
    assert key_of(**change) == key_of()


def test_the_name_of_a_preset_does_not_change_it():
    same = {"dataset": "mnist", "epochs": 30, "batch_size": 64, "learning_rate": 1e-4}
    same |= {"margin": 0.0}
    assert key_of(preset="smoke", **same) == key_of(preset="short", **same)


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 31},
        {"margin": 0.1},
        {"dataset": "fashion_mnist"},
        {"change": "without_class:3"},
        {"layers": (784, 64, 10)},
        {"learning_rate": 2e-4},
    ],
)
def test_every_setting_changes_it(change):
    assert key_of(**change) != key_of()


def test_the_resolved_precision_changes_it_and_its_name_does_not(monkeypatch):
    monkeypatch.setattr(keys, "rounding", lambda _: "float32")
    assert key_of(products="auto") == key_of(products="float32")
    monkeypatch.setattr(keys, "rounding", lambda _: "bfloat16")
    assert key_of(products="auto") != key_of(products="float32")
    here = precision.rounding(), precision.device().type
    assert here in keys.KINDS


def test_a_rule_that_keeps_bfloat16_is_rounded_where_others_are_not(monkeypatch):
    """On a CPU that multiplies bfloat16 without matrix units: FF's layers in sequence alone."""
    monkeypatch.setattr(keys, "rounding", lambda kept: "bfloat16" if kept else "float32")
    for name, overrides, rounded in (
        ("forward_forward", {}, True),
        ("forward_forward", {"training": "simultaneous"}, False),
        ("forward_forward", {"negatives": "redrawn"}, False),
        ("bp_ff", {}, False),
    ):
        chosen, plain = (
            rules.configure(name, "short", products=products, **overrides)
            for products in ("auto", "float32")
        )
        assert (keys.key(chosen) != keys.key(plain)) is rounded


def test_torch_and_the_kind_of_device_change_it(monkeypatch):
    before = key_of()
    monkeypatch.setattr(keys, "version", lambda _: "0.1")
    other = key_of()
    monkeypatch.undo()
    monkeypatch.setattr(keys, "device", lambda: type("Device", (), {"type": "cuda"}))
    assert len({before, other, key_of()}) == 3


def test_the_learning_code_changes_it(monkeypatch):
    before = key_of()
    monkeypatch.setattr(keys, "code_hash", lambda path: f"other code of {path.name}")
    assert key_of() != before


@pytest.fixture
def package(tmp_path):
    """A copy of the package's sources, to be edited."""
    copy = tmp_path / "ffcl_utils"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("*.npz", "__pycache__"))
    return copy


def edited(package: Path, file: str, before: str, after: str) -> str:
    path = package / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    code_hash.cache_clear()
    try:
        return code_hash(package / "rules" / "improved_ffcl.py", package)
    finally:
        code_hash.cache_clear()


MARGIN = "(cosine - margin).clamp(min=0)"


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("learning/losses.py", MARGIN, "(cosine + margin).clamp(min=0)"),
        ("learning/training.py", "fused=True", "fused=False"),
        ("learning/layers.py", "inputs = outputs[-1].detach()", "inputs = outputs[-1]"),
        ("rules/improved_ffcl.py", "GROUP = 1000", "GROUP = 999"),
        ("rules/_twins.py", "CHUNK = 10_000", "CHUNK = 9_000"),
        ("data/pixels.py", ".div_(255)", ".div_(256)"),
        ("learning/pairing.py", "half = torch.randperm", "half = 0 * torch.randperm"),
    ],
)
def test_code_that_learns_changes_it(package, file, before, after):
    assert edited(package, file, before, after) != code_hash(PACKAGE / "rules/improved_ffcl.py")


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("learning/losses.py", "pulls same-class pairs together", "says something else"),
        ("learning/training.py", "import torch\n", "import torch  # a comment\n"),
        ("rules/improved_ffcl.py", '"short": {"seeds": 10}', '"short": {"seeds": 11}'),
        ("rules/improved_ffcl.py", 'title = "improved FFCL"', 'title = "twins"'),
        ("config.py", "choose one of", "take one of"),
        ("plots/style.py", "import", "import "),
        ("rules/forward_forward.py", "CHUNK = 5000", "CHUNK = 5001"),
    ],
)
def test_words_presets_and_code_that_does_not_learn_leave_it(package, file, before, after):
    assert edited(package, file, before, after) == code_hash(PACKAGE / "rules/improved_ffcl.py")


@pytest.mark.parametrize("name", rules.names())
def test_a_rule_learns_by_the_modules_that_it_imports(name):
    used = learning_modules(PACKAGE / "rules" / f"{name}.py")
    names = {path.relative_to(PACKAGE).as_posix() for path in used}
    assert {f"rules/{name}.py", "rules/base.py", "learning/training.py"} <= names
    assert {"learning/layers.py", "data/datasets.py", "data/pixels.py"} <= names
    assert not names & NOT_LEARNING
    # Nothing that only shows, keeps or runs is asked: a change of it would train anew.
    shown = {"plots", "records", "workflow", "claims", "studies", "explore", "store", "analysis"}
    assert not {file.partition("/")[0] for file in names} & shown


def test_what_is_said_not_to_learn_is_there_and_computes_nothing():
    """The list names files; none of them has a torch operation but for a device or a precision."""
    for file in NOT_LEARNING:
        text = (PACKAGE / file).read_text()
        assert "torch.nn" not in text, file
        assert ".backward" not in text, file


# Methods that do not count to a key and are called while a rule learns, and why that is no fault.
CALLED = {
    # The contract tests hold that these are all tensors that are stored: each of them learns.
    ("hinton_ff", "phases", "layers"),
    ("self_contrastive_ff", "phases", "layers"),
    ("unsupervised_ff", "phases", "layers"),
    # It asks for the device, which the key has by itself.
    ("base", "scaled", "predicting"),
}


def test_a_rule_learns_by_no_method_that_its_key_leaves_out():
    """Else a change of that method would leave networks that it would not make now."""
    found = set()
    for path in [*(keys.PACKAGE / "rules").glob("*.py"), *(keys.PACKAGE / "learning").glob("*.py")]:
        classes = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ClassDef))
        for method in (m for one in classes for m in one.body if isinstance(m, ast.FunctionDef)):
            if method.name in keys._NOT_LEARNT:
                continue
            for node in ast.walk(method):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                owner, name = node.func.value, node.func.attr
                if isinstance(owner, ast.Name) and owner.id == "self" and name in keys._NOT_LEARNT:
                    found.add((path.stem, method.name, name))
    assert found <= CALLED, f"give {found - CALLED} a name that counts, or say why it may be left"
