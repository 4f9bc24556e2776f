"""How many epochs, and which learning rate, on 10,000 training images held out for validation.

The short preset's epochs of BP/FF and BP and its rate of BP/FF were chosen by such runs, and so
were the rate that BP has at short in notebook 12 alone, where it stands beside rules whose rate was
chosen, and that of the control whose hidden layers never learn. FF has the settings of a row that
the authors printed, and is there to be compared. Writes results/validation.csv. Needs full MNIST.
The test images are not touched. One thread; about fifteen minutes.
"""

import pandas as pd
from common import without_test_images

from ffcl_utils import rules
from ffcl_utils.files import write_whole
from ffcl_utils.learning.process import prepare_process
from ffcl_utils.paths import RESULTS

SEED, EPOCHS = 50, 20
TRIED = (
    ("forward_forward", {"batch_size": 512}),
    ("bp_ff", {"learning_rate": 1e-4}),
    ("bp_ff", {"learning_rate": 1e-3}),
    ("backprop", {"learning_rate": 1e-4}),
    ("backprop", {"learning_rate": 3e-4}),
    ("backprop", {"learning_rate": 1e-3}),
    ("random_layers", {"learning_rate": 1e-2}),
    ("random_layers", {"learning_rate": 1e-1}),
    ("random_layers", {"learning_rate": 1.0}),
)


def main() -> None:
    prepare_process()
    validation = without_test_images()
    rows = []
    for name, settings in TRIED:
        settings = settings | {"seeds": 1, "first_seed": SEED, "epochs": EPOCHS}
        config = rules.configure(name, "short", **settings)
        history = rules.rule(name)(config).fit(validation)
        (curve,) = history.starting_with("test_accuracy/").values()
        rows += [
            {
                "rule": name,
                "learning_rate": config.learning_rate,
                "batch_size": config.batch_size,
                "epoch": epoch,
                "validation_accuracy": round(accuracy, 4),
            }
            for epoch, accuracy in zip(history.epochs, curve[:, 0], strict=True)
        ]
    table = pd.DataFrame(rows)
    write_whole(RESULTS / "validation.csv", lambda path: table.to_csv(path, index=False))
    print(table.pivot_table("validation_accuracy", "epoch", ["rule", "learning_rate"]))


if __name__ == "__main__":
    main()
