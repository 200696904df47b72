"""Charges of elements in a composition: common oxidation states that balance, the more electronegative ones negative.

Between its lowest and highest common state an element may have any mean charge, as in mixed-valence compounds.
"""

from functools import lru_cache

from cbedgan.crystal.natural.nature import nature


def imbalance(composition: dict[int, int]) -> float:
    """Return how far {atomic number: atoms} is from balanced charges: 0 balanced, 1 without any pair of signs.

    It is the least remaining charge over the sum of all charges, over the choices which elements are anions.
    """
    return _best(tuple(sorted(composition.items())))[0]


def charges(composition: dict[int, int]) -> dict[int, float] | None:
    """Return a charge for each element so that {atomic number: atoms} is neutral; None where there is no way."""
    left, best = _best(tuple(sorted(composition.items())))
    return dict(best) if left == 0 else None


@lru_cache(maxsize=65536)
def _best(composition: tuple[tuple[int, int], ...]) -> tuple[float, dict[int, float]]:
    """Return the least imbalance and the charges that give it; the first of equally good choices, anions fewest."""
    species = nature().species
    order = sorted(composition, key=lambda item: (-_electronegativity(item[0]), item[0]))
    best: tuple[float, dict[int, float]] = (1.0, {})
    for n_anions in range(1, len(order)):
        known = [species.get(number) for number, _ in order]
        ranges = [states for rank, one in enumerate(known) if one is not None
                  for states in [one.anion if rank < n_anions else one.cation] if states is not None]
        if len(ranges) < len(order):
            continue
        low = sum(states[0] * atoms for states, (_, atoms) in zip(ranges, order, strict=True))
        high = sum(states[1] * atoms for states, (_, atoms) in zip(ranges, order, strict=True))
        share = min(max(-low / (high - low), 0.0), 1.0) if high > low else 0.0
        state = {number: states[0] + share * (states[1] - states[0])
                 for states, (number, _) in zip(ranges, order, strict=True)}
        total = sum(abs(state[number]) * atoms for number, atoms in order)
        left = abs(sum(state[number] * atoms for number, atoms in order)) / total
        left = 0.0 if left < 1e-9 else left
        if left < best[0]:
            best = left, state
    return best


def _electronegativity(number: int) -> float:
    known = nature().species.get(number)
    return 0.0 if known is None else known.electronegativity
