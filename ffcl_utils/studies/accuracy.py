"""The two readings of the improved-FFCL paper that its claims rest on: notebooks 01 and 02.

literal: where the paper is silent, what the original FFCL does (a random partner). balanced: half
of the pairs of one class, all else equal.
"""

import numpy as np
import pandas as pd
from torch import Tensor

from ffcl_utils import rules
from ffcl_utils.analysis import locality
from ffcl_utils.analysis.errors import confusion_matrices, worst_errors
from ffcl_utils.analysis.geometry import silent_share
from ffcl_utils.analysis.locality import Learning, off_layer_gradient
from ffcl_utils.config import RuleConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.parts import spread
from ffcl_utils.learning.training import PerSeed
from ffcl_utils.learning.twins import accuracies
from ffcl_utils.studies.paper_settings import paper_settings

READINGS = {"literal": {"pairing": "random"}, "balanced": {"pairing": "balanced"}}
TWINS = {"first": "first twin", "second": "second twin", "mean": "mean of both"}


def configure(preset: str, **settings) -> dict[str, RuleConfig]:
    """The settings of both readings; raises ConfigError as `rules.configure` does."""
    return {
        reading: rules.configure("improved_ffcl", preset, **(settings | pairing))
        for reading, pairing in READINGS.items()
    }


def curves(networks: dict) -> dict[str, dict[str, np.ndarray]]:
    """Test accuracy (E, S) of both twins and their mean, by reading, for the figure."""
    return {
        f"{reading} reading": {
            title: rule.history[f"test_accuracy/{twin}"] for twin, title in TWINS.items()
        }
        for reading, rule in networks.items()
    }


def last_epoch(networks: dict, data: Dataset) -> dict[tuple[str, str, str], np.ndarray]:
    """Accuracy (S,) after the last epoch, by reading, part (train, test) and twin.

    That on the test images is in the history; that on the training images is computed here.
    """
    table = {}
    for reading, rule in networks.items():
        train = accuracies(rule.twin_probabilities(data.train_images), data.train_labels)
        for twin in TWINS:
            table[reading, "train", twin] = train[twin].numpy()
        for twin in TWINS:
            table[reading, "test", twin] = rule.history[f"test_accuracy/{twin}"][-1]
    return table


def best_epoch(networks: dict) -> dict[str, np.ndarray]:
    """By reading, the highest test accuracy (S,) of any epoch, of the network that predicts."""
    return {
        reading: rule.history[f"test_accuracy/{rule.config.predictor}"].max(0)
        for reading, rule in networks.items()
    }


def predictions(networks: dict, data: Dataset) -> dict[str, np.ndarray]:
    """By reading, the softmax outputs (S, N, 10) for the test images."""
    return {reading: rule.predict(data.test_images).numpy() for reading, rule in networks.items()}


def confusions(scores: dict[str, np.ndarray], data: Dataset) -> dict[str, np.ndarray]:
    """By reading, the confusion matrix (10, 10), mean over seeds."""
    labels = data.test_labels.numpy()
    return {f"{r} reading": confusion_matrices(s, labels).mean(0) for r, s in scores.items()}


def confident_errors(
    scores: np.ndarray, data: Dataset, count: int = 20
) -> tuple[np.ndarray, list[str]]:
    """The test images (n, 784) that one network, scores (N, 10), gets wrong with most confidence.

    Also a caption for each, such as "4 → 9": the true class, then the prediction.
    """
    worst = worst_errors(scores, data.test_labels.numpy(), count)
    pairs = zip(data.test_labels[worst].tolist(), scores[worst].argmax(-1), strict=True)
    captions = [f"{data.classes[true]} → {data.classes[taken]}" for true, taken in pairs]
    return data.test_images[worst].numpy(), captions


def silent_images(networks: dict, data: Dataset) -> dict[tuple[str, str], np.ndarray]:
    """By reading and layer, the share (S,) of test images that leave every unit at zero.

    NaN of a network that has diverged.
    """
    return {
        (reading, f"layer {k}"): silent_share(layer.numpy())
        for reading, rule in networks.items()
        for k, layer in enumerate(rule.representations(data.test_images), start=1)
    }


def gradient_across_layers(networks: dict, data: Dataset) -> np.ndarray:
    """Largest gradient (S,) of a layer's loss on another layer's weights, in any network."""
    largest = [
        off_layer_gradient(rule.example_losses(spread(data)), rule.layers()).numpy()
        for rule in networks.values()
    ]
    return np.max(largest, axis=0)


def learning(networks: dict, data: Dataset) -> dict[str, Learning]:
    """For the diagram, measured: which layers each loss of the twins changes."""
    rule = networks["balanced"]
    return {"improved FFCL": of_twins(rule.example_losses(spread(data)), rule.layers())}


def of_twins(losses: PerSeed, layers: dict[str, list[Tensor]]) -> Learning:
    """Of any rule of twins, which layers each of its losses (S,) changes."""
    names = {name: f"representation\nloss {name[-1]}" for name in losses if name != "output"}
    names["output"] = "classification\nloss"
    return locality.learning(losses, layers, names, ("image x", "image x′"))


def settings_tables(networks: dict, data: Dataset) -> dict[str, pd.DataFrame]:
    """By reading, which of the paper's properties each seed's trained network has (claim A5)."""
    return {r: paper_settings(rule, len(data.train_images)) for r, rule in networks.items()}


def in_percent(shares: dict, seeds: list[int], digits: int = 1) -> pd.DataFrame:
    """Shares (S,) by name as a table: a row a name, a column a seed, then mean and std, in %."""
    table = 100 * pd.DataFrame(shares, index=seeds).rename_axis("seed").T
    spread = table.std(axis=1)
    return table.round(digits).assign(
        mean=table.mean(axis=1).round(digits), std=spread.round(digits)
    )


def metrics(
    networks: dict,
    data: Dataset,
    *,
    last: dict[tuple[str, str, str], np.ndarray],
    scores: dict[str, np.ndarray],
    silent: dict[tuple[str, str], np.ndarray],
    gradient: np.ndarray,
    checks: dict[str, pd.DataFrame],
) -> dict[str, np.ndarray]:
    """The metrics of notebook 01, one figure per seed each, from what the others return."""
    labels = data.test_labels.numpy()
    found = {"off_layer_gradient": gradient}
    for reading, rule in networks.items():
        for part in ("train", "test"):
            for twin in TWINS:
                found[f"{reading}/{part}_accuracy/{twin}"] = last[reading, part, twin]
            found[f"{reading}/{part}_loss"] = rule.history[f"{part}_loss/total"][-1]
        found[f"{reading}/test_accuracy"] = (scores[reading].argmax(-1) == labels).mean(-1)
        found[f"{reading}/best_epoch_test_accuracy"] = best_epoch(networks)[reading]
    found |= {f"{reading}/silent_images/{layer}": v for (reading, layer), v in silent.items()}
    holds = np.logical_and.reduce([table.all().to_numpy() for table in checks.values()])
    return found | {"settings_are_the_papers": holds.astype(float)}
