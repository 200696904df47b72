"""Which space-group types are maximal subgroups of which: the frozen table of all 230 and the graph that it makes."""

from importlib.resources import files

import numpy as np

from classifier.crystal.spacegroup import NUMBERS, ClassMap, symbol


def _read_table() -> dict[int, tuple[int, ...]]:
    """{space group: its maximal subgroups of another type, ascending} from subgroups.txt, which names its source."""
    lines = files("classifier.crystal").joinpath("subgroups.txt").read_text(encoding="utf-8").splitlines()
    rows = [[int(number) for number in line.split()] for line in lines if not line.startswith("#")]
    return {number: tuple(subgroups) for number, *subgroups in rows}


MAXIMAL_SUBGROUPS: dict[int, tuple[int, ...]] = _read_table()
_MINIMAL_SUPERGROUPS = {number: tuple(group for group in NUMBERS if number in MAXIMAL_SUBGROUPS[group])
                        for number in NUMBERS}


def neighbours(space_group: int) -> tuple[int, ...]:
    """Other types one step away, ascending: maximal sub- and minimal supergroups, translationen- and klassengleiche."""
    symbol(space_group)  # refuses what is no space group
    number = int(space_group)
    return tuple(sorted({*MAXIMAL_SUBGROUPS[number], *_MINIMAL_SUPERGROUPS[number]}))


def direct_edges(class_map: ClassMap) -> np.ndarray:
    """Whether two classes are neighbours, bool [K, K]: symmetric, False on the diagonal."""
    numbers = class_map.space_groups
    return np.array([[b in near for b in numbers] for near in map(neighbours, numbers)], dtype=bool).reshape(
        len(numbers), len(numbers))


def related(class_map: ClassMap) -> np.ndarray:
    """Whether a chain of maximal subgroups leads from one class to the other, bool [K, K], by way of any type."""
    chain = np.zeros((len(NUMBERS) + 1,) * 2, dtype=bool)
    for group, subgroups in MAXIMAL_SUBGROUPS.items():
        chain[group, list(subgroups)] = True
    reached = 0
    while chain.sum() > reached:
        reached = chain.sum()
        chain |= chain.astype(np.float32) @ chain.astype(np.float32) > 0
    np.fill_diagonal(chain, False)  # a type can be a subgroup of its own subgroup
    return (chain | chain.T)[np.ix_(class_map.space_groups, class_map.space_groups)]
