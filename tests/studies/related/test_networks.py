"""Networks of rules beside an experiment: its images and seeds, and enough steps on few images."""

import pytest

from ffcl_utils import rules
from ffcl_utils.studies.related import binary_pac_bayes, pruning
from ffcl_utils.studies.related.networks import ON_A_SUBSET
from ffcl_utils.workflow.runs import run

RULES = {"FF": "forward_forward", "BP": "backprop"}


def test_a_subset_is_trained_on_as_in_notebook_03():
    assert run("03_forward_forward").parameters["embedded"] == ON_A_SUBSET


@pytest.mark.parametrize("preset", ["smoke", "short", "paper"])
def test_they_are_the_networks_of_notebook_03_for_the_same_seeds(preset):
    own = pruning.configure(preset, seeds=2, first_seed=7)
    for name, rule in RULES.items():
        beside = own[name]
        assert (beside.rule, beside.dataset) == (rule, own["pruning"].dataset)
        assert beside.seed_list == [7, 8]
        assert beside.settings() == rules.configure(rule, preset).settings()


@pytest.mark.parametrize("study", [binary_pac_bayes, pruning])
def test_where_full_data_are_missing_the_batches_are_smaller(study):
    (own, *beside) = study.configure("short", dataset="mnist_5k").values()
    assert own.dataset == "mnist_5k" and beside
    for config in beside:
        assert {name: getattr(config, name) for name in ON_A_SUBSET} == ON_A_SUBSET
