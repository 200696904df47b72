"""Stacks of noise as a training reads them, for benchmarks of its speed."""

from pathlib import Path

import numpy as np
import torch

from classifier.crystal.spacegroup import ClassMap
from classifier.samples.cache import open_or_build
from classifier.samples.dataset import StackSet
from classifier.samples.prefetch import Prefetch

WRITE_AT_ONCE = 64  # stacks


def made_up_set(folder: Path, size: int, stacks: int, class_map: ClassMap) -> StackSet:
    """A training cache of noise in [0, 1), with every class alike.

    Parameters
    ----------
    folder : of the cache
    size, stacks : pixels of a side, and how many
    class_map : of the labels
    """
    random = np.random.default_rng(0)
    parts = (random.random((min(WRITE_AT_ONCE, stacks - start), 3, size, size), dtype=np.float32)
             for start in range(0, stacks, WRITE_AT_ONCE))
    cache = open_or_build(folder, name="made-up", key={"stage": "bench"}, shape=(stacks, 3, size, size),
                          blocks=parts)
    class_idx = torch.arange(stacks) % len(class_map)
    names = np.arange(stacks).astype(str)
    return StackSet(cache.x, class_idx, torch.eye(len(class_map))[class_idx], names, names, names,
                    np.full(stacks, "simulated"), Prefetch(cache))
