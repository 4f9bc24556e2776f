"""Notebook 05: each class held out in turn, and compared with the untrained network."""

import pandas as pd
import pytest

from ffcl_utils import rules
from ffcl_utils.config import ConfigError
from ffcl_utils.data.datasets import load_changed
from ffcl_utils.studies import unseen as study
from tests.small import small


def test_short_is_what_the_first_reference_was_trained_with():
    configs = study.configure("short", 10, epochs=5, seeds=2)
    assert len(configs) == 20
    ff, bp = configs["FF without 3"], configs["BP without 3"]
    assert ff.change == bp.change == "without_class:3"
    assert (ff.layers, ff.batch_size, ff.epochs) == ((784, 784), 512, 5)
    assert (bp.layers, bp.batch_size, bp.epochs) == ((784, 784, 784, 784, 10), 1024, 5)


@pytest.mark.parametrize("count", [0, 11])
def test_other_numbers_of_classes_are_refused(count):
    with pytest.raises(ConfigError, match=f"held_out_classes={count}: between 1 and 10"):
        study.configure("smoke", count)


def test_the_table_has_a_row_per_model_class_and_seed(few):
    networks = {}
    for name, config in study.configure("smoke", 2, seeds=2, epochs=1).items():
        layers = (784, 16) if name.startswith("FF") else (784, 16, 10)
        networks[name] = rules.rule(config.rule)(config.model_copy(update={"layers": layers}))
        networks[name].fit(small(load_changed("mnist_5k", config.change), 400))
    table = study.table(networks, few)
    assert table.groupby(["held out", "model"]).size().tolist() == [2] * 6
    for definition in ("effect", "ratio"):
        auc, size = table[f"{definition} auc"], table[f"{definition} size"]
        assert auc.between(0, 1).all()
        assert (auc[size == 0] == 0.5).all()
    assert (table["largest effect"].gt(2.5) == table["effect size"].gt(0)).all()
    metrics = study.metrics(table)
    assert all(values.shape == (2,) for values in metrics.values())
    assert {"FF/unseen_with_ensemble", "untrained/unseen_ratio_auc"} <= metrics.keys()
    assert study.panels(table)[study.AUC]["BP"].shape == (2, 2)
    assert study.shares_most_with(table, few.classes).shape == (2, 2)


def test_share_with_ensemble_compares_with_the_untrained_network():
    sizes = {
        ("FF", 0): [5, 0],
        ("FF", 1): [5, 3],
        ("untrained", 0): [0, 0],
        ("untrained", 1): [5, 0],
    }
    table = pd.DataFrame(
        [
            {"model": model, "seed": seed, "held out": label, "effect size": size}
            for (model, seed), of_classes in sizes.items()
            for label, size in enumerate(of_classes)
        ]
    )
    assert study.share_with_ensemble(table).loc["FF"].tolist() == [0.5, 0.5]
