"""Mirror contrast against a plain training of one seed, and the rules that it keeps."""

import numpy as np
import pytest
import torch
from torch import nn

from ffcl_utils import rules
from ffcl_utils.config import ConfigError
from ffcl_utils.data.pixels import MASKS, pixel_masks
from ffcl_utils.learning.pairing import balanced_partners
from ffcl_utils.rules.mirror_contrast import MirrorContrast
from tests.rules.test_improved_ffcl import plain_network
from tests.small import small


def config(**overrides):
    return rules.configure(
        "mirror_contrast", "smoke", **({"epochs": 2, "batch_size": 32} | overrides)
    )


def contrast(one, other, labels, others, temperature):
    """Supervised contrast of one batch against another, in both directions."""
    scores = nn.functional.normalize(one) @ nn.functional.normalize(other).T / temperature
    same = (labels[:, None] == others[None]).float()
    total = 0
    for s, a in ((scores, same), (scores.T, same.T)):
        positives = a.sum(1)
        found = (a * s.log_softmax(1)).sum(1) / positives.clamp(min=1)
        total = total - found.mean()
    return total / 2


def class_means(one, other, labels, others, temperature):
    """Cross-entropy of the cosines with the other batch's class means, in both directions."""
    total = 0
    unit = nn.functional.normalize
    for images, own, seen, theirs in ((one, labels, other, others), (other, others, one, labels)):
        present = theirs.unique()
        means = torch.stack([unit(seen[theirs == c]).mean(0) for c in present])
        scores = unit(images) @ unit(means).T / temperature
        known = [int(c) in present.tolist() for c in own]
        target = torch.searchsorted(present, own[known])
        found = nn.functional.cross_entropy(scores[known], target, reduction="sum")
        total = total + found / len(own)
    return total / 2


CONTRASTS = {"every_pair": contrast, "class_means": class_means}


def plain_training(rule, data):
    """Linear layers, one Adam per layer, the schedule by PyTorch's own, image by image masks."""
    settings = rule.config
    twins = plain_network(rule.twins.first), plain_network(rule.twins.second)
    adams = [
        torch.optim.Adam([*a.parameters(), *b.parameters()], lr=settings.learning_rate)
        for a, b in zip(*twins, strict=True)
    ]
    images, labels = (data.train_images.float() / 255 - 0.1307) / 0.3081, data.train_labels
    steps = -(-len(images) // settings.batch_size) * settings.epochs
    schedules = [
        torch.optim.lr_scheduler.OneCycleLR(adam, settings.learning_rate, total_steps=steps)
        for adam in adams
        if settings.schedule == "one_cycle"
    ]
    (generator,) = rule.generators
    masks = pixel_masks(MASKS, 784, settings.input_dropout)
    for _ in range(settings.epochs):
        order = torch.randperm(len(images), generator=generator)
        if settings.contrast == "one_partner":
            partner = balanced_partners(labels, generator)[order]
        else:
            partner = torch.randperm(len(images), generator=generator)
        drawn = torch.randint(MASKS, (2, len(images)), generator=generator)
        for start in range(0, len(images), settings.batch_size):
            part = slice(start, start + settings.batch_size)
            seen = [
                images[rows[part]] * masks[mask[part]]
                for rows, mask in zip((order, partner), drawn, strict=True)
            ]
            own = [labels[rows[part]] for rows in (order, partner)]
            for k, layers in enumerate(zip(*twins, strict=True)):
                out = [layer(x.detach()) for layer, x in zip(layers, seen, strict=True)]
                if k == len(adams) - 1:
                    loss = sum(map(nn.functional.cross_entropy, out, own))
                else:
                    out = [x.relu() for x in out]
                    loss = representation_loss(settings, *out, *own)
                adams[k].zero_grad()
                loss.backward()
                adams[k].step()
                seen = [even(x) if settings.normalised else x for x in out]
            for schedule in schedules:
                schedule.step()
    return twins


def even(x):
    """A root mean square of 1 in every row."""
    return x / x.square().mean(1, keepdim=True).sqrt().clamp(min=1e-9)


def representation_loss(settings, one, other, labels, others):
    if settings.contrast == "one_partner":
        target = torch.where(labels == others, 1.0, -1.0)
        return nn.functional.cosine_embedding_loss(one, other, target, settings.margin)
    if settings.guide == "twin":
        return CONTRASTS[settings.contrast](one, other, labels, others, settings.temperature)
    half = len(labels) // 2
    parts = [
        CONTRASTS[settings.contrast](x[:half], x[half:], y[:half], y[half:], settings.temperature)
        for x, y in ((one, labels), (other, others))
    ]
    return sum(parts) / 2


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"contrast": "every_pair"},
        {"contrast": "one_partner"},
        {"guide": "itself"},
        {"normalised": False, "input_dropout": 0.0},
        {"schedule": "constant", "learning_rate": 1e-3},
    ],
)
def test_training_is_the_plain_one(digits, overrides):
    data = small(digits)
    settings = config(seeds=1, **overrides)
    plain = plain_training(MirrorContrast(settings), data)
    rule = MirrorContrast(settings)
    rule.fit(data)
    for trained, twin in zip((rule.twins.first, rule.twins.second), plain, strict=True):
        for k, linear in enumerate(twin):
            torch.testing.assert_close(trained.weights[k][0], linear.weight.T, atol=2e-4, rtol=1e-2)


def test_masks_drop_their_share_and_keep_the_mean():
    masks = pixel_masks(2000, 784, 0.25)
    assert masks.unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert (masks == 0).float().mean().item() == pytest.approx(0.25, abs=0.002)
    assert (pixel_masks(10, 784, 0.0) == 1).all()


def test_twins_learn_digits(digits):
    rule = MirrorContrast(config(epochs=10, batch_size=128))
    history = rule.fit(digits)
    assert (history["test_accuracy/mean"][-1] > 0.9).all()
    predicted = rule.predict(digits.test_images).argmax(-1)
    accuracy = (predicted == digits.test_labels).double().mean(-1)
    assert np.array_equal(history["test_accuracy/mean"][-1], accuracy.numpy())


@pytest.mark.parametrize("batch_size", [1, 3, 17])  # of 120 images 17 leave one, and 3 leave three
def test_a_batch_of_one_is_refused_where_it_is_its_own_guide(batch_size, digits):
    data = small(digits, 120)
    rule = MirrorContrast(config(guide="itself", batch_size=batch_size, epochs=1))
    if batch_size == 3:
        rule.check(data)
        assert np.isfinite(rule.fit(data)["train_loss/layer1"]).all()
        return
    with pytest.raises(ConfigError, match=f"batch_size={batch_size}: 120 training images leave"):
        rule.check(data)
    for settings in ({}, {"guide": "itself", "contrast": "one_partner"}):
        MirrorContrast(config(batch_size=batch_size, **settings)).check(data)
