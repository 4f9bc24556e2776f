"""The table of all rules as text: every row, the sentences by hand, and the committed page."""

import shutil
from io import StringIO

import pandas as pd
import pytest

from ffcl_utils.claims import neighbours
from ffcl_utils.claims.ledger import ledger
from ffcl_utils.claims.neighbours import CLOTHES, NOTHING, RUN, for_page, in_brief, sentences
from ffcl_utils.studies import neighbour_rows
from ffcl_utils.studies import neighbours as study
from tests.claims.records import write_records

COLUMNS = ["accuracy", "std", "published", "local", "way back", "Hoyer", "seconds"]
ROWS = {
    "backprop": [98.0, 0.1, None, False, True, 0.3, 20.0],
    "random layers": [80.0, 1.0, None, True, False, 0.4, 1.0],
    "predsim": [98.5, 0.2, "99.38", True, False, 0.9, 60.0],
    "FF": [97.6, 0.1, None, True, False, 0.9, 30.0],
    "SCFF": [97.0, 0.1, "98.7", True, False, 0.5, 10.0],
    "AR": [99.0, 0.1, None, True, True, 0.3, 5.0],
}


def made_up() -> pd.DataFrame:
    return pd.DataFrame.from_dict(ROWS, orient="index", columns=COLUMNS)


def leave(folder, table, **changes) -> None:
    """What notebook 12 leaves of its table."""
    write_records(folder, [claim for claim in ledger() if claim.run == RUN], **changes)
    table.to_csv(folder / RUN / "rules.csv")
    costs = {"operations an epoch": [1234.5, 9.87], "memory": [30.1, 2.0]}
    pd.DataFrame(costs, index=["backprop", "predsim"]).to_csv(folder / RUN / "costs.csv")


def test_the_rows_that_sentences_name_are_on_the_table():
    assert {neighbours.BACKPROP, neighbours.RANDOM} <= neighbour_rows.ROWS.keys()
    assert study.NOTEBOOK == RUN
    convolved = {
        name
        for name, row in neighbour_rows.ROWS.items()
        if row.rule == "cascaded_forward" or row.settings.get("cell") == "convolutional"
    }
    assert {n for n in neighbour_rows.ROWS if n.startswith(neighbours.CONVOLUTIONAL)} == convolved


def test_sentences_are_what_the_table_says():
    assert sentences(made_up()) == [
        "On images as they are, backpropagation gets 98.0 % right, and dense layers that never "
        "learn, under an output that does, 80.0 %.",
        "Of the rules that send nothing back through the layers, the most accurate on these images "
        "is *predsim* with 98.50 ± 0.20 %. *backprop* has 98.00 ± 0.10 %.",
        "Of the rules without a way back, the quickest that is at most 1 point below *predsim* is "
        "*FF*, with 30 seconds of training a seed.",
    ]


def test_a_rule_is_compared_with_the_best_backpropagation():
    table = made_up()
    table.loc["backprop, another network"] = table.loc["backprop"].replace(98.0, 98.8)
    first, second, _ = sentences(table)
    assert "backpropagation gets 98.0 to 98.8 % right, depending on its network, and dense" in first
    assert second.endswith("98.50 ± 0.20 %. *backprop, another network* has 98.80 ± 0.10 %.")


def test_rules_that_get_no_more_than_random_layers_are_named():
    table = made_up()
    table.loc["random layers", "accuracy"] = 97.0
    assert sentences(table)[1] == "*SCFF* gets no more than that."
    table.loc["random layers", "accuracy"] = 98.2
    assert sentences(table)[1] == "*backprop*, *FF* and *SCFF* get no more than that."


def test_convolutions_do_not_hide_the_best_dense_network():
    table = made_up().rename(index={"FF": "CaFo, random blocks"})
    assert sentences(table) == [
        *sentences(made_up())[:2],
        "Of the rules without a way back, the quickest that is at most 1 point below *predsim* is "
        "*CaFo, random blocks*, with 30 seconds of training a seed.",
    ]
    table.loc["CaFo, random blocks", "accuracy"] = 98.9
    assert sentences(table)[1].endswith(
        "on these images is *CaFo, random blocks*, which has convolutions, with 98.90 ± 0.10 %; "
        "of dense networks it is *predsim* with 98.50 ± 0.20 %. *backprop* has 98.00 ± 0.10 %."
    )
    clothes = sentences(made_up(), table)[-1]
    assert "*CaFo, random blocks*, which has" in clothes and "it is *predsim* with" in clothes


def test_rules_that_saw_shifted_images_are_compared_with_each_other():
    table = made_up().rename(index={"predsim": "predsim, shifts", "AR": "AR, shifts"})
    *others, last = sentences(table)
    assert others == sentences(made_up().drop(index=["predsim", "AR"]))
    assert last == (
        "On shifted images, *AR, shifts* (99.00 ± 0.10 %) and *predsim, shifts* (98.50 ± 0.20 %) "
        "lead."
    )


def test_what_leads_on_clothes_is_said():
    clothes = made_up().assign(accuracy=[88.0, 70.0, 85.0, 80.0, 89.0, 90.0])
    assert sentences(made_up(), clothes)[3:] == [
        "On Fashion-MNIST, the most accurate of the rules without a way back is *SCFF* with "
        "89.00 ± 0.10 %. *backprop* has 88.00 ± 0.10 %.",
    ]


def test_every_rule_has_a_row_the_most_accurate_first(tmp_path):
    leave(tmp_path, made_up())
    lines = [line for line in for_page(tmp_path, []).splitlines() if line.startswith("| ")][2:]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == [
        "AR", "predsim", "backprop", "FF", "SCFF", "random layers",
    ]  # fmt: skip
    assert lines[1] == "| predsim | 98.50 ± 0.20 | 99.38 |  | yes | no | 0.90 | 60 | 9.9 | 2.0 |"
    assert lines[2] == "| backprop | 98.00 ± 0.10 |  |  | no | yes | 0.30 | 20 | 1,234 | 30 |"
    assert lines[3].endswith("| 30 |  |  |")  # what is solved at once has no epochs
    assert "Fashion" not in for_page(tmp_path, [])


def test_clothes_have_a_column_where_they_were_seen(tmp_path):
    leave(tmp_path, made_up())
    shutil.copytree(tmp_path / RUN, tmp_path / CLOTHES)
    clothes = made_up().drop(index="AR").assign(accuracy=88.0)
    clothes.to_csv(tmp_path / CLOTHES / "rules.csv")
    lines = for_page(tmp_path, []).splitlines()[2:]
    assert lines[0].endswith("| memory, MB | Fashion-MNIST, % |")
    assert lines[2].startswith("| AR |") and lines[2].endswith("|  |  |  |")
    assert lines[3].startswith("| predsim |") and lines[3].endswith("| 88.00 ± 0.20 |")
    assert len({line.count("|") for line in lines}) == 1


def test_the_readme_has_one_variant_of_each_rule(tmp_path):
    """Those that saw clothes, but for other networks of backpropagation; and only a few columns."""
    assert in_brief(tmp_path) == NOTHING
    names = {"AR": "backprop, AR's network"}
    leave(tmp_path, made_up().rename(index=names))
    shutil.copytree(tmp_path / RUN, tmp_path / CLOTHES)
    made_up().rename(index=names).drop(index="FF").to_csv(tmp_path / CLOTHES / "rules.csv")
    title, _, *rows = in_brief(tmp_path).splitlines()
    assert title == "| rule | test accuracy, % | way back | seconds a seed |"
    assert rows == [
        "| predsim | 98.50 ± 0.20 | no | 60 |",
        "| backprop | 98.00 ± 0.10 | yes | 20 |",
        "| SCFF | 97.00 ± 0.10 | no | 10 |",
        "| random layers | 80.00 ± 1.00 | no | 1 |",
    ]


def test_published_settings_have_a_column_where_they_were_trained(tmp_path):
    short, paper = tmp_path / "short", tmp_path / "paper"
    leave(short, made_up())
    leave(paper, made_up().drop(index="AR").assign(accuracy=99.0), preset="paper")
    lines = for_page(short, []).splitlines()[2:]
    assert lines[0].endswith("| memory, MB | at *paper*, % |")
    assert lines[2].startswith("| AR |") and lines[2].endswith("|  |  |  |")
    assert lines[3].startswith("| predsim | 98.50 ± 0.20 |")
    assert lines[3].endswith("| 99.00 ± 0.20 |")
    leave(paper, made_up(), preset="paper", changed={"epochs": [1, 10]})
    assert "at *paper*" not in for_page(short, [])


def test_a_rule_has_the_verdicts_of_the_claims_about_it(tmp_path):
    leave(tmp_path, made_up().rename(index={"predsim": "predsim, shifts"}))
    claims = [
        {"id": "N4", "verdict": "partly"},
        {"id": "N5", "verdict": "reproduced", "place": "paper/"},
        {"id": "N7", "verdict": "not reproduced"},
        {"id": "N9", "verdict": "reproduced"},
        {"id": "B1", "verdict": "reproduced"},
    ]
    text = StringIO(for_page(tmp_path, claims).split("\n\n")[1])
    table = pd.read_csv(text, sep=r"\s*\|\s*", engine="python").iloc[1:].set_index("rule")
    assert table.verdict.dropna().to_dict() == {
        "AR": "N5: reproduced at *paper*, N7: not reproduced",
        "predsim, shifts": "N4: partly",
    }


def test_every_claim_of_notebook_12_is_about_a_row():
    ours = [claim.id for claim in ledger() if claim.run.startswith(RUN)]
    assert list(neighbours.ABOUT) == ours
    assert set(neighbours.ABOUT.values()) <= neighbour_rows.ROWS.keys()


def test_without_a_result_it_says_so(tmp_path):
    assert for_page(tmp_path, []) == NOTHING


@pytest.mark.parametrize("changes", [{"preset": "smoke"}, {"changed": {"epochs": [1, 10]}}])
def test_a_run_of_other_settings_is_no_result(changes, tmp_path):
    leave(tmp_path, made_up(), **changes)
    assert for_page(tmp_path, []) == NOTHING


def test_one_seed_has_no_spread(tmp_path):
    leave(tmp_path, made_up().assign(std=None))
    assert "| AR | 99.00 |  |  | yes | yes |" in for_page(tmp_path, [])
