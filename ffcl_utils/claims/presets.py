"""The verdicts of two presets side by side: paper first, short beside it."""

from pathlib import Path

from ffcl_utils.claims.assess import NO_RESULT, NOT_COMPARABLE, assess
from ffcl_utils.claims.ledger import ledger

SHORT, PAPER = "short", "paper"


def paper_beside(folder: Path) -> Path | None:
    """The results at the preset paper that lie beside those at short in a folder; None without."""
    folder = folder.resolve()  # also of "."
    paper = folder.with_name(PAPER)
    return paper if folder.name == SHORT and any(paper.glob("*/metrics.json")) else None


def published_with(folder: Path) -> Path:
    """The folder of the results at short, where those at paper are given and lie beside it."""
    short = folder.resolve().with_name(SHORT)
    return short if paper_beside(short) == folder.resolve() and short.is_dir() else folder


def assess_both(folder: Path) -> list[dict]:
    """Rows as of `assess`, each claim's from the preset paper where it was judged there, or where
    it is about that preset alone.

    folder: of a preset's results. Each row has two more entries: beside, the claim's row at short
    for one at paper, else None; and place, "paper/" for one judged beside the folder, else "".
    Raises RecordError as `assess`.
    """
    paper = paper_beside(folder)
    here = {row["id"]: row for row in assess(folder)}
    there = {row["id"]: row for row in assess(paper)} if paper else {}
    # A claim about paper alone has a row even where its run is missing there, and says so.
    alone = {claim.id for claim in ledger() if claim.presets == [PAPER]}
    known = {id: row for id, row in there.items() if id in alone or row["verdict"] != NO_RESULT}
    found = {id: row | {"beside": None, "place": ""} for id, row in (known | here).items()}
    for id, row in there.items():
        if not _is_judged(row):
            continue
        short = here[id] if id in here and _is_judged(here[id]) else None
        found[id] = row | {"beside": short, "place": f"{PAPER}/"}
    return [found[claim.id] for claim in ledger() if claim.id in found]


def _is_judged(row: dict) -> bool:
    return row["verdict"] not in (NO_RESULT, NOT_COMPARABLE)
