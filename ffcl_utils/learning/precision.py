"""In which precision matrix products are computed while a network trains."""

from contextlib import contextmanager

import torch

from ffcl_utils.config import Products
from ffcl_utils.learning.device import device

BY_ONEDNN = "float32 by oneDNN"


def matrix_units() -> bool:
    """Whether this CPU has matrix units for bfloat16 (Intel AMX): torch rounds factors for them."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def native_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 by itself, in matrix units or, as AMD's Zen 4, without.

    A product of factors that are bfloat16 already is then several times as quick as of float32.
    """
    return matrix_units() or bool(torch.cpu.get_capabilities().get("avx512_bf16", False))


def rounding(kept: bool = False) -> str:
    """What "auto" takes the factors of products in on this machine, for key and provenance.

    kept: of a rule that keeps what its layers see in bfloat16 itself, where that is native. Where a
    CPU multiplies bfloat16 without matrix units, torch rounds nothing when it is asked to, but
    hands products to oneDNN, which on AMD is twice as quick as MKL, and sums in another order.
    """
    if device().type == "cuda":
        return "tf32"
    if matrix_units() or (kept and native_bfloat16()):
        return "bfloat16"
    return BY_ONEDNN if native_bfloat16() else "float32"


@contextmanager
def products_in(choice: Products):
    """Within it, products take their factors in bfloat16 where `choice` and the CPU allow it.

    "auto": factors rounded to bfloat16 (8 bits of 24), sums in float32, where the CPU has matrix
    units for that, and to TF32 (11 bits) on a GPU; everything else, and any other CPU, stays in
    float32. "float32": no rounding. torch knows this setting for the whole process only; it is put
    back at the end.
    """
    quick = {"tf32": "high", "bfloat16": "medium", BY_ONEDNN: "medium", "float32": "highest"}
    with _torch_asked_for(quick[rounding()] if choice == "auto" else "highest"):
        yield


@contextmanager
def exact_products(choice: Products):
    """Within it, products are those of float32, for what is evaluated while a network trains."""
    by_onednn = choice == "auto" and rounding() == BY_ONEDNN
    with _torch_asked_for("medium" if by_onednn else "highest"):
        yield


@contextmanager
def _torch_asked_for(precision: str):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
