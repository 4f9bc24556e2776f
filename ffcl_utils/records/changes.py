"""Which entry of the table of runs a run is, and which settings of it differ from that entry."""

import json
from collections.abc import Callable

from ffcl_utils.config import ExperimentConfig
from ffcl_utils.data.files import FULL
from ffcl_utils.records.identity import PLACES
from ffcl_utils.workflow.runs import CASES, RunEntry, run, runs

Configure = Callable[..., dict[str, ExperimentConfig]]
# A run with other seeds, or other rounding in its products, answers the same question. That the
# data are the right ones is for each claim to say.
NOT_COUNTED = PLACES | {"seeds", "first_seed", "products", "dataset", "preset"}
_FULL_OF_EMBEDDED = {full.embedded: name for name, full in FULL.items()}


def matching_entry(notebook: str, parameters: dict, defaults: dict) -> RunEntry | None:
    """The entry of this notebook that has the most parameters in common with the given ones.

    Only what entries say for every preset counts. An embedded subset counts as the dataset that it
    was taken from. defaults: of the notebook. The first of the table where several have as many in
    common; None where no entry is of this notebook.
    """
    entries = [entry for entry in runs() if entry.notebook == notebook]
    fixed = {entry.name: defaults | _in_every_preset(entry) for entry in entries}
    names = {name for entry in entries for name in _in_every_preset(entry)}

    def in_common(entry: RunEntry) -> int:
        own = fixed[entry.name]
        return sum(_full(parameters.get(name)) == _full(own.get(name)) for name in names)

    return max(entries, key=in_common, default=None)


def _in_every_preset(entry: RunEntry) -> dict[str, object]:
    table = (run(entry.same_as).parameters if entry.same_as else {}) | entry.parameters
    return {name: value for name, value in table.items() if name not in CASES}


def _full(value: object) -> object:
    return _FULL_OF_EMBEDDED.get(value, value) if isinstance(value, str) else value


def expected_parameters(entry: RunEntry | None, parameters: dict, defaults: dict) -> dict:
    """What the table says of a notebook's parameters, at the preset and data size of those given.

    Complete, with the notebook's `defaults`; these alone where there is no entry or no preset.
    """
    if entry is None or "preset" not in parameters:
        return defaults
    embedded = parameters.get("dataset") in _FULL_OF_EMBEDDED
    return defaults | entry.parameters_at(parameters["preset"], embedded)


def changed(
    parameters: dict, expected: dict, configure: Configure | None
) -> dict[str, list[object]]:
    """Every setting and parameter that is not as expected, as [value, expected]; {} where none is.

    parameters, expected: of the notebook, complete. configure: of the notebook's study, whose
    configs are compared as they are resolved; None where nothing is trained. A setting is named
    after its network ("BP: epochs") unless it is the same change in all of them.
    """
    given, wanted = (_settings(configure, values) for values in (parameters, expected))
    settings = {name for of_one in (given | wanted).values() for name in of_one}
    differences = {
        name: [parameters.get(name), expected.get(name)]
        for name in sorted(parameters.keys() | expected.keys())
        if name not in settings | NOT_COUNTED and parameters.get(name) != expected.get(name)
    }
    if given.keys() != wanted.keys():
        differences["networks"] = [sorted(given), sorted(wanted)]
    return differences | _changed_settings(given, wanted)


def _settings(configure: Configure | None, parameters: dict) -> dict[str, dict]:
    configs = configure(**parameters) if configure else {}
    return {name: config.settings() for name, config in configs.items()}


def _changed_settings(given: dict[str, dict], wanted: dict[str, dict]) -> dict[str, list]:
    """Settings that differ, of the networks that both have."""
    by_setting = {}
    networks = [name for name in wanted if name in given]
    for network in networks:
        mine, theirs = given[network], wanted[network]
        for name in sorted((mine.keys() | theirs.keys()) - NOT_COUNTED):
            if mine.get(name) != theirs.get(name):
                by_setting.setdefault(name, {})[network] = [mine.get(name), theirs.get(name)]
    differences = {}
    for name, pairs in by_setting.items():
        if len({json.dumps(pair) for pair in pairs.values()}) == 1 and len(pairs) == len(networks):
            differences[name] = next(iter(pairs.values()))
        else:
            differences |= {f"{network}: {name}": pair for network, pair in pairs.items()}
    return differences
