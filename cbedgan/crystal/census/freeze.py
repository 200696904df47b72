"""Writes the table of known crystals that natural random crystals follow: `python -m cbedgan.crystal.census.freeze`.

Sources: AFLOW prototypes and experimental compounds of pymatgen, minerals of robocrys (optional), Shannon's radii and
oxidation states as pymatgen lists them, and the Wyckoff positions of Materials Project crystals that pyxtal counts.
"""

import csv
import gzip
import json
import re
import sys
import warnings
from collections import Counter
from functools import reduce
from importlib.resources import files
from math import gcd

import gemmi
import numpy as np

from cbedgan.crystal.crystals import Crystal, centring_translations, measure_symmetry, standard_crystal
from cbedgan.crystal.natural import charges, nature
from cbedgan.crystal.natural.nature import TABLE, Species
from cbedgan.crystal.natural_crystals import lattice_type
from cbedgan.crystal.prototypes import prototypes
from cbedgan.crystal.wyckoff.table import wyckoff_positions

LARGEST_COMPOSITION, LARGEST_CELL = 40, 64  # atoms of a formula; of a primitive cell
A_TYPE_COUNTS = 20  # a prototype or mineral stands for so many crystals on its Wyckoff positions
A_COMPOSITION_COUNTS = 3  # and so many times among the compounds
RIDGE = 0.15  # of the volumes of elements: how many relative errors a deviation from the radius' own volume counts
SMALL_ION = 0.6  # angstrom
NEGATIVE = 0.6  # angstrom: an anion's radius beyond the covalent one, where no ionic radius is listed


def minerals() -> list[Crystal]:
    """Return the minerals that robocrys carries, none where it is not installed."""
    try:
        content = (files("robocrys.condense") / "mineral_db.json.gz").read_bytes()
    except ModuleNotFoundError:
        return []
    from pymatgen.core import Structure

    table = json.loads(gzip.decompress(content))
    structures = [Structure.from_dict(row[table["columns"].index("structure")]) for row in table["data"]]
    return [standard_crystal(one.lattice.matrix, one.frac_coords, [site.Z for site in one.species], source="mineral")
            for one in structures if one.is_ordered]


def compounds() -> list[dict[int, int]]:
    """Return the formulas of experimental compounds that have a known structure."""
    from pymatgen.core import Composition

    content = (files("pymatgen.analysis.compatibility") / "exp_compounds.json.gz").read_bytes()
    formulas = {entry["formula"] for entry in json.loads(gzip.decompress(content)) if entry["mpid"]}
    found = []
    for formula in sorted(formulas):
        parts = Composition(formula).reduced_composition.get_el_amt_dict()
        if sum(parts.values()) <= LARGEST_COMPOSITION:
            found.append({gemmi.Element(name).atomic_number: round(atoms) for name, atoms in parts.items()})
    return found


def reduced(numbers: np.ndarray) -> dict[int, int]:
    """Return {atomic number: atoms of the formula}."""
    counts = Counter(numbers.tolist())
    divisor = reduce(gcd, counts.values())
    return {number: count // divisor for number, count in sorted(counts.items())}


def species_of(compositions: list[dict[int, int]]) -> dict[int, Species]:
    """Return what pymatgen says of every element that occurs; volumes are still to be fitted."""
    from pymatgen.core import Element

    listed = json.loads((files("pymatgen.core") / "ionic_radii.json").read_bytes())
    occurs = Counter(number for one in compositions for number in one)
    found = {}
    for number, times in sorted(occurs.items()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            element = Element.from_Z(number)
            states = set(element.icsd_oxidation_states) | set(element.common_oxidation_states)
            usual = element.icsd_oxidation_states or element.common_oxidation_states
            electronegativity = 0.0 if np.isnan(element.X) else float(element.X)
        covalent = gemmi.Element(number).covalent_r
        radii = {int(state): _usual_radius(by_neighbours)
                 for state, by_neighbours in listed.get(element.symbol, {}).items()}
        positive = sorted(state for state in usual if state > 0)
        negative = sorted(state for state in states if state < 0)
        metal = bool(element.is_metal) and not element.is_metalloid
        cation = None if not positive or element.symbol in ("O", "F") else (float(positive[0]), float(positive[-1]))
        anion = None if not negative or (metal and element.symbol not in ("Bi", "Sb")) else (
            float(negative[0]), float(negative[0]))
        charges_ = cation or (0.0, 0.0)
        known = sorted(state for state in radii if state > 0)
        at = tuple(float(np.interp(state, known, [radii[one] for one in known])) if known else 0.6 * covalent
                   for state in charges_)
        anion_radius = radii.get(int(anion[0]), covalent + NEGATIVE) if anion else covalent + NEGATIVE
        found[number] = Species(times / len(compositions), electronegativity, metal, covalent, cation, (at[0], at[1]),
                                anion, anion_radius, (0.0, 0.0, 0.0))
    return found


def _usual_radius(by_neighbours: dict[str, float]) -> float:
    """The radius of six neighbours; an ion that is smaller has as few as are listed."""
    ordered = sorted((int(neighbours), radius) for neighbours, radius in by_neighbours.items())
    six = dict(ordered).get(6, ordered[-1][1])
    return six if six >= SMALL_ION else ordered[0][1]


def volumes(crystals: list[Crystal]) -> tuple[dict[int, list[float]], tuple[float, float]]:
    """Fit volumes of atoms as cation, anion and neutral to the volumes of cells, close to a law of the radius.

    Returns {atomic number: the three} and the spread of log(volume / sum), of neutral and of charged crystals.
    """
    species = nature.nature().species
    rows, targets = [], []
    column = {(number, role): 3 * rank + role for rank, number in enumerate(species) for role in range(3)}
    for crystal in crystals:
        counts = Counter(crystal.numbers.tolist())
        states = charges.charges(reduced(crystal.numbers))
        row = np.zeros(len(column))
        for number, atoms in counts.items():
            role = 2 if states is None else 0 if states[number] > 0 else 1
            row[column[number, role]] += atoms
        volume = abs(np.linalg.det(crystal.lattice))
        rows.append(row / volume)
        targets.append(1.0)
    features = np.array([_radius_cubed(one, role) for one in species.values() for role in range(3)])
    design, charged = np.array(rows), np.array([row.reshape(-1, 3)[:, 2].sum() == 0 for row in rows])
    roles = np.arange(len(column)) % 3
    law = np.zeros(len(column))
    for alike in ([2], [0, 1]):  # volume = constant + factor * radius^3, of neutral atoms and of ions
        chosen = np.isin(roles, alike)
        use = charged if alike == [0, 1] else ~charged
        bases = np.stack([features * (roles == role) for role in alike] + [1.0 * (roles == role) for role in alike], 1)
        factors = np.linalg.lstsq(design[use] @ bases, np.ones(use.sum()), rcond=None)[0]
        law += chosen * (bases @ factors)
    law = np.clip(law, 2.0, None)
    scaled = np.concatenate([design * law, RIDGE * np.eye(len(law))])
    fitted = law * np.clip(np.linalg.lstsq(scaled, np.concatenate([targets, RIDGE * np.ones(len(law))]),
                                           rcond=None)[0], 0.5, 2.0)
    error = -np.log(design @ fitted)
    spread = (float(_robust_spread(error[~charged])), float(_robust_spread(error[charged])))
    return {number: np.round(fitted[3 * rank: 3 * rank + 3], 2).tolist() for rank, number in enumerate(species)}, spread


def _radius_cubed(one: Species, role: int) -> float:
    return (float(np.mean(one.cation_radii)), one.anion_radius, one.covalent_radius)[role] ** 3


def _robust_spread(errors: np.ndarray) -> float:
    return float(np.diff(np.percentile(errors, [16, 84]))[0] / 2)


def shapes(crystals: list[Crystal]) -> dict[str, list[list[float]]]:
    """Return what cells of each lattice type look like: log(b/a), log(c/a), three cosines, atoms of the primitive."""
    found: dict[str, list[list[float]]] = {}
    for crystal in crystals:
        lengths, angles = crystal.cell_parameters()
        shape = [*np.log(lengths[1:] / lengths[0]), *np.cos(np.radians(angles)), crystal.n_primitive]
        found.setdefault(lattice_type(crystal.space_group), []).append(np.round(shape, 3).tolist())
    return {name: sorted(some) for name, some in sorted(found.items())}


def occupations(crystals: list[Crystal]) -> dict[int, dict[str, int]]:
    """Return {space group: {Wyckoff positions joined by "-": crystals}} for cells that are not too large."""
    found: dict[int, dict[str, int]] = {}
    with (files("pyxtal.database") / "spg_num_wps_mp.csv").open() as lines:
        for row in csv.DictReader(lines):
            group = int(row["spg"])
            if int(row["n_atoms"]) <= LARGEST_CELL * len(centring_translations(group)):
                found.setdefault(group, {})[row["wps"]] = int(row["count"])
    for crystal in crystals:
        occupied = found.setdefault(crystal.space_group, {})
        indices = "-".join(map(str, _occupied(crystal)))
        occupied[indices] = occupied.get(indices, 0) + A_TYPE_COUNTS
    return {group: dict(sorted(some.items())) for group, some in sorted(found.items())}


def _occupied(crystal: Crystal) -> list[int]:
    """Return the indices of the crystal's Wyckoff positions, the general one is 0, once for each orbit."""
    symmetry = measure_symmetry(crystal.lattice, crystal.positions, crystal.numbers)
    letter_of = dict(zip(symmetry.orbits, symmetry.wyckoffs, strict=True))
    letters = [position.letter for position in wyckoff_positions(crystal.space_group)]
    return sorted(letters.index(letter) for letter in letter_of.values())


def write(species: dict[int, Species], rest: dict[str, object]) -> None:
    """Write the table; the same content gives the same bytes."""
    table = {**rest, "species": {number: list(one) for number, one in species.items()}}
    text = json.dumps(table, separators=(",", ":"))
    TABLE.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    nature.nature.cache_clear()
    charges._best.cache_clear()


def main() -> None:
    """Write the table: first without volumes, since these need the charges of the rest."""
    crystals = [one for one in [*prototypes(), *minerals()] if one.n_primitive <= LARGEST_CELL]
    unique = {(one.structure_type, one.formula): one for one in reversed(crystals)}
    known = [one for key, one in sorted(unique.items())]
    compositions = [*[reduced(one.numbers) for one in known] * A_COMPOSITION_COUNTS, *compounds()]
    compositions = [one for one in compositions if sum(one.values()) <= LARGEST_COMPOSITION]
    species = species_of([*compositions, *(reduced(one.numbers) for one in known)])
    rest = {"sources": re.sub(r"\s+", " ", __doc__ or ""), "compositions": compositions,
            "occupations": occupations(known), "shapes": shapes(known), "volume_spread": [0.1, 0.1]}
    write(species, rest)
    fitted, rest["volume_spread"] = volumes(known)
    write({number: one._replace(volumes=tuple(fitted[number])) for number, one in species.items()}, rest)
    print(f"{len(known)} crystals, {len(compositions)} compositions, volumes within {rest['volume_spread']}, "
          f"{TABLE.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
