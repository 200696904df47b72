"""The 230 space-group types: symbol, crystal system, lattice, point group, Laue class, hand; and the class map."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import gemmi
import numpy as np

from classifier.foundation.errors import InputError

NUMBERS = range(1, 231)
# The e-glide symbols of International Tables since 1992; gemmi keeps the older ones.
_E_GLIDE = {39: "Aem2", 41: "Aea2", 64: "Cmce", 67: "Cmme", 68: "Ccce"}
_TYPES = {number: gemmi.get_spacegroup_reference_setting(number) for number in NUMBERS}


def _mirror_image(group: gemmi.SpaceGroup) -> int:
    """Number of the type that inversion makes of an enantiomorphic group."""
    inversion = gemmi.Op("-x,-y,-z")
    operations = [(inversion * operation * inversion).wrap() for operation in group.operations()]
    return gemmi.find_spacegroup_by_ops(gemmi.GroupOps(operations)).number


def _bravais_lattice(group: gemmi.SpaceGroup) -> str:
    # The reference setting of the seven rhombohedral groups is hexagonal: its centring is R there too.
    family, centring = _FAMILIES[group.crystal_system_str()], group.short_name()[0]
    return family + ("S" if centring in "ABC" else "R" if centring == "H" else centring)


_FAMILIES = {"triclinic": "a", "monoclinic": "m", "orthorhombic": "o", "tetragonal": "t", "trigonal": "h",
             "hexagonal": "h", "cubic": "c"}
BRAVAIS_LATTICES: tuple[str, ...] = tuple(dict.fromkeys(_bravais_lattice(group) for group in _TYPES.values()))
CRYSTAL_SYSTEMS: tuple[str, ...] = tuple(dict.fromkeys(group.crystal_system_str() for group in _TYPES.values()))
POINT_GROUPS: tuple[str, ...] = tuple(dict.fromkeys(group.point_group_hm() for group in _TYPES.values()))
LAUE_CLASSES: tuple[str, ...] = tuple(dict.fromkeys(group.laue_str() for group in _TYPES.values()))
_ENANTIOMORPHS = {number: _mirror_image(group) for number, group in _TYPES.items() if group.is_enantiomorphic()}


def symbol(space_group: int) -> str:
    """Short Hermann-Mauguin symbol, e.g. "Fd-3m" for 227."""
    name = _type(space_group).short_name()
    # gemmi writes H for the hexagonal setting of the seven rhombohedral groups.
    return _E_GLIDE.get(int(space_group)) or ("R" + name[1:] if name.startswith("H") else name)


def crystal_system(space_group: int) -> str:
    """One of CRYSTAL_SYSTEMS."""
    return _type(space_group).crystal_system_str()


def point_group(space_group: int) -> str:
    """One of POINT_GROUPS, without regard to orientation: -4m2 is -42m, -6m2 is -62m."""
    return _type(space_group).point_group_hm()


def point_group_order(space_group: int) -> int:
    """Number of operations of the point group, 1 to 48."""
    return len(_type(space_group).operations().sym_ops)


def laue_class(space_group: int) -> str:
    """One of the 11 LAUE_CLASSES: the point group with an inversion centre added."""
    return _type(space_group).laue_str()


def bravais_lattice(space_group: int) -> str:
    """One of the 14 BRAVAIS_LATTICES: crystal family and centring, S for a base-centred lattice, whichever its face."""
    return _bravais_lattice(_type(space_group))


def is_systematically_absent(space_group: int, hkl: np.ndarray) -> np.ndarray:
    """Whether the reflections hkl [..., 3] of the reference setting's cell are systematically absent, bool [...]."""
    hkl, operations = np.asarray(hkl, dtype=np.int64), _operations(space_group)
    return np.array([operations.is_systematically_absent(one) for one in hkl.reshape(-1, 3).tolist()],
                    dtype=bool).reshape(hkl.shape[:-1])


def rotations(space_group: int) -> np.ndarray:
    """Matrices float64 [order, 3, 3] of the point group's operations, on fractional coordinates (columns)."""
    return np.array([operation.rot for operation in _operations(space_group).sym_ops]) / gemmi.Op.DEN


def operations(space_group: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrices [order, 3, 3] and shifts [order, 3] on fractional coordinates, and the lattice's centrings [C, 3]."""
    group = _operations(space_group)
    return (rotations(space_group), np.array([operation.tran for operation in group.sym_ops]) / gemmi.Op.DEN,
            np.array(group.cen_ops) / gemmi.Op.DEN)


def enantiomorph(space_group: int) -> int | None:
    """The number that a mirrored crystal has, when it is another one (the 11 pairs); otherwise None."""
    _type(space_group)
    return _ENANTIOMORPHS.get(int(space_group))


@cache
def _operations(space_group: int) -> gemmi.GroupOps:
    return _type(space_group).operations()


def _type(space_group: int) -> gemmi.SpaceGroup:
    try:
        return _TYPES[int(space_group)]
    except (KeyError, ValueError, TypeError):
        raise InputError(source="space_group", rule="must be an International Tables number, 1..230",
                         value=space_group, remedy="Correct the label.") from None


@dataclass(frozen=True)
class ClassMap:
    """Which space groups a model knows: space_groups, ascending; class_idx k stands for space_groups[k]."""

    space_groups: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "space_groups", tuple(int(number) for number in self.space_groups))
        for number in self.space_groups:
            _type(number)
        if list(self.space_groups) != sorted(set(self.space_groups)):
            raise InputError(source="class map", rule="space groups must be ascending and each there once",
                             value=list(self.space_groups), remedy="Use ClassMap.of(space_groups).")

    @classmethod
    def of(cls, space_groups: Iterable[int]) -> "ClassMap":
        """The map of all space groups that occur among these labels, in any order and number."""
        return cls(tuple(sorted({int(number) for number in space_groups})))

    def __len__(self) -> int:
        return len(self.space_groups)

    def index(self, space_group: int) -> int:
        """class_idx of one space group; InputError when the map lacks it."""
        return int(self.indices(np.array([space_group]))[0])

    def indices(self, space_groups: np.ndarray) -> np.ndarray:
        """class_idx int64 of space-group numbers of any shape; InputError when the map lacks one."""
        numbers, asked = np.array(self.space_groups, dtype=np.int64), np.asarray(space_groups, dtype=np.int64)
        missing = np.setdiff1d(asked, numbers)
        if len(missing):
            raise InputError(source="class map", rule=f"space groups must be among {list(self.space_groups)}",
                             value=missing.tolist(), remedy="Leave those samples out, or train with these groups.")
        return np.searchsorted(numbers, asked)

    def space_group(self, class_idx: int) -> int:
        """Space-group number of one class_idx, 0..K-1."""
        if not 0 <= class_idx < len(self):
            raise InputError(source="class_idx", rule=f"must be 0..{len(self) - 1}", value=class_idx,
                             remedy="Use the class map that the model was trained with.")
        return self.space_groups[class_idx]

    def mirror_partner(self) -> np.ndarray:
        """class_idx int64 [K] of each class mirrored: itself outside the 11 pairs, -1 where the partner is absent."""
        mirrored = [enantiomorph(number) or number for number in self.space_groups]
        position = {number: k for k, number in enumerate(self.space_groups)}
        return np.array([position.get(number, -1) for number in mirrored], dtype=np.int64)
