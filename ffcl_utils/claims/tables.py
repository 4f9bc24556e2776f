"""The claims table as text: for the terminal, for the README, and what has to be said with it."""

from pathlib import Path

from ffcl_utils.claims.assess import NO_RESULT, ours_in_words
from ffcl_utils.data.files import FULL

START, END = "<!-- claims: generated from results/ -->", "<!-- end of claims -->"


def markdown_table(rows: list[dict], links: bool = False) -> str:
    """Claims as a Markdown table: paper, ours with spread and seeds, verdict, notebook.

    links: to the executed notebooks, as seen from the repository's top folder.
    """
    lines = [
        "| | claim | paper | ours | verdict | notebook |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        notebook = row["notebook"]
        if links:
            shown = f"[{notebook[:2]}](results/{row['preset']}/{row['folder']}/executed.ipynb)"
        else:
            shown = notebook
        cells = (row["id"], row["statement"], row["paper_value"], ours_in_words(row))
        lines.append(f"| {' | '.join(cells)} | **{row['verdict']}** | {shown} |")
    return "\n".join(lines)


def tolerances_table(rows: list[dict]) -> str:
    """What each claim's verdict rests on, and where the paper makes it, as a Markdown table."""
    lines = ["| | verdict rule, fixed before the run | source |", "| --- | --- | --- |"]
    lines += [f"| {row['id']} | {row['tolerance']} | {row['source']} |" for row in rows]
    return "\n".join(lines)


def plain_table(rows: list[dict], width: int = 100) -> str:
    """Claims for a terminal: two lines each, the statement cut to `width`."""
    lines = []
    for row in rows:
        head = f"{row['id']:<4} {row['verdict'].upper():<15} {row['statement']}"
        lines.append(head if len(head) <= width else head[: width - 1] + "…")
        lines.append(f"{'':20} paper: {row['paper_value']} | ours: {ours_in_words(row)}")
    return "\n".join(lines)


def warnings(rows: list[dict]) -> list[str]:
    """What a reader of the table must know: subsets instead of full data, missing results."""
    subsets = sorted({row["dataset"] for row in rows if row["dataset"]} - set(FULL))
    found = []
    if subsets:
        found.append(
            f"These figures come from an embedded subset ({', '.join(subsets)}), not from the full "
            "data: no claim can be judged on them."
        )
        if any(row["preset"] != "smoke" for row in rows if row["preset"]):
            found.append(
                "The full data were not found and could not be downloaded. Run "
                "`python -m ffcl_utils data` with a network, or set FFCL_DATA_DIR."
            )
    missing = sorted({row["notebook"] for row in rows if row["verdict"] == NO_RESULT})
    if missing:
        found.append(f"No result from {', '.join(missing)}: see the messages above.")
    return found


def replace_table(readme: Path, table: str) -> str:
    """The README's text with its claims table replaced; raises ValueError without the markers."""
    text = readme.read_text(encoding="utf-8")
    if START not in text or END not in text:
        raise ValueError(f"{readme} has no markers {START} and {END}")
    return f"{text.split(START)[0]}{START}\n{table}\n{END}{text.split(END)[1]}"
