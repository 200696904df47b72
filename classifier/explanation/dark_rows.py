"""Rows through the direct disk whose odd reflections are dark along the row: glide planes and two-fold screw axes.

A reflection that the space group forbids gets its light from others, except where the beam lies in the glide plane or
across the screw axis: there all paths cancel in pairs (Gjonnes and Moodie 1965, Acta Cryst. 19, 65).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real
from scipy import ndimage

from classifier.explanation.weak_disks import with_weak_disks
from classifier.pattern.disk_lattice import DiskLattice
from classifier.pattern.geometry import Detector

ODD = (-3, -1, 1, 3)
ALONG, BESIDE, STEPS = 0.7, 0.5, 15  # of the radius: half the length looked at, and how far to both sides of the row
RIM = 0.5  # pixels inside the rim of a disk, and twice that from a neighbour's
LEAST_PLACES = 3  # along a line: fewer say nothing
LEAST_OWN = 0.6  # of a disk's area that no other disk may cover: else what is dark may be a gap between disks
LEAST_REFLECTIONS = 2  # on a row: one may be dark by chance
LEAST_COUNTS = 3.0  # electrons a pixel beside the line: fewer say nothing
FAINTEST = 1e-6  # of the incident beam, a pixel
ONE_ROW = 0.1  # of the light of the disks at +-g1: more beyond the row, and it is not the only one
DARK = 0.15  # of the light beside it: what lies along the row of a forbidden reflection stays below
ON_ROW = 0.05  # of its length: how far from the line a lattice point may lie


class DarkRow(NamedTuple):
    """A row at an azimuth in degrees, 0 to 180, and its dark odd reflections (x, y), with the radius of their disks, in
    detector units from the middle of the frame; light: the most along one of them over the light beside it."""

    azimuth_degree: float
    reflections: tuple[tuple[float, float], ...]
    disk_radius: float
    light: float


def dark_rows(pattern: Real[np.ndarray, "H H"], detector: Detector, lattice: DiskLattice, lines: Sequence[float],
              order: int, electrons: float, field: float = np.inf) -> list[DarkRow]:
    """The rows along mirror lines all of whose odd reflections that show light beside the row are dark along it.

    Parameters
    ----------
    pattern, detector, lattice : intensities, what the pixels mean, and the lattice of the disks
    lines : azimuths of the mirror lines in degrees
    order : of the rotation axis, which makes rows equivalent: they are dark together or not at all
    electrons : of the incident beam
    field : how far from the middle something was measured, in detector units: disks beyond are not dark
    """
    if order % 3 == 0:  # no plane group with three-fold axes has a glide line of its own
        return []
    pattern = np.asarray(pattern, dtype=np.float64)
    faintest = max(FAINTEST, LEAST_COUNTS / electrons)
    lattice = with_weak_disks(pattern, detector, lattice, faintest)
    seen = {line: _odd_reflections(pattern, detector, lattice, line, faintest, field) for line in lines}
    found = []
    for line, own in seen.items():
        alike = [light for other, each in seen.items() for _, light in each if _equivalent(line, other, order)]
        if len(own) >= LEAST_REFLECTIONS and max(alike) < DARK:
            found.append(DarkRow(line, tuple((float(x), float(y)) for (x, y), _ in own), lattice.radius,
                                 float(max(alike))))
    return found


def _equivalent(line: float, other: float, order: int) -> bool:
    step = 360 / order if order > 1 else 180.0
    return any(abs((line - other + k * step + 90) % 180 - 90) < 1 for k in range(max(order, 1)))


def _odd_reflections(pattern: np.ndarray, detector: Detector, lattice: DiskLattice, line: float, faintest: float,
                     field: float) -> list[tuple[np.ndarray, float]]:
    """Odd reflections g [2] along a line with light beside it, and the light along it over the lesser of both sides."""
    scale, half = detector.pixel_size, detector.size_pixels / 2
    radius, centre = lattice.radius / scale, np.asarray(lattice.centre) / scale
    along = np.array([np.cos(np.radians(line)), np.sin(np.radians(line))])
    across = np.array([-along[1], along[0]])
    points = _lattice_points(lattice.basis / scale, half)
    length = np.hypot(*points.T)
    on_row = np.flatnonzero((np.abs(points @ across) < ON_ROW * length) & (points @ along > 0))
    if not len(on_row):
        return []
    step = points[on_row[length[on_row].argmin()]]
    reach = np.linspace(-ALONG, ALONG, STEPS)[:, None] * radius * along
    found = []
    for number in ODD:
        g = centre + number * step
        if np.abs(g).max() > half - radius / 2 or np.hypot(*g) + radius > field / scale:
            continue
        others = points[np.abs(points - number * step).max(axis=1) > 1e-6] + centre
        if _own_share(g, others, radius) < LEAST_OWN:
            continue
        middle, *sides = (_mean_light(pattern, g + reach + offset * radius * BESIDE * across, g, others, radius)
                          for offset in (0, -1, 1))
        beside = min(sides)
        if beside > faintest and np.isfinite(middle):
            found.append((g * scale, middle / beside))
    return found


def _own_share(g: np.ndarray, others: np.ndarray, radius: float) -> float:
    """Share of the disk at g that no disk at the other places covers."""
    side = np.linspace(-1, 1, STEPS)
    places = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    places = g + radius * places[np.hypot(*places.T) < 1]
    return float((np.hypot(*np.moveaxis(places[:, None] - others, -1, 0)) > radius).all(axis=1).mean())


def _lattice_points(basis: np.ndarray, half: float) -> Float[np.ndarray, "P 2"]:
    """Points of a lattice, the origin among them, a little beyond a frame of so many pixels to each side."""
    reach = int(np.ceil(2.5 * half / np.hypot(*basis.T).min()))  # of a reduced basis
    steps = np.arange(-min(reach, 12), min(reach, 12) + 1)
    points = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2) @ basis
    return points[np.abs(points).max(axis=1) < 1.5 * half]


def _mean_light(pattern: np.ndarray, places: np.ndarray, g: np.ndarray, others: np.ndarray, radius: float) -> float:
    """Mean at the places in the disk at g that no other disk covers and the frame holds; NaN where there are few."""
    half = pattern.shape[-1] / 2
    free = (np.hypot(*(places - g).T) < radius - RIM) & (np.abs(places).max(axis=1) < half - 1)
    free &= (np.hypot(*np.moveaxis(places[:, None] - others, -1, 0)) > radius + 2 * RIM).all(axis=1)
    if free.sum() < LEAST_PLACES:
        return float("nan")
    column, row = (places[free] + half - 0.5).T
    return float(ndimage.map_coordinates(pattern, [row, column], order=1).mean())
