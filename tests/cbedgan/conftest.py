import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cbedgan.comparison.study import CompareConfig
from classifier.foundation.config import parse_config
from classifier.samples.split import SplitConfig, load_split, split
from classifier.samples.stackfile import SampleTable, StackFile, write_stack_file
from tiny import ARM, SPLIT

# Synthetic stacks by kind and space group: the interior kind is the scarcer one in 225, the boundary kind in 194.
MADE = {("interior", 225): 3, ("boundary", 225): 5, ("interior", 194): 6, ("boundary", 194): 4, ("interior", 216): 2}


@pytest.fixture
def split_stacks(tmp_path: Path, tiny_stack_file: Callable[..., Path]) -> tuple[Path, Path]:
    """A tiny stack file and its split."""
    stacks = tiny_stack_file()
    config = parse_config(SPLIT | {"validation_fraction": 0.0, "near_duplicates": "drop"}, SplitConfig, source="test")
    return stacks, split(config, stacks=stacks, out=tmp_path / "split.json")


@pytest.fixture
def synthetic_file(tmp_path: Path, split_stacks: tuple[Path, Path]) -> Path:
    """A synthetic file with the numbers of MADE; every pixel of stack i is i + 1."""
    stacks, split_path = split_stacks
    with StackFile(stacks) as real:
        held, detector, unit = load_split(split_path, stack_digest=real.identity), real.detector, real.intensity_unit
    rows = [(kind, group) for (kind, group), number in MADE.items() for _ in range(number)]
    names = [f"{kind}-{i}" for i, (kind, _) in enumerate(rows)]
    table = SampleTable.build(
        len(rows), sample_id=names, material=names, structure_type="synthetic", origin="synthetic", partition="train",
        space_group=[group for _, group in rows], provenance=[json.dumps({"kind": kind}) for kind, _ in rows])
    values = np.arange(1, len(rows) + 1, dtype=np.float32)[:, None, None, None] * 1e-4
    intensity = np.broadcast_to(values, (len(rows), 3, detector.size_pixels, detector.size_pixels)).copy()
    path = tmp_path / "synthetic.h5"
    write_stack_file(path, intensity, table, detector=detector, pose="canonical", intensity_unit=unit,
                     provenance={"split_digest": held.digest})
    return path


COMPARE: dict[str, Any] = {
    "arms": ["real", "boundary_synthetic"], "seeds": [0, 1, 2], "source_seed": 0,
    "judgement": {"unit": "structure_type", "replicates": 200, "seed": 0, "alpha": 0.05, "band": 0.02,
                  "minimum_units": 3, "top_k": 2,
                  "primary": {"arm": "boundary_synthetic", "reference": "real", "shot": "few"}},
    "classifier": ARM}


@pytest.fixture
def compare_config() -> Callable[..., CompareConfig]:
    """Factory of tiny configurations; keywords replace top-level keys."""
    return lambda **changes: parse_config({**COMPARE, **changes}, CompareConfig, source="test")
