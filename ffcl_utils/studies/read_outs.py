"""Twins of the paper's network whose layers have read-outs, and what the twin brings: notebook 08.

The settings are those that were best on training images held out for validation
(benchmarks/validation_frontier.py).
"""

from ffcl_utils import rules
from ffcl_utils.config import RuleConfig

JOINT, STRANGERS = "twins, joint read-outs", "strangers, own read-outs"
BACKPROP_JOINT = "backprop, joint read-outs"
SETTINGS = {
    "contrast": "none",
    "classification_loss": "cross_entropy",
    "norm": "batch",
    "slope": 0.1,
    "head": 1.0,
    "prediction": "heads",
    "schedule": "one_cycle",
    "batch_size": 128,
    "learning_rate": 6e-3,
    "input_dropout": 0.2,
    "input_scaling": "standardised",
}
# How the two networks of a pair meet. Strangers never do, but for the mean of their opinions.
MEETINGS = {
    JOINT: {"read_out": "joint"},
    "twins, class means beside read-outs": {"contrast": "class_means", "head": 10.0},
    "twins, mutual read-outs": {"mutual": 1.0},
    STRANGERS: {},
    BACKPROP_JOINT: {"read_out": "joint", "across": True},
}


def configure(preset: str, **settings) -> dict[str, RuleConfig]:
    """The settings of every training, by name; raises ConfigError as `rules.configure` does."""
    return {
        name: rules.configure("deep_twins", preset, **(SETTINGS | meeting | settings))
        for name, meeting in MEETINGS.items()
    }
