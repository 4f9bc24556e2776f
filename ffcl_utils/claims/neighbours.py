"""The table of all learning rules as text: from what notebook 12 left, for docs/neighbours.md."""

from pathlib import Path

import pandas as pd

from ffcl_utils.records.metrics import read_record

RUN = "12_neighbours"
# Names of two rows, as ffcl_utils/studies/neighbour_rows.py has them.
BACKPROP, RANDOM = "backprop", "random layers"
NOTHING = "There is no result of notebook 12 at the preset *short* yet."
NEAR = 1.0  # percentage points within which a rule is as good as the best for a first try


def for_page(folder: Path) -> str:
    """What stands between the markers of the page: three sentences, and a row a rule.

    folder: of a preset's results. Where notebook 12 has not been run, or with other settings than
    those of the short preset, a sentence says so.
    """
    record = folder / RUN / "metrics.json"
    if not record.is_file():
        return NOTHING
    run = read_record(record)
    if run.preset != "short" or run.changed:
        return NOTHING
    path = folder / RUN / "rules.csv"
    found = pd.read_csv(path, index_col=0).sort_values("accuracy", ascending=False)
    lines = [
        f"| {name} | {row.accuracy:.2f}{_spread(row.std_over_seeds)} | {_text(row.published)} | "
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


def _spread(deviation: float) -> str:
    return "" if pd.isna(deviation) else f" ± {deviation:.2f}"


def _yes(value: object) -> str:
    return "yes" if str(value) == "True" else "no"


def _text(value: object) -> str:
    return "" if pd.isna(value) else str(value)
