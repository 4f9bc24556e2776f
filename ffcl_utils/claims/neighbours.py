"""The table of all learning rules as text: from what notebook 12 left, for docs/neighbours.md."""

from pathlib import Path

import pandas as pd

from ffcl_utils.claims.presets import PAPER, SHORT, paper_beside
from ffcl_utils.records.metrics import read_record

RUN, CLOTHES = "12_neighbours", "12_neighbours-fashion_mnist"
# Names of two rows, as ffcl_utils/studies/neighbour_rows.py has them.
BACKPROP, RANDOM = "backprop", "random layers"
NOTHING = "There is no result of notebook 12 at the preset *short* yet."
# The row, or its variants, that each claim of notebook 12 is about.
ABOUT = {
    "N1": "Hinton's FF",
    "N1b": "Hinton's FF, read-out",
    "N2": "CaFo, random blocks",
    "N3": "CaFo, DFA blocks",
    "N4": "predsim, shifts",
    "N5": "AR",
    "N6": "PC",
    "N7": "AR",
    "N8": "PC",
    "N9": "Hinton's FF",
    "N10": "unsupervised FF, convolutional",
}
SHIFTED = ", shifts"  # how the names of rows end that see shifted images
NEAR = 1.0  # percentage points within which a rule is as good as the best for a first try


def for_page(folder: Path, claims: list[dict]) -> str:
    """What stands between the markers of the page: three sentences, and a row a rule.

    folder: of a preset's results. claims: rows of `assess_both` of it. Where notebook 12 has not
    been run, or with other settings than those of the short preset, a sentence says so. The columns
    of costs, of Fashion-MNIST and of the preset paper are there where these were found.
    """
    found = _table_of(folder / RUN, SHORT)
    if found is None:
        return NOTHING
    found = found.sort_values("accuracy", ascending=False)
    columns = {
        "rule": list(found.index),
        "test accuracy, %": _accuracies(found),
        "published": [_text(value) for value in found.published],
        "verdict": [_verdicts(name, claims) for name in found.index],
        "local": map(_yes, found.local),
        "way back": map(_yes, found["way back"]),
        "Hoyer": [f"{value:.2f}" for value in found.Hoyer],
        "seconds": [f"{value:.0f}" for value in found.seconds],
    }
    if (folder / RUN / "costs.csv").is_file():
        costs = pd.read_csv(folder / RUN / "costs.csv", index_col=0)
        asked = {"operations": costs["operations an epoch"], "memory, MB": costs["memory"]}
        for title, values in asked.items():
            columns[title] = [_number(values.get(name)) for name in found.index]
    paper = paper_beside(folder)
    others = {
        "at *paper*, %": _table_of(paper / RUN, PAPER) if paper else None,
        "Fashion-MNIST, %": _table_of(folder / CLOTHES, SHORT),
    }
    for title, other in others.items():
        if other is not None:
            theirs = dict(zip(other.index, _accuracies(other), strict=True))
            columns[title] = [theirs.get(name, "") for name in found.index]
    rows = [columns, ["---"] * len(columns), *zip(*columns.values(), strict=True)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{' '.join(sentences(found))}\n\n{table}"


def _verdicts(name: str, claims: list[dict]) -> str:
    """What became of the claims about a rule."""
    return ", ".join(
        f"{claim['id']}: {claim['verdict']}{' at *paper*' if claim.get('place') else ''}"
        for claim in claims
        if ABOUT.get(claim["id"]) == name
    )


def _table_of(folder: Path, preset: str) -> pd.DataFrame | None:
    """The table of rules that a run of a preset left; None where it left none."""
    record = folder / "metrics.json"
    if not record.is_file():
        return None
    run = read_record(record)
    if run.preset != preset or run.changed:
        return None
    return pd.read_csv(folder / "rules.csv", index_col=0)


def _accuracies(found: pd.DataFrame) -> list[str]:
    pairs = zip(found.accuracy, found["std"], strict=True)
    return [f"{accuracy:.2f}{_spread(deviation)}" for accuracy, deviation in pairs]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def sentences(found: pd.DataFrame) -> list[str]:
    """What to make of the table, in words whose figures are computed.

    found: a row a rule; columns accuracy (%), "way back" (bool), seconds (a seed). Rows that saw
    shifted images are left out: the others did not see such. Backpropagation may have several rows,
    each with another network or rate.
    """
    found = found[~found.index.str.endswith(SHIFTED)]
    plain = found.accuracy[found.index.str.startswith(BACKPROP)]
    gets = " to ".join(dict.fromkeys(f"{value:.1f}" for value in (plain.min(), plain.max())))
    said = [
        f"Backpropagation gets {gets} % right{', by its network' if len(plain) > 1 else ''}, and "
        f"layers that never learn {found.accuracy[RANDOM]:.1f} %."
    ]
    forward = found[~found["way back"].astype(bool)].drop(index=RANDOM)
    best = forward.accuracy.idxmax()
    apart = forward.accuracy[best] - plain.max()
    side = "above" if apart >= 0 else "below"
    said.append(
        f"Of the rules that send nothing back through the layers, *{best}* is the most accurate: "
        f"{forward.accuracy[best]:.1f} %, {abs(apart):.1f} points {side} *{plain.idxmax()}*."
    )
    near = forward[forward.accuracy >= forward.accuracy[best] - NEAR]
    quick = near.seconds.astype(float).idxmin()
    said.append(
        f"Of these rules, the quickest that is at most {NEAR:g} point below *{best}* is *{quick}*, "
        f"with {float(near.seconds[quick]):.0f} seconds of training a seed."
    )
    return said


def _spread(deviation: float) -> str:
    return "" if pd.isna(deviation) else f" ± {deviation:.2f}"


def _yes(value: object) -> str:
    return "yes" if str(value) == "True" else "no"


def _text(value: object) -> str:
    return "" if pd.isna(value) else str(value)
