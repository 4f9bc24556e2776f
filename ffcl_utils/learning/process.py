"""How a process that trains or evaluates networks is set up: one thread, and what memory does."""

import ctypes
import os
import threading
import time
from collections.abc import Iterable

import torch
from threadpoolctl import threadpool_limits

from ffcl_utils.config import Products
from ffcl_utils.learning.precision import BY_ONEDNN, rounding

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def prepare_process() -> None:
    """Give this process one thread, zeros for denormal numbers, and memory that it keeps.

    One thread: two threads of small layers wait for each other in busy loops, and beside any other
    program a training becomes many times slower; and sums then have one order on every machine.
    Zeros for denormal numbers: where a unit has fallen silent, Adam's moments shrink until they are
    denormal (69 % of them after 8 epochs of improved FFCL), which makes a step 2.2 times as slow.
    Flushing them to zero changes no weight.
    """
    torch.set_num_threads(1)
    threadpool_limits(1)
    torch.set_flush_denormal(True)
    keep_freed_memory()


def multiply_as_in_training(choices: Iterable[Products]) -> None:
    """Let this process evaluate networks by the products that did so while they learnt.

    choices: `products` of their settings. Where all are "auto" and that is float32 by oneDNN, which
    is twice as quick as what torch takes by itself. Everywhere else it is torch's own choice.
    """
    by_onednn = set(choices) == {"auto"} and rounding() == BY_ONEDNN
    torch.set_float32_matmul_precision("medium" if by_onednn else "highest")


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


def give_back_freed_memory() -> None:
    """Hand back what `keep_freed_memory` has kept, before a tensor that needs another place.

    A small tensor that lies amid the memory of a large one is enough that no other large one fits
    there. Does nothing where the C library is not glibc.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def end_with(parent: int) -> None:
    """End this process as soon as its parent, by process id, is gone, whatever killed that."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
