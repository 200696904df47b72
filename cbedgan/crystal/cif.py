"""Crystals from a CIF file: ordered structures with their symmetry, or an error that says what the file lacks.

And a crystal as a CIF file: its group, operations and one atom of each orbit, in the standard setting.
"""

import re
from pathlib import Path

import gemmi
import numpy as np

from cbedgan.crystal.crystals import DECIMALS, Crystal, shortest_distance_ratio, standard_crystal
from cbedgan.crystal.wyckoff.table import standard_setting, wyckoff_positions
from classifier.foundation.atomic import write_text
from classifier.foundation.errors import InputError, reported

OCCUPANCY_TOLERANCE = 1e-3
SAME_PLACE = 1e-4  # fractional: an atom and the image of another
OVERLAP_RATIO = 0.3  # of the summed covalent radii: closer atoms are two descriptions of one place


def crystals_from_cif(path: Path) -> list[Crystal]:
    """Read a CIF file, one crystal for each data block with sites; see `structure_files` for folders.

    InputError for an unreadable file, partial occupancy, missing symmetry or coordinates, or unknown elements.
    """
    # Names and symbols that are no UTF-8 come to light only where they are looked at.
    with reported(path, rule="the file must be readable CIF", remedy="Correct the path or that line of the file."):
        document = gemmi.cif.read(str(path))
        structures = [(block.name, gemmi.make_small_structure_from_block(block)) for block in document]
        crystals = [_crystal(path, name, structure) for name, structure in structures if len(structure.sites)]
    if not crystals:
        raise InputError(source=path, rule="a CIF file must list atom sites", value=f"{len(structures)} blocks without",
                         remedy="It may hold reflections or powder data only; export the structure.")
    return crystals


def write_cif(path: Path, crystal: Crystal) -> Path:
    """Write the crystal, whole or not at all; return the path."""
    setting = standard_setting(crystal.space_group)
    lengths, angles = crystal.cell_parameters()
    names = [gemmi.Element(int(number)).name for number in crystal.numbers]
    first = independent_atoms(crystal)
    lines = [f"data_{crystal.material}",
             f"_chemical_formula_sum '{' '.join(re.findall('[A-Z][a-z]?[0-9]*', crystal.formula))}'",
             *(f"_cell_length_{axis} {length:.8f}" for axis, length in zip("abc", lengths, strict=True)),
             *(f"_cell_angle_{angle} {degrees:.8f}"
               for angle, degrees in zip(("alpha", "beta", "gamma"), angles, strict=True)),
             f"_space_group_IT_number {crystal.space_group}",
             f"_space_group_name_H-M_alt '{setting.xhm()}'",
             "loop_", "_space_group_symop_operation_xyz",
             *(f"'{operation.triplet()}'" for operation in setting.operations()),
             "loop_", *(f"_atom_site_{column}" for column in ("label", "type_symbol", "fract_x", "fract_y", "fract_z")),
             *(f"{names[atom]}{rank} {names[atom]} {' '.join(f'{x:.{DECIMALS}f}' for x in crystal.positions[atom])}"
               for rank, atom in enumerate(first, start=1))]
    return write_text(path, "\n".join(lines) + "\n")


def independent_atoms(crystal: Crystal) -> list[int]:
    """Return the indices of the first atom of each orbit."""
    general = wyckoff_positions(crystal.space_group)[0]
    first: list[int] = []
    free = np.ones(len(crystal.numbers), dtype=bool)
    for atom in range(len(crystal.numbers)):
        if free[atom]:
            first.append(atom)
            apart = crystal.positions[:, None] - general.atoms(crystal.positions[atom])
            free &= (np.abs(apart - np.round(apart)).max(axis=2) > SAME_PLACE).all(axis=1)
    return first


def _crystal(path: Path, name: str, structure: gemmi.SmallStructure) -> Crystal:
    source = f"{path} (data_{name})"
    if structure.spacegroup is None:
        raise InputError(source=source, rule="a CIF file must state its symmetry",
                         value=structure.spacegroup_hm or "no operations and no symbol known to the tables",
                         remedy="Add the loop _space_group_symop_operation_xyz; 'x,y,z' if every atom is listed.")
    for site in structure.sites:
        if abs(site.occ - 1) > OCCUPANCY_TOLERANCE:
            raise InputError(source=source, rule="every site must be fully occupied", value=f"{site.label} {site.occ}",
                             remedy="Choose an ordered model: one element on each site, split sites removed.")
        if site.element.atomic_number == 0 or not np.isfinite(site.fract.tolist()).all():
            raise InputError(source=source, rule="every site must have a known element and coordinates",
                             value=f"{site.label} ({site.type_symbol})", remedy="Complete or remove that site.")
    sites = structure.get_all_unit_cell_sites()
    lattice = np.array(structure.cell.orth.mat.tolist()).T
    positions = np.array([site.fract.tolist() for site in sites])
    numbers = np.array([site.element.atomic_number for site in sites])
    if structure.cell.volume < 1 or shortest_distance_ratio(lattice, positions, numbers) < OVERLAP_RATIO:
        raise InputError(source=source, rule="atoms must not lie on top of each other",
                         value=f"{len(sites)} atoms in {structure.cell.volume:.1f} cubic angstrom",
                         remedy="Look for disorder without occupancies, doubled sites or a wrong cell.")
    return standard_crystal(lattice, positions, numbers, source=f"CIF {path.name} (data_{name})")
