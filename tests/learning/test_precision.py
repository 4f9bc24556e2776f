"""Products in bfloat16 while training: close to float32, the same for every seed, put back."""

import numpy as np
import pytest
import torch

from ffcl_utils import rules
from ffcl_utils.data.datasets import load
from ffcl_utils.learning import precision as products
from ffcl_utils.learning.precision import (
    exact_products,
    matrix_units,
    native_bfloat16,
    products_in,
)
from ffcl_utils.learning.process import multiply_as_in_training
from tests.small import small

native = pytest.mark.skipif(
    not native_bfloat16(), reason="this CPU does not multiply bfloat16 by itself"
)


@pytest.mark.parametrize(
    ("has", "rounded", "rounded_where_kept", "asked", "exact"),
    [
        ({"amx_bf16": True, "avx512_bf16": True}, "bfloat16", "bfloat16", "medium", "highest"),
        ({"avx512_bf16": True}, "float32 by oneDNN", "bfloat16", "medium", "medium"),
        ({"avx512_f": True}, "float32", "float32", "highest", "highest"),
    ],
)
def test_what_a_cpu_has_decides(has, rounded, rounded_where_kept, asked, exact, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    monkeypatch.setattr(products, "device", lambda: torch.device("cpu"))
    assert products.rounding() == rounded
    assert products.rounding(kept=True) == rounded_where_kept
    with products_in("auto"):
        assert torch.get_float32_matmul_precision() == asked
    with exact_products("auto"):
        assert torch.get_float32_matmul_precision() == exact
    for within in (products_in, exact_products):
        with within("float32"):
            assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize(
    ("has", "choices", "asked"),
    [
        ({"avx512_bf16": True}, ["auto", "auto"], "medium"),
        ({"avx512_bf16": True}, ["auto", "float32"], "highest"),
        ({"avx512_bf16": True}, [], "highest"),
        ({"amx_bf16": True, "avx512_bf16": True}, ["auto"], "highest"),
        ({"avx512_f": True}, ["auto"], "highest"),
    ],
)
def test_a_notebook_multiplies_as_the_evaluation_in_the_training_did(
    has, choices, asked, monkeypatch
):
    """So no factor is rounded in it: matrix units, which would, are not used."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    monkeypatch.setattr(products, "device", lambda: torch.device("cpu"))
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("highest" if asked == "medium" else "medium")
        multiply_as_in_training(choices)
        assert torch.get_float32_matmul_precision() == asked
        if len(set(choices)) == 1:
            with exact_products(choices[0]):
                assert torch.get_float32_matmul_precision() == asked
    finally:
        torch.set_float32_matmul_precision(before)


def test_torch_is_left_as_it_was_whatever_happens():
    before = torch.get_float32_matmul_precision()
    with pytest.raises(KeyError), products_in("auto"):
        raise KeyError
    assert torch.get_float32_matmul_precision() == before


@native
def test_factors_are_rounded_and_sums_are_not():
    """In matrix units; without them torch rounds nothing."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(2, 300, 300, generator=generator) for _ in range(2))
    exact = a[0].double() @ b[0].double()
    rounded = a[0].bfloat16().double() @ b[0].bfloat16().double()
    with products_in("auto"):
        found = a[0] @ b[0]
    near, far = (rounded, exact) if matrix_units() else (exact, rounded)
    # Sums of 300 in float32 miss by 1e-6 or so; the rounding of the factors by 1e-4 or more.
    assert (found - near).abs().max() < 2e-6 * near.max()
    assert (found - far).abs().max() > 1e-5 * far.max()


def test_what_is_evaluated_is_exact():
    """On every CPU: to what sums of 300 in float32 miss."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(2, 300, 300, generator=generator) for _ in range(2))
    exact = a.double() @ b.double()
    for choice in ("auto", "float32"):
        with exact_products(choice):
            for found, wanted in ((a @ b, exact), (a[0] @ b[0], exact[0])):
                assert (found - wanted).abs().max() < 2e-6 * exact.max()


@native
@pytest.mark.parametrize("system", ["forward_forward", "bp_ff", "backprop"])
def test_a_seed_is_the_same_whichever_seeds_train_beside_it(system):
    digits = small(load("mnist_5k"), 256)
    weights = []
    for seeds in ({"seeds": 3}, {"seeds": 1, "first_seed": 1}):
        settings = {"epochs": 1, "batch_size": 64, "products": "auto"}
        rule = rules.rule(system)(rules.configure(system, "smoke", **settings, **seeds))
        rule.fit(digits)
        weights.append([tensor.numpy(force=True) for tensor in rule.tensors().values()])
    for together, alone in zip(*weights, strict=True):
        assert np.array_equal(together[1], alone[0])


@native
def test_rounded_products_learn_what_exact_ones_learn():
    digits = small(load("mnist_5k"), 1000)
    losses = []
    for choice in ("float32", "auto"):
        settings = {"seeds": 1, "epochs": 1, "products": choice}
        rule = rules.rule("forward_forward")(
            rules.configure("forward_forward", "smoke", **settings)
        )
        losses.append(rule.fit(digits)["train_loss/layer1"])
    np.testing.assert_allclose(*losses, rtol=0.01)
    assert not np.array_equal(*losses)
