"""A trained generator as a source of crystals, for whatever draws from one: simulate, train-clf --crystals, crystals.

In a configuration: kind = "cbedgan.gan.crystals.trained_source:TrainedSource".
"""

from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from cbedgan.crystal.crystals import Crystal
from cbedgan.gan.crystals.draw import ArmConfig, draw_crystal, draw_stack
from cbedgan.gan.crystals.trained_crystals import TrainedCrystals, load_crystals
from classifier.foundation.config import Config

LARGEST_SEED = 2**62


class TrainedSource(Config):
    """generator: checkpoint; arm: what of the training acts; attempts, supergroup_tolerance_angstrom: see
    CrystalSource."""

    kind: str
    generator: Path
    arm: ArmConfig = ArmConfig(candidates=1)
    attempts: Annotated[int, Field(ge=1)] = 500
    supergroup_tolerance_angstrom: float = 0.1

    def draw(self, space_group: int, generator: np.random.Generator) -> Crystal | None:
        """Draw one crystal; of several candidates the one that is chosen, each rendered as in the training."""
        source = _loaded(self.generator)
        if self.arm.candidates == 1:
            return draw_crystal(source, self.arm, space_group, generator, Counter())
        seed = int(generator.integers(LARGEST_SEED))
        return draw_stack(source, self.arm, space_group, 0, seed=seed, refused=Counter()).crystal

    def inputs(self) -> dict[str, str]:
        """Digest of the generator."""
        return {"generator": _loaded(self.generator).digest}


@lru_cache(maxsize=2)
def _loaded(generator: Path) -> TrainedCrystals:
    return load_crystals(generator)
