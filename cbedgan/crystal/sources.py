"""What every source of crystals offers: random_crystals, prototypes, structure_files, or a user's own "module:Name"."""

from typing import Protocol, runtime_checkable

import numpy as np

from cbedgan.crystal.crystals import Crystal


class CrystalSource(Protocol):
    """A Config with a field `kind`; the plan of a set draws from it until each part of a group is full.

    It is sent to other processes, so that it holds plain values only. attempts: draws for each material that is asked
    for, after which a space group counts as exhausted; supergroup_tolerance_angstrom: how near to a supergroup a
    crystal may come, nearer ones are passed over; draw: a crystal of the group 1..230 (see crystals.standard_crystal),
    None where this draw gives none; inputs: digest of every file that crystals are read from, by name.
    """

    @property
    def kind(self) -> str: ...

    @property
    def attempts(self) -> int: ...

    @property
    def supergroup_tolerance_angstrom(self) -> float: ...

    def draw(self, space_group: int, generator: np.random.Generator) -> Crystal | None: ...

    def inputs(self) -> dict[str, str]: ...


@runtime_checkable
class SizedSource(CrystalSource, Protocol):
    """A source whose cells have a largest size: a quota may ask it for larger ones (`maximum_random_atoms`)."""

    def of_at_most(self, maximum_primitive_atoms: int) -> CrystalSource: ...


def of_size(source: CrystalSource, maximum_primitive_atoms: int | None) -> CrystalSource:
    """The source with cells of at most so many atoms, as it is where none are said or its cells have no size."""
    if maximum_primitive_atoms and isinstance(source, SizedSource):
        return source.of_at_most(maximum_primitive_atoms)
    return source
