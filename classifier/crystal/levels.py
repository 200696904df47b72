"""Coarser answers of one softmax over the groups: its probabilities summed to a level, or cut to some groups.

Every level is a sum of the same probabilities, so that no two levels can contradict each other.
"""

from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Float, Int

from classifier.crystal import spacegroup
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError, reported
from classifier.statistics.metrics import softmax

# Level: its names, in the order of International Tables, and the function that gives a space group's own.
LEVELS: dict[str, tuple[tuple[str, ...], Callable[[int], str]]] = {
    "crystal_system": (spacegroup.CRYSTAL_SYSTEMS, spacegroup.crystal_system),
    "bravais_lattice": (spacegroup.BRAVAIS_LATTICES, spacegroup.bravais_lattice),
    "laue_class": (spacegroup.LAUE_CLASSES, spacegroup.laue_class),
    "point_group": (spacegroup.POINT_GROUPS, spacegroup.point_group)}


def level_index(space_groups: Iterable[int], level: str) -> Int[np.ndarray, " N"]:
    """Place of each space group among the names of a level."""
    names, name_of = _level(level)
    return np.array([names.index(name_of(number)) for number in space_groups], dtype=np.int64)


def level_matrix(class_map: ClassMap, level: str) -> tuple[tuple[str, ...], Float[np.ndarray, "K L"]]:
    """Names of a level, all L of them, and a matrix that holds 1 where a class belongs to a name."""
    names, _ = _level(level)
    return names, np.eye(len(names))[level_index(class_map.space_groups, level)].reshape(len(class_map), len(names))


def level_probabilities(logits: Float[np.ndarray, "N K"], class_map: ClassMap, level: str) -> Float[np.ndarray, "N L"]:
    """Probabilities of the names of a level, from logits of the groups."""
    return softmax(logits) @ level_matrix(class_map, level)[1]


def restrict(logits: Float[np.ndarray, "N K"], class_map: ClassMap, space_groups: Iterable[int]
             ) -> Float[np.ndarray, "N K"]:
    """Logits with minus infinity for every group but these: the answer of one who knows that no other occurs.

    The probabilities are those under that condition: p(group | one of these). A group that the map lacks is refused.
    """
    columns = class_map.indices(np.array(sorted(set(space_groups)), dtype=np.int64))
    if not len(columns):
        raise InputError(source="space groups", rule="at least one must be left to answer with", value="none",
                         remedy="Name the groups that can occur.")
    masked = np.full_like(logits, -np.inf)
    masked[:, columns] = logits[:, columns]
    return masked


def parse_space_groups(text: str | None) -> list[int] | None:
    """Space-group numbers of a list such as "2, 14, 62"; None stays None."""
    if text is None:
        return None
    with reported("space groups", rule='must be numbers with commas between, e.g. "2,14,62"', remedy="Correct them."):
        return [int(number) for number in text.split(",")]


def _level(level: str) -> tuple[tuple[str, ...], Callable[[int], str]]:
    try:
        return LEVELS[level]
    except KeyError:
        raise InputError(source="level", rule=f"must be one of {', '.join(LEVELS)}", value=level,
                         remedy="Name one of them.") from None
