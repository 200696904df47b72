"""What space groups share: lattice, point group, and the elements of their symbols, as traits of each group."""

import re
from collections.abc import Sequence

import gemmi
import numpy as np
from jaxtyping import Float

from classifier.crystal.spacegroup import bravais_lattice, crystal_system, laue_class, point_group

LEAST_GROUPS = 2  # that share a trait: what one group has alone tells nothing of another


def shared_traits(space_groups: Sequence[int]) -> tuple[tuple[str, ...], Float[np.ndarray, "K T"]]:
    """Names of the traits that at least two, and not all, of K space groups share; 1 where a group has one."""
    traits = [traits_of(number) for number in space_groups]
    names = [name for name in sorted(set().union(*traits))
             if LEAST_GROUPS <= sum(name in own for own in traits) < len(traits)]
    has = [[float(name in own) for name in names] for own in traits]
    return tuple(names), np.array(has).reshape(len(traits), len(names))  # of two groups no trait tells anything


def traits_of(space_group: int) -> frozenset[str]:
    """Traits of one group: lattice and point group, and what stands at each place of its full symbol.

    A place means one direction within a crystal family (International Tables A, table 2.1.3.1), so that "2_1 along c"
    is one trait of all orthorhombic groups that have it; glides and screws are traits of their kind in any direction.
    """
    group = gemmi.get_spacegroup_reference_setting(int(space_group))
    centring, *elements = group.hm.split()
    system = crystal_system(space_group)
    family = "hexagonal" if system == "trigonal" else system
    traits = {f"system {system}", f"lattice {bravais_lattice(space_group)}", f"centring {centring}",
              f"laue class {laue_class(space_group)}", f"point group {point_group(space_group)}",
              f"arithmetic class {centring} {point_group(space_group)}",
              "centrosymmetric" if group.is_centrosymmetric() else "acentric",
              "symmorphic" if group.is_symmorphic() else "non-symmorphic"}
    for place, element in enumerate(elements):
        glides = re.findall("[abcden]", element)
        traits |= {f"{family}, direction {place + 1}: {part}" for part in (element, *element.split("/"))}
        traits.add(f"{family}, direction {place + 1}: {'a glide' if glides else 'no glide'}")
        traits |= {f"glide {glide}" for glide in glides}
        if re.match(r"\d\d", element):
            traits |= {"screw", f"screw {element.split('/')[0]}"}
    return frozenset(traits)
