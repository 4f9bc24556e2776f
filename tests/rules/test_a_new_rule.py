"""A learning rule is one file: put into a copy of the package, it has its place everywhere."""

import os
import shutil
import subprocess
import sys

import pytest

from ffcl_utils.paths import ROOT

TOY = '''
"""A linear read-out of the pixels, learnt by its own cross-entropy: a rule with one layer."""

import torch

from ffcl_utils.config import InputScaling, LayerSizes, RuleConfig
from ffcl_utils.data.pixels import take
from ffcl_utils.learning.layers import Layers
from ffcl_utils.learning.losses import cross_entropy_loss
from ffcl_utils.learning.training import Phase
from ffcl_utils.rules.base import Rule


class Config(RuleConfig):
    """Settings of the toy."""

    layers: LayerSizes = (784, 16, 10)
    epochs: int = 2
    batch_size: int = 64
    learning_rate: float = 1e-3
    input_scaling: InputScaling = "unit"


class Toy(Rule):
    """Two layers; the hidden one has no loss, and so no gradient but its own bias's."""

    Config = Config
    title = "toy"
    local = True
    backward_pass = False
    presets = {name: {"seeds": 2} for name in ("smoke", "short", "paper")}

    def build(self):
        self.network = Layers(self.config.layers, self.generators)

    def stacks(self):
        return {"": self.network}

    def hidden_weights(self):
        return self.network.weights[:-1]

    def losses(self, images, labels):
        hidden, logits = self.network.forward(images)
        own = hidden.square().mean((-2, -1))
        return {"layer1": own, "output": cross_entropy_loss(logits, labels)}

    def phases(self, data):
        images, labels = self.scaled(data.train_images), data.train_labels
        labels = labels.to(images.device)

        def draw_epoch(generator):
            return {"image": torch.randperm(len(images), generator=generator)}

        def losses(batch):
            return self.losses(take(images, batch["image"]), take(labels, batch["image"]))

        yield Phase(draw_epoch, len(images), losses, self.network.parameters())

    def example_losses(self, data, images=256):
        labels = data.train_labels[:images].expand(self.config.seeds, -1)
        return self.losses(self.scaled(data.train_images[:images]), labels)

    @torch.no_grad()
    def predict(self, images):
        return self.network.forward(self.scaled(images))[-1].cpu()

    @torch.no_grad()
    def representations(self, images, labels=None):
        return [layer.cpu() for layer in self.network.forward(self.scaled(images))[:-1]]


RULE = Toy
'''


@pytest.fixture
def copy(tmp_path):
    """A copy of the sources with one file more."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("ffcl_utils", "tests", "notebooks", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "ffcl_utils" / "rules" / "toy.py").write_text(TOY)
    return tmp_path


def output_of(copy, *command):
    done = subprocess.run(
        [sys.executable, *command],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy), "FFCL_STORE": str(copy / "store")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_it_keeps_the_contract_and_is_a_choice_and_a_row(copy):
    files = [
        f"tests/{name}.py"
        for name in (
            "rules/test_contract",
            "explore/test_explore",
            "studies/test_neighbours",
            "studies/test_neighbour_costs",
            "test_readme",
        )
    ]
    about = "toy or our_rules or rules_of_the_papers or one_variant"
    contract = output_of(copy, "-m", "pytest", "-q", *files, "-k", about, "-p", "no:cacheprovider")
    assert "passed" in contract
    assert "toy" in output_of(copy, "-m", "ffcl_utils", "rules")
    rows = "from ffcl_utils.studies.rule_table import configure; print(*configure('smoke'))"
    assert "toy" in output_of(copy, "-c", rows)


def test_an_unfinished_rule_is_named_in_one_line(copy):
    """Whatever is wrong with its file, as nothing else that asks for all rules works meanwhile."""
    folder = copy / "ffcl_utils" / "rules"
    for name, text in (
        ("wrong_name", "import torch\n\nRULE = Toy"),
        ("wrong_syntax", "RULE ="),
        ("no_module", "import torsh"),
        ("no_rule", "x = 1"),
    ):
        (folder / f"{name}.py").write_text(text)
    script = """
from ffcl_utils import rules
from ffcl_utils.config import ConfigError
for name in ("wrong_name", "wrong_syntax", "no_module", "no_rule"):
    try:
        rules.rule(name)
    except ConfigError as error:
        print(error)
"""
    said = output_of(copy, "-c", script).splitlines()
    assert said[0] == (
        f"{folder}/wrong_name.py, line 3: NameError: name 'Toy' is not defined. Mend this rule, or "
        "move its file away"
    )
    assert said[1].startswith(f"{folder}/wrong_syntax.py: SyntaxError: ") and "line 1" in said[1]
    assert said[2].startswith(f"{folder}/no_module.py, line 1: ModuleNotFoundError: ")
    assert said[3].startswith(f"{folder}/no_rule.py does not end in RULE = its class")
    assert len(said) == 4
