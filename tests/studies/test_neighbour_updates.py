"""Where rules go, against backpropagation where the two must agree."""

from functools import partial

import numpy as np
import pandas as pd
import torch

from ffcl_utils import rules, store
from ffcl_utils.learning.losses import cross_entropy_loss
from ffcl_utils.store.reader import read
from ffcl_utils.studies import neighbour_updates as study
from tests.small import small_config, small_rule


def test_settled_errors_and_transposed_feedback_go_where_backprop_goes(few):
    settled = small_config("activation_relaxation", sweeps=400, tolerance=0)
    aligned = small_config("feedback_alignment", layers=(784, 24, 16, 10))
    networks = {}
    for name, config in (("AR", settled), ("FA", aligned)):
        networks[name] = rules.rule(config.rule)(config)
    fa = networks["FA"]
    cosines = study._cosines(fa, few)
    assert (np.abs(cosines[0]) < 0.6).all()  # random matrices point anywhere
    fa.feedback = [weight.detach().mT for weight in fa.network.weights[1:]]
    np.testing.assert_allclose(study._cosines(fa, few), 1, atol=1e-5)
    np.testing.assert_allclose(study._cosines(networks["AR"], few), 1, atol=1e-3)


def test_predictive_coding_is_held_against_the_loss_that_it_lowers(few):
    """With settled errors its update is backpropagation's of the squared error, and of no other."""
    settled = small_config("predictive_coding", sweeps=600, step=0.1, tolerance=0)
    rule = rules.rule("predictive_coding")(settled)
    np.testing.assert_allclose(study._cosines(rule, few), 1, atol=1e-3)
    with torch.no_grad():
        for weight in rule.network.weights:
            weight.mul_(4)  # far from the start, where the two losses' gradients are nearly one
    np.testing.assert_allclose(study._cosines(rule, few), 1, atol=1e-2)
    rule.loss_of_output = cross_entropy_loss
    assert (study._cosines(rule, few) < 0.98).any()


def test_cosines_are_of_rules_that_end_in_an_output(neighbours, few):
    cosines = study.update_cosines(neighbours, few)
    assert list(cosines) == ["mirror contrast", "predsim"]
    table = study.cosines_table(cosines)
    assert isinstance(table, pd.DataFrame) and table.shape == (2, 4)
    across = small_config("local_losses", across=True)
    assert study._cosines(rules.rule("local_losses")(across), few).shape == (2, 2)


def test_twins_that_learn_by_their_output_go_where_backprop_goes(few, monkeypatch):
    """Both of them, on the images that each sees in a pair: then the cosine is 1 in each layer."""
    rule = small_rule("mirror_contrast")
    assert (study._cosines(rule, few) < 0.99).all()  # it learns by local losses
    across = partial(rule.twins.both.forward, local=False)
    monkeypatch.setattr(rule.twins.both, "forward", lambda images, local=True: across(images))

    def of_output(seen, labels):
        return {"output": cross_entropy_loss(seen[-1], labels).unflatten(0, (2, -1)).sum(0)}

    monkeypatch.setattr(rule, "losses_of_pairs", of_output)
    cosines = study._cosines(rule, few)
    assert cosines.shape == (len(rule.hidden_weights()), rule.config.seeds)
    np.testing.assert_allclose(cosines, 1, atol=1e-6)


def test_plain_backpropagation_is_not_asked_where_it_goes(few):
    """Whichever rule it is a control of: the cosines would be 1."""
    plain = rules.rule("local_losses")(
        small_config("local_losses", local_loss="none", across=True, norm="batch")
    )
    np.testing.assert_allclose(study._cosines(plain, few), 1, atol=1e-4)
    assert study.update_cosines({"backprop, predsim's network": plain}, few) == {}


def test_cosines_by_epoch_begin_and_end_with_the_untrained_and_the_trained(
    tmp_path, few, monkeypatch
):
    monkeypatch.setattr(store.jobs, "load_changed", lambda *_: few)
    config = small_config("local_losses", epochs=3)
    store.train(store.Job(config, snapshots=True), tmp_path)
    rule = read(config, tmp_path, snapshots=True)
    unkept = read(config, tmp_path)
    found = study.cosines_by_epoch({"predsim": rule, "without": unkept}, few)
    assert list(found) == ["predsim"]
    ends = study.update_cosines({"predsim": rule}, few)["predsim"]
    for k, values in enumerate(found["predsim"].values()):
        assert values.shape == (1 + 3, 2)
        np.testing.assert_array_equal(values[0], ends["untrained"][k])
        np.testing.assert_array_equal(values[-1], ends["trained"][k])
        assert (values[1] != values[0]).all()
