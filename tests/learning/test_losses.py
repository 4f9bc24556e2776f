"""Losses against PyTorch's own modules, closed forms and properties."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from ffcl_utils.learning.losses import (
    REPRESENTATION_LOSSES,
    class_mean_loss,
    cosine_embedding_loss,
    cross_entropy_loss,
    mirror_contrast_loss,
    softmax_bce_loss,
)

SEEDS, BATCH, UNITS = 3, 7, 5


def activations(seed):
    return torch.randn(SEEDS, BATCH, UNITS, generator=torch.Generator().manual_seed(seed))


def labelled(same):
    """Labels of images and partners that agree where `same` says so."""
    return torch.zeros(same.shape), (~same).float()


@given(st.integers(0, 10_000), st.floats(-1, 1, allow_subnormal=False))
@settings(max_examples=30, deadline=None)
def test_cosine_embedding_loss_is_pytorchs_for_every_seed(seed, margin):
    first, second = activations(seed), activations(seed + 1)
    same = torch.rand(SEEDS, BATCH, generator=torch.Generator().manual_seed(seed)) < 0.5
    oracle = torch.nn.CosineEmbeddingLoss(margin=margin)
    expected = [
        oracle(a, b, torch.where(s, 1, -1)) for a, b, s in zip(first, second, same, strict=True)
    ]
    found = cosine_embedding_loss(first, second, *labelled(same), margin)
    torch.testing.assert_close(found, torch.stack(expected))


@given(st.integers(0, 10_000), st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_cosine_embedding_loss_ignores_length_and_order_of_the_twins(seed, factor):
    first, second = activations(seed), activations(seed + 1)
    same = torch.arange(BATCH).expand(SEEDS, -1) % 2 == 0
    labels = labelled(same)
    loss = cosine_embedding_loss(first, second, *labels, 0.0)
    torch.testing.assert_close(cosine_embedding_loss(factor * first, second, *labels, 0.0), loss)
    torch.testing.assert_close(cosine_embedding_loss(second, first, *labels, 0.0), loss)
    assert ((loss >= 0) & (loss <= 2)).all()


@pytest.mark.parametrize(
    ("same", "margin", "angle", "expected"),
    [(True, 0, 0, 0), (True, 0, 90, 1), (True, 0, 180, 2), (False, 0, 0, 1), (False, 0, 120, 0),
     (False, 0.5, 60, 0), (False, 0.5, 0, 0.5)],
)  # fmt: skip
def test_cosine_embedding_loss_of_two_arrows(same, margin, angle, expected):
    turn = torch.deg2rad(torch.tensor(float(angle)))
    first = torch.tensor([[[1.0, 0.0]]])
    second = torch.stack([turn.cos(), turn.sin()])[None, None]
    loss = cosine_embedding_loss(first, second, *labelled(torch.tensor([[same]])), margin)
    torch.testing.assert_close(loss, torch.tensor([float(expected)]), atol=1e-6, rtol=0)


def test_silent_layers_give_a_finite_gradient():
    first = torch.zeros(1, 2, UNITS, requires_grad=True)
    loss = cosine_embedding_loss(
        first, torch.ones(1, 2, UNITS), *labelled(torch.tensor([[True, False]])), 0
    )
    loss.sum().backward()
    assert loss.item() == pytest.approx(0.5)
    assert first.grad.isfinite().all()


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_classification_losses_are_pytorchs_for_every_seed(seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(SEEDS, BATCH, 10, generator=generator)
    labels = torch.randint(0, 10, (SEEDS, BATCH), generator=generator)
    bce, entropy = torch.nn.BCELoss(), torch.nn.CrossEntropyLoss()
    for k in range(SEEDS):
        targets = torch.eye(10)[labels[k]]
        expected = bce(logits[k].softmax(-1), targets)
        torch.testing.assert_close(softmax_bce_loss(logits, labels)[k], expected)
        torch.testing.assert_close(
            cross_entropy_loss(logits, labels)[k], entropy(logits[k], labels[k])
        )


def test_classification_losses_of_an_even_guess():
    logits, labels = torch.zeros(1, 4, 10), torch.arange(4)[None]
    tenth = torch.tensor(0.1)
    bce = -(tenth.log() + 9 * (1 - tenth).log()) / 10
    torch.testing.assert_close(softmax_bce_loss(logits, labels), bce[None])
    torch.testing.assert_close(cross_entropy_loss(logits, labels), -tenth.log()[None])


def test_a_certain_network_has_a_finite_loss_and_gradient():
    logits = torch.tensor([[[200.0] + [0.0] * 9]] * 2, requires_grad=True)
    softmax_bce_loss(logits, torch.tensor([[0], [1]])).sum().backward()
    assert logits.grad.isfinite().all()


@given(st.integers(0, 10_000), st.floats(0.05, 2))
@settings(max_examples=20, deadline=None)
def test_mirror_contrast_is_supervised_contrast_pair_by_pair(seed, temperature):
    first, second = activations(seed).double(), activations(seed + 1).double()
    g = torch.Generator().manual_seed(seed)
    labels, partners = (torch.randint(0, 3, (SEEDS, BATCH), generator=g) for _ in range(2))
    found = mirror_contrast_loss(first, second, labels, partners, temperature=temperature)
    for s in range(SEEDS):
        total = 0.0
        for (one, own), (other, others) in (
            ((first[s], labels[s]), (second[s], partners[s])),
            ((second[s], partners[s]), (first[s], labels[s])),
        ):
            for image, label in zip(one, own, strict=True):
                scores = [torch.cosine_similarity(image, o, dim=0) / temperature for o in other]
                scores = torch.stack(scores)
                same = [k for k, x in enumerate(others) if x == label]
                for k in same:
                    total -= (scores[k] - scores.logsumexp(0)) / len(same) / BATCH / 2
        assert found[s].item() == pytest.approx(float(total), rel=1e-6, abs=1e-9)


@given(st.integers(0, 10_000), st.floats(0.05, 2))
@settings(max_examples=20, deadline=None)
def test_class_means_are_compared_image_by_image(seed, temperature):
    first, second = activations(seed).double(), activations(seed + 1).double()
    g = torch.Generator().manual_seed(seed)
    labels, partners = (torch.randint(0, 4, (SEEDS, BATCH), generator=g) for _ in range(2))
    found = class_mean_loss(first, second, labels, partners, temperature=temperature)
    for s in range(SEEDS):
        total = 0.0
        for (one, own), (other, others) in (
            ((first[s], labels[s]), (second[s], partners[s])),
            ((second[s], partners[s]), (first[s], labels[s])),
        ):
            unit = other / other.norm(dim=-1, keepdim=True)
            means = {c: unit[others == c].mean(0) for c in others.tolist()}
            for image, label in zip(one, own.tolist(), strict=True):
                scores = {c: torch.cosine_similarity(image, m, dim=0) for c, m in means.items()}
                if label in scores:
                    every = torch.stack(list(scores.values())) / temperature
                    total -= (scores[label] / temperature - every.logsumexp(0)) / BATCH / 2
        assert found[s].item() == pytest.approx(float(total), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", REPRESENTATION_LOSSES)
def test_representation_losses_are_of_each_seed_alone_and_finite_for_silence(name):
    loss = REPRESENTATION_LOSSES[name]
    first, second = activations(0), activations(1)
    first[0, 0] = 0.0
    first.requires_grad_()
    labels = torch.arange(BATCH).expand(SEEDS, -1) % 2
    found = loss(first, second, labels, labels.flip(1), 0.0)
    found[0].backward(retain_graph=True)
    assert first.grad.isfinite().all()
    assert (first.grad[1:] == 0).all()
    alone = loss(first[1:2], second[1:2], labels[1:2], labels[1:2].flip(1), 0.0)
    torch.testing.assert_close(found[1:2], alone)


def test_a_diverged_network_has_no_loss_and_the_others_have_theirs():
    logits = torch.randn(3, 8, 10)
    labels = torch.randint(0, 10, (3, 8))
    expected = softmax_bce_loss(logits, labels)
    logits[1, 2] = torch.nan
    losses = softmax_bce_loss(logits, labels)
    assert losses.isnan().tolist() == [False, True, False]
    assert torch.equal(losses[::2], expected[::2])
