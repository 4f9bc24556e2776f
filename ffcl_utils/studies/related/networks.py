"""Networks of learning rules that stand beside an experiment: same images, same seeds."""

from ffcl_utils import rules
from ffcl_utils.config import ExperimentConfig, RuleConfig
from ffcl_utils.data.files import FULL

# So few images are so few steps an epoch that smaller batches are needed to learn at all: as
# notebook 03 trains where the full data are missing.
ON_A_SUBSET = {"epochs": 10, "batch_size": 64}


def networks_beside(config: ExperimentConfig, wanted: dict[str, str]) -> dict[str, RuleConfig]:
    """The settings of networks by name. wanted: by name, the learning rule. Raises ConfigError."""
    same = {name: getattr(config, name) for name in ("dataset", "seeds", "first_seed")}
    few = {} if config.preset == "smoke" or config.dataset in FULL else ON_A_SUBSET
    return {
        name: rules.configure(rule, config.preset, **(same | few)) for name, rule in wanted.items()
    }
