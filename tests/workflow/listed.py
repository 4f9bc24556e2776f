"""How notebooks and README list the runs: what stands there by hand is held against these."""

from ffcl_utils.workflow.runs import Part, RunEntry, notebooks, run


def neighbours(name: str) -> tuple[RunEntry | None, RunEntry | None]:
    """The notebooks before and after that of a run; None at either end of the table."""
    order = notebooks()
    place = [entry.notebook for entry in order].index(run(name).notebook)
    after = order[place + 1] if place + 1 < len(order) else None
    return (order[place - 1] if place else None), after


def links_of_neighbours(name: str, folder: str = "") -> str:
    """Markdown such as "Before: [01 …](…) · Next: [03 …](…)". folder: what links begin with."""
    pairs = zip(("Before", "Next"), neighbours(name), strict=True)
    return " · ".join(f"{word}: {_link(entry, folder)}" for word, entry in pairs if entry)


def markdown_of_runs(part: Part, folder: str = "", claims: bool = True) -> str:
    """Rows of a Markdown table, without its head: notebook, what it asks, and claims."""
    rows = [
        f"| {_link(entry, folder)} | {entry.question} |" + f" {entry.claims} |" * claims
        for entry in notebooks()
        if entry.part == part
    ]
    return "\n".join(rows)


def _link(entry: RunEntry, folder: str) -> str:
    return f"[{entry.heading}]({folder}{entry.notebook}.ipynb)"
