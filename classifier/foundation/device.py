"""Device, threads and deterministic algorithms of a stage."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """Use a fixed number of threads and deterministic algorithms while the context lasts."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    fills: Any = torch.utils.deterministic
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), fills.fill_uninitialized_memory
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    fills.fill_uninitialized_memory = False  # which only finds faults: each tensor would be written twice
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        fills.fill_uninitialized_memory = before[2]


def choose_device(name: str) -> torch.device:
    """Return the device of that name; "auto" is the GPU where there is one, else the CPU."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
