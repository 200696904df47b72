"""Well-known structure types of the groups in which the prototypes at hand are few: cell and independent sites.

Each is named by the compound that gave its name; lengths and coordinates are rounded as they are commonly tabulated.
The space group is that of the setting in which they are written; it is measured again.
"""

from collections.abc import Iterator
from typing import NamedTuple

import gemmi
import numpy as np
from jaxtyping import Float, Int

# (name, space group, a b c in angstrom, beta or gamma in degrees, "element x y z; ...")
KNOWN = (
    ("LaCl3", "P 63/m", (7.478, 7.478, 4.375), 120, "La 1/3 2/3 1/4; Cl 0.3874 0.3015 1/4"),
    ("fluorapatite", "P 63/m", (9.397, 9.397, 6.880), 120,
     "Ca 1/3 2/3 0.0011; Ca 0.9929 0.2423 1/4; P 0.3981 0.3688 1/4; O 0.3262 0.4843 1/4; O 0.5880 0.4668 1/4; "
     "O 0.3415 0.2569 0.0704; F 0 0 1/4"),
    ("scheelite", "I 41/a :2", (5.243, 5.243, 11.376), 90, "Ca 0 1/4 5/8; W 0 1/4 1/8; O 0.1507 0.0086 0.2106"),
    ("alpha-PbO2", "P b c n", (4.971, 5.956, 5.438), 90, "Pb 0 0.1779 1/4; O 0.2685 0.4010 0.4248"),
    ("YMn2O5", "P b a m", (7.265, 8.485, 5.674), 90,
     "Y 0.1389 0.1719 0; Mn 0 1/2 0.2557; Mn 0.4119 0.3505 1/2; O 0 0 0.2710; O 0.1617 0.4463 0; "
     "O 0.1530 0.4336 1/2; O 0.3965 0.2076 0.2441"),
    ("PbZrO3", "P b a m", (5.884, 11.768, 8.22), 90,
     "Pb 0.699 0.127 0; Pb 0.706 0.127 1/2; Zr 0.243 0.124 0.249; O 0.275 0.157 0; O 0.302 0.096 1/2; "
     "O 0.032 0.262 0.28; O 0 1/2 0.2; O 0 0 0.23"),
    ("LiGaO2", "P n a 21", (5.402, 6.372, 5.007), 90,
     "Li 0.4207 0.1267 0.4936; Ga 0.0821 0.1263 0; O 0.4066 0.1388 0.8927; O 0.0697 0.1121 0.3708"),
    ("grossular", "I a -3 d", (11.845, 11.845, 11.845), 90,
     "Ca 1/8 0 1/4; Al 0 0 0; Si 3/8 0 1/4; O 0.0381 0.0449 0.6514"),
    ("wolframite", "P 1 2/c 1", (4.753, 5.720, 4.968), 90.1,
     "Fe 1/2 0.6785 1/4; W 0 0.1808 1/4; O 0.2158 0.1068 0.5833; O 0.2623 0.3850 0.0912"),
    ("AgO", "P 1 21/c 1", (5.852, 3.478, 5.495), 107.5, "Ag 0 0 0; Ag 1/2 0 1/2; O 0.2949 0.3495 0.2301"),
    ("cryolite", "P 1 21/n 1", (5.402, 5.596, 7.756), 90.28,
     "Al 0 0 0; Na 0 0 1/2; Na 0.5133 0.9481 0.2474; F 0.1026 0.0451 0.2194; F 0.7263 0.1735 0.0462; "
     "F 0.1626 0.2692 0.9371"),
    ("Ta3B4", "I m m m", (3.29, 14.0, 3.13), 90, "Ta 1/2 1/2 0; Ta 0 0.180 0; B 0 0.375 0; B 0 0.444 1/2"),
    ("W2CoB2", "I m m m", (7.075, 4.561, 3.177), 90, "W 0.205 1/2 0; Co 0 0 0; B 0 0.31 1/2"),
    ("Si2N2O", "C m c 21", (8.843, 5.473, 4.835), 90,
     "Si 0.1763 0.1509 0.2815; N 0.2191 0.1228 0.6300; O 0 0.2127 0.2256"),
    ("andalusite", "P n n m", (7.798, 7.903, 5.557), 90,
     "Al 0.3705 0.1391 1/2; Al 0 0 0.2419; Si 0.2460 0.2520 0; O 0.4233 0.3629 1/2; O 0.4246 0.3629 0; "
     "O 0.1030 0.4003 0; O 0.2305 0.1339 0.2394"),
    ("KH2PO4", "I -4 2 d", (7.453, 7.453, 6.975), 90,
     "K 0 0 1/2; P 0 0 0; O 0.1486 0.0825 0.1261; H 0.1486 1/4 1/8"),
    ("La2CuO4", "C m c e", (5.356, 13.15, 5.399), 90,
     "La 0 0.362 0.007; Cu 0 0 0; O 1/4 0.993 1/4; O 0 0.184 0.970"),
)


class KnownType(NamedTuple):
    """All atoms of a cell: lattice in rows, angstrom; positions fractional; atomic numbers."""

    name: str
    lattice: Float[np.ndarray, "3 3"]
    positions: Float[np.ndarray, "n 3"]
    numbers: Int[np.ndarray, " n"]


def known_types() -> Iterator[KnownType]:
    """Yield the table as filled cells, in its order."""
    return (_filled(*entry) for entry in KNOWN)


def _filled(name: str, group: str, lengths: tuple[float, float, float], angle: float, sites: str) -> KnownType:
    """Fill a cell with the images of its sites; the angle is gamma in hexagonal cells, else beta."""
    angles = (90, 90, angle) if angle == 120 else (90, angle, 90)
    small = gemmi.SmallStructure()
    small.cell = gemmi.UnitCell(*lengths, *angles)
    small.spacegroup_hm = group
    small.determine_and_set_spacegroup("2")
    small.setup_cell_images()
    for number, words in enumerate(sites.split(";")):
        element, *place = words.split()
        site = gemmi.SmallStructure.Site()
        site.label, site.element = f"{element}{number}", gemmi.Element(element)
        site.fract = gemmi.Fractional(*map(_number, place))
        small.add_site(site)
    atoms = small.get_all_unit_cell_sites()
    return KnownType(name, np.array(small.cell.orth.mat.tolist()).T, np.array([atom.fract.tolist() for atom in atoms]),
                     np.array([atom.element.atomic_number for atom in atoms]))


def _number(text: str) -> float:
    above, _, below = text.partition("/")
    return float(above) / float(below or 1)
