"""Precision of a GPU's products outside the stages in bfloat16: TF32, switched on in this one place and put back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def tf32() -> Iterator[None]:
    """Let matrix products and convolutions of float32 run on tensor cores while the context lasts."""
    flags: tuple[Any, Any] = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [flag.allow_tf32 for flag in flags]
    for flag in flags:
        flag.allow_tf32 = True
    try:
        yield
    finally:
        for flag, earlier in zip(flags, before, strict=True):
            flag.allow_tf32 = earlier
