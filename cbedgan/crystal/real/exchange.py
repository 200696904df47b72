"""Other elements on a real structure type: those of like charge and radius, or, without charges, of like kind.

Where the charges of a compound balance, an ion stands for another of the same charge; else an element for another of
its family, and a metal for a metal. The radii of both differ by at most a stated ratio.
"""

import gemmi
import numpy as np

from cbedgan.crystal.crystals import Numbers
from cbedgan.crystal.real.ions import ELEMENTS, RADIUS, charges
from cbedgan.crystal.substitution import FAMILY_OF, linear_scale

METALS = frozenset(number for number in ELEMENTS if gemmi.Element(number).is_metal)


def exchange(numbers: Numbers, largest_radius_ratio: float, generator: np.random.Generator
             ) -> tuple[dict[int, int], float]:
    """Draw for every element in `numbers` another or itself, never the same for two, and the factor on all lengths.

    The factor is the ratio of the summed radii, ionic where the charges balance, covalent where not.
    """
    elements, counts = np.unique(numbers, return_counts=True)
    charge = charges(tuple(zip(elements.tolist(), counts.tolist(), strict=True)))
    chosen: dict[int, int] = {}
    for number in elements.tolist():
        like = like_ions(number, charge[number], largest_radius_ratio) if charge else like_elements(
            number, largest_radius_ratio)
        # An element that waits for its turn may be the only one that can stand for itself.
        later = {other for other in elements.tolist() if other not in chosen and other != number}
        free = [other for other in like if other not in chosen.values() and other not in later]
        chosen[number] = int(generator.choice(free or [number]))
    if charge is None:
        return chosen, linear_scale(numbers, chosen)
    before, after = (sum(count * RADIUS[named[number], charge[number]] for number, count in zip(
        elements.tolist(), counts.tolist(), strict=True)) for named in ({n: n for n in chosen}, chosen))
    return chosen, after / before


def like_ions(number: int, charge: int, largest_radius_ratio: float) -> list[int]:
    """Atomic numbers of the ions of the same charge and like radius, ascending, the element's own among them."""
    radius = RADIUS[number, charge]
    return sorted(other for (other, its_charge), its_radius in RADIUS.items() if its_charge == charge
                  and max(radius, its_radius) <= largest_radius_ratio * min(radius, its_radius))


def like_elements(number: int, largest_radius_ratio: float) -> list[int]:
    """Atomic numbers of the element's family, for a metal of all metals, of like covalent radius, ascending."""
    radius = gemmi.Element(number).covalent_r
    some = set(FAMILY_OF.get(number, ())) & set(ELEMENTS) | (METALS if number in METALS else set()) | {number}
    return sorted(other for other in some if max(radius, gemmi.Element(other).covalent_r)
                  <= largest_radius_ratio * min(radius, gemmi.Element(other).covalent_r))
