"""Shared fixtures: one thread for torch, and tiny stack files that a tiny network can learn from."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from classifier.geometry import Detector
from classifier.stackfile import SampleTable, write_stack_file

torch.set_num_threads(1)


@pytest.fixture
def tiny_stack_file(tmp_path: Path) -> Callable[..., Path]:
    """Factory of stack files with a spot whose place tells the space group; see `write_tiny_stack_file`."""
    count = 0

    def write(path: Path | None = None, **settings: object) -> Path:
        nonlocal count
        count += 1
        return write_tiny_stack_file(path or tmp_path / f"tiny_{count}.h5", **settings)

    return write


def write_tiny_stack_file(path: Path, *, space_groups: Sequence[int] = (216, 225, 186, 194), materials: int = 6,
                          size: int = 16, partition: bool = True, samples_per_material: int = 1,
                          origin: str = "simulated", seed: int = 0) -> Path:
    """Write a canonical-pose stack file: each group has `materials` materials in three structure types in turn.

    With `partition`, the third structure type is "test" and the others "train". Intensities lie in 1e-6..1e-1; the
    brightest spot but the direct one stands on a ring at an azimuth of (index of the group) / (number of groups) turns.
    """
    random = np.random.default_rng(seed)
    group, material, _ = (a.ravel() for a in np.indices((len(space_groups), materials, samples_per_material)))
    n, kind = len(group), material % 3
    side = (np.arange(size) + 0.5) / size * 2 - 1
    azimuth = 2 * np.pi * group / len(space_groups)
    spots = [(0.0, 0.0, 1e-1), (0.6 * np.cos(azimuth), 0.6 * np.sin(azimuth), 2e-2)]
    stacks = random.gamma(2.0, 2e-6, size=(n, 3, size, size)) + 1e-6
    for x, y, height in spots:
        distance2 = ((side - np.reshape(x, (-1, 1, 1))) ** 2 + (side[:, None] - np.reshape(y, (-1, 1, 1))) ** 2)
        stacks += height * random.uniform(0.7, 1.3, (n, 3, 1, 1)) * np.exp(-distance2 / 0.02)[:, None]
    numbers = np.asarray(space_groups)[group]
    table = SampleTable.build(
        n, sample_id=[f"{origin}-{i:04d}" for i in range(n)], space_group=numbers,
        material=[f"sg{g}-m{m}" for g, m in zip(numbers, material, strict=True)],
        structure_type=[f"sg{g}-t{k}" for g, k in zip(numbers, kind, strict=True)],
        formula=[f"A{m + 1}B" for m in material],
        partition=np.where(kind == 2, "test", "train") if partition else "", origin=origin, beam_energy_kev=100.0)
    write_stack_file(path, stacks.astype(np.float32), table, detector=Detector(size, 4 / size, "shortest_g"),
                     pose="canonical", intensity_unit="fraction of the incident beam per pixel",
                     provenance={"stage": "test"})
    return path
