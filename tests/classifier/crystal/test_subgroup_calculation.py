"""The frozen table of maximal subgroups against a calculation from the operations: all 230 rows, all 1,294 pairs.

A maximal subgroup keeps all translations and loses point operations, or keeps the point group and loses translations
(Hermann). Both kinds are made from gemmi's operations, and spglib names what is left.
"""

from collections.abc import Iterator
from itertools import product

import gemmi
import numpy as np
import pytest

from classifier.crystal import spacegroup as sg
from classifier.crystal.subgroups import MAXIMAL_SUBGROUPS

spglib = pytest.importorskip("spglib")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:spglib")

DEN = gemmi.Op.DEN  # 24: shifts are whole numbers of 24ths
# Right-handed primitive bases of the centrings, in columns.
BASES = {"P": np.eye(3), "A": np.array([[2, 0, 0], [0, 1, 1], [0, -1, 1]]) / 2,
         "C": np.array([[1, 1, 0], [-1, 1, 0], [0, 0, 2]]) / 2, "I": np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2,
         "F": np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2, "H": np.array([[2, -1, -1], [1, 1, -2], [1, 1, 1]]) / 3}


def primitive_operations(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Rotations int [P, 3, 3] and shifts int [P, 3], in 24ths, of a group in a primitive basis; the identity first."""
    group = gemmi.get_spacegroup_reference_setting(number)
    basis, operations = BASES[group.short_name()[0]], list(group.operations().sym_ops)
    inverse = np.linalg.inv(basis)
    rotations = np.array([np.rint(inverse @ np.array(op.rot) @ basis) for op in operations]).astype(int) // DEN
    return rotations, np.rint(np.array([op.tran for op in operations]) @ inverse.T).astype(int)


def products_of(rotations: np.ndarray) -> list[list[int]]:
    """Index [P][P] of the product of two rotations."""
    place = {one.tobytes(): k for k, one in enumerate(rotations)}
    return [[place[(a @ b).tobytes()] for b in rotations] for a in rotations]


def closure(generators: list[int], products: list[list[int]]) -> frozenset[int]:
    """The group that these elements make."""
    elements = {0}
    while len(wider := elements | {products[a][b] for a in elements for b in generators}) > len(elements):
        elements = wider
    return frozenset(elements)


def name(rotations: np.ndarray, shifts: np.ndarray) -> int:
    """Number of the type with these operations of a primitive cell; shifts in cells. The metric is made to fit them."""
    metric = sum(one.T @ np.array([[3.0, 0.3, 0.7], [0.3, 4.1, 0.9], [0.7, 0.9, 5.3]]) @ one for one in rotations)
    return spglib.get_spacegroup_type_from_symmetry(rotations, shifts % 1, lattice=np.linalg.cholesky(metric)).number


def translationengleiche(rotations: np.ndarray, shifts: np.ndarray) -> set[int]:
    """Types of the maximal subgroups with all translations."""
    products = products_of(rotations)
    found: dict[frozenset[int], list[int]] = {frozenset({0}): []}  # subgroups of the point group, with generators
    waiting = list(found)
    while waiting:
        small = waiting.pop()
        for one in set(range(len(rotations))) - small:
            larger = closure([*found[small], one], products)
            if larger not in found:
                found[larger] = [*found[small], one]
                waiting.append(larger)
    proper = [one for one in found if len(one) < len(rotations)]
    maximal = [sorted(one) for one in proper if not any(one < other for other in proper)]
    return {name(rotations[kept], shifts[kept] / DEN) for kept in maximal}


def sublattices(index: int) -> Iterator[np.ndarray]:
    """Every lattice of that index in the whole-numbered one, once: its basis in columns, lower triangular rows."""
    for a, b, c in product(range(1, index + 1), repeat=3):
        if a * b * c == index:
            for x, y, z in product(range(a), range(a), range(b)):
                yield np.array([[a, 0, 0], [x, b, 0], [y, z, c]]).T


def adjugate(basis: np.ndarray) -> np.ndarray:
    """Whole-numbered determinant times inverse of a basis of positive determinant."""
    return np.rint(np.linalg.inv(basis) * np.linalg.det(basis)).astype(int)


def klassengleiche(rotations: np.ndarray, shifts: np.ndarray) -> set[int]:
    """Types of the maximal subgroups with the whole point group, of index up to 5.

    Higher ones are of the same type: of index 5 are the mirrored P6_5 of P6_1 and their like, which count as others.
    """
    kept = {index: [m for m in sublattices(index) if not (adjugate(m) @ rotations @ m % index).any()]
            for index in (2, 3, 4, 5)}
    products, generators = products_of(rotations), []
    while len(span := closure(generators, products)) < len(rotations):
        generators.append(max(set(range(len(rotations))) - span,
                              key=lambda one: len(closure([*generators, one], products))))
    words, waiting = {0: (-1, 0)}, [0]
    for element in waiting:
        for k, generator in enumerate(generators):
            if (result := products[generator][element]) not in words:
                words[result] = (k, element)
                waiting.append(result)
    found = set()
    for index, lattices in kept.items():
        for lattice in lattices:
            if index == 4 and any(not (adjugate(between) @ lattice % 2).any() for between in kept[2]):
                continue  # a subgroup of a subgroup
            found |= with_lattice(lattice, rotations, shifts, products, generators, words)
    return found


def with_lattice(lattice: np.ndarray, rotations: np.ndarray, shifts: np.ndarray, products: list[list[int]],
                 generators: list[int], words: dict[int, tuple[int, int]]) -> set[int]:
    """Types of the subgroups with these translations and all rotations: each generator may take along a lost one.

    words: {element: (generator, element before it)}, in an order in which the latter come first.
    """
    index, to_lattice = round(np.linalg.det(lattice)), adjugate(lattice)
    lost = [np.array(one) * DEN for one in product(*map(range, np.diagonal(lattice)))]
    added = np.array(list(product(lost, repeat=len(generators)))).reshape(
        len(lost)**len(generators), len(generators), 3)
    of_generator = shifts[generators] + added
    shift = np.zeros((len(added), len(rotations), 3), dtype=int)
    for element, (k, before) in words.items():
        if k >= 0:
            shift[:, element] = shift[:, before] @ rotations[generators[k]].T + of_generator[:, k]
    closed = np.ones(len(added), dtype=bool)
    for k, generator in enumerate(generators):
        off = shift @ rotations[generator].T + of_generator[:, k:k + 1] - shift[:, products[generator]]
        closed &= ~(off @ to_lattice.T % (DEN * index)).any(axis=(1, 2))
    turned = to_lattice @ rotations @ lattice // index
    return {name(turned, one @ to_lattice.T / (DEN * index)) for one in shift[closed]}


@pytest.mark.slow
@pytest.mark.parametrize("system", sg.CRYSTAL_SYSTEMS)
def test_every_row_is_what_the_operations_give(system):
    for number in sg.NUMBERS:
        if sg.crystal_system(number) == system:
            rotations, shifts = primitive_operations(number)
            found = translationengleiche(rotations, shifts) | klassengleiche(rotations, shifts)
            assert found - {number} == set(MAXIMAL_SUBGROUPS[number]), number
