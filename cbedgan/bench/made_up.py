"""Stacks of noise as a training reads them, for benchmarks of its speed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from classifier.cache import open_or_build
from classifier.dataset import StackSet
from classifier.prefetch import Prefetch
from classifier.spacegroup import ClassMap

WRITE_AT_ONCE = 64  # stacks


def made_up_set(folder: Path, size: int, stacks: int, class_map: ClassMap) -> StackSet:
    """A training cache of noise in [0, 1), with every class alike."""
    random = np.random.default_rng(0)
    parts = (random.random((min(WRITE_AT_ONCE, stacks - start), 3, size, size), dtype=np.float32)
             for start in range(0, stacks, WRITE_AT_ONCE))
    held = open_or_build(folder, name="made-up", key={"stage": "bench"}, shape=(stacks, 3, size, size),
                         blocks=parts)
    class_idx = torch.arange(stacks) % len(class_map)
    names = np.arange(stacks).astype(str)
    return StackSet(held.x, class_idx, torch.eye(len(class_map))[class_idx], names, names, names,
                    np.full(stacks, "simulated"), Prefetch(held))
