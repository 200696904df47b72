"""What separates a pair of space groups: the coarsest of lattice, point symmetry and translations that differs."""

from collections.abc import Callable
from functools import cache

import gemmi
import numpy as np
from jaxtyping import Int

from classifier.crystal import spacegroup as sg
from classifier.crystal.spacegroup import NUMBERS, ClassMap
from classifier.crystal.subgroups import MAXIMAL_SUBGROUPS

# Name: what it says of a pair. The first that holds is the pair's: from coarse to fine.
SEPARATIONS: dict[str, str] = {
    "metric": "lengths and angles of the cell alone: a strain makes one of the other",
    "crystal_family": "crystal family, and more than a strain",
    "centring": "centring of the lattice",
    "laue_class": "Laue class",
    "inversion": "a centre of inversion, which only one has; polarity is one way to lack it",
    "point_group": "point group, both without a centre of inversion",
    "orientation": "how the same point group stands in the lattice",
    "screw_or_glide": "screw axes or glide planes: which, or where they stand",
    "hand": "hand: mirror images of each other"}
_NAMES = tuple(SEPARATIONS)


def separation(one: int, other: int) -> str | None:
    """Say which of SEPARATIONS holds for two space groups, in any order; None for a group and itself.

    metric: other crystal families, and translationengleiche steps alone lead from one group down to the other, each
    to another family: P4/mmm and Pmmm. A maximal subgroup of another family is what a homogeneous strain leaves: what
    leaves its metric alone fixes a tensor that the whole group does not.
    crystal_family: any other pair of different families: I4_1/amd and Immm. Trigonal and hexagonal are one family.
    centring: one family, another Bravais lattice, whatever else differs: P-3m1 and R-3m.
    laue_class, inversion, point_group: one Bravais lattice, and the coarsest of the three that differs: P6_3/m and
    P6_3/mmc; F-43m and Fm-3m, R3m and R-3m; P4mm and P422.
    orientation: one Bravais lattice and point group, another arithmetic crystal class (of 73): P321 and P312.
    screw_or_glide, hand: one arithmetic crystal class: C2/m and C2/c, I222 and I2_12_12_1; but the 11 enantiomorphic
    pairs differ in hand: P4_1 and P4_3.
    """
    pair = separation_matrix(ClassMap.of([one, other]))
    return _NAMES[pair[0, 1]] if len(pair) == 2 else None


def label(name: str) -> str:
    """One of SEPARATIONS as it is written on pages, e.g. "Laue class"."""
    return name.replace("_", " ").replace("laue", "Laue")


def separation_matrix(class_map: ClassMap) -> Int[np.ndarray, "K K"]:
    """Place in SEPARATIONS of what separates two classes; -1 on the diagonal."""
    places = np.array(class_map.space_groups, dtype=np.int64) - 1
    return _table()[np.ix_(places, places)]


@cache
def _table() -> np.ndarray:
    """Place in SEPARATIONS of every pair, int64 [230, 230]."""
    def differs(name_of: Callable[[int], str | int]) -> np.ndarray:
        names = np.array([name_of(number) for number in NUMBERS])
        return names[:, None] != names

    acentric = np.array([not gemmi.get_spacegroup_reference_setting(number).is_centrosymmetric() for number in NUMBERS])
    mirrored = np.array([[sg.enantiomorph(one) == other for other in NUMBERS] for one in NUMBERS])
    family = differs(_crystal_family)
    first_that_holds = {
        "metric": family & _strained(), "crystal_family": family, "centring": differs(sg.bravais_lattice),
        "laue_class": differs(sg.laue_class), "inversion": acentric[:, None] != acentric,
        "point_group": differs(sg.point_group), "orientation": differs(_arithmetic_class), "hand": mirrored,
        "screw_or_glide": ~np.eye(len(NUMBERS), dtype=bool)}
    return np.select(list(first_that_holds.values()), [_NAMES.index(name) for name in first_that_holds], -1)


def _crystal_family(number: int) -> str:
    return sg.bravais_lattice(number)[0]


def _arithmetic_class(number: int) -> int:
    """Number of the symmorphic group that is left without the translations of screw axes and glide planes."""
    operations = gemmi.get_spacegroup_reference_setting(number).operations()
    return gemmi.find_spacegroup_by_ops(operations.derive_symmorphic()).number


def _strained() -> np.ndarray:
    """Whether a chain of maximal subgroups, each of another family than the last, joins two groups, [230, 230]."""
    down = np.zeros((len(NUMBERS),) * 2, dtype=bool)
    for group, subgroups in MAXIMAL_SUBGROUPS.items():
        lower = [one - 1 for one in subgroups if _crystal_family(one) != _crystal_family(group)]
        down[group - 1, lower] = True
    for _ in range(3):  # doubles the chains: none is longer than there are families, six
        down |= down.astype(np.float32) @ down.astype(np.float32) > 0
    return down | down.T
