"""Losses against PyTorch's own modules, closed forms and properties."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from ffcl_utils.losses import cosine_embedding_loss, cross_entropy_loss, softmax_bce_loss

SEEDS, BATCH, UNITS = 3, 7, 5


def activations(seed):
    return torch.randn(SEEDS, BATCH, UNITS, generator=torch.Generator().manual_seed(seed))


@given(st.integers(0, 10_000), st.floats(-1, 1))
@settings(max_examples=30, deadline=None)
def test_cosine_embedding_loss_is_pytorchs_for_every_seed(seed, margin):
    first, second = activations(seed), activations(seed + 1)
    same = torch.rand(SEEDS, BATCH, generator=torch.Generator().manual_seed(seed)) < 0.5
    oracle = torch.nn.CosineEmbeddingLoss(margin=margin)
    expected = [
        oracle(a, b, torch.where(s, 1, -1)) for a, b, s in zip(first, second, same, strict=True)
    ]
    found = cosine_embedding_loss(first, second, same, margin)
    torch.testing.assert_close(found, torch.stack(expected))


@given(st.integers(0, 10_000), st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_cosine_embedding_loss_ignores_length_and_order_of_the_twins(seed, factor):
    first, second = activations(seed), activations(seed + 1)
    same = torch.arange(BATCH).expand(SEEDS, -1) % 2 == 0
    loss = cosine_embedding_loss(first, second, same, 0.0)
    torch.testing.assert_close(cosine_embedding_loss(factor * first, second, same, 0.0), loss)
    torch.testing.assert_close(cosine_embedding_loss(second, first, same, 0.0), loss)
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
    loss = cosine_embedding_loss(first, second, torch.tensor([[same]]), margin)
    torch.testing.assert_close(loss, torch.tensor([float(expected)]), atol=1e-6, rtol=0)


def test_silent_layers_give_a_finite_gradient():
    first = torch.zeros(1, 2, UNITS, requires_grad=True)
    loss = cosine_embedding_loss(first, torch.ones(1, 2, UNITS), torch.tensor([[True, False]]), 0)
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
