"""The related works as text: one table of their notebooks and verdicts, for README and site."""

from ffcl_utils.claims.tables import markdown, markdown_table
from ffcl_utils.workflow.runs import RunEntry, of_parts

NOT_RUN, NOT_JUDGED = "not run on full data yet", "None has been judged yet."


def table(rows: list[dict], top: str = "") -> str:
    """One line a related notebook: what it asks, and how many of its claims came out how.

    rows: of `assess_both`. top: the way from the text's folder to the repository's top. A notebook
    without a result is linked as it is kept.
    """
    lines = []
    for entry in of_parts("related"):
        of_run = [row for row in rows if row["run"] == entry.name]
        address = _address(entry, of_run)
        lines.append([f"[{entry.heading}]({top}{address})", entry.question, _counts(of_run)])
    return markdown(["related work", "what it asks", "verdicts"], lines)


def for_page(rows: list[dict]) -> str:
    """What stands between the markers of docs/related.md: the table, and every claim below it."""
    names = {entry.name for entry in of_parts("related")}
    theirs = [row for row in rows if row["run"] in names]
    claims = markdown_table(theirs, links=True, top="../") if theirs else NOT_JUDGED
    return f"{table(rows, '../')}\n\n## Their claims\n\n{claims}"


def _address(entry: RunEntry, rows: list[dict]) -> str:
    presets = [row["preset"] for row in rows if row["preset"]]
    if not presets:
        return f"notebooks/{entry.notebook}.ipynb"
    return f"results/{presets[0]}/{entry.name}/executed.ipynb"


def _counts(rows: list[dict]) -> str:
    verdicts = [row["verdict"] for row in rows]
    counts = (f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))
    return ", ".join(counts) or NOT_RUN
