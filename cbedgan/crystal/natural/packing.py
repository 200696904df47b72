"""Atoms pushed and pulled by their neighbours until each has room: unlike charges bind, like ones keep apart.

The steps move one point of each orbit and the shape of the cell at constant volume, so that the group stays. They are
few, and end before the energy is least: nature has many ways, and the least energy mostly a higher symmetry.
"""

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

STEPS, REBUILT = 24, 8  # steps, and after how many of them the neighbours are looked for again
FIRST_STEP, LAST_STEP = 0.35, 0.03  # angstrom: the farthest any atom goes in a step
STRAIN_STEP = 0.15  # the largest strain of a step, for each angstrom that atoms go
DECIMALS = 5  # of cells and points after each step
REACH = np.array([1.2, 1.7])  # of the forces, in bond lengths, of pairs that keep apart and of those that attract


class Orbit(NamedTuple):
    """The atoms of one primitive cell on a Wyckoff position: rotations @ x + translations; the first is x itself."""

    rotations: Float[np.ndarray, "atoms 3 3"]
    translations: Float[np.ndarray, "atoms 3"]


class Bonds(NamedTuple):
    """Between each two orbits: the length in angstrom at which they are content, and whether they attract."""

    lengths: Float[np.ndarray, "orbits orbits"]
    attract: Bool[np.ndarray, "orbits orbits"]


class Packed(NamedTuple):
    """Candidates. nearest: over the bond length, of each orbit's binding neighbours; apart: of pairs that keep apart.

    Both are infinite where no such neighbour is within reach.
    """

    lattices: Float[np.ndarray, "candidates 3 3"]
    points: Float[np.ndarray, "candidates orbits 3"]
    nearest: Float[np.ndarray, "candidates orbits"]
    apart: Float[np.ndarray, " candidates"]


class _Pairs(NamedTuple):
    """candidate, orbit: of the first atom; atom: the second; shift: fractional, from the second's place."""

    candidate: Int[np.ndarray, " pairs"]
    orbit: Int[np.ndarray, " pairs"]
    atom: Int[np.ndarray, " pairs"]
    shift: Float[np.ndarray, "pairs 3"]


def pack(orbits: list[Orbit], bonds: Bonds, basis: Float[np.ndarray, "3 3"], point_group: Float[np.ndarray, "ops 3 3"],
         lattices: Float[np.ndarray, "candidates 3 3"], generator: np.random.Generator) -> Packed:
    """Place the orbits at random in each of the cells and let them relax.

    Parameters
    ----------
    orbits, bonds : what is to be placed
    basis : rows are the primitive vectors in units of the cell's
    point_group : rotations of the group, in fractions of the cell
    lattices : rows a, b, c of each candidate's cell in angstrom, of the volume that it shall keep
    generator : of the first places
    """
    n_candidates, sizes = len(lattices), np.array([len(orbit.rotations) for orbit in orbits])
    owner = np.repeat(np.arange(len(orbits)), sizes)
    rotations = np.concatenate([orbit.rotations for orbit in orbits])
    translations = np.concatenate([orbit.translations for orbit in orbits])
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    points = generator.uniform(0, 1, (n_candidates, len(orbits), 3))
    points = _images(rotations[first], translations[first], points)
    reach = (REACH[bonds.attract.astype(int)] * bonds.lengths)[:, owner]
    # Of a tensor in fractions of the cell: the mean of R S R^T over the operations R.
    mean_over_group = np.einsum("oij,okl->ikjl", point_group, point_group).reshape(9, 9) / len(point_group)
    lengths, volumes = np.geomspace(FIRST_STEP, LAST_STEP, STEPS), np.linalg.det(lattices)
    pairs = _neighbours(lattices, _images(rotations, translations, points[:, owner]), points, basis, reach)
    for step in range(STEPS + 1):
        atoms = _images(rotations, translations, points[:, owner])
        if step and step % REBUILT == 0:
            pairs = _neighbours(lattices, atoms, points, basis, reach)
        apart = atoms[pairs.candidate, pairs.atom] + pairs.shift - points[pairs.candidate, pairs.orbit]
        vectors = (apart[:, None] @ lattices[pairs.candidate])[:, 0]
        distance = np.maximum(np.linalg.norm(vectors, axis=1), 0.3)
        other = owner[pairs.atom]
        length, binds = bonds.lengths[pairs.orbit, other], bonds.attract[pairs.orbit, other]
        ratio, place = distance / length, pairs.candidate * len(orbits) + pairs.orbit
        if step == STEPS:
            break
        cube = 1 / (ratio * ratio * ratio)
        push = np.where(binds, cube * (cube * cube - 1), 0.7 * cube * cube)
        push *= np.clip(4 * (REACH[binds.astype(int)] - ratio), 0, 1)
        pushed = np.minimum(push, 40.0)[:, None] * vectors / distance[:, None]
        force = -np.stack([np.bincount(place, pushed[:, axis], n_candidates * len(orbits)) for axis in range(3)], -1)
        force = force.reshape(n_candidates, len(orbits), 3)
        stress, runs = sizes[pairs.orbit, None] * pushed, pairs.candidate.searchsorted(np.arange(n_candidates + 1))
        strain = np.stack([stress[start:stop].T @ vectors[start:stop] for start, stop in itertools.pairwise(runs)])
        lattices, points = _moved(lattices, points, force, strain, mean_over_group, lengths[step])
        # Steps magnify last bits, which differ between processors, ten thousandfold in all: none is left to magnify.
        lattices, points = np.round(lattices, DECIMALS), np.round(points, DECIMALS)
        lattices *= np.cbrt(volumes / np.linalg.det(lattices))[:, None, None]
        points = _images(rotations[first], translations[first], points)
    nearest, least = np.full(n_candidates * len(orbits), np.inf), np.full(n_candidates, np.inf)
    alike = np.logical_not(binds)
    np.minimum.at(nearest, place[binds], ratio[binds])
    np.minimum.at(least, pairs.candidate[alike], ratio[alike])
    return Packed(lattices, points, nearest.reshape(n_candidates, -1), least)


def _images(rotations: np.ndarray, translations: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the atoms [k, a, 3] of points [k, a, 3], one for each operation [a]."""
    return (rotations @ points[..., None])[..., 0] + translations


def _moved(lattices: np.ndarray, points: np.ndarray, force: np.ndarray, strain: np.ndarray, mean_over_group: np.ndarray,
           step: float) -> tuple[np.ndarray, np.ndarray]:
    """Move along the forces by at most `step` angstrom, and strain the cells as the group allows, volumes kept."""
    largest = np.linalg.norm(force, axis=-1).max(axis=1)[:, None, None]
    moves = force / np.maximum(largest, 1e-3) * step * np.minimum(largest, 1)
    inverse = np.linalg.inv(lattices)
    # Of a row vector v = x L the operation R makes v L^-1 R^T L.
    fractional = inverse.transpose(0, 2, 1) @ strain @ inverse
    strain = lattices.transpose(0, 2, 1) @ (fractional.reshape(-1, 9) @ mean_over_group.T).reshape(-1, 3, 3) @ lattices
    strain = (strain + strain.transpose(0, 2, 1)) / 2
    strain -= np.trace(strain, axis1=1, axis2=2)[:, None, None] * np.eye(3) / 3
    size = np.abs(strain).max(axis=(1, 2))[:, None, None]
    growth = np.eye(3) + strain / np.maximum(size, 1e-3) * STRAIN_STEP * step * np.minimum(size, 1)
    growth /= np.cbrt(np.linalg.det(growth))[:, None, None]
    return lattices @ growth, points + moves @ inverse


def _neighbours(lattices: np.ndarray, atoms: np.ndarray, points: np.ndarray, basis: np.ndarray,
                reach: Float[np.ndarray, "orbits atoms"]) -> _Pairs:
    """Return all pairs within reach, and a little more, of the first atom of each orbit."""
    found = []
    for candidate, lattice in enumerate(lattices):
        reduced = short_basis(basis @ lattice) @ np.linalg.inv(lattice)
        spacing = 1 / np.linalg.norm(np.linalg.inv(reduced @ lattice), axis=0)
        counts = np.floor(1.1 * reach.max() / spacing + 0.5).astype(int)
        cells = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in counts], indexing="ij"), -1).reshape(-1, 3)
        apart = atoms[candidate][None] - points[candidate][:, None]
        wrap, shifts = -np.round(apart @ np.linalg.inv(reduced)) @ reduced, cells @ reduced
        nearest, further = (apart + wrap) @ lattice, shifts @ lattice
        square = ((nearest * nearest).sum(-1)[..., None] + (further * further).sum(-1)) + 2 * (nearest @ further.T)
        orbit, atom, cell = np.nonzero((square < (1.1 * reach[:, :, None])**2) & (square > 1e-6))
        found.append((np.full(len(orbit), candidate), orbit, atom, wrap[orbit, atom] + shifts[cell]))
    return _Pairs(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def short_basis(lattice: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """Return short vectors that span the same lattice, by Selling's steps on three vectors and minus their sum."""
    vectors = np.concatenate([lattice, -lattice.sum(axis=0)[None]])
    for _ in range(60):
        products = vectors @ vectors.T
        np.fill_diagonal(products, -np.inf)
        first, second = np.unravel_index(products.argmax(), (4, 4))
        if products[first, second] <= 1e-9:
            break
        others = [i for i in range(4) if i not in (first, second)]
        vectors[others] += vectors[first]
        vectors[first] = -vectors[first]
    return vectors[np.argsort(np.linalg.norm(vectors, axis=1), kind="stable")[:3]]
