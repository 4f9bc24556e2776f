"""In which precision matrix products are computed while a network trains."""

from contextlib import contextmanager
from typing import Literal

import torch

Products = Literal["auto", "float32"]


def native_bfloat16() -> bool:
    """Whether this CPU has matrix units for bfloat16 (Intel AMX): several times float32's rate."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


@contextmanager
def products_in(choice: Products):
    """Within it, products take their factors in bfloat16 where `choice` and the CPU allow it.

    "auto": factors rounded to bfloat16 (8 bits of 24), sums in float32, where the CPU has matrix
    units for that; everything else, and any other CPU, stays in float32. "float32": no rounding.
    torch knows this setting for the whole process only; it is put back at the end.
    """
    before = torch.get_float32_matmul_precision()
    rounded = choice == "auto" and native_bfloat16()
    torch.set_float32_matmul_precision("medium" if rounded else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
