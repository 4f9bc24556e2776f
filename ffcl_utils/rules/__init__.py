"""One file a learning rule, found by its name; `base` is the contract.

Files that begin with an underscore are shared by several rules.
"""

from importlib import import_module
from pathlib import Path
from traceback import extract_tb

from ffcl_utils.config import ConfigError, RuleConfig, at_preset, check_preset

_NO_RULES = {"__init__", "base"}


def names() -> list[str]:
    """The names of all rules: of the files in this folder."""
    files = (path.stem for path in Path(__file__).parent.glob("*.py"))
    return sorted(name for name in files if name not in _NO_RULES and name[0] != "_")


def rule(name: str):
    """The class of a rule; imports its file, and torch.

    Raises ConfigError for an unknown name, and for a file that cannot be imported or has no RULE.
    """
    if name not in names():
        raise ConfigError(f"unknown rule {name!r}: choose one of {', '.join(names())}")
    file = Path(__file__).parent / f"{name}.py"
    try:
        module = import_module(f"{__name__}.{name}")
    except Exception as error:  # of somebody's unfinished rule: anything
        lines = [at.lineno for at in extract_tb(error.__traceback__) if at.filename == str(file)]
        where = f"{file}, line {lines[-1]}" if lines else str(file)
        raise ConfigError(
            f"{where}: {type(error).__name__}: {error}. Mend this rule, or move its file away"
        ) from error
    if not hasattr(module, "RULE"):
        raise ConfigError(f"{file} does not end in RULE = its class: add it, or move the file away")
    return module.RULE


def configure(name: str, preset: str, **overrides) -> RuleConfig:
    """The settings of a rule at a preset; an override of None means "as the preset says".

    Raises ConfigError, one line, naming every unknown or invalid setting.
    """
    check_preset(preset)  # before the rule's file is imported
    chosen = rule(name)
    return at_preset(chosen.Config, chosen.presets, preset, **overrides)
