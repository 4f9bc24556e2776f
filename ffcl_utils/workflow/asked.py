"""What a command line asks for of the table of runs: a run, its parameters, and its place."""

from pathlib import Path

from ffcl_utils.errors import UserError
from ffcl_utils.workflow.parameters import check_parameters, complete, parse_value
from ffcl_utils.workflow.runs import RunEntry, configs_of, run


def place_of(entry: RunEntry, preset: str, values: dict[str, object], runs_: Path) -> Path:
    """Where the workflow looks for a run's result: for no result of other settings.

    runs_: the folder of all presets' results. Raises UserError where the values are not those of
    the table of runs.
    """
    preset = values.get("preset", preset)
    if preset not in entry.presets or values != entry.parameters_at(preset):
        raise UserError(
            f"these are other settings than those of {entry.name} at {preset} in the table of "
            "runs: name the folder that the results go to, after the run"
        )
    return runs_ / preset / entry.name


def values_of(parameter: list[str]) -> dict[str, object]:
    """Parameters by name, from `name=value` as typed. Raises UserError for a name given twice."""
    pairs = [text.partition("=") for text in parameter]
    names = [name for name, _, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{name} is given {names.count(name)} times: give it once")
    if "output_dir" in names:
        raise UserError("output_dir: name the folder after the notebook instead")
    return {name: parse_value(value) for name, _, value in pairs}


def run_with(name: str, preset: str, parameter: list[str]) -> tuple[RunEntry, dict]:
    """A run of the table, and its parameters with those of the command line; all checked."""
    entry, given = run(name), values_of(parameter)
    check_parameters(entry.path, given)
    values = entry.parameters_at(given.get("preset", preset)) | given
    configs_of(entry, complete(entry.path, values))
    return entry, values
