"""The lattice of a pattern's disks with the weak ones, which the lattice of the strong disks leaves out."""

import numpy as np
from jaxtyping import Float, Real

from classifier.crystal.reciprocal import reduced_basis
from classifier.pattern.disk_lattice import DiskLattice, nearest_lattice_point, pixel_vectors
from classifier.pattern.geometry import Detector

INSIDE, OUTSIDE = 0.5, 1.0  # pixels from the rim of a disk to what is surely in it, and to what is surely not
LEAST_PIXELS = 8  # fewer between the strong disks say nothing
FLOOR = 1e-6  # of the logarithm, share of the light
LEAST_LIKENESS = 0.5  # correlation of the light's logarithm with being in a disk
HEIGHT_STEP = 0.02  # g1 between the heights tried


def with_weak_disks(pattern: Real[np.ndarray, "H H"], detector: Detector, lattice: DiskLattice, faintest: float
                    ) -> DiskLattice:
    """The lattice, or the one of a half or a quarter of its mesh whose further disks are lit as well.

    Glides, screws and superstructures leave weak disks half-way between strong ones.

    Parameters
    ----------
    pattern, detector, lattice : intensities, what the pixels mean, and the lattice of the strong disks
    faintest : mean intensity from which a disk is lit
    """
    scale = detector.pixel_size
    radius = lattice.radius / scale
    vectors = pixel_vectors(detector.size_pixels) - np.asarray(lattice.centre) / scale
    for _ in range(2):
        basis = reduced_basis(lattice.basis)
        first, second = basis / scale
        halves = [first / 2, second / 2, (first + second) / 2]
        free = nearest_lattice_point(vectors, basis / scale)[1] > radius + OUTSIDE
        lit = []
        for half in halves:
            own = free & (nearest_lattice_point(vectors - half, basis / scale)[1] < radius - INSIDE)
            lit.append(own.sum() >= LEAST_PIXELS and float(pattern[own].mean()) > faintest)
        if not any(lit):
            return lattice
        finer = (basis / 2 if sum(lit) > 1 else np.array([basis[0] / 2, basis[1]]) if lit[0]
                 else np.array([basis[0], basis[1] / 2]) if lit[1] else np.array([basis[0], basis.sum(0) / 2]))
        lattice = lattice._replace(basis=reduced_basis(finer))
    return lattice


def rectangular_lattice(pattern: Real[np.ndarray, "H H"], detector: Detector, disk_radius: float,
                        centre: Float[np.ndarray, " 2"]) -> DiskLattice | None:
    """The rectangular lattice, primitive or centred, whose disks explain a pattern in canonical pose best, g1 along x.

    For patterns with a mirror line along x and too few whole disks for `find_disk_lattice`; None where none does.

    Parameters
    ----------
    pattern, detector : shares of the light, and what the pixels mean
    disk_radius, centre : in detector units
    """
    if detector.unit != "shortest_g":
        return None
    vectors = pixel_vectors(detector.size_pixels) * detector.pixel_size - centre
    light = np.log(pattern + FLOOR)
    half = detector.size_pixels * detector.pixel_size / 2
    best, most = None, LEAST_LIKENESS
    for height in (*np.arange(disk_radius, half + disk_radius, HEIGHT_STEP), 4 * half):  # the last: a single row
        for offset in (0.0, 0.5):
            lattice = DiskLattice(np.array([[1.0, 0.0], [offset, height]]), disk_radius, np.asarray(centre))
            inside = nearest_lattice_point(vectors, reduced_basis(lattice.basis))[1] < disk_radius
            if inside.all() or light.std() == 0:
                continue
            likeness = float(np.corrcoef(inside.ravel(), light.ravel())[0, 1])
            if likeness > most:
                best, most = lattice, likeness
    return best
