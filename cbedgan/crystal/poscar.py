"""Crystals from VASP's POSCAR and CONTCAR files, those that name their elements."""

from pathlib import Path

import gemmi
import numpy as np

from cbedgan.crystal.cif import OVERLAP_RATIO
from cbedgan.crystal.crystals import Crystal, Lattice, Numbers, Positions, shortest_distance_ratio, standard_crystal
from classifier.foundation.errors import InputError


def crystal_from_poscar(path: Path) -> Crystal:
    """Read one structure in the format of VASP 5 and later; a file without a line of elements is refused."""
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(source=path, rule="the file must be a readable POSCAR", value=error,
                         remedy="Correct the path, or save the file as plain text.") from None
    lattice = _lattice(path, lines)
    numbers = _numbers(path, lines)
    positions = _positions(path, lines, len(numbers))
    if abs(np.linalg.det(lattice)) < 1 or shortest_distance_ratio(lattice, positions, numbers) < OVERLAP_RATIO:
        raise InputError(source=path, rule="atoms must not lie on top of each other",
                         value=f"{len(numbers)} atoms in {abs(np.linalg.det(lattice)):.1f} cubic angstrom",
                         remedy="Look for doubled sites or a wrong scale in line 2.")
    return standard_crystal(lattice, positions, numbers, source=f"POSCAR {path.name}")


def _lattice(path: Path, lines: list[str]) -> Lattice:
    """Return the lattice; a negative scale is the volume, three are one a direction."""
    scale = _floats(path, lines, 1)
    rows = np.array([_floats(path, lines, row, 3) for row in (2, 3, 4)])
    volume = abs(np.linalg.det(rows))
    if len(scale) not in (1, 3) or not (scale[0] if len(scale) == 1 else min(scale) > 0) or volume == 0:
        raise InputError(source=f"{path}, lines 2 to 5", rule="a POSCAR gives a scale and three lattice vectors",
                         value=f"scale {scale}, volume {volume:g}", remedy="Correct the scale or the vectors.")
    if len(scale) == 3:
        return rows * np.array(scale)
    return rows * (scale[0] if scale[0] > 0 else (-scale[0] / volume) ** (1 / 3))


def _numbers(path: Path, lines: list[str]) -> Numbers:
    """Return the atomic numbers from the lines of elements and of counts."""
    names, counts = _words(lines, 5), _words(lines, 6)
    if names and all(name.isdecimal() for name in names):
        raise InputError(source=f"{path}, line 6", rule="a POSCAR must name its elements", value=" ".join(names),
                         remedy="This is the format of VASP 4, which converters quietly take for H, He, Li, ...: "
                                "insert a line of elements before the counts.")
    # VASP 6 may add a hash of the potential: "Fe/1a2b3c"; older ones its kind: "Fe_pv".
    elements = [gemmi.Element(name.split("/")[0].split("_")[0]) for name in names]
    are_elements = bool(names) and all(element.atomic_number > 0 for element in elements)
    are_counts = len(counts) == len(names) and all(count.isdecimal() and int(count) > 0 for count in counts)
    if not are_elements or not are_counts:
        raise InputError(source=f"{path}, lines 6 and 7", rule="a POSCAR lists elements and as many counts",
                         value=f"{' '.join(names) or 'nothing'} / {' '.join(counts) or 'nothing'}",
                         remedy="Give element symbols in line 6 and the number of atoms of each in line 7.")
    n_lines = sum(map(int, counts))
    if n_lines > len(lines):
        raise InputError(source=f"{path}, line 7", rule="a POSCAR has a line for every atom",
                         value=f"{n_lines} atoms, {len(lines)} lines", remedy="Complete the positions.")
    return np.repeat([element.atomic_number for element in elements], [int(count) for count in counts])


def _positions(path: Path, lines: list[str], n_atoms: int) -> Positions:
    """Return the fractional positions, given as such ("Direct") or in scaled angstrom ("Cartesian")."""
    line = 7
    if lines[line : line + 1] and lines[line].strip()[:1] in ("S", "s"):  # Selective dynamics
        line += 1
    kind = lines[line].strip()[:1].lower() if len(lines) > line else ""
    if kind not in ("d", "c", "k"):
        raise InputError(source=f"{path}, line {line + 1}", rule="a POSCAR says Direct or Cartesian",
                         value=lines[line].strip() if len(lines) > line else "nothing", remedy="Insert that line.")
    positions = np.array([_floats(path, lines, line + 1 + atom, 3) for atom in range(n_atoms)])
    if kind == "d":
        return positions
    unscaled = np.array([_floats(path, lines, row, 3) for row in (2, 3, 4)])
    return positions @ np.linalg.inv(unscaled)  # the scale applies to both and cancels


def _words(lines: list[str], line: int) -> list[str]:
    """Return the words of a line, counted from 0, without comment."""
    return lines[line].split("#")[0].split("!")[0].split() if line < len(lines) else []


def _floats(path: Path, lines: list[str], line: int, n: int | None = None) -> list[float]:
    """Return the first n numbers of a line (all words when n is None), or say what the line holds instead."""
    words = _words(lines, line)[:n]
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if not values or (n is not None and len(values) < n) or not np.isfinite(values).all():
        raise InputError(source=f"{path}, line {line + 1}", rule=f"expects {n or 'finite'} numbers",
                         value=lines[line].strip() if line < len(lines) else "the end of the file",
                         remedy="Correct that line.")
    return values
