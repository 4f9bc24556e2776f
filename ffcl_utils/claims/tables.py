"""The claims table as text: for the terminal, for the README, and what has to be said with it."""

import re
from operator import methodcaller
from pathlib import Path

from ffcl_utils.claims.assess import NO_RESULT, NOT_COMPARABLE, ours_in_words
from ffcl_utils.claims.findings import sentences
from ffcl_utils.claims.judges import REPRODUCED
from ffcl_utils.claims.ledger import OURS, claim, ledger
from ffcl_utils.config import SYNTHETIC
from ffcl_utils.data.files import FULL
from ffcl_utils.errors import UserError
from ffcl_utils.files import write_whole

BESIDE = "at short"  # the column of figures and verdicts at short, beside those at paper
# Of all claims; of all learning rules; of related works.
PAGE, RULES_PAGE, RELATED_PAGE = "docs/claims.md", "docs/neighbours.md", "docs/related.md"
START, END = "<!-- claims: generated from results/ -->", "<!-- end of claims -->"
# The claims that a first look needs: accuracy and decay of the twins; accuracy, sparsity and
# ensembles of FF; how far twins get, and what it brings that they meet.
HEADLINES = ("A1", "A1b", "A2", "B1", "B3", "B4", "X1", "X2", "X2s", "X8", "X9b")
# How the ids of a reading's three claims end: accuracy, training and testing loss (notebook 11).
READINGS = {"bal": "balanced, margin 0, batch 512", "rand": "random, margin 0.2, batch 512"}


class MarkerError(UserError, ValueError):
    """A text has no place for the claims table; the message names the markers."""


def markdown_table(
    rows: list[dict], links: bool = False, top: str = "", brief: bool = False
) -> str:
    """Claims as a Markdown table: paper, ours with spread and seeds, verdict, notebook.

    Where some rows are at paper, each row says its preset, and a column has figure and verdict at
    short of those at paper. brief: the verdict alone, and of what a statement has in parentheses
    the beginning.
    links: to the executed notebooks. top: the way from the text's folder to the repository's top.
    """
    columns = ["", "claim", "paper", "ours", "verdict", "notebook"]
    two = are_of_two_presets(rows)
    if two:
        columns.insert(-1, BESIDE)
    lines = []
    for row in rows:
        shown = row["notebook"]
        if links:
            shown = shown.partition("_")[0]
            if brief and two and row["preset"]:
                shown += f", {row['preset']}"
            if row["preset"]:
                shown = f"[{shown}]({top}results/{row['preset']}/{row['run']}/executed.ipynb)"
        lines.append(
            [
                row["id"],
                in_brief(row["statement"]) if brief else row["statement"],
                row["paper_value"],
                ours_in_words(row) if brief else with_preset(row, two),
                f"**{row['verdict']}**",
                *([beside_in_words(row, brief)] if two else []),
                shown,
            ]
        )
    return markdown(columns, lines)


def in_brief(statement: str) -> str:
    """A statement, of whose parentheses what stands before the first comma or colon is left."""
    return re.sub(r"\(([^():,;]*)[:,;][^()]*\)", r"(\1)", statement)


def are_of_two_presets(rows: list[dict]) -> bool:
    """Whether some rows are at paper, in a table of results at short."""
    return any(row.get("place") for row in rows)


def with_preset(row: dict, two: bool) -> str:
    """The figure of a row, with its 95 % interval where the rule asks for one.

    two: with its preset, in a table of two.
    """
    preset = f" at {row['preset']}" if two and row["preset"] else ""
    return f"{ours_in_words(row)}{_interval(row)}{preset}"


def _interval(row: dict) -> str:
    """Of a rule that asks where the whole interval lies: the interval; a few seeds make it wide."""
    ends = (row["ours"] or {}).get("ci95")
    if not ends or not row["by_interval"]:
        return ""
    scale = 100 if row["unit"] in ("%", "points") else 1
    return f", 95 % interval {scale * ends[0]:.3g} to {scale * ends[1]:.3g}"


def beside_in_words(row: dict, brief: bool = False) -> str:
    """Figure and verdict at short, of a row that is at paper; "" where there are none.

    brief: the verdict alone.
    """
    short = row.get("beside")
    if not short:
        return ""
    if brief:
        return short["verdict"]
    return f"{ours_in_words(short)}{_interval(short)}: {short['verdict']}"


def in_sentences(rows: list[dict]) -> str:
    """How many claims of each paper came out how, and how many readings were confirmed."""
    found = []
    for paper in dict.fromkeys(row["paper"] for row in rows):
        verdicts = [row["verdict"] for row in rows if row["paper"] == paper]
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
        name = "Our own questions" if paper == OURS else f"The claims of {paper}"
        found.append(f"{name}: {counts}.")
    for key, words in READINGS.items():
        three = [row["verdict"] for row in rows if row["id"].endswith(f"-{key}")]
        if len(three) == 3 and not {NO_RESULT, NOT_COMPARABLE} & set(three):
            held = "is confirmed" if set(three) == {REPRODUCED} else "is not confirmed"
            found.append(f"The reading *{words}* {held} on new seeds.")
    return " ".join(found)


def at_paper_in_words(rows: list[dict]) -> str:
    """A sentence on how many claims were judged at the preset paper; "" for none."""
    judged = sum(bool(row.get("place")) for row in rows)
    if not judged:
        return ""
    return (
        f" Judged at the preset *paper*, the papers' settings where they are known: {judged} of "
        f"{len(rows)}; what *short* said of these stands beside them. Notebooks 01 and 02 have the "
        "same settings, and so the same networks, at both."
    )


def headlines(rows: list[dict]) -> list[dict]:
    """The rows of the headline claims, in the order of the ledger."""
    return [row for row in rows if row["id"] in HEADLINES]


def for_readme(rows: list[dict], rules: str, related: str) -> str:
    """What stands between the README's markers: what was found, the headline claims, and the tables
    of learning rules and of related works."""
    found = "\n".join(f"- {sentence}" for sentence in sentences(rows))
    few = headlines(rows)
    table = markdown_table(few, links=True, brief=True)
    more = f"These are {len(few)} of the {len(rows)} claims: [all, with the rule of each]({PAGE})."
    side = f"Learning rules, in networks that differ ([all, and what to try next]({RULES_PAGE})):"
    works = f"Related works ([their claims]({RELATED_PAGE})):"
    return "\n\n".join((found, table, more, side, rules, works, related))


def for_page(rows: list[dict]) -> str:
    """What stands between the markers of docs/claims.md: counts, the table, and the rules.

    Those of claims about the preset paper alone are there before it has been run.
    """
    table = markdown_table(rows, links=True, top="../")
    counts = in_sentences(rows) + at_paper_in_words(rows)
    return f"{counts}\n\n{table}\n\n## The rules\n\n{rules_table(rows + waiting(rows))}"


def waiting(rows: list[dict]) -> list[dict]:
    """id, rule and fixed of each claim about the preset paper alone that has no row yet."""
    return [
        {"id": claim.id, "rule": claim.rule, "fixed": claim.fixed}
        for claim in ledger()
        if claim.presets == ["paper"] and claim.id not in {row["id"] for row in rows}
    ]


def rules_table(rows: list[dict]) -> str:
    """The rule of each claim's verdict, and when it was fixed, as a Markdown table."""
    lines = [[row["id"], row["rule"], row["fixed"]] for row in rows]
    return markdown(["", "rule of the verdict", "fixed"], lines)


def plain_table(rows: list[dict], width: int = 100) -> str:
    """Claims for a terminal: two lines each, the statement cut to `width`."""
    lines = []
    for row in rows:
        head = f"{row['id']:<7} {row['verdict'].upper():<15} {row['statement']}"
        lines.append(head if len(head) <= width else head[: width - 1] + "…")
        lines.append(f"{'':23} paper: {row['paper_value']} | ours: {ours_in_words(row)}")
    return "\n".join(lines)


def warnings(rows: list[dict]) -> list[str]:
    """What a reader of the table must know: subsets instead of full data, settings that are not
    the preset's, missing results."""
    subsets = sorted({row["dataset"] for row in rows if row["dataset"]} - {*FULL, SYNTHETIC})
    found = []
    if subsets:
        found.append(
            f"Figures come from an embedded subset ({', '.join(subsets)}), not from the full data: "
            "no claim can be judged on those."
        )
        if any(row["preset"] != "smoke" for row in rows if row["preset"]):
            found.append(
                "The full data were not found and could not be downloaded. Run "
                "`python -m ffcl_utils data` with a network, or set FFCL_DATA_DIR."
            )
    reasons = {}
    for row in rows:
        if row["verdict"] == NOT_COMPARABLE and row["dataset"] in {*FULL, SYNTHETIC}:
            reasons.setdefault(row["reason"], []).append(row["id"])
    found += [f"Not comparable: {', '.join(ids)}. {reason}" for reason, ids in reasons.items()]
    missing = {}
    for row in rows:
        if row["verdict"] == NO_RESULT:
            where = " at paper" if claim(row["id"]).presets == ["paper"] else ""
            missing.setdefault(where, set()).add(row["run"])
    for where, runs in missing.items():
        found.append(f"No result{where} from {', '.join(sorted(runs))}: run these notebooks.")
    return found


def publish(texts: dict[str, str], top: Path) -> None:
    """Put each text between the markers of the file of its name in a folder.

    Raises MarkerError, with all files as they were, where one has no markers.
    """
    whole = {top / name: replace_table(top / name, text) for name, text in texts.items()}
    for path, text in whole.items():
        write_whole(path, methodcaller("write_text", text, encoding="utf-8"))


def replace_table(path: Path, table: str) -> str:
    """A file's text with another one between its markers; raises MarkerError without them."""
    text = path.read_text(encoding="utf-8")
    if START not in text or END not in text:
        raise MarkerError(f"{path} has no markers {START} and {END}")
    return f"{text.split(START)[0]}{START}\n{table}\n{END}{text.split(END)[1]}"


def markdown(columns: list[str], lines: list[list[str]]) -> str:
    """A Markdown table of these columns; bars and line breaks in a cell are made harmless."""
    rows = [columns, ["---"] * len(columns), *lines]
    return "\n".join(f"| {' | '.join(_cell(text) for text in row)} |" for row in rows)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")
