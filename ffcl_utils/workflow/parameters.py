"""Parameters of a notebook: an unknown or ill-typed one is an error, before anything runs.

papermill itself only warns of an unknown parameter and injects a string where a number belongs.
"""

import ast
from importlib import import_module
from pathlib import Path

from pydantic import ValidationError

from ffcl_utils.config import ConfigError, ExperimentConfig, check_preset
from ffcl_utils.errors import NotebookError
from ffcl_utils.files import read_json
from ffcl_utils.paths import ROOT


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
    try:
        assignments = ast.parse("".join(tagged[0]["source"])).body
        return {line.targets[0].id: ast.literal_eval(line.value) for line in assignments}
    except (SyntaxError, ValueError, TypeError, AttributeError, RecursionError, MemoryError):
        raise NotebookError(
            f"{notebook.name}: its cell tagged `parameters` may only have lines such as "
            "`name = value`, with a plain number, text, list, True, False or None as value"
        ) from None


def complete(notebook: Path, parameters: dict[str, object]) -> dict[str, object]:
    """All parameters of a notebook that decide its results: the given ones, else its defaults."""
    values = default_parameters(notebook) | parameters
    return {name: value for name, value in values.items() if name != "output_dir"}


def check_parameters(notebook: Path, parameters: dict[str, object]) -> None:
    """Raise ConfigError, one line, for every unknown, ill-typed or out-of-range parameter.

    A parameter whose default is None takes its type and range from the field of its name in the
    settings of the notebook's own experiment or of any rule, whichever accepts it; any other has
    the type of its default.
    """
    defaults = default_parameters(notebook)
    if "preset" in defaults and "preset" in parameters:
        check_preset(parameters["preset"])
    problems = []
    for name, value in parameters.items():
        if name not in defaults:
            known = ", ".join(defaults)
            problems.append(f"unknown parameter {name!r}: {notebook.name} has {known}")
        elif defaults[name] is None:
            problems += _field_problem(notebook, name, value)
        elif type(value) is not type(defaults[name]):
            expected = type(defaults[name]).__name__
            problems.append(f"{name}={value!r}: {expected} expected, not {type(value).__name__}")
        elif name in RANGES and not RANGES[name][0] <= value <= RANGES[name][1]:
            least, most = RANGES[name]
            problems.append(f"{name}={value}: between {least} and {most:,}")
    if problems:
        raise ConfigError("; ".join(problems))


# Parameters of notebooks that explore, from the least to the most: no study checks these.
RANGES = {"images": (10, 10_000), "example": (0, 999)}
# Parameters that are settings under another name.
ALIASES = {"compare_loss": "representation_loss"}


def _field_problem(notebook: Path, name: str, value: object) -> list[str]:
    """What all settings that have this field have against a value; none where one accepts it."""
    if value is None:
        return []
    field = ALIASES.get(name, name)
    messages = []
    for config in settings_of(notebook):
        if field not in config.model_fields:
            continue
        try:
            config(**{field: value})
            return []
        except ValidationError as error:
            # What else the settings need is not given here.
            found = [each["msg"] for each in error.errors() if each["type"] != "missing"]
            if not found:
                return []
            messages.append(f"{name}={value!r}: {found[0]}")
    return messages[:1]


def settings_of(notebook: Path) -> list[type[ExperimentConfig]]:
    """The settings that a parameter of a notebook may be of: its own experiment's, every rule's."""
    from ffcl_utils import rules  # torch takes seconds to import
    from ffcl_utils.workflow.runs import runs

    studies = {e.networks for e in runs() if e.notebook == notebook.stem and e.networks}
    modules = [import_module(f"ffcl_utils.studies.{study}") for study in sorted(studies)]
    own = [module.Config for module in modules if hasattr(module, "Config")]
    return own + [rules.rule(name).Config for name in rules.names()]


def as_given(path: Path) -> str:
    """Relative to the repository where it is inside: executed notebooks name no local folder."""
    path = path.resolve()
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def parse_value(text: str) -> object:
    """A parameter as typed on the command line: a Python literal where it is one, else a string."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return text
