"""Reciprocal space of a cell: d-spacings, and the reflections of the zero-order Laue zone (ZOLZ) of a zone axis."""

from math import gcd

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from classifier.foundation.errors import InputError

Basis = Float[np.ndarray, "2 2"]  # rows b1, b2 of a plane lattice, each (k_x, k_y)


def cell_vectors(lengths_angstrom: ArrayLike, angles_degree: ArrayLike) -> Float[np.ndarray, "3 3"]:
    """Rows a, b, c in angstrom: a along x, b in the xy plane. An impossible cell is an InputError."""
    a, b, c = np.asarray(lengths_angstrom, dtype=np.float64)
    cos_alpha, cos_beta, cos_gamma = np.cos(np.radians(np.asarray(angles_degree, dtype=np.float64)))
    sin_gamma = np.sqrt(1 - cos_gamma**2)
    c_y = (cos_alpha - cos_beta * cos_gamma) / sin_gamma
    height_squared = 1 - cos_beta**2 - c_y**2
    if not (a > 0 and b > 0 and c > 0 and height_squared > 0):  # False for NaN too
        raise InputError(source="unit cell", rule="lengths must be positive and the angles those of a real cell",
                         value=f"{np.asarray(lengths_angstrom).tolist()}, {np.asarray(angles_degree).tolist()}",
                         remedy="Correct the cell.")
    return np.array([[a, 0, 0], [b * cos_gamma, b * sin_gamma, 0],
                     [c * cos_beta, c * c_y, c * np.sqrt(height_squared)]])


def d_spacings_angstrom(hkl: ArrayLike, lengths_angstrom: ArrayLike, angles_degree: ArrayLike) -> np.ndarray:
    """Spacings [...], in angstrom, of the planes hkl [..., 3]; inf for (0, 0, 0)."""
    g = np.asarray(hkl) @ np.linalg.inv(cell_vectors(lengths_angstrom, angles_degree)).T
    with np.errstate(divide="ignore"):
        return 1 / np.linalg.norm(g, axis=-1)


def zolz_lattice(lengths_angstrom: ArrayLike, angles_degree: ArrayLike, zone_axis_uvw: ArrayLike,
                 y_direction_uvw: ArrayLike | None = None) -> Basis:
    """Reduced basis, in 1/angstrom, of the reflections with h u + k v + l w = 0, systematically absent ones among them.

    Parameters
    ----------
    lengths_angstrom, angles_degree : [3] each, of the cell
    zone_axis_uvw : int [3], the direction of z
    y_direction_uvw : [3], its projection is y, and x = y cross z. Where it is not given, x is the projection of a
        (of b where z runs along a), and y = z cross x.
    """
    basis = _zone_indices(zone_axis_uvw)
    direct = cell_vectors(lengths_angstrom, angles_degree)
    frame = _frame(direct, np.asarray(zone_axis_uvw, dtype=np.int64), y_direction_uvw)
    return reduced_basis(basis @ np.linalg.inv(direct).T @ frame.T)


def zolz_frame(lengths_angstrom: ArrayLike, angles_degree: ArrayLike, zone_axis_uvw: ArrayLike
               ) -> Float[np.ndarray, "2 3"]:
    """Unit vectors x and y of `zolz_lattice`, rows, in the frame of `cell_vectors`."""
    return _frame(cell_vectors(lengths_angstrom, angles_degree), np.asarray(zone_axis_uvw, dtype=np.int64), None)


def zolz_reflections(lengths_angstrom: ArrayLike, angles_degree: ArrayLike, zone_axis_uvw: ArrayLike,
                     longest: float) -> tuple[Int[np.ndarray, "M 3"], Float[np.ndarray, "M 3"]]:
    """Indices hkl, and vectors in the frame of `cell_vectors`, of the reflections with h u + k v + l w = 0.

    Parameters
    ----------
    lengths_angstrom, angles_degree : [3] each, of the cell
    zone_axis_uvw : int [3]
    longest : up to this length, 1/angstrom; systematically absent ones and (0, 0, 0) are among them
    """
    basis = _zone_indices(zone_axis_uvw)
    reciprocal = np.linalg.inv(cell_vectors(lengths_angstrom, angles_degree)).T
    reach = np.floor(longest * np.linalg.norm(np.linalg.pinv(basis @ reciprocal), axis=0) + 1e-9).astype(int)
    steps = np.stack(np.meshgrid(*(np.arange(-most, most + 1) for most in reach), indexing="ij"), -1).reshape(-1, 2)
    hkl = steps @ basis
    g = hkl @ reciprocal
    short = np.linalg.norm(g, axis=1) <= longest
    return hkl[short], g[short]


def reduced_basis(basis: Basis) -> Basis:
    """Shortest basis of the plane lattice that the rows of `basis` span (Lagrange's method)."""
    short, long = np.asarray(basis, dtype=np.float64)
    area = abs(short[0] * long[1] - short[1] * long[0])
    if not area > 1e-9 * (short @ short + long @ long):
        raise InputError(source="plane lattice", rule="its two vectors must span a plane",
                         value=np.asarray(basis).tolist(), remedy="Correct them.")
    while True:
        if long @ long < short @ short:
            short, long = long, short
        shorter = long - np.round(short @ long / (short @ short)) * short
        if shorter @ shorter >= (1 - 1e-12) * (long @ long):  # rounding must not swap equally short vectors for ever
            return np.array([short, long])
        long = shorter


def same_lattice(basis: Basis, other: Basis, tolerance: float) -> bool:
    """Whether two bases with meshes of equal area span one lattice, up to a tolerance of their indices."""
    index = basis @ np.linalg.inv(other)
    return bool(np.abs(index - np.round(index)).max() <= tolerance)


def _frame(direct: np.ndarray, axis: np.ndarray, y_direction: ArrayLike | None) -> np.ndarray:
    """Unit vectors x and y of the detector, rows [2, 3]."""
    z = axis @ direct / np.linalg.norm(axis @ direct)
    if y_direction is None:
        x = direct[0] - direct[0] @ z * z
        if np.linalg.norm(x) < 1e-6 * np.linalg.norm(direct[0]):
            x = direct[1] - direct[1] @ z * z
        x /= np.linalg.norm(x)
        return np.array([x, np.cross(z, x)])
    y = np.asarray(y_direction, dtype=np.float64) @ direct
    y = y - y @ z * z
    if np.linalg.norm(y) < 1e-6:
        raise InputError(source="in-plane direction", rule="must not be parallel to the zone axis",
                         value=np.asarray(y_direction).tolist(), remedy="Leave it out.")
    y /= np.linalg.norm(y)
    return np.array([np.cross(y, z), y])


def _zone_indices(axis: ArrayLike) -> np.ndarray:
    """Two integer hkl, rows [2, 3], that span all solutions of hkl . axis = 0; [0, 0, 0] is an InputError."""
    indices = np.asarray(axis, dtype=np.int64).tolist()
    if not any(indices):
        raise InputError(source="zone axis", rule="must not be [0, 0, 0]", value=indices,
                         remedy="Give the beam direction, or find the pose from the image.")
    u, v, w = (index // gcd(*indices) for index in indices)
    if u == v == 0:
        return np.array([[1, 0, 0], [0, 1, 0]])
    divisor, s, t = bezout(u, v)
    return np.array([[v // divisor, -u // divisor, 0], [-s * w, -t * w, divisor]])


def bezout(u: int, v: int) -> tuple[int, int, int]:
    """Return (g, s, t) with s u + t v = g = gcd(u, v) up to sign (Euclid's extended algorithm)."""
    if v == 0:
        return u, 1, 0
    divisor, s, t = bezout(v, u % v)
    return divisor, t, s - (u // v) * t
