"""What was found, in six sentences: the words are written, every figure and verdict is computed."""

from ffcl_utils.claims.assess import NO_RESULT, ours_in_words

# Of each sentence: the claims that it is about, and its text. {A1[mean]}: the mean over seeds of
# claim A1, in its unit; {A1[best]}: the highest seed; {A1[seeds]}: "4 of 10 seeds".
SENTENCES = (
    (
        ("A1", "A1b"),
        "Twin networks with one local loss for each pair of layers get {A1[mean]} of MNIST's test "
        "images right when the first paper is read literally (best seed: {A1[best]}), and "
        "{A1b[mean]} when half of the image pairs are of one class (best seed: {A1b[best]}). The "
        "paper reports up to 63 %.",
    ),
    (
        ("A2", "A2b", "A7-rand"),
        "The paper says that the losses of the twins decay exponentially. The training loss did so "
        "for {A2[seeds]} when the paper is read literally, for {A2b[seeds]} when half of the pairs "
        "are of one class, and for {A7-rand[seeds]} with a margin of 0.2 and batches of 512.",
    ),
    (
        ("B1", "B1c"),
        "Networks trained with Forward-Forward (FF) get {B1[mean]} of the test images right; the "
        "same layers trained with backpropagation (BP) get {B1c[mean]}.",
    ),
    (
        ("B2", "B3"),
        "The Hoyer sparsity of FF's first layer is {B2[mean]}, where 1 means a single active unit. "
        "In layers 1 and 2, FF's sparsity is {B3[mean]} or more above BP's.",
    ),
    (
        ("B4", "B5"),
        "A class's ensemble is the units more than twice as active for it as the rest of their "
        "layer. In the first layer, the overlap of two classes' ensembles (Jaccard index: 0 is "
        "none, 1 the same units) is {B4[mean]} for FF; BP's overlap minus FF's is {B5[mean]}.",
    ),
    (
        ("X1", "X2", "X2s", "X8", "X9b"),
        "With local losses of our own, twins of the first paper's size get {X1[mean]} right "
        "together, wide twins {X2[mean]}, or {X2s[mean]} where training images are shifted, and "
        "convolutional twins {X8[mean]}, without backpropagation across layers. "
        "Shared read-outs change this by {X9b[mean]} points, against two networks that never meet.",
    ),
)


def sentences(rows: list[dict]) -> list[str]:
    """The sentences with the figures and verdicts of rows of `assess` or `assess_both`.

    A sentence compares its claims, so all its figures are of one preset: paper, which it says,
    where each of its claims was judged there, else short. A sentence about a claim without a row,
    or without a figure, says so in its place.
    """
    of = {row["id"]: row for row in rows}
    said = []
    for ids, text in SENTENCES:
        missing = [id for id in ids if id not in of or not _has_figures(of[id])]
        if missing:
            said.append(f"There is no result on {' and '.join(missing)}.")
            continue
        compared, preset = _of_one_preset([of[id] for id in ids])
        verdicts = ", ".join(f"{row['id']}: {row['verdict']}" for row in compared)
        figures = text.format_map({row["id"]: _figures(row) for row in compared})
        said.append(f"{figures} ({verdicts}{preset})")
    return said


def _of_one_preset(rows: list[dict]) -> tuple[list[dict], str]:
    """Rows of one preset, where they have one, and what a sentence says of it."""
    if all(row.get("place") for row in rows):
        return rows, "; at paper"
    return [row.get("beside") or row for row in rows], ""


def _has_figures(row: dict) -> bool:
    return row["verdict"] != NO_RESULT and row["ours"]["mean"] is not None


def _figures(row: dict) -> dict[str, str]:
    ours, unit = row["ours"], row["unit"]
    if unit == "seeds":
        return {"seeds": ours_in_words(row)}
    return {"mean": _number(ours["mean"], unit), "best": _number(ours["max"], unit)}


def _number(value: float, unit: str) -> str:
    return f"{100 * value:.1f} {unit}" if unit in ("%", "points") else f"{value:.2g}"
