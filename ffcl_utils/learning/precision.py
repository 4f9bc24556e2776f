"""In which precision matrix products are computed while a network trains."""

from contextlib import contextmanager

import torch

from ffcl_utils.config import Products
from ffcl_utils.learning.device import device


def matrix_units() -> bool:
    """Whether this CPU has matrix units for bfloat16 (Intel AMX): torch rounds factors for them."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def native_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 by itself, in matrix units or, as AMD's Zen 4, without.

    A product of factors that are bfloat16 already is then several times as quick as of float32.
    """
    return matrix_units() or bool(torch.cpu.get_capabilities().get("avx512_bf16", False))


def rounding(kept: bool = False) -> str:
    """What "auto" rounds the factors of products to on this machine, for the provenance.

    kept: of a rule that keeps what its layers see in bfloat16 itself, where that is native.
    """
    if device().type == "cuda":
        return "tf32"
    return "bfloat16" if matrix_units() or (kept and native_bfloat16()) else "float32"


@contextmanager
def products_in(choice: Products):
    """Within it, products take their factors in bfloat16 where `choice` and the CPU allow it.

    "auto": factors rounded to bfloat16 (8 bits of 24), sums in float32, where the CPU has matrix
    units for that, and to TF32 (11 bits) on a GPU; everything else, and any other CPU, stays in
    float32. "float32": no rounding. torch knows this setting for the whole process only; it is put
    back at the end.
    """
    quick = {"tf32": "high", "bfloat16": "medium", "float32": _quickest_exact()}[rounding()]
    with _torch_asked_for(quick if choice == "auto" else "highest"):
        yield


@contextmanager
def exact_products(choice: Products):
    """Within it, products are those of float32, for what is evaluated while a network trains."""
    with _torch_asked_for(_quickest_exact() if choice == "auto" else "highest"):
        yield


def _quickest_exact() -> str:
    """What to ask torch for where products of wide layers are to be exact.

    Where a CPU multiplies bfloat16 without matrix units, torch rounds nothing when it is asked to,
    but hands products to oneDNN, which on AMD is twice as quick as MKL.
    """
    quick = device().type == "cpu" and native_bfloat16() and not matrix_units()
    return "medium" if quick else "highest"


@contextmanager
def _torch_asked_for(precision: str):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
