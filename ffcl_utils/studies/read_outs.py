"""Twins whose layers have read-outs, and what the twin brings: notebook 08.

Settings were chosen on training images held out for validation (benchmarks/validation_frontier.py):
those of joint read-outs. Strangers were tried as often for the paper's network, once for each of
the larger ones. Mutual read-outs, and class means beside own read-outs, were tried with batches of
256 alone. Backpropagation takes the twins' settings, without a trial.
"""

from ffcl_utils import rules
from ffcl_utils.config import ConfigError, RuleConfig

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
    "twins, mutual read-outs": {"mutual": 0.3},
    STRANGERS: {},
    BACKPROP_JOINT: {"read_out": "joint", "across": True},
}
WIDE = {
    "layers": (784, 1024, 1024, 1024, 10),
    "seeds": 5,
    "epochs": 40,
    "batch_size": 256,
    "learning_rate": 2e-3,
}
# Larger networks, which have three of the meetings.
LARGER = {
    "wide": WIDE | {"dropout": 0.5},
    "shifted": WIDE | {"shift": 2, "dropout": 0.1, "input_dropout": 0.0},
    "convolutional": {
        "layers": (784, 32, 64, 128, 128, 10),
        "convolutional": True,
        "pools": (1, 2, 3),
        "seeds": 5,
        "epochs": 20,
        "dropout": 0.1,
        "input_dropout": 0.0,
    },
}
SMOKE = {"seeds": 2, "epochs": 1}  # of the larger ones


def configure(preset: str, network: str = "paper", **settings) -> dict[str, RuleConfig]:
    """The settings of every training, by name; raises ConfigError as `rules.configure` does.

    network: "paper", whose epochs and seeds the caller says, or one of LARGER.
    """
    own, meetings = SETTINGS, MEETINGS
    if network in LARGER:
        if "temperature" in settings:
            raise ConfigError(
                f"temperature: the networks of network={network!r} compare nothing; leave it out"
            )
        own = SETTINGS | LARGER[network] | (SMOKE if preset == "smoke" else {})
        meetings = {name: MEETINGS[name] for name in (JOINT, STRANGERS, BACKPROP_JOINT)}
    return {
        name: rules.configure("deep_twins", preset, **(own | meeting | settings))
        for name, meeting in meetings.items()
    }
