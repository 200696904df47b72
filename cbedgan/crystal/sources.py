"""What every source of crystals offers: random_crystals, prototypes, structure_files, or a user's own "module:Name"."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from cbedgan.crystal.crystals import Crystal


class CrystalSource(Protocol):
    """A Config with a field `kind`; the plan of a set draws from it until each part of a group is full.

    It is sent to other processes, so that it holds plain values only.
    """

    @property
    def kind(self) -> str:
        """Name in a configuration."""
        ...

    @property
    def attempts(self) -> int:
        """Draws for each material that is asked for, after which a space group counts as exhausted."""
        ...

    @property
    def supergroup_tolerance_angstrom(self) -> float:
        """How near to a supergroup a crystal may come; a nearer one is passed over."""
        ...

    def draw(self, space_group: int, generator: np.random.Generator) -> Crystal | None:
        """Draw a crystal of the group 1..230 (see crystals.standard_crystal); None where this draw gives none."""
        ...

    def inputs(self) -> dict[str, str]:
        """Digest of every file that crystals are read from, by name: with other content the set is another one."""
        ...
