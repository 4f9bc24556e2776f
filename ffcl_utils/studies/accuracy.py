"""The two readings of the improved-FFCL paper that the claims rest on, trained side by side.

literal: where the paper is silent, what the original FFCL does (a random partner). balanced: half
of the pairs of one class, all else equal.
"""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from ffcl_utils.analysis.locality import off_layer_gradient
from ffcl_utils.config import Config, ImprovedFFCLConfig, configure
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.files import read_json
from ffcl_utils.learning.history import History
from ffcl_utils.rules.improved_ffcl import ImprovedFFCL
from ffcl_utils.store import compact

READINGS = {"literal": {"pairing": "random"}, "balanced": {"pairing": "balanced"}}


def configure_readings(preset: str, **overrides) -> dict[str, Config]:
    """The settings of both readings; raises ConfigError as `configure` does."""
    return {
        reading: configure("improved_ffcl", preset, **(overrides | settings))
        for reading, settings in READINGS.items()
    }


def train_readings(
    configs: dict[str, Config], data: Dataset
) -> tuple[dict[str, ImprovedFFCL], dict[str, History]]:
    """The trained twins and the history of every reading."""
    twins = {reading: ImprovedFFCL(config) for reading, config in configs.items()}
    return twins, {reading: twin.fit(data) for reading, twin in twins.items()}


def gradient_across_layers(twins: ImprovedFFCL, data: Dataset, images: int = 256) -> Tensor:
    """Largest gradient of a layer's loss on another layer's weights (S,): claim A4.

    On pairs of the first training images, each with the one after it.
    """
    seeds = twins.config.seeds
    one, other = (slice(0, images), slice(1, images + 1))
    batch = [twins.scaled(data.train_images[part]).expand(seeds, -1, -1) for part in (one, other)]
    seen = data.train_labels.to(twins.first.device)
    labels = [seen[part].expand(seeds, -1) for part in (one, other)]
    return off_layer_gradient(twins.local_losses(*batch, *labels), twins.layers())


def network_files(twins: dict[str, ImprovedFFCL]) -> dict[str, Callable[[Path], None]]:
    """By file name, what writes both twins of the first seed of every reading (`compact.py`)."""
    files = {}
    for reading, rule in twins.items():
        files |= compact.network_files(file_name(reading), rule)
    return files


def file_name(reading: str) -> str:
    """A reading's name as the first part of its networks' files."""
    return f"improved_ffcl_{reading}"


def stored_configs(folder: Path) -> dict[str, Config]:
    """The settings that notebook 01 left in its results folder, by reading."""
    settings = read_json(folder / "provenance.json")["config"]
    return {name: ImprovedFFCLConfig(**values) for name, values in settings.items()}
