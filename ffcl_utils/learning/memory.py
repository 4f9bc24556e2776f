"""What the C library does with the memory of tensors that are gone."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Ask malloc to keep what is freed for the next tensor instead of handing it back.

    The activations of a few wide networks are over glibc's 32 MiB, from which every tensor is new
    memory that the system first has to find and to clear, page by page. Does nothing where the C
    library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)
