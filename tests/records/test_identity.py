"""What changes the identity of a result, and what does not."""

import json

import pytest

from ffcl_utils.records.identity import identity, recorded, source_hash

PARAMETERS = {"preset": "short", "dataset": "mnist"}
KEYS, SEEDS = {"literal": "rule-1", "balanced": "rule-2"}, {"literal": [0, 1], "balanced": [0, 1]}


@pytest.fixture
def notebook(package):
    return package.parent / "notebooks" / "01_accuracy.ipynb"


def of(notebook, parameters=PARAMETERS, keys=KEYS, seeds=SEEDS, reads=None, source=""):
    return identity(notebook, parameters, keys, seeds, reads or {}, source)


def edit(notebook, change):
    content = json.loads(notebook.read_text())
    change(content)
    notebook.write_text(json.dumps(content))


def test_it_is_sha256_and_the_same_twice(notebook):
    assert len(of(notebook)) == 64
    assert of(notebook) == of(notebook)


@pytest.mark.parametrize(
    "same",
    [
        {"dataset": "mnist", "preset": "short"},
        PARAMETERS | {"output_dir": "runs/short/01"},
        PARAMETERS | {"results": "runs/short"},
        PARAMETERS | {"seeds": None, "margin": None},
        PARAMETERS | {"permutations": 100},
    ],
    ids=["order", "output_dir", "where results are read", "None", "a default"],
)
def test_what_decides_nothing_does_not_change_it(notebook, same):
    assert of(notebook, same) == of(notebook)


@pytest.mark.parametrize(
    "other",
    [{"preset": "paper"}, {"dataset": "mnist_5k"}, {"seeds": 5}, {"permutations": 101}],
)
def test_every_parameter_changes_it(notebook, other):
    assert of(notebook, PARAMETERS | other) != of(notebook)


def test_networks_seeds_and_what_is_read_change_it(notebook):
    others = [
        of(notebook, keys=KEYS | {"literal": "rule-3"}),
        of(notebook, keys={"literal": "rule-1"}),
        of(notebook, seeds=SEEDS | {"literal": [0, 2]}),
        of(notebook, reads={"01_accuracy": "abc"}),
        of(notebook, reads={"01_accuracy": "abd"}),
        of(notebook),
    ]
    assert len(set(others)) == len(others)


def test_a_default_that_changes_is_another_source_and_another_parameter(notebook):
    before, source = of(notebook, source="same"), source_hash(notebook)
    notebook.write_text(notebook.read_text().replace("permutations = 100", "permutations = 200"))
    assert of(notebook, source="same") != before
    assert source_hash(notebook) != source


def test_outputs_and_metadata_of_the_notebook_are_no_source(notebook):
    def run(content):
        content["metadata"]["kernelspec"] = {"name": "python3"}
        content["cells"][1] |= {"outputs": [{"text": "1"}], "execution_count": 7, "id": "a1"}

    before = source_hash(notebook)
    edit(notebook, run)
    assert source_hash(notebook) == before


def test_a_source_that_is_split_into_other_pieces_is_the_same(notebook):
    before = source_hash(notebook)
    edit(notebook, lambda c: c["cells"][0].update(source="".join(c["cells"][0]["source"])))
    assert source_hash(notebook) == before


@pytest.mark.parametrize("cell", [0, 1])
def test_text_and_code_of_the_notebook_are_source(notebook, cell):
    before = source_hash(notebook)
    edit(notebook, lambda content: content["cells"][cell]["source"].append("# more"))
    assert source_hash(notebook) != before


def test_a_cell_that_becomes_text_is_another_source(notebook):
    before = source_hash(notebook)
    edit(notebook, lambda content: content["cells"][1].update(cell_type="markdown"))
    assert source_hash(notebook) != before


def test_every_module_and_table_of_the_package_is_source(package, notebook):
    hashes = {source_hash(None), source_hash(notebook)}
    (package / "rules" / "one.py").write_text("x = 2\n")
    hashes.add(source_hash(None))
    (package / "table.toml").write_text("a = 2\n")
    hashes.add(source_hash(None))
    (package / "rules" / "one.py").rename(package / "rules" / "two.py")
    hashes.add(source_hash(None))
    (package / "new.py").write_text("")
    hashes.add(source_hash(None))
    assert len(hashes) == 6


@pytest.mark.parametrize("name", ["rules/one.pyc", "notes.txt", ".hidden.py", ".cache/one.py"])
def test_other_and_hidden_files_are_no_source(package, name):
    before = source_hash(None)
    (package / name).parent.mkdir(exist_ok=True)
    (package / name).write_text("anything")
    assert source_hash(None) == before


def test_line_endings_are_no_source(package):
    before = source_hash(None)
    (package / "rules" / "one.py").write_bytes(b"x = 1\r\n")
    assert source_hash(None) == before


def test_a_source_taken_before_is_the_one_that_counts(package, notebook):
    before, source = of(notebook), source_hash(notebook)
    (package / "rules" / "one.py").write_text("x = 2\n")
    assert of(notebook, source=source) == before
    assert of(notebook) != before


def test_recorded_identities_are_of_the_results_that_are_there(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "provenance.json").write_text('{"identity": "abc"}')
    assert recorded(tmp_path, ["one", "two"]) == {"one": "abc"}
    assert recorded(tmp_path / "nothing", ["one"]) == {}
