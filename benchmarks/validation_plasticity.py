"""Which rate, which weight of Oja's term and how much rewiring notebook 14 trains with.

Chosen on 10,000 training images held out for validation; writes results/validation_plasticity.csv.
Needs full MNIST. The test images are not touched. One thread takes about four minutes. What the
file holds already is not run again. Not tuned: that nine tenths of the hidden weights are absent,
and the modulators, which have nothing to tune.
"""

import pandas as pd
from common import without_test_images

from ffcl_utils import rules
from ffcl_utils.files import write_whole
from ffcl_utils.learning.process import prepare_process
from ffcl_utils.paths import RESULTS

SETTINGS = {"seeds": 2, "first_seed": 50, "epochs": 5}
# Each is tried with what was best of those before it.
TRIED = (
    *({"learning_rate": rate} for rate in (3e-4, 1e-3, 3e-3)),
    *({"hebbian": weight} for weight in (3e-5, 1e-4, 3e-4, 1e-3, 1e-2, 1e-6, 1e-5)),
    *({"absent": 0.9, "rewired": share} for share in (0.0, 0.1, 0.3)),
    *({"absent": 0.5, "rewired": share} for share in (0.0, 0.1, 0.3)),
    *({"absent": 0.8, "rewired": share} for share in (0.0, 0.3)),
)
SHOWN = ("epochs", "learning_rate", "hebbian", "absent", "rewired")
PATH = RESULTS / "validation_plasticity.csv"


def main() -> None:
    prepare_process()
    validation = without_test_images()
    done = pd.read_csv(PATH, dtype=str, keep_default_na=False) if PATH.exists() else pd.DataFrame()
    rows = done.to_dict("records")
    for settings in TRIED:
        config = rules.configure("plastic_twins", "short", **(SETTINGS | settings))
        row = {name: str(getattr(config, name)) for name in SHOWN}
        if any(row.items() <= known.items() for known in rows):
            continue
        history = rules.rule("plastic_twins")(config).fit(validation)
        for twin, accuracy in history.starting_with("test_accuracy/").items():
            row[f"validation_accuracy/{twin}"] = f"{accuracy[-1].mean():.4f}"
        rows.append(row)
        print(row, flush=True)
        table = pd.DataFrame(rows)
        write_whole(PATH, lambda path, table=table: table.to_csv(path, index=False))


if __name__ == "__main__":
    main()
