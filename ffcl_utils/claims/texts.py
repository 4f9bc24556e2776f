"""The texts of README.md and docs/ that are made from a preset's results."""

from pathlib import Path

from ffcl_utils.claims import neighbours, related, tables
from ffcl_utils.claims.presets import assess_both, published_with


def texts(folder: Path) -> dict[str, str]:
    """What stands between the markers of each file, by its path from the repository's top.

    folder: of a preset's results; those of the other preset beside it are shown too. Raises
    RecordError as `assess` does.
    """
    folder = published_with(folder)
    rows = assess_both(folder)
    return {
        "README.md": tables.for_readme(rows, neighbours.in_brief(folder), related.table(rows)),
        tables.PAGE: tables.for_page(rows),
        tables.RULES_PAGE: neighbours.for_page(folder, rows),
        tables.RELATED_PAGE: related.for_page(rows),
    }
