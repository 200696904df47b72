"""Made-up powder patterns: each group has peaks of its own, each material moves them a little."""

from pathlib import Path

import numpy as np

from classifier.foundation.config import parse_config
from classifier.kind.xrd import Xrd
from classifier.pattern.grid import SampleGrid
from classifier.samples.sampletable import SampleTable
from classifier.samples.split import SplitConfig, split
from classifier.samples.stackfile import write_stack_file

KIND = Xrd(first=1.0, last=64.0, points=64)
PEAKS = {2: (10, 17, 40), 14: (12, 30, 33), 139: (22, 45, 50), 225: (15, 25, 55)}
SPLIT = {"group_by": "structure_type", "validation_fraction": 0.25, "test_fraction": 0.25, "minimum_materials": 4,
         "adopt_partition": False, "near_duplicates": "refuse", "seed": 0}
TRAIN = {"seed": 1, "device": "cpu", "intensity": {"transform": "linear"}, "augment": {"kind": "curve"},
         "model": {"kind": "curve", "widths": [8, 16], "blocks": 0, "groups": 4, "kernel": 5, "segments": 8},
         "images": 960, "batch": 32, "learning_rate": 1e-2, "warmup_images": 64, "weight_decay": 0.01,
         "ema_half_life_images": 0, "report_every_images": 320, "checkpoint_every_images": 320}


def curve(space_group: int, random: np.random.Generator, grid: SampleGrid | None = None) -> np.ndarray:
    """A pattern [points] of a material of this group."""
    at = (grid or KIND.grid()).axes[0].coordinates()
    places = np.array(PEAKS[space_group]) + random.normal(0, 0.3, 3)
    heights = random.uniform(0.5, 1, 3)
    return (heights[:, None] * np.exp(-0.5 * ((at - places[:, None]) / 1.2) ** 2)).sum(0) + random.uniform(0, 0.02)


def write_curves(path: Path, materials: int = 24) -> Path:
    """A sample file of so many materials a group, each of a structure type of its own."""
    random, groups = np.random.default_rng(0), np.repeat(list(PEAKS), materials)
    names = [f"m{k}" for k in range(len(groups))]
    table = SampleTable.build(len(groups), sample_id=names, space_group=groups, material=names, structure_type=names,
                              origin="simulated")
    samples = KIND.in_unit(np.stack([curve(int(group), random) for group in groups])[:, None])
    write_stack_file(path, samples, table, detector=KIND.grid(), pose="raw", intensity_unit=KIND.unit,
                     provenance={"stage": "test"})
    return path


def parted_curves(folder: Path) -> tuple[Path, Path]:
    """A sample file in the folder, and its split."""
    samples = write_curves(folder / "curves.h5")
    split(parse_config(SPLIT, SplitConfig, source="test"), stacks=samples, out=folder / "split.json")
    return samples, folder / "split.json"
