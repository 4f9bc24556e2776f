"""README and docs: tables are those of the code, links and commands are there."""

import json
import re

import pandas as pd
import pytest

from ffcl_utils import rules
from ffcl_utils.analysis.statistics import paired_difference
from ffcl_utils.paths import NOTEBOOKS, RESULTS, ROOT
from ffcl_utils.studies import neighbour_rows
from tests.workflow.listed import markdown_of_runs

README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = ROOT / "results" / "short"


def test_the_table_of_notebooks_is_that_of_the_runs():
    table = README.split("<!-- notebooks: generated from workflow/runs.toml -->")[1]
    table = table.split("<!-- end of notebooks -->")[0].strip().splitlines()[2:]
    parts = ("overview", "claims", "studies", "explore")
    expected = "\n".join(markdown_of_runs(part, "notebooks/", claims=False) for part in parts)
    assert table == expected.splitlines()


# The texts of the site's first page and of the page to play are put together by the site.
TEXTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
TEXTS += [path for path in sorted((ROOT / "docs").glob("*.md")) if path.stem != "front"]


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.name)
def test_every_local_link_leads_somewhere(text):
    for target in re.findall(r"\]\((?!http|#)([^)]+)\)", text.read_text(encoding="utf-8")):
        if "results/short" in target and not REFERENCE.is_dir():
            pytest.skip("no results/short")
        assert (text.parent / target).exists(), target


def test_what_a_busy_core_costs_is_as_measured():
    measured = json.loads((RESULTS / "benchmarks.json").read_text(encoding="utf-8"))
    found = measured["reproduce"]["slowdown_beside_a_busy_core"]
    text = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")
    said = f"make reproduce PRESET={found['preset']}` took {found['value']:.2f} times as long"
    assert said in text


def test_our_rules_are_named():
    """Those of notebook 12, and two with other networks; a rule of somebody's own need not be."""
    text = (ROOT / "docs" / "add_a_rule.md").read_text(encoding="utf-8")
    ours = {row.rule for row in neighbour_rows.ROWS.values()} | {"deep_twins", "plastic_twins"}
    assert ours <= set(rules.names()) & set(re.findall(r"`(\w+)`", text))


def test_the_readme_can_be_read_in_a_few_minutes():
    # 1,500 words and figures, without the addresses of links and what stands in place of pictures.
    shown = re.sub(r"<!--.*?-->|!\[[^]]*\]|\]\([^)]*\)", " ", README)
    assert len(re.findall(r"\w[\w'.,%-]*", shown)) <= 1500


def test_every_make_target_and_command_is_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", README, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    commands = (ROOT / "ffcl_utils" / "__main__.py").read_text(encoding="utf-8")
    for command in set(re.findall(r"\bffcl ([a-z]+)", README)):
        assert re.search(rf'def {command}\(|command\("{command}"\)', commands), command


def test_what_rounding_changes_is_reported_as_measured():
    """The tables of benchmarks/README.md and notebook 03's sentence, from results/rounding.csv."""
    rows = pd.read_csv(RESULTS / "rounding.csv").set_index(["epochs", "seed", "products"])
    of = {kind: rows.xs(kind, level="products") for kind in ("auto", "float32")}
    page = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    names = ["accuracy", "Hoyer sparsity of layer 1", "of layer 2", "of layer 3"]
    for name, column in zip(names, rows.columns, strict=True):
        mean, low, high = paired_difference(*(of[kind].loc[20, column] for kind in of))
        assert f"| {name} | {_short(mean)} [{_short(low)}, {_short(high)}] |" in page
        one, other = (of[kind].loc[(300, 60), column] for kind in of)
        shown = " | ".join(map(_short, (one, other, one - other)))
        assert f"| {name} | {shown} |" in page
    text = (NOTEBOOKS / "03_forward_forward.ipynb").read_text(encoding="utf-8")
    figures = [of[kind].loc[(300, 60), f"hoyer{k}"] for kind in ("float32", "auto") for k in (2, 3)]
    said = "of {} and {} in float32, and of {} and {} in bfloat16"
    assert said.format(*(f"{figure:.2f}".lstrip("0") for figure in figures)) in text
    ends = [
        f"{of[kind].loc[(300, 60), 'accuracy']:.3f}".lstrip("0") for kind in ("float32", "auto")
    ]
    assert "accuracy of {} in float32 and {} in bfloat16".format(*ends) in text


def test_the_page_of_benchmarks_has_the_measured_figures():
    """Of the whole command, FF and the relaxations, and of rounding's first five seeds."""
    page = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    measured = json.loads((RESULTS / "benchmarks.json").read_text(encoding="utf-8"))
    whole, full = (measured["reproduce"][name] for name in ("seconds", "seconds_from_a_full_store"))
    assert whole["preset"] == full["preset"] == "short" and not (whole["dirty"] or full["dirty"])
    minutes = whole["value"] / 60, full["value"] / 60
    said = "takes {:.1f} minutes from an empty store, and {:.1f} from a full one"
    assert said.format(*minutes) in page and (minutes[0] <= 22) is ("the target is met" in page)
    ff, relaxation = measured["forward_forward"], measured["relaxation"]
    seconds = f"{ff['seconds_an_epoch_of_a_layer']:.2f}".lstrip("0")
    for row in (
        f"| {ff['speedup_vs_before']:.2f} times: {seconds} s |",
        f"| {ff['times_the_floor']:.2f} times |",
        *(f"| {relaxation[f'times_its_products_{name}']:.2f} times |" for name in ("AR", "PC")),
    ):
        assert row in page
    rows = pd.read_csv(RESULTS / "rounding.csv").query("epochs == 20")
    pairs = rows.pivot(index="seed", columns="products", values="accuracy")
    mean, low, high = paired_difference(*(pairs.loc[60:64, kind] for kind in ("auto", "float32")))
    assert f"accuracy open: {_short(mean)} [{_short(low)}, {_short(high)}]" in page
    spreads = [*pairs.std(), (pairs["auto"] - pairs["float32"]).std()]
    said = "by {} and {} (standard deviation, bfloat16 and float32), and the differences of the "
    assert (said + "pairs by {}.").format(*map(_short, spreads)) in page


def _short(figure: float) -> str:
    """Such as −.0011, as the tables of benchmarks/README.md write it."""
    shown = f"{figure:z.4f}"  # z: no sign where all digits are 0
    return shown.replace("-", "−").replace("0.", ".", 1)


def test_sizes_of_unseen_classes_are_reported_as_measured():
    """Notebook 05's sentence, from the tables of its results at paper."""
    sizes = []
    for name in ("05_unseen_classes", "05_unseen_classes-fashion_mnist"):
        rows = pd.read_csv(RESULTS / "paper" / name / "unseen.csv")
        chosen = (rows.model == "FF") & (rows.network == "unseen") & (rows.shown == "no label")
        sizes += [round(rows.loc[chosen, column].mean()) for column in ("size", "seen size")]
    text = (NOTEBOOKS / "05_unseen_classes.ipynb").read_text(encoding="utf-8")
    said = "has {} units for an unseen digit, and {} for a seen one ({} and {} for garments)"
    assert said.format(*sizes) in text


def test_distances_to_the_printed_grid_are_reported_as_measured():
    """Notebook 10's sentence on the rows of FF at the rate .001, from its table at paper."""
    rows = pd.read_csv(RESULTS / "paper" / "10_authors_grid" / "grid.csv")
    rows = rows[rows["printed run"].str.contains(r"FF, .*rate 0\.001,")]
    missed = rows.printed - rows["mean"]
    first = rows.quantity == "Hoyer, layer 1"
    upper = rows.quantity.isin(["Hoyer, layer 2", "Hoyer, layer 3"])
    near = missed[first & (rows.verdict == "not reproduced")].abs()
    assert (len(near), first.sum(), upper.sum()) == (3, 4, 8)
    text = (NOTEBOOKS / "10_authors_grid.ipynb").read_text(encoding="utf-8")
    said = "sparsity that is {:.3f} to {:.3f} away is outside in three of four rows"
    assert said.format(near.min(), near.max()) in text
    assert (missed[upper] > 0).all()
    said = "the distance is {:.2f} to {:.2f}, and the printed runs are the sparser ones"
    assert said.format(missed[upper].min(), missed[upper].max()) in text
