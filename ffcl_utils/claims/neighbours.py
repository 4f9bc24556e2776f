"""The table of all learning rules as text: what notebook 12 left, for its page and the README."""

from collections.abc import Iterable
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
CONVOLUTIONAL = ("CaFo", "unsupervised FF, convolutional")  # how those of convolutions begin
NEAR = 1.0  # percentage points within which a rule is as good as the best for a first try


def for_page(folder: Path, claims: list[dict]) -> str:
    """What stands between the markers of the page: some sentences, and a row a rule.

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
        "test accuracy, %": [_result(found, name) for name in found.index],
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
    clothes = _table_of(folder / CLOTHES, SHORT)
    others = {
        "at *paper*, %": _table_of(paper / RUN, PAPER) if paper else None,
        "Fashion-MNIST, %": clothes,
    }
    for title, other in others.items():
        if other is not None:
            columns[title] = [_result(other, name) for name in found.index]
    return f"{' '.join(sentences(found, clothes))}\n\n{_markdown(columns)}"


def in_brief(folder: Path) -> str:
    """For the README: one variant of each rule, and few columns; a sentence without a result."""
    found = _table_of(folder / RUN, SHORT)
    if found is None:
        return NOTHING
    found = found.sort_values("accuracy", ascending=False)
    clothes = _table_of(folder / CLOTHES, SHORT)
    if clothes is not None:  # which has one variant of each
        found = found[found.index.isin(clothes.index)]
    found = found[~found.index.str.startswith(f"{BACKPROP},")]
    columns = {
        "rule": list(found.index),
        "test accuracy, %": [_result(found, name) for name in found.index],
        "way back": map(_yes, found["way back"]),
        "seconds a seed": [f"{value:.0f}" for value in found.seconds],
    }
    return _markdown(columns)


def _markdown(columns: dict[str, Iterable[str]]) -> str:
    rows = [columns, ["---"] * len(columns), *zip(*columns.values(), strict=True)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


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


def _result(found: pd.DataFrame, name: str) -> str:
    """Accuracy and standard deviation of a row; "" where there is none."""
    if name not in found.index:
        return ""
    deviation = found["std"][name]
    return f"{found.accuracy[name]:.2f}{'' if pd.isna(deviation) else f' ± {deviation:.2f}'}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def sentences(found: pd.DataFrame, clothes: pd.DataFrame | None = None) -> list[str]:
    """What to make of the table, in words whose figures are computed.

    found: a row a rule; columns accuracy (%), std, "way back" (bool), seconds (a seed). Rows that
    saw shifted images are compared with each other alone. Backpropagation may have several rows,
    each with another network or rate. clothes: the same of Fashion-MNIST.
    """
    is_shifted = found.index.str.endswith(SHIFTED)
    shifted, found = found[is_shifted], found[~is_shifted]
    plain = found.accuracy[found.index.str.startswith(BACKPROP)]
    gets = " to ".join(dict.fromkeys(f"{value:.1f}" for value in (plain.min(), plain.max())))
    floor = found.accuracy[RANDOM]
    below = found.index[found.accuracy <= floor].drop(RANDOM)
    said = [
        f"On images as they are, backpropagation gets {gets} % right"
        f"{', depending on its network' if len(plain) > 1 else ''}, and dense layers that never "
        f"learn, under an output that does, {floor:.1f} %."
    ]
    if len(below):
        said.append(f"{_names(below)} get{'s' * (len(below) == 1)} no more than that.")
    forward = _forward(found)
    said.append(
        "Of the rules that send nothing back through the layers, the most accurate on these images "
        f"is {_leads(forward)}. *{plain.idxmax()}* has {_result(found, plain.idxmax())} %."
    )
    best = forward.accuracy.idxmax()
    near = forward[forward.accuracy >= forward.accuracy[best] - NEAR]
    quick = near.seconds.astype(float).idxmin()
    said.append(
        f"Of the rules without a way back, the quickest that is at most {NEAR:g} point below "
        f"*{best}* is *{quick}*, with {float(near.seconds[quick]):.0f} seconds of training a seed."
    )
    if len(shifted):
        names = list(shifted.accuracy.sort_values(ascending=False).index[:2])
        pairs = " and ".join(f"*{name}* ({_result(shifted, name)} %)" for name in names)
        said.append(f"On shifted images, {pairs} lead.")
    if clothes is not None:
        said.append(
            "On Fashion-MNIST, the most accurate of the rules without a way back is "
            f"{_leads(_forward(clothes))}. *{BACKPROP}* has {_result(clothes, BACKPROP)} %."
        )
    return said


def _leads(found: pd.DataFrame) -> str:
    """The most accurate row with its figure; where it has convolutions, the best other one too."""
    best = found.accuracy.idxmax()
    if not best.startswith(CONVOLUTIONAL):
        return f"*{best}* with {_result(found, best)} %"
    dense = found.accuracy[~found.index.str.startswith(CONVOLUTIONAL)].idxmax()
    return (
        f"*{best}*, which has convolutions, with {_result(found, best)} %; of dense networks it is "
        f"*{dense}* with {_result(found, dense)} %"
    )


def _names(rows: pd.Index) -> str:
    """In a sentence: *one*, *two* and *three*."""
    *others, last = (f"*{name}*" for name in rows)
    return f"{', '.join(others)} and {last}" if others else last


def _forward(found: pd.DataFrame) -> pd.DataFrame:
    """The rows that learn, and send nothing back through the layers."""
    return found[~found["way back"].astype(bool)].drop(index=RANDOM)


def _yes(value: object) -> str:
    return "yes" if str(value) == "True" else "no"


def _text(value: object) -> str:
    return "" if pd.isna(value) else str(value)
