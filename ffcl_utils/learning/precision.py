"""In which precision matrix products are computed while a network trains."""

from contextlib import contextmanager

import torch

from ffcl_utils.config import Products
from ffcl_utils.learning.device import device


def native_bfloat16() -> bool:
    """Whether this CPU has matrix units for bfloat16 (Intel AMX): several times float32's rate."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def rounding() -> str:
    """What "auto" rounds the factors of products to on this machine, for the provenance."""
    if device().type == "cuda":
        return "tf32"
    return "bfloat16" if native_bfloat16() else "float32"


@contextmanager
def products_in(choice: Products):
    """Within it, products take their factors in bfloat16 where `choice` and the CPU allow it.

    "auto": factors rounded to bfloat16 (8 bits of 24), sums in float32, where the CPU has matrix
    units for that, and to TF32 (11 bits) on a GPU; everything else, and any other CPU, stays in
    float32. "float32": no rounding.
    torch knows this setting for the whole process only; it is put back at the end.
    """
    before = torch.get_float32_matmul_precision()
    precision = {"tf32": "high", "bfloat16": "medium", "float32": "highest"}
    rounded = rounding() if choice == "auto" else "float32"
    torch.set_float32_matmul_precision(precision[rounded])
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
