"""The rows of the table of neighbours: every learning rule and its variants (notebook 12)."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from ffcl_utils import rules
from ffcl_utils.config import ConfigError, RuleConfig

Rows = Literal["few", "one_each", "all", "relaxations"]
BACKPROP, RANDOM = "backprop", "random layers"
# Of backpropagation at short: of three, the best after its epochs there, by one seed on held-out
# images (benchmarks/validation.py), as feedback alignment's was chosen.
RATE = 1e-3


@dataclass(frozen=True)
class Row:
    """One row of the table: a rule with settings. published: what its source prints, in words.

    rows: the tables in which it stands. short: further settings, of that preset alone.
    """

    rule: str
    settings: dict = field(default_factory=dict)
    published: str = ""
    rows: tuple[str, ...] = ("all",)
    short: dict = field(default_factory=dict)


def _relaxed(rule: str, settings: dict, published: str = "") -> Row:
    return Row(rule, settings, published, ("relaxations",))


AR, PC = "activation_relaxation", "predictive_coding"
# Backpropagation on the same terms: where errors come from is all that differs.
_PLAIN = {"errors": "backpropagated"}
# Tables in which a row stands: of one variant of each rule (and its control) these three kinds.
ONE: tuple[Rows, ...] = ("one_each", "all")
FEW: tuple[Rows, ...] = ("few", *ONE)
RELAXED: tuple[Rows, ...] = (*ONE, "relaxations")
ROWS = {
    BACKPROP: Row("backprop", published="97.7–98.6", rows=FEW, short={"learning_rate": RATE}),
    RANDOM: Row("random_layers", rows=FEW),
    "FF": Row("forward_forward", published="93–95.8", rows=ONE),
    "BP/FF": Row("bp_ff", published="97.05–97.15", rows=ONE),
    "improved FFCL": Row("improved_ffcl", {"pairing": "balanced"}, "up to 63", ONE),
    "mirror contrast": Row("mirror_contrast", rows=FEW),
    "Hinton's FF": Row("hinton_ff", published="98.64 (4 × 2000)", rows=ONE),
    "Hinton's FF, peers": Row("hinton_ff", {"peer_normalisation": 0.03}),
    "Hinton's FF, read-out": Row(
        "hinton_ff", {"predictor": "read_out", "peer_normalisation": 0.03}, "98.55 (3 × 1000)"
    ),
    "Hinton's FF, hybrids": Row("hinton_ff", {"negatives": "hybrid", "predictor": "read_out"}),
    "SCFF": Row("self_contrastive_ff", published="98.7 (2 × 2000, shifts)", rows=ONE),
    "pred": Row("local_losses", {"local_loss": "pred"}, "99.32 (3 × 1024, shifts)"),
    "sim": Row("local_losses", {"local_loss": "sim"}, "99.20 (3 × 1024, shifts)"),
    "predsim": Row("local_losses", {}, "99.38 (3 × 1024, shifts)", FEW),
    "predsim, across layers": Row("local_losses", {"across": True}),
    "backprop, predsim's network": Row(
        "local_losses", {"local_loss": "none", "across": True}, "99.25 (3 × 1024, shifts)"
    ),
    # Claim N4 is about these four, on shifted images as in the source.
    "pred, shifts": Row("local_losses", {"local_loss": "pred", "shift": 2}, "99.32 (3 × 1024)"),
    "sim, shifts": Row("local_losses", {"local_loss": "sim", "shift": 2}, "99.20 (3 × 1024)"),
    "predsim, shifts": Row("local_losses", {"shift": 2}, "99.38 (3 × 1024)"),
    "backprop, predsim's network, shifts": Row(
        "local_losses", {"local_loss": "none", "across": True, "shift": 2}, "99.25 (3 × 1024)"
    ),
    "FFCL": Row("ffcl", rows=ONE),
    "CaFo, random blocks": Row("cascaded_forward", {}, "98.60–98.63 (32, 128, 512 channels)", ONE),
    "CaFo, least squares": Row("cascaded_forward", {"predictor": "mse"}),
    "CaFo, sparsemax": Row("cascaded_forward", {"predictor": "sparsemax"}),
    "CaFo, DFA blocks": Row(
        "cascaded_forward", {"blocks": "dfa"}, "98.96–99.05 (32, 128, 512 channels)"
    ),
    "unsupervised FF, AE": Row("unsupervised_ff", {"cell": "ae"}),
    "unsupervised FF, denoising": Row("unsupervised_ff", {"cell": "denoising"}),
    "unsupervised FF, convolutional": Row("unsupervised_ff", {"cell": "convolutional"}, rows=ONE),
    "feedback alignment": Row("feedback_alignment", rows=ONE),
    "direct feedback": Row("feedback_alignment", {"feedback": "direct"}),
    "AR": Row(AR, published="about 98 (not checked)", rows=RELAXED),
    "PC": Row(PC, rows=RELAXED),
    "AR, learned weights": _relaxed(AR, {"backward_weights": "learned"}),
    "AR, random weights": _relaxed(AR, {"backward_weights": "random"}),
    "AR, no derivative": _relaxed(AR, {"derivative": False}),
    "AR, learned, no derivative": _relaxed(
        AR, {"backward_weights": "learned", "derivative": False}
    ),
    "AR, random, no derivative": _relaxed(AR, {"backward_weights": "random", "derivative": False}),
    # Not "AR, …": N7 is about the relaxations. At paper this is AR itself.
    "activation relaxation, published step size": _relaxed(AR, {"step": 0.1}),
    # Predictions that move with the activations want the short steps that were published, although
    # these do not settle in a network that has learnt (tests/studies/test_settling.py).
    "predictive coding, recomputed": _relaxed(
        PC, {"predictions": "recomputed", "step": 0.01, "sweeps": 500}
    ),
    "PC, learned weights": _relaxed(PC, {"backward_weights": "learned"}),
    "PC, random weights": _relaxed(PC, {"backward_weights": "random"}),
    "PC, no derivative": _relaxed(PC, {"derivative": False}),
    "PC, dense error weights": _relaxed(PC, {"error_weights": "learned"}),
    "PC, all relaxed": _relaxed(
        PC, {"backward_weights": "learned", "derivative": False, "error_weights": "learned"}
    ),
    "backprop, AR's network": Row(AR, _PLAIN, rows=RELAXED),
    "backprop, PC's network": Row(PC, _PLAIN, rows=RELAXED),
}
CONTROLS = ("backprop, AR's network", "backprop, PC's network")
# Rows of "one_each" that are no rule of their own, or of which notebooks 01 and 03 leave a network.
_NOT_LEFT = {BACKPROP, "FF", "BP/FF", "improved FFCL", *CONTROLS}
# Rows of which notebook 12 leaves a network in a small file, for the notebooks to explore.
LEFT = [name for name, row in ROWS.items() if ONE[0] in row.rows and name not in _NOT_LEFT]
# Differences of accuracy, seed by seed, that claims are about.
PAIRS = (
    ("predsim", "pred"),
    ("predsim", "sim"),
    ("predsim", "predsim, across layers"),
    ("predsim", "backprop, predsim's network"),
    ("predsim, shifts", "pred, shifts"),
    ("predsim, shifts", "sim, shifts"),
    ("predsim, shifts", "backprop, predsim's network, shifts"),
    (BACKPROP, "Hinton's FF"),
    *((name, "backprop, AR's network") for name in ROWS if name.partition(",")[0] == "AR"),
    *((name, "backprop, PC's network") for name in ROWS if name.partition(",")[0] == "PC"),
)


def configure(
    preset: str,
    rows: Rows = "all",
    seeds: int | None = None,
    first_seed: int | None = None,
    dataset: str | None = None,
    epochs: int | None = None,
) -> dict[str, RuleConfig]:
    """The settings of every row, by its name; each has as many seeds.

    seeds: 2 at smoke, 3 at short and 5 at paper where nothing is said. Raises ConfigError as
    `rules.configure` does, and for rows that are not known.
    """
    if rows not in get_args(Rows):
        raise ConfigError(f"rows={rows!r}: choose one of {', '.join(get_args(Rows))}")
    given = {"first_seed": first_seed, "dataset": dataset, "epochs": epochs}
    given = {name: value for name, value in given.items() if value is not None}
    given["seeds"] = {"smoke": 2, "short": 3}.get(preset, 5) if seeds is None else seeds
    configs = {}
    for name, row in ROWS.items():
        if rows not in row.rows:
            continue
        settings = row.settings | (row.short if preset == "short" else {}) | given
        configs[name] = rules.configure(row.rule, preset, **settings)
    return configs
