"""What cell and space group say of a pattern's net: which rows have no odd reflections, and how it may be strained."""

from typing import NamedTuple

import numpy as np

from classifier.crystal.reciprocal import cell_vectors, zolz_reflections
from classifier.crystal.spacegroup import is_systematically_absent, rotations

SAME = 0.01  # relative difference of lengths, and of products of vectors against those of their lengths
SETTING = 0.02  # of a rotation's matrix: farther from a rotation the cell is not the group's
FREEDOMS = 5  # strains of a cell, dilation apart


class IndexedNet(NamedTuple):
    """The W ways in which a net can lie on its crystal's: hkl int [W, 2, 3] of its vectors, and these in 1/angstrom,
    g [W, 2, 3], in the frame of the cell."""

    hkl: np.ndarray
    g: np.ndarray


def indexed_net(lengths_angstrom: np.ndarray, angles_degree: np.ndarray, zone_axis_uvw: np.ndarray, net: np.ndarray
                ) -> IndexedNet:
    """Indices of a net [2, 2] in 1/angstrom, which may be turned or mirrored; no way where the cell does not fit."""
    length = np.linalg.norm(net, axis=1)
    hkl, g = zolz_reflections(lengths_angstrom, angles_degree, zone_axis_uvw, length.max() * (1 + SAME))
    first, second = (np.flatnonzero(np.abs(np.linalg.norm(g, axis=1) - one) < SAME * one) for one in length)
    fits = np.abs(g[first] @ g[second].T - net[0] @ net[1]) < SAME * length.prod()
    way = np.stack((first[np.nonzero(fits)[0]], second[np.nonzero(fits)[1]]), 1)
    return IndexedNet(hkl[way], g[way])


def absent_rows(space_group: int, indexed: IndexedNet) -> np.ndarray:
    """Whether all odd multiples of the net's two vectors are systematically absent, however it lies, bool [2].

    As glide planes and two-fold screw axes have it; screws of three leave the third.
    """
    multiples = np.stack((indexed.hkl, 3 * indexed.hkl))
    return np.asarray(is_systematically_absent(space_group, multiples).all((0, 1)) & (len(indexed.hkl) > 0))


def free_strains(space_group: int, lengths_angstrom: np.ndarray, angles_degree: np.ndarray) -> np.ndarray:
    """Orthonormal strains of the cell that its group leaves free, dilation apart, float64 [FREEDOMS, 3, 3].

    In the frame of the cell; zeros behind the last, and nothing but zeros for a cell of another setting.
    """
    cell = cell_vectors(lengths_angstrom, angles_degree)
    turns = cell.T @ rotations(space_group) @ np.linalg.inv(cell.T)
    if np.abs(turns @ turns.mT - np.eye(3)).max() > SETTING:
        return np.zeros((FREEDOMS, 3, 3))
    kept = np.mean([np.kron(turn, turn) for turn in turns], axis=0)  # of tensors, row by row
    transposed = np.eye(9).reshape(3, 3, 9).swapaxes(0, 1).reshape(9, 9)
    dilation = np.outer(np.eye(3), np.eye(3)) / 3
    values, vectors = np.linalg.eigh(kept @ (np.eye(9) + transposed) / 2 - dilation)
    free = vectors.T[values > 0.5].reshape(-1, 3, 3)
    return np.concatenate((free, np.zeros((FREEDOMS - len(free), 3, 3))))


def plane_strains(strains: np.ndarray, indexed: IndexedNet, net: np.ndarray) -> np.ndarray:
    """Strains (xx, yy, xy) float64 [F, 3] of a net [2, 2] in 1/angstrom that strains [F, 3, 3] of its cell bring about.

    To first order, and with the sign of direct space, which is all one where either sign is as likely.
    """
    if not len(indexed.g):
        return np.zeros((len(strains), 3))
    frame = np.linalg.pinv(indexed.g[0]) @ net  # axes of the pattern, columns
    plane = frame.T @ strains @ frame
    return np.stack((plane[:, 0, 0], plane[:, 1, 1], (plane[:, 0, 1] + plane[:, 1, 0]) / 2), 1)
