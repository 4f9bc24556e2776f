"""Which settings of mirror contrast, and which rate of backpropagation, notebook 08 trains with.

Chosen on 10,000 training images held out for validation; writes results/validation_twins.csv. Needs
full MNIST. The test images are not touched. About ten minutes on two cores.
"""

import pandas as pd
from common import without_test_images

from ffcl_utils.algorithms.backprop import Backprop
from ffcl_utils.algorithms.mirror_contrast import MirrorContrast
from ffcl_utils.config import configure
from ffcl_utils.files import write_whole
from ffcl_utils.paths import RESULTS

SEEDS = {"seeds": 2, "first_seed": 50}
RULES = {"mirror_contrast": MirrorContrast, "backprop": Backprop}
SMALL = {"layers": (784, 64, 64, 10), "epochs": 30, "batch_size": 512}
CYCLE = SMALL | {"input_dropout": 0.1, "schedule": "one_cycle"}
# Fewer epochs and one seed: to compare temperatures is enough.
WIDE = {"layers": (784, 1024, 1024, 10), "epochs": 15, "learning_rate": 6e-3, "input_dropout": 0.2}
TRIED = (
    ("mirror_contrast", {"learning_rate": 6e-3, "temperature": 0.07}),
    ("mirror_contrast", {"learning_rate": 6e-3, "temperature": 0.05}),
    ("mirror_contrast", {"learning_rate": 1.2e-2, "temperature": 0.05}),
    ("mirror_contrast", {"learning_rate": 2.5e-2, "temperature": 0.05}),
    ("mirror_contrast", {"learning_rate": 1.2e-2, "temperature": 0.05, "input_dropout": 0.05}),
    ("mirror_contrast", {"learning_rate": 1.2e-2, "temperature": 0.05, "batch_size": 256}),
    *(("backprop", SMALL | {"learning_rate": rate}) for rate in (1e-3, 2e-3, 4e-3)),
    *(("backprop", CYCLE | {"learning_rate": rate}) for rate in (3e-3, 6e-3, 1.2e-2)),
    *(("mirror_contrast", WIDE | {"seeds": 1, "temperature": t}) for t in (0.07, 0.04, 0.03, 0.02)),
)


def main() -> None:
    validation = without_test_images()
    rows = []
    for system, settings in TRIED:
        config = configure(system, "paper", **(SEEDS | settings))
        history = RULES[system](config).fit(validation)
        shown = ("layers", "epochs", "batch_size", "learning_rate", "input_dropout", "schedule")
        row = {"rule": system, **{name: getattr(config, name) for name in shown}}
        row["temperature"] = getattr(config, "temperature", None)
        for who, accuracy in history.starting_with("test_accuracy/").items():
            name = {"all": "first"}.get(who, who)
            row[f"validation_accuracy/{name}"] = round(accuracy[-1].mean(), 4)
        rows.append(row)
        print(row, flush=True)
    table = pd.DataFrame(rows)
    write_whole(RESULTS / "validation_twins.csv", lambda path: table.to_csv(path, index=False))


if __name__ == "__main__":
    main()
