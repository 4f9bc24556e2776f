"""How many epochs, and which learning rate, on 10,000 training images held out for validation.

What the paper preset of notebook 03 was chosen by; writes results/validation.csv. Needs full MNIST.
The test images are not touched. About seven minutes on two cores.
"""

import pandas as pd
from common import without_test_images

from ffcl_utils.config import configure
from ffcl_utils.files import write_whole
from ffcl_utils.paths import RESULTS
from ffcl_utils.studies.models import RULES

SEED, EPOCHS = 50, 20
TRIED = (
    ("forward_forward", {"batch_size": 512}),
    ("bp_ff", {"learning_rate": 1e-4}),
    ("bp_ff", {"learning_rate": 1e-3}),
    ("backprop", {"learning_rate": 1e-4}),
)


def main() -> None:
    validation = without_test_images()
    rows = []
    for system, settings in TRIED:
        settings = settings | {"seeds": 1, "first_seed": SEED, "epochs": EPOCHS}
        config = configure(system, "paper", **settings)
        history = RULES[system](config).fit(validation)
        (curve,) = history.starting_with("test_accuracy/").values()
        rows += [
            {
                "rule": system,
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
