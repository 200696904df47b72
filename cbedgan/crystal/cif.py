"""Crystals from a CIF file: ordered structures with their symmetry, or an error that says what the file lacks."""

from pathlib import Path

import gemmi
import numpy as np

from cbedgan.crystal.crystals import Crystal, shortest_distance_ratio, standard_crystal
from classifier.foundation.errors import InputError, reported

OCCUPANCY_TOLERANCE = 1e-3
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
