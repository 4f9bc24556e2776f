"""Which settings of mirror contrast, and which rate of backpropagation, notebook 08 trains with.

Chosen on 10,000 training images held out for validation; writes results/validation_twins.csv. Needs
full MNIST. The test images are not touched. With two threads it took about half an hour; it now
uses one. What the file holds already is not run again. The wide trials chose the network that claim
X2 was about before: what it is about now, validation_frontier.py tries.
"""

from common import keep_trials

from ffcl_utils import rules
from ffcl_utils.paths import RESULTS

SEEDS = {"seeds": 2, "first_seed": 50}
SMALL = {"layers": (784, 64, 64, 10), "epochs": 30, "batch_size": 512, "products": "float32"}
CYCLE = SMALL | {"input_dropout": 0.1, "schedule": "one_cycle"}
FAST = {"products": "auto"}
# Fewer epochs, and for the temperatures one seed: enough to compare them.
WIDE = {
    "layers": (784, 1024, 1024, 10),
    "epochs": 15,
    "batch_size": 512,
    "learning_rate": 6e-3,
    "input_dropout": 0.2,
}
# What the chosen temperature is worth with more time, more dropped pixels or more units.
LONGER = {"contrast": "every_pair", "seeds": 1, "temperature": 0.03, "epochs": 30} | FAST
PAIRS, MEANS = {"contrast": "every_pair"}, {"contrast": "class_means"}
BY_PAIRS = PAIRS | {"learning_rate": 1.2e-2, "temperature": 0.05, "input_dropout": 0.1}
BY_MEANS = MEANS | {"learning_rate": 1.2e-2, "temperature": 0.035, "input_dropout": 0.2}
MIRROR = (
    BY_PAIRS | {"batch_size": 512, "learning_rate": 6e-3, "temperature": 0.07},
    BY_PAIRS | {"batch_size": 512, "learning_rate": 6e-3},
    BY_PAIRS | {"batch_size": 512},
    BY_PAIRS | {"batch_size": 512, "learning_rate": 2.5e-2},
    BY_PAIRS | {"batch_size": 512, "input_dropout": 0.05},
    BY_PAIRS | {"batch_size": 256},
    BY_MEANS | {"batch_size": 256, "temperature": 0.05},
    BY_MEANS | {"batch_size": 256},
    BY_MEANS | {"batch_size": 256, "temperature": 0.025},
    BY_MEANS | {"batch_size": 256, "input_dropout": 0.1},
    BY_MEANS | {"batch_size": 256, "learning_rate": 6e-3},
    BY_MEANS | {"batch_size": 128},
    *(WIDE | PAIRS | {"seeds": 1, "temperature": t} for t in (0.07, 0.04, 0.03, 0.02)),
    *(WIDE | MEANS | {"seeds": 1, "temperature": t} for t in (0.05, 0.035)),
    *(
        WIDE | LONGER | change
        for change in ({}, {"epochs": 60}, {"epochs": 60, "input_dropout": 0.3})
    ),
    WIDE | LONGER | {"layers": (784, 2048, 2048, 10)},
)
TRIED = (
    *(("mirror_contrast", settings) for settings in MIRROR),
    *(("backprop", SMALL | {"learning_rate": rate}) for rate in (1e-3, 2e-3, 4e-3)),
    *(("backprop", CYCLE | {"learning_rate": rate}) for rate in (3e-3, 6e-3, 1.2e-2)),
    ("backprop", CYCLE | {"learning_rate": 6e-3, "input_dropout": 0.2}),
)
SHOWN = ("layers", "epochs", "batch_size", "learning_rate", "input_dropout", "schedule", "products")


def main() -> None:
    trials = []
    for rule, settings in TRIED:
        config = rules.configure(rule, "short", **(SEEDS | settings))
        row = {"rule": rule, "contrast": getattr(config, "contrast", "")}
        row |= {name: str(getattr(config, name)) for name in SHOWN}
        trials.append((config, row | {"temperature": str(getattr(config, "temperature", ""))}))
    keep_trials(RESULTS / "validation_twins.csv", trials)


if __name__ == "__main__":
    main()
