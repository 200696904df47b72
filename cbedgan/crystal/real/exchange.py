"""Other elements on a real structure type: those of like charge and radius, or, without charges, of like kind.

Where the charges of a compound balance, an ion stands for another of the same charge; else an element for another of
its family, and a metal for a metal. The radii of both differ by at most a stated ratio.
"""

import gemmi
import numpy as np
from jaxtyping import Int

from cbedgan.crystal.real.families import FAMILY_OF
from cbedgan.crystal.real.ions import ELEMENTS, RADIUS, charges

METALS = frozenset(number for number in ELEMENTS if gemmi.Element(number).is_metal)


def exchange(numbers: Int[np.ndarray, " n"], largest_radius_ratio: float, generator: np.random.Generator
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

    def summed(standing: dict[int, int]) -> float:
        """Radii of all atoms together, where `standing` says which element is at the place of which."""
        return sum(count * (RADIUS[standing[number], charge[number]] if charge else covalent_radius(standing[number]))
                   for number, count in zip(elements.tolist(), counts.tolist(), strict=True))

    return chosen, summed(chosen) / summed({number: number for number in chosen})


def like_ions(number: int, charge: int, largest_radius_ratio: float) -> list[int]:
    """Atomic numbers of the ions of the same charge and like radius, ascending, the element's own among them."""
    radius = RADIUS[number, charge]
    return sorted(other for (other, its_charge), its_radius in RADIUS.items() if its_charge == charge
                  and max(radius, its_radius) <= largest_radius_ratio * min(radius, its_radius))


def like_elements(number: int, largest_radius_ratio: float) -> list[int]:
    """Atomic numbers of the element's family, for a metal of all metals, of like covalent radius, ascending."""
    radius = covalent_radius(number)
    some = set(FAMILY_OF.get(number, ())) & set(ELEMENTS) | (METALS if number in METALS else set()) | {number}
    return sorted(other for other in some if max(radius, covalent_radius(other))
                  <= largest_radius_ratio * min(radius, covalent_radius(other)))


def covalent_radius(number: int) -> float:
    """In angstrom."""
    return gemmi.Element(number).covalent_r
