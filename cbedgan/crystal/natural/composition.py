"""Elements for the orbits of a cell: stoichiometries of known compounds, their elements or similar ones, neutral."""

from functools import cache, reduce
from math import gcd
from typing import NamedTuple

import numpy as np

from cbedgan.crystal.natural.charges import charges
from cbedgan.crystal.natural.nature import Species, nature

LABELLINGS = 48  # ways to give the orbits to elements that are tried
EXCHANGED = 0.6  # share of elements that a similar one replaces
ALIKE = 1.2  # largest ratio of the radii of similar elements
MORE_ELEMENTS = 2.5  # a stoichiometry of one more element counts so much more: the compounds listed are mostly binary
SAME_ELEMENT = 0.45  # each further orbit of the same element makes a stoichiometry so much rarer
HYPOTHETICAL_DRAWS = 60  # of elements, where no known stoichiometry fits


class Filling(NamedTuple):
    """Atomic number and charge of each orbit; the charges are all zero in an intermetallic or elemental crystal."""

    numbers: list[int]
    charges: list[float]


def draw_filling(atoms: list[int], maximum_elements: int, generator: np.random.Generator) -> Filling | None:
    """Draw elements for orbits of so many atoms each; None when nothing neutral is found."""
    labels = _labellings(len(atoms), maximum_elements, generator)
    counts = [np.bincount(one, weights=atoms, minlength=1).astype(int) for one in labels]
    known, by_key = _stoichiometries(), {}
    for one, count in zip(labels, counts, strict=True):
        key = _anonymous(count)
        if key in known:
            by_key.setdefault(key, []).append((one, count))
    if not by_key:
        return _hypothetical(labels, counts, generator)
    keys = sorted(by_key)
    weight = np.array([(len(known[key]) * MORE_ELEMENTS ** len(key)) ** 0.7 * SAME_ELEMENT ** (len(atoms) - len(key))
                       for key in keys])
    key = keys[int(generator.choice(len(keys), p=weight / weight.sum()))]
    one, count = by_key[key][int(generator.integers(len(by_key[key])))]
    composition = known[key][int(generator.integers(len(known[key])))]
    composition = exchanged(composition, generator)
    # Elements of equal share are in random order, the labels too.
    elements = sorted(composition, key=lambda number: (composition[number], generator.random()))
    ranks = np.argsort(np.argsort(count + 0.5 * generator.random(len(count))))
    states = charges(composition) or {}
    numbers = [elements[ranks[label]] for label in one]
    return Filling(numbers, [states.get(number, 0.0) for number in numbers])


def exchanged(composition: dict[int, int], generator: np.random.Generator) -> dict[int, int]:
    """Put similar elements, of the same charge and a like radius, in the place of some; charges stay balanced."""
    states = charges(composition)
    result: dict[int, int] = {}
    for number, atoms in sorted(composition.items()):
        others = [other for other in _similar(number, None if states is None else states[number])
                  if other not in result and other not in composition]
        if others and generator.random() < EXCHANGED:
            weight = np.array([nature().species[other].weight for other in others])
            number = others[int(generator.choice(len(others), p=weight / weight.sum()))]
        result[number] = atoms
    return result if states is None or charges(result) is not None else composition


@cache
def _similar(number: int, charge: float | None) -> tuple[int, ...]:
    species = nature().species
    one = species[number]
    return tuple(other for other, two in species.items() if other != number
                 and (1 / ALIKE < radius(two, charge or 0.0) / radius(one, charge or 0.0) < ALIKE)
                 and (one.metal == two.metal if charge is None else _takes(two, charge)))


def _takes(one: Species, charge: float) -> bool:
    states = one.cation if charge > 0 else one.anion
    return states is not None and states[0] <= charge <= states[1]


def radius(one: Species, charge: float) -> float:
    """Return the radius in angstrom at a charge, the covalent one where that is zero."""
    if charge == 0:
        return one.covalent_radius
    if charge < 0:
        return one.anion_radius
    low, high = one.cation or (charge, charge)
    share = 0.0 if high == low else (charge - low) / (high - low)
    return one.cation_radii[0] + share * (one.cation_radii[1] - one.cation_radii[0])


@cache
def _stoichiometries() -> dict[tuple[int, ...], list[dict[int, int]]]:
    """Known compositions by their atoms of the formula in ascending order."""
    found: dict[tuple[int, ...], list[dict[int, int]]] = {}
    for composition in nature().compositions:
        found.setdefault(tuple(sorted(composition.values())), []).append(composition)
    return found


def _anonymous(count: np.ndarray) -> tuple[int, ...]:
    divisor = reduce(gcd, count.tolist())
    return tuple(sorted((count // divisor).tolist()))


def _labellings(n_orbits: int, maximum_elements: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Draw ways to give orbits to elements 0, 1, ...; each of the elements has an orbit."""
    found = []
    for _ in range(LABELLINGS):
        n_elements = int(generator.integers(1, min(n_orbits, maximum_elements), endpoint=True))
        more = generator.integers(0, n_elements, n_orbits - n_elements)
        found.append(generator.permutation(np.concatenate([np.arange(n_elements), more])))
    return found


def _hypothetical(labels: list[np.ndarray], counts: list[np.ndarray], generator: np.random.Generator) -> Filling | None:
    """Elements that occur together in a known compound, at another ratio that is neutral, or metals at any ratio."""
    known = nature().compositions
    for _ in range(HYPOTHETICAL_DRAWS):
        pick = int(generator.integers(len(labels)))
        one, count = labels[pick], counts[pick]
        composition = exchanged(known[int(generator.integers(len(known)))], generator)
        if len(composition) != len(count):
            continue
        elements = generator.permutation(sorted(composition))
        states = charges(dict(zip(elements.tolist(), count.tolist(), strict=True)))
        if states is None and not all(nature().species[number].metal for number in composition):
            continue
        numbers = [int(elements[label]) for label in one]
        return Filling(numbers, [0.0 if states is None else states[number] for number in numbers])
    return None


def volume(filling: Filling, atoms: list[int], generator: np.random.Generator) -> float:
    """Draw a volume in cubic angstrom of a cell of the orbits: the sum over its atoms, with nature's spread."""
    total = 0.0
    for number, charge, count in zip(*filling, atoms, strict=True):
        as_cation, as_anion, neutral = nature().species[number].volumes
        total += count * (neutral if charge == 0 else as_cation if charge > 0 else as_anion)
    spread = nature().volume_spread[any(filling.charges)]
    return total * float(np.exp(spread * np.clip(generator.standard_normal(), -2, 2)))
