"""Crystals that look like one of higher symmetry: an atom is too near a special place."""

from __future__ import annotations

import moyopy

from cbedgan.simulate.crystals import Crystal


def hidden_supergroup(crystal: Crystal, tolerance_angstrom: float) -> int | None:
    """Return the higher group that moyopy finds when atoms may be this far off (angstrom), None when there is none."""
    lattice, positions, numbers = crystal.primitive()
    cell = moyopy.Cell(lattice.tolist(), positions.tolist(), numbers.tolist())
    try:
        found = moyopy.MoyoDataset(cell, symprec=tolerance_angstrom, setting=moyopy.Setting.standard())
    except ValueError:
        return None
    return int(found.number) if found.number != crystal.space_group else None
