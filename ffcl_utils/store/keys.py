"""The name of a trained network, which changes with everything that decides its bits."""

import ast
import hashlib
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path

from ffcl_utils import rules
from ffcl_utils.config import RuleConfig
from ffcl_utils.data.files import checksums
from ffcl_utils.learning.device import device
from ffcl_utils.learning.precision import BY_ONEDNN, rounding

PACKAGE = Path(rules.__file__).parents[1]
# Modules that a rule imports but does not learn by: they say where things are, check, or carry.
# What they decide is in the key by itself: settings, checksums of the data, device, precision.
NOT_LEARNING = {
    "config.py",
    "errors.py",
    "files.py",
    "paths.py",
    "data/files.py",
    "learning/device.py",
    "learning/history.py",
    "rules/__init__.py",
}
DEVICES = {"cpu": "CPU", "cuda": "GPU"}
# In what "auto" takes products, on which device.
KINDS = {("float32", "cpu"), (BY_ONEDNN, "cpu"), ("bfloat16", "cpu"), ("tf32", "cuda")}
# Of a rule's class: what it declares, and methods that refuse or only look at a trained network.
_NOT_LEARNT = {
    "backward_pass",
    "check",
    "epochs_in_all",
    "example_losses",
    "fixed",
    "hidden_layers",
    "hidden_weights",
    "layers",
    "local",
    "predicting",
    "presets",
    "probabilities",
    "representations",
    "seeds_of_a_job",
    "title",
    "work",
}


def key(config: RuleConfig) -> str:
    """ "<rule>-<12 hexadecimal digits>": the folder of the networks trained with these settings.

    It does not depend on the seeds nor on the preset's name.
    """
    return _key(content(config))


def keys_elsewhere(config: RuleConfig) -> dict[str, str]:
    """The keys of the same settings on machines of another kind, by "bfloat16 on a CPU" and so on.

    products="auto" rounds as the machine does; "float32" does not, but a GPU adds up otherwise.
    """
    here = content(config)
    kinds = KINDS if config.products == "auto" else {("float32", device) for device in DEVICES}
    return {
        f"{precision} on a {DEVICES[device]}": _key(
            here | {"precision": precision, "device": device}
        )
        for precision, device in sorted(kinds)
        if (precision, device) != (here["precision"], here["device"])
    }


def content(config: RuleConfig) -> dict:
    """What the key is made from: settings, data, precision, device, torch and learning code."""
    settings = config.settings()
    return {
        "rule": config.rule,
        "settings": settings,
        "data": checksums(config.dataset),
        "precision": _precision(config, settings.pop("products")),
        "device": device().type,
        "torch": version("torch"),
        "code": code_hash(PACKAGE / "rules" / f"{config.rule}.py"),
    }


def _precision(config: RuleConfig, products: str) -> str:
    return rounding(config.keeps_bfloat16) if products == "auto" else "float32"


def _key(content: dict) -> str:
    text = json.dumps(content, sort_keys=True)
    return f"{content['rule']}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@cache
def code_hash(module: Path, package: Path = PACKAGE) -> str:
    """SHA-256 of the parsed code of a module and of all that it imports from the package.

    Comments, docstrings, what a rule declares and how it is looked at once it is trained do not
    count, nor do NOT_LEARNING's modules.
    """
    digest = hashlib.sha256()
    for path in sorted(learning_modules(module, package)):
        digest.update(f"{path.relative_to(package).as_posix()}\n{_code_of(path)}\n".encode())
    return digest.hexdigest()


def learning_modules(module: Path, package: Path = PACKAGE) -> set[Path]:
    """The modules of the package that `module` learns by, itself included."""
    known, waiting = set(), [module]
    while waiting:
        path = waiting.pop()
        if path in known or path.relative_to(package).as_posix() in NOT_LEARNING:
            continue
        known.add(path)
        waiting += _imported(path, package)
    return known


def _imported(path: Path, package: Path) -> list[Path]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    inside = [name.split(".")[1:] for name in names if name.split(".")[0] == package.name]
    files = [package.joinpath(*parts).with_suffix(".py") for parts in inside if parts]
    return [file for file in files if file.is_file()]


def _code_of(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            body = body[1:]
        if isinstance(node, ast.ClassDef):
            body = [line for line in body if not _is_not_learnt(line)]
        node.body = body or [ast.Pass()]
    return ast.dump(tree)


def _is_not_learnt(line: ast.stmt) -> bool:
    if isinstance(line, ast.FunctionDef):
        return line.name in _NOT_LEARNT
    targets = getattr(line, "targets", [getattr(line, "target", None)])
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    return bool(names) and names <= _NOT_LEARNT
