"""Stacks without end like those of a tiny stack file: a spot whose azimuth tells the space group."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector
from classifier.samples.sampletable import SampleTable
from classifier.samples.viewed import Frame
from classifier.stream.stack_source import DrawnStack
from classifier.stream.stream_config import StreamConfig

GROUPS = (186, 194, 216, 225)
SIDE = 16


@dataclass(frozen=True)
class Spots:
    """See `classifier.stream.stack_source.StackSource`; pids: a folder where processes that draw leave their number."""

    stream: StreamConfig = StreamConfig(block=20, window=2, images_per_block=128, share=0.5)
    group_shares: dict[int, float] = field(default_factory=lambda: dict.fromkeys(GROUPS, 1.0))
    seed: int = 5
    name: str = "spots"
    side: int = SIDE
    seconds: float = 0.0
    pids: Path | None = None
    impossible: int = 0

    @property
    def frame(self) -> Frame:
        return Frame(Detector(self.side, 4 / self.side, "shortest_g"), "canonical",
                     "fraction of the incident beam per pixel")

    def record(self) -> dict[str, Any]:
        return {"source": "spots", "seed": self.seed}

    def draw(self, space_group: int, generator: np.random.Generator) -> DrawnStack:
        if self.pids is not None:
            (self.pids / str(os.getpid())).touch()
        time.sleep(self.seconds)
        if space_group == self.impossible:
            raise InputError(source=self.name, rule="every group must be drawn", value=space_group, remedy="Leave it.")
        azimuth = 2 * np.pi * GROUPS.index(space_group) / len(GROUPS)
        side = (np.arange(self.side) + 0.5) / self.side * 2 - 1
        image = generator.gamma(2.0, 2e-6, (3, self.side, self.side)) + 1e-6
        for x, y, height in ((0, 0, 1e-1), (0.6 * np.cos(azimuth), 0.6 * np.sin(azimuth), 2e-2)):
            image += height * generator.uniform(0.7, 1.3, (3, 1, 1)) * np.exp(
                -((side - x) ** 2 + (side[:, None] - y) ** 2) / 0.02)
        name = f"{space_group}-{generator.integers(2**40):x}"
        row = SampleTable.build(1, sample_id=[name], space_group=space_group, material=name, structure_type=name,
                                formula=name, origin="simulated", beam_energy_kev=100.0)
        return DrawnStack(image.astype(np.float32), row, passed_over=int(generator.integers(3)))
