"""Parameters of a notebook: an unknown or ill-typed one is an error, before anything runs.

papermill itself only warns of an unknown parameter and injects a string where a number belongs.
"""

import ast
from pathlib import Path

from pydantic import ValidationError

from ffcl_utils.config import PRESETS, SYSTEMS, ConfigError
from ffcl_utils.errors import NotebookError
from ffcl_utils.files import read_json


def default_parameters(notebook: Path) -> dict[str, object]:
    """Names and defaults of the cell tagged `parameters`; raises NotebookError without one."""
    # As the JSON that it is: nbformat takes seconds to import, and would check nothing of this.
    try:
        cells = read_json(notebook)["cells"]
        tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    except (ValueError, KeyError, TypeError):
        raise NotebookError(f"{notebook} is not a notebook of format 4") from None
    if len(tagged) != 1:
        raise NotebookError(f"{notebook.name} has {len(tagged)} cells tagged `parameters`, not 1")
    assignments = ast.parse("".join(tagged[0]["source"])).body
    return {line.targets[0].id: ast.literal_eval(line.value) for line in assignments}


def check_parameters(notebook: Path, parameters: dict[str, object]) -> None:
    """Raise ConfigError, one line, for every unknown, ill-typed or out-of-range parameter.

    A parameter whose default is None takes its type and range from the Config field of its name;
    any other has the type of its default.
    """
    defaults = default_parameters(notebook)
    problems = []
    for name, value in parameters.items():
        if name not in defaults:
            known = ", ".join(defaults)
            problems.append(f"unknown parameter {name!r}: {notebook.name} has {known}")
        elif name == "preset" and value not in PRESETS:
            problems.append(f"preset={value!r}: choose one of {', '.join(PRESETS)}")
        elif defaults[name] is None:
            problems += _field_problem(name, value)
        elif type(value) is not type(defaults[name]):
            expected = type(defaults[name]).__name__
            problems.append(f"{name}={value!r}: {expected} expected, not {type(value).__name__}")
    if problems:
        raise ConfigError("; ".join(problems))


# Parameters that are settings under another name.
ALIASES = {"compare_loss": "representation_loss"}


def _field_problem(name: str, value: object) -> list[str]:
    """What every Config with a field of this name has against the value; none where one accepts."""
    messages = []
    name = ALIASES.get(name, name)
    for config in SYSTEMS.values():
        field = config.model_fields.get(name)
        if field is None or value is None:
            continue
        try:
            config(**{name: value})
            return []
        except ValidationError as error:
            messages.append(f"{name}={value!r}: {error.errors()[0]['msg']}")
    return messages[:1]


def parse_value(text: str) -> object:
    """A parameter as typed on the command line: a Python literal where it is one, else a string."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
