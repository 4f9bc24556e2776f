"""Which settings of deep twins notebook 08 trains with, for each of its networks.

Chosen on 10,000 training images held out for validation; writes results/validation_frontier.csv, a
row a trial. Needs full MNIST. The test images are not touched. What the file holds already is not
run again, so that it can be stopped and started.

    python benchmarks/validation_frontier.py small      # one list of trials
"""

import sys

from common import keep_trials

from ffcl_utils import rules
from ffcl_utils.paths import RESULTS

# Seeds from 60 on, which no run of the notebook has.
COMMON = {
    "first_seed": 60,
    "contrast": "class_means",
    "classification_loss": "cross_entropy",
    "norm": "batch",
    "slope": 0.1,
    "head": 1.0,
    "prediction": "heads",
    "schedule": "one_cycle",
    "batch_size": 256,
    "learning_rate": 6e-3,
    "input_dropout": 0.2,
    "input_scaling": "standardised",
    "products": "auto",
}
SMALL = COMMON | {"layers": (784, 64, 64, 10), "epochs": 30}
WIDE = COMMON | {"layers": (784, 1024, 1024, 1024, 10), "learning_rate": 2e-3, "dropout": 0.5}
SHIFTED = WIDE | {"shift": 2, "dropout": 0.1, "input_dropout": 0.0}
CONVOLUTIONAL = COMMON | {
    "layers": (784, 32, 64, 128, 128, 10),
    "convolutional": True,
    "pools": (1, 2, 3),
    "batch_size": 128,
    "dropout": 0.1,
    "input_dropout": 0.0,
}
ALONE = {"contrast": "none"}
JOINT = {"contrast": "none", "read_out": "joint"}
TRIALS = {
    # One seed each: which of the leads matter.
    "small": [
        SMALL | {"seeds": 1} | change
        for change in (
            {},
            {"norm": "length", "slope": 0.0, "head": 0.0, "prediction": "output"},
            {"slope": 0.0},
            {"head": 0.3},
            {"head": 3.0},
            {"contrast": "none"},
            {"temperature": 0.1},
            {"learning_rate": 1e-2},
            {"learning_rate": 3e-3},
            {"input_dropout": 0.1},
            {"norm": "length"},
            {"guide": "itself"},
        )
    ],
    # Three seeds each: how a twin may be a guide, once the blocks have heads.
    "small, guides": [
        SMALL | {"seeds": 3} | change
        for change in (
            ALONE,
            {"head": 10.0},
            ALONE | {"mutual": 0.3},
            ALONE | {"mutual": 1.0},
            JOINT,
            ALONE | {"batch_size": 128},
            JOINT | {"batch_size": 128},
            JOINT | {"batch_size": 128, "contrast": "class_means", "head": 10.0},
            JOINT | {"batch_size": 128, "learning_rate": 1e-2},
            JOINT | {"batch_size": 128, "input_dropout": 0.1},
            JOINT | {"batch_size": 128, "dropout": 0.1},
            JOINT | {"batch_size": 64},
            # What joint read-outs were tried with, strangers are tried with too.
            ALONE | {"batch_size": 128, "learning_rate": 1e-2},
            ALONE | {"batch_size": 128, "input_dropout": 0.1},
            ALONE | {"batch_size": 128, "dropout": 0.1},
            ALONE | {"batch_size": 64},
        )
    ],
    # One seed and 15 epochs each, if not said otherwise.
    "wide": [
        WIDE | {"seeds": 1, "epochs": 15} | change
        for change in (
            JOINT,
            ALONE,
            JOINT | {"learning_rate": 6e-3},
            JOINT | {"dropout": 0.3},
            JOINT | {"input_dropout": 0.3},
            {"head": 2.0},
            # How long they learn, twice as many steps, and a wider network of fewer layers.
            JOINT | {"epochs": 40},
            JOINT | {"batch_size": 128},
            JOINT | {"layers": (784, 2048, 2048, 10)},
        )
    ],
    "shifted": [
        SHIFTED | {"seeds": 1, "epochs": 15} | change
        for change in (
            JOINT,
            ALONE,
            JOINT | {"dropout": 0.3},
            JOINT | {"learning_rate": 6e-3},
        )
    ],
    # One seed and eight epochs each.
    "convolutional": [
        CONVOLUTIONAL | {"seeds": 1, "epochs": 8} | change
        for change in (
            JOINT,
            ALONE,
            JOINT | {"learning_rate": 2e-3},
            JOINT | {"dropout": 0.3},
        )
    ],
}


def main() -> None:
    trials = []
    asked = sys.argv[1:] or list(TRIALS)
    if unknown := set(asked) - set(TRIALS):
        sys.exit(f"error: no trials {', '.join(unknown)}: choose of {', '.join(map(repr, TRIALS))}")
    for network in asked:
        for settings in TRIALS[network]:
            config = rules.configure("deep_twins", "short", **settings)
            said = {name: str(value) for name, value in config.settings().items()}
            trials.append((config, {"network": network, "seeds": str(config.seeds)} | said))
    keep_trials(RESULTS / "validation_frontier.csv", trials)


if __name__ == "__main__":
    main()
