"""The attributes of a published OLCF sample, read with suspicion into columns of a SampleTable.

Data set 10.13139/OLCF/1510313: one group a sample, ten beam energies a material, three orientations a sample.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from math import gcd
from typing import Any

import numpy as np

from classifier.crystal.reciprocal import cell_vectors, d_spacings_angstrom
from classifier.foundation.errors import InputError

PARTITIONS = {"train": "train", "dev": "validation", "test": "test"}  # folder: partition
D_TOLERANCE = 0.01  # relative; the published values agree to 1e-8
# Attribute: shape, least and greatest plausible value.
NUMBERS: dict[str, tuple[tuple[int, ...], float, float]] = {
    "energy_keV": ((), 20, 2000), "semi_angles_rad": ((3,), 1e-5, 0.2), "d_hkls_angstrom": ((3,), 0.2, 50),
    "abc_angstrom": ((3,), 0.5, 500), "angles_degree": ((3,), 5, 175),
    "z_dirs": ((1, 3, 3), -100, 100), "y_dirs": ((1, 3, 3), -100, 100)}


@dataclass(frozen=True)
class SampleAttributes:
    """One sample's labels and geometry; numbers that cannot be trusted are NaN (zone axes 0) and named in `doubts`.

    zone_axis_uvw int [3, 3] and y_directions float [3, 3]: row k belongs to orientation k.
    """

    space_group: int
    material: str
    formula: str
    structure_type: str
    beam_energy_kev: float
    zone_axis_uvw: np.ndarray
    y_directions: np.ndarray
    convergence_semi_angle_mrad: np.ndarray
    d_hkl_angstrom: np.ndarray
    cell_lengths_angstrom: np.ndarray
    cell_angles_degree: np.ndarray
    doubts: list[str] = field(default_factory=list)


def read_attributes(attributes: Mapping[str, Any]) -> SampleAttributes:
    """Interpret one sample's attributes, of which any may be missing, unreadable or nonsense.

    Without a space group 1..230 and a material the sample is of no use: InputError. Everything else may be unknown.
    """
    doubts: list[str] = []
    number = {name: _numbers(name, attributes, doubts) for name in NUMBERS}
    group = _space_group(_text("space_group", attributes))
    material, formula = _text("material", attributes), _text("formula", attributes)
    if not material:
        raise InputError(source="attribute material", rule="must name the material", value=repr(material),
                         remedy="Leave the sample out: without it no honest split can be made.")
    if not formula:
        doubts.append("formula: missing")
    anonymous = anonymous_formula(formula)
    # Orientation k is the COLUMN k of z_dirs[0] and y_dirs[0].
    axes, y_directions = number["z_dirs"][0].T, number["y_dirs"][0].T
    if not (np.isfinite(axes).all() and (axes == np.round(axes)).all() and axes.any(axis=1).all()):
        if np.isfinite(axes).all():
            doubts.append("z_dirs: not three integer directions")
        axes = np.zeros((3, 3))
    lengths, angles = number["abc_angstrom"], number["angles_degree"]
    if np.isfinite([lengths, angles]).all():
        try:
            cell_vectors(lengths, angles)
        except InputError:
            doubts.append("angles_degree: no real cell")
            angles = np.full(3, np.nan)
    columns = SampleAttributes(
        group, material, formula, f"{group}-{anonymous}" if anonymous else "", float(number["energy_keV"]),
        axes.astype(np.int32), y_directions, number["semi_angles_rad"] * 1e3, number["d_hkls_angstrom"],
        lengths, angles, doubts)
    doubts += _spacing_doubts(columns)
    return columns


def anonymous_formula(formula: str) -> str:
    """Turn 'Fe8 O14 F2' into 'AB4C7': counts over their common divisor, ascending; empty when it cannot be read."""
    counts = []
    for part in formula.split():
        digits = part.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
        if digits == part or not (digits == "" or digits.isdecimal() and int(digits) > 0):
            return ""
        counts.append(int(digits or 1))
    divisor = reduce(gcd, counts, 0)
    return "".join(f"{chr(ord('A') + k)}{count // divisor if count > divisor else ''}"
                   for k, count in enumerate(sorted(counts)))


def reduced_formula(formula: str) -> str:
    """Turn 'Fe8 O14 F2' into 'FFe4O7': elements by alphabet, counts over their common divisor; else leave the text."""
    every = [re.fullmatch(r"([A-Z][a-z]?)([1-9][0-9]*)?", part, re.ASCII) for part in formula.split()]
    parts = [part for part in every if part is not None]
    if not parts or len(parts) < len(every):
        return formula
    counts: Counter[str] = Counter()
    for part in parts:
        counts[part[1]] += int(part[2] or 1)
    divisor = gcd(*counts.values())
    return "".join(f"{name}{n // divisor if n > divisor else ''}" for name, n in sorted(counts.items()))


def _spacing_doubts(sample: SampleAttributes) -> list[str]:
    """Compare the published d-spacings with those of the cell for the indices of each orientation."""
    spacings = sample.d_hkl_angstrom
    if not (np.isfinite([sample.cell_lengths_angstrom, sample.cell_angles_degree, spacings]).all()
            and sample.zone_axis_uvw.any()):
        return []
    expected = d_spacings_angstrom(sample.zone_axis_uvw, sample.cell_lengths_angstrom, sample.cell_angles_degree)
    if (np.abs(spacings / expected - 1) <= D_TOLERANCE).all():
        return []
    return [f"d_hkls_angstrom: {np.round(spacings, 4).tolist()} where z_dirs and the cell give "
            f"{np.round(expected, 4).tolist()}"]


def _space_group(text: str) -> int:
    try:
        group = int(text)
    except ValueError:
        group = 0
    if not 1 <= group <= 230:
        raise InputError(source="attribute space_group", rule="must be a number from 1 to 230", value=repr(text),
                         remedy="Leave the sample out: it has no label.")
    return group


def _text(name: str, attributes: Mapping[str, Any]) -> str:
    """Text of fixed-length bytes, a variable-length string or a number; empty when missing or unreadable."""
    try:
        value = np.asarray(attributes[name]).reshape(-1)[0]
        text = (value.decode("utf-8") if isinstance(value, bytes) else str(value)).strip("\0 ")
        return text if text.isprintable() else ""  # damaged text comes with control signs or lone surrogates
    except (OSError, TypeError, ValueError, IndexError, KeyError, RuntimeError):
        return ""


def _numbers(name: str, attributes: Mapping[str, Any], doubts: list[str]) -> np.ndarray:
    """Float64 values of a numeric attribute, or NaN with an entry in `doubts`."""
    shape, least, greatest = NUMBERS[name]
    unknown = np.full(shape, np.nan)
    try:
        raw = np.asarray(attributes[name])
        # Wide floats written on other machines may overflow or turn out as noise: refused by range below.
        with np.errstate(all="ignore"):
            values = raw.astype(np.float64).reshape(shape)
    except (OSError, TypeError, ValueError, KeyError, RuntimeError) as error:
        doubts.append(f"{name}: unreadable ({error})" if name in attributes else f"{name}: missing")
        return unknown
    if not (np.isfinite(values).all() and (values >= least).all() and (np.abs(values) <= greatest).all()):
        doubts.append(f"{name}: implausible {values.tolist()}")
        return unknown
    return values
