"""Which entry of the table a run is, and what of it is not as the table says."""

import pytest

from ffcl_utils.config import ConfigError
from ffcl_utils.records.changes import changed, expected_parameters, matching_entry
from ffcl_utils.workflow.parameters import complete, default_parameters
from ffcl_utils.workflow.runs import runs
from tests.records import conftest as fake

DEFAULTS = {name: value for name, value in fake.DEFAULTS.items() if name != "output_dir"}


def match(**parameters):
    return matching_entry("01_accuracy", DEFAULTS | parameters, DEFAULTS)


def found(**parameters):
    given = DEFAULTS | parameters
    expected = expected_parameters(match(**parameters), given, DEFAULTS)
    return changed(given, expected, fake.configure)


@pytest.mark.usefixtures("package")
class TestMatching:
    @pytest.mark.parametrize(
        ("dataset", "variant"),
        [
            (None, ""),
            ("mnist", ""),
            ("mnist_5k", ""),
            ("fashion_mnist", "-fashion_mnist"),
            ("fashion_mnist_1k", "-fashion_mnist"),
        ],
    )
    def test_the_dataset_says_which_variant_it_is(self, dataset, variant):
        assert match(dataset=dataset).name == f"01_accuracy{variant}"

    def test_parameters_of_one_preset_do_not_count(self):
        assert match(dataset="mnist", seeds=3, epochs=4).name == "01_accuracy"

    def test_a_parameter_that_an_entry_does_not_name_is_expected_to_have_its_default(
        self, monkeypatch
    ):
        wide = fake.entry("01_accuracy-wide", parameters={"dataset": "mnist", "permutations": 5})
        table = (wide, *fake.TABLE)
        monkeypatch.setattr("ffcl_utils.records.changes.runs", lambda: table)
        assert match(dataset="mnist").name == "01_accuracy"
        assert match(dataset="mnist", permutations=5).name == "01_accuracy-wide"

    def test_a_notebook_that_is_not_in_the_table_has_no_entry(self):
        assert matching_entry("99_mine", {}, {}) is None
        assert expected_parameters(None, {"preset": "short"}, {"a": 1}) == {"a": 1}


@pytest.mark.parametrize("entry", runs(), ids=lambda entry: entry.name)
def test_every_run_of_the_table_is_taken_for_itself(entry):
    """At each of its presets, with full data and without: else its claims are not comparable."""
    defaults = default_parameters(entry.path)
    for preset in entry.presets:
        for embedded in (False, True):
            parameters = complete(entry.path, entry.parameters_at(preset, embedded))
            found = matching_entry(entry.notebook, parameters, defaults)
            assert found.name == entry.name, (preset, embedded)


@pytest.mark.usefixtures("package")
class TestChanged:
    def test_a_run_as_the_table_says_has_nothing_changed(self):
        assert found() == {}
        assert found(preset="short", dataset="mnist", permutations=1000) == {}

    def test_what_a_preset_says_anyway_is_no_change(self):
        epochs = fake.configure("short")["literal"].epochs
        assert found(preset="short", permutations=1000, epochs=epochs) == {}

    @pytest.mark.parametrize(
        "other", [{"seeds": 1}, {"first_seed": 3}, {"dataset": "mnist"}, {"dataset": "mnist_5k"}]
    )
    def test_seeds_and_data_do_not_count(self, other):
        assert found(**other) == {}

    def test_a_setting_is_given_with_what_was_expected(self):
        epochs = fake.configure("smoke")["literal"].epochs
        assert found(epochs=epochs + 1) == {"epochs": [epochs + 1, epochs]}

    def test_a_parameter_that_is_no_setting_counts(self):
        assert found(preset="short", permutations=100) == {"permutations": [100, 1000]}
        assert found(permutations=5) == {"permutations": [5, 100]}

    def test_the_embedded_subset_has_its_own_expected_parameters(self):
        fashion = {"preset": "short", "dataset": "fashion_mnist_1k"}
        assert found(**fashion, epochs=4) == {}
        assert found(**fashion) == {"epochs": [30, 4]}

    def test_an_unknown_value_is_refused(self):
        with pytest.raises(ConfigError, match="margin"):
            found(margin=7.0)


class Fake:
    def __init__(self, **settings):
        self._settings = settings

    def settings(self):
        return self._settings


def test_a_change_in_some_networks_names_them():
    def configure(rate):
        return {"BP": Fake(epochs=3, rate=rate), "FF": Fake(epochs=3, rate=1)}

    expected = {"BP: rate": [2, 1]}
    assert changed({"rate": 2}, {"rate": 1}, configure) == expected


def test_networks_that_are_more_or_fewer_are_a_change():
    def configure(wide):
        return {"BP": Fake(epochs=3)} | ({} if wide else {"FF": Fake(epochs=3)})

    found = changed({"wide": True}, {"wide": False}, configure)
    assert found == {"wide": [True, False], "networks": [["BP"], ["BP", "FF"]]}


def test_a_run_without_networks_is_compared_by_its_parameters():
    given, expected = {"a": 1, "results": "here"}, {"a": 2, "results": "there"}
    assert changed(given, expected, None) == {"a": [1, 2]}
