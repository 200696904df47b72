"""Crystals whose symmetry is almost higher than it is: their patterns could not tell them from a supergroup."""

from __future__ import annotations

from cbedgan.simulate.crystals import Crystal, measure_symmetry


def hidden_supergroup(crystal: Crystal, tolerance_angstrom: float) -> int | None:
    """Return the space group measured at a loosened tolerance when it is not the crystal's own, else None."""
    try:
        found = measure_symmetry(crystal.lattice, crystal.positions, crystal.numbers,
                                 precision_angstrom=tolerance_angstrom).number
    except ValueError:  # so loose that atoms fall together
        return None
    return None if found == crystal.space_group else found
