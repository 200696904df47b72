"""Keeps freed memory in the process: a training frees and asks for the same hundreds of megabytes at every step."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's mallopt


def keep_freed_memory() -> bool:
    """Tell the allocator to give nothing back to the system; False where it is not glibc's, and nothing changes.

    Otherwise every large tensor is new memory, which the system clears page by page: a tenth of a CPU step and more.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))
