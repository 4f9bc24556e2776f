"""Oja's loss against his update, pair losses against their mean, modulation by hand."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from ffcl_utils.learning.losses import cosine_embedding_loss
from ffcl_utils.learning.plasticity import cosine_embedding_losses, modulation, oja_loss


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_the_gradient_of_ojas_loss_is_minus_his_update_image_by_image(seed, seeds, batch):
    """Through a ReLU layer with a bias; silent units learn nothing, and the bias never does."""
    x, bias = drawn(seeds, batch, 4, seed=seed), drawn(seeds, 1, 3, seed=seed + 2)
    weight = drawn(seeds, 4, 3, seed=seed + 1).requires_grad_()
    bias.requires_grad_()
    y = (x @ weight + bias).relu()
    found, of_bias = torch.autograd.grad(oja_loss(y, weight, bias).sum(), [weight, bias])
    update = np.zeros(weight.shape)
    for s in range(seeds):
        for n in range(batch):
            for j in range(3):
                out = y[s, n, j].item()
                w = weight[s, :, j].detach().numpy()
                update[s, :, j] += out * (x[s, n].numpy() - out * w) / batch
    np.testing.assert_allclose(found.numpy(), -update, atol=1e-10)
    np.testing.assert_allclose(of_bias.numpy(), 0, atol=1e-10)


def test_ojas_loss_is_the_one_that_its_docstring_writes_down():
    x, weight, bias = drawn(2, 5, 4), drawn(2, 4, 3, seed=1), drawn(2, 1, 3, seed=2)
    y = (x @ weight + bias).relu()
    expected = -(y * (x @ weight)).sum(-1).mean(-1)
    expected = expected + (y**2 * (weight**2).sum(1, keepdim=True)).sum(-1).mean(-1) / 2
    torch.testing.assert_close(oja_loss(y, weight, bias), expected)


def test_oja_alone_finds_the_first_principal_direction_at_length_one():
    """His theorem (1982): of data around 0 the weights become the first eigenvector."""
    x = drawn(1, 400, 3) * torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)
    x = torch.cat([x, -x], 1)  # a ReLU unit sees half of them
    weight, bias = drawn(1, 3, 1, seed=3).requires_grad_(), torch.zeros(1, 1, 1)
    for _ in range(300):
        loss = oja_loss((x @ weight).relu(), weight, bias).sum()
        (gradient,) = torch.autograd.grad(loss, [weight])
        weight = (weight - 0.1 * gradient).detach().requires_grad_()
    first = torch.linalg.eigh(x[0].T @ x[0]).eigenvectors[:, -1]
    assert abs(weight[0, :, 0] @ first).item() == pytest.approx(1, abs=1e-6)
    assert weight.norm().item() == pytest.approx(1, abs=1e-6)


@given(st.integers(0, 10_000), st.floats(-1, 1, allow_subnormal=False))
@settings(max_examples=30, deadline=None)
def test_the_mean_of_the_pair_losses_is_the_loss_bit_for_bit(seed, margin):
    first, second = drawn(3, 7, 5, seed=seed), drawn(3, 7, 5, seed=seed + 1)
    labels = torch.randint(2, (2, 3, 7), generator=torch.Generator().manual_seed(seed))
    losses = cosine_embedding_losses(first, second, *labels, margin)
    assert losses.shape == (3, 7)
    assert torch.equal(losses.mean(-1), cosine_embedding_loss(first, second, *labels, margin))


def test_modulation_of_two_pairs_by_hand():
    """p is 0.9 and 0.3: as the notebook says, factors 1.5 and 0.5, and 0.25 and 1.75."""
    p = torch.tensor([[[0.95, 0.05], [0.2, 0.8]], [[0.15, 0.85], [0.4, 0.6]]])
    labels = torch.tensor([[0, 0], [1, 0]])  # of the first twin's images, of the second's
    found = {m: modulation(p.log(), labels, m) for m in ("reward", "surprise")}
    torch.testing.assert_close(found["reward"], torch.tensor([[1.5, 0.5]]))
    torch.testing.assert_close(found["surprise"], torch.tensor([[0.25, 1.75]]))


@given(st.integers(0, 10_000), st.sampled_from(["reward", "surprise"]))
@settings(max_examples=30, deadline=None)
def test_modulation_has_mean_one_and_no_gradient(seed, modulator):
    logits = (5 * drawn(4, 6, 10, seed=seed)).requires_grad_()
    labels = torch.randint(10, (4, 6), generator=torch.Generator().manual_seed(seed))
    found = modulation(logits, labels, modulator)
    assert found.shape == (2, 6) and not found.requires_grad
    assert (found >= 0).all()
    torch.testing.assert_close(found.mean(-1), torch.ones(2, dtype=found.dtype))


def test_nothing_surprises_a_pair_that_is_certainly_right():
    logits = torch.tensor([1000.0, 0.0]).expand(2, 3, 2)
    assert (modulation(logits, torch.zeros(2, 3, dtype=torch.long), "surprise") == 0).all()


def test_a_seed_that_has_diverged_leaves_the_factors_of_the_others():
    logits = drawn(4, 6, 10)
    logits[0] = torch.nan
    found = modulation(logits, torch.zeros(4, 6, dtype=torch.long), "surprise")
    assert found.isnan().all(-1).tolist() == [True, False]
