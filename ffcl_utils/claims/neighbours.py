"""The table of all learning rules as text: from what notebook 12 left, for docs/neighbours.md."""

from pathlib import Path

import pandas as pd

RULES = Path("12_neighbours") / "rules.csv"
BACKPROP, RANDOM = "backprop", "random layers"
NEAR = 1.0  # percentage points within which a rule is as good as the best for a first try


def for_page(folder: Path) -> str:
    """What stands between the markers of the page: three sentences, and a row a rule.

    folder: of a preset's results. Where notebook 12 has not been run, a sentence says so.
    """
    path = folder / RULES
    if not path.is_file():
        return "There is no result of notebook 12 yet."
    found = pd.read_csv(path, index_col=0).sort_values("accuracy", ascending=False)
    lines = [
        f"| {name} | {row.accuracy:.2f} ± {row.std_over_seeds:.2f} | {_text(row.published)} | "
        f"{_yes(row.local)} | {_yes(row.way_back)} | {row.Hoyer:.2f} | {row.seconds:.0f} |"
        for name, row in found.rename(
            columns={"std": "std_over_seeds", "way back": "way_back"}
        ).iterrows()
    ]
    head = "| rule | test accuracy, % | published | local | way back | Hoyer | seconds |"
    table = "\n".join([head, "| --- | --- | --- | --- | --- | --- | --- |", *lines])
    return f"{' '.join(sentences(found))}\n\n{table}"


def sentences(found: pd.DataFrame) -> list[str]:
    """What to make of the table, in words whose figures are computed.

    found: a row a rule; columns accuracy (%), "way back" (bool), seconds (a seed).
    """
    plain, chance = found.accuracy[BACKPROP], found.accuracy[RANDOM]
    said = [
        f"Backpropagation gets {plain:.1f} % right, and layers that never learn {chance:.1f} %."
    ]
    forward = found[~found["way back"].astype(bool)].drop(index=RANDOM)
    best = forward.accuracy.idxmax()
    apart = forward.accuracy[best] - plain
    side = "above" if apart >= 0 else "below"
    said.append(
        f"Of the rules that send nothing back through the layers, *{best}* is the most accurate: "
        f"{forward.accuracy[best]:.1f} %, {abs(apart):.1f} points {side} backpropagation."
    )
    near = forward[forward.accuracy >= forward.accuracy[best] - NEAR]
    quick = near.seconds.astype(float).idxmin()
    said.append(
        f"The quickest of those within {NEAR:g} point of it is *{quick}*, with "
        f"{float(near.seconds[quick]):.0f} seconds of training a seed."
    )
    return said


def _yes(value: object) -> str:
    return "yes" if str(value) == "True" else "no"


def _text(value: object) -> str:
    return "" if pd.isna(value) else str(value)
