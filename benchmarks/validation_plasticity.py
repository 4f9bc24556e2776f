"""Which rate, which weight of Oja's term and how much rewiring notebook 14 trains with.

Chosen on 10,000 training images held out for validation; writes results/validation_plasticity.csv.
Needs full MNIST. The test images are not touched. One thread takes about four minutes. What the
file holds already is not run again. The modulators have nothing to tune.
"""

from common import keep_trials

from ffcl_utils import rules
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


def main() -> None:
    configs = [rules.configure("plastic_twins", "short", **(SETTINGS | tried)) for tried in TRIED]
    rows = [{name: str(getattr(config, name)) for name in SHOWN} for config in configs]
    keep_trials(RESULTS / "validation_plasticity.csv", zip(configs, rows, strict=True))


if __name__ == "__main__":
    main()
