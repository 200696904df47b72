"""What single patterns show of symmetry: turns, mirror lines and dark rows, claimed only where residuals are clear.

The limits were chosen on the training part of cbed-lt, so that at least 95 of 100 claims of a kind agree with the space
group, ideal and counted (`cbedgan bench explain` measures it).
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float

from classifier.crystal.reciprocal import Basis, reduced_basis
from classifier.explanation.dark_rows import DarkRow, dark_rows
from classifier.explanation.residuals import FOLDS, LINES, counted_electrons, residuals, shares, softened
from classifier.explanation.weak_disks import rectangular_lattice
from classifier.explanation.zone_axis import ZoneAxis, best_axes
from classifier.foundation.errors import InputError
from classifier.pattern.disk_lattice import DiskLattice, find_disk_lattice, nearest_lattice_point
from classifier.pattern.geometry import Detector

TURN = {2: 0.01, 3: 0.03, 4: 0.01, 6: 0.03}  # residuals below which a turn is claimed
MIRROR = 0.006  # and a mirror line
NO_HALF_TURN, NO_MIRROR = 0.07, 0.02  # residuals above which one is denied
# Where a tilt off the axis is possible, no half turn is denied: of such claims half were right. A mirror line is,
# above what a tilt by 1 mrad left of one (0.11: GaAs [110], 800 angstrom, 200 keV).
TILTED_NO_MIRROR = 0.25
FOUND = 0.05  # residual of the half turn, or the three-fold turn, below which a tilted pattern's zone axis is found
CENTRED = 0.3  # radii of a disk by which a lattice may miss the direct disk, or g1
NEAR = 0.05  # residual below which a symmetry that is not claimed is called near
SURE = 2.0  # deviations of counting that a residual keeps from a limit
PATTERNS_AT_ONCE = 768


@dataclass(frozen=True)
class ShownSymmetry:
    """Of one pattern. centre: (x, y) in detector units from the middle of the frame.

    order: of the turn about the beam, 1 where none is claimed; turn_residual: its residual, or the half turn's;
    mirrors: azimuths of mirror lines in degrees, 0 to 180, counter-clockwise from +x; mirror_residual: the best
    line's; dark: rows; no_half_turn, no_mirror: clearly absent, where not merely unclear; near: the plane point group
    of a higher symmetry that the pattern comes near to, and the greatest share that this one forbids; zone_axis: where
    turns and mirror lines go through in a tilted pattern, in detector units from the middle, and tilt: how far from the
    centre, in radii of a disk; None: through the centre.
    """

    centre: tuple[float, float]
    order: int
    turn_residual: float
    mirrors: tuple[float, ...]
    mirror_residual: float
    dark: tuple[DarkRow, ...]
    no_half_turn: bool
    no_mirror: bool
    near: tuple[str, float] | None = None
    zone_axis: tuple[float, float] | None = None
    tilt: float | None = None

    @property
    def operations(self) -> int:
        """Of the plane point group."""
        return self.order * (2 if self.mirrors else 1)

    @property
    def symbol(self) -> str:
        """Of the plane point group: 1, m, 2, 2mm, 3, 3m, 4, 4mm, 6, 6mm."""
        return plane_point_group(self.order, bool(self.mirrors))


def plane_point_group(order: int, mirrors: bool) -> str:
    """Symbol of the plane point group with a turn of this order."""
    return {(1, True): "m", (3, True): "3m"}.get((order, mirrors), f"{order}{'mm' if mirrors else ''}")


def shown_symmetries(intensity: Float[np.ndarray, "N H H"], detector: Detector,
                     disk_radius: Sequence[float | None], field: Float[np.ndarray, " N"] | None = None,
                     untilted: bool = True, bases: Sequence[Basis | None] | None = None) -> list[ShownSymmetry]:
    """What patterns show.

    Parameters
    ----------
    intensity, detector : in any unit, and what the pixels mean
    disk_radius : of each pattern, in detector units; None: it is measured
    field : how far from the middle of each something was measured all around, in detector units; None: everywhere
    untilted : the beam is known to run along the axis; elsewhere a small tilt may hide a symmetry, and less is denied
    bases : of the lattice of each pattern's disks, in |g1|, where it is known; used in canonical pose
    """
    shown = []
    reach = np.full(len(intensity), np.inf) if field is None else np.asarray(field, dtype=np.float64)
    for start in range(0, len(intensity), PATTERNS_AT_ONCE):
        block = shares(torch.from_numpy(np.ascontiguousarray(intensity[start:start + PATTERNS_AT_ONCE])))
        within = torch.from_numpy(reach[start:start + len(block)] / detector.pixel_size)
        measured, electrons = residuals(block, within), counted_electrons(block)
        for k, pattern in enumerate(block.numpy()):
            centre, radius, counts = measured.centre[k].numpy(), disk_radius[start + k], float(electrons[k])
            basis = None if bases is None else bases[start + k]
            one = _shown(pattern, detector, radius, centre, measured.turn[k].numpy(), measured.mirror[k].numpy(),
                         float(measured.deviation[k]), counts, float(reach[start + k]), untilted)
            beside = None if untilted else _about_zone_axis(pattern, detector, radius, centre, counts,
                                                            float(reach[start + k]), basis)
            # The beam may run along the axis after all: the whole pattern, gaps and all, then shows more.
            shown.append(one if beside is None or one.operations > beside.operations else beside)
    return shown


def _shown(pattern: np.ndarray, detector: Detector, disk_radius: float | None, centre: np.ndarray, turn: np.ndarray,
           mirror: np.ndarray, deviation: float, electrons: float, field: float,
           untilted: bool) -> ShownSymmetry:
    unsure = SURE * deviation
    residual = dict(zip(FOLDS, turn.tolist(), strict=True))
    passed = {n: residual[n] + unsure < TURN[n] for n in FOLDS}
    order = _order(passed)
    line, best = best_line(mirror, order)
    mirrors = tuple(sorted((line + k * 180 / order) % 180 for k in range(order))) if best + unsure < MIRROR else ()
    lattice = _lattice(pattern, detector, disk_radius, centre * detector.pixel_size) if mirrors else None
    rows = [] if lattice is None else dark_rows(pattern, detector, lattice, mirrors, order, electrons, field)
    x, y = (centre * detector.pixel_size).tolist()
    no_half_turn = untilted and order in (1, 3) and residual[2] - unsure > NO_HALF_TURN
    no_mirror = not mirrors and float(mirror.min()) - unsure > (NO_MIRROR if untilted else TILTED_NO_MIRROR)
    return _near(residual, mirror, ShownSymmetry((x, y), order, residual[max(order, 2)], mirrors, best, tuple(rows),
                                                 no_half_turn, no_mirror))


def _about_zone_axis(pattern: np.ndarray, detector: Detector, disk_radius: float | None, centre: np.ndarray,
                     electrons: float, field: float, basis: Basis | None) -> ShownSymmetry | None:
    """What a pattern that may be tilted shows about its zone axis; None where no lattice or no axis is found."""
    lattice = whole_lattice(pattern, detector, disk_radius, centre * detector.pixel_size, basis)
    if lattice is None:
        return None
    x, variance = softened(torch.from_numpy(pattern)[None])
    axes = best_axes(x[0], variance[0], _in_pixels(lattice, detector), field / detector.pixel_size)
    if min(axes["2"].turn[0], axes["3"].turn[1]) >= FOUND:
        return None
    one = _of_axes(axes, centre, detector, lattice.radius)
    rows = dark_rows(pattern, detector, lattice, one.mirrors, one.order, electrons, field) if one.mirrors else []
    return replace(one, dark=tuple(rows))


def _of_axes(axes: dict[str, ZoneAxis], centre: np.ndarray, detector: Detector, radius: float) -> ShownSymmetry:
    """What is shown about the places that a zone axis may have, but for dark rows."""
    passed = {n: float(axes[str(n)].turn[k]) + SURE * axes[str(n)].deviation < TURN[n] for k, n in enumerate(FOLDS)}
    six_fold = passed[6] and float(axes["6"].turn[0]) + SURE * axes["6"].deviation < TURN[2]  # about the same place
    order = 6 if six_fold else _order(passed | {6: False})
    # Where no turn is claimed, the half turn's place is better known than a mirror line's, which may slide along it.
    axis = axes[str(order) if order > 1 else "2" if axes["2"].turn[0] < FOUND else "m"]
    residual = dict(zip(FOLDS, axis.turn.tolist(), strict=True))
    if order == 1:
        residual[2] = float(axes["2"].turn[0])
    line, best = best_line(axis.mirror, order)
    claimed = best + SURE * axis.deviation < MIRROR
    mirrors = tuple(sorted((line + k * 180 / order) % 180 for k in range(order))) if claimed else ()
    least = float(axes["m"].mirror.min()) - SURE * axes["m"].deviation
    (x, y), (u, v) = (centre * detector.pixel_size).tolist(), (axis.place * detector.pixel_size).tolist()
    one = ShownSymmetry((x, y), order, residual[max(order, 2)], mirrors, best, (), False,
                        not mirrors and least > TILTED_NO_MIRROR, zone_axis=(u, v),
                        tilt=float(np.hypot(u - x, v - y)) / radius)
    return _near(residual, axis.mirror, one)


def _in_pixels(lattice: DiskLattice, detector: Detector) -> DiskLattice:
    return DiskLattice(lattice.basis / detector.pixel_size, lattice.radius / detector.pixel_size,
                       np.asarray(lattice.centre) / detector.pixel_size)


def _order(passed: dict[int, bool]) -> int:
    return 6 if passed[6] and passed[2] else 4 if passed[4] else 3 if passed[3] else 2 if passed[2] else 1


def _near(residual: dict[int, float], mirror: np.ndarray, shown: ShownSymmetry) -> ShownSymmetry:
    """What is shown, and the higher symmetry that it comes near to, if there is one that it does not deny."""
    order = _order({n: residual[n] < NEAR for n in FOLDS})
    if order % shown.order or (shown.no_half_turn and order % 2 == 0):
        order = shown.order
    least = best_line(mirror, order)[1]
    mirrored = bool(shown.mirrors) or (least < NEAR and not shown.no_mirror)
    if shown.mirrors and least >= NEAR:
        order = shown.order  # the turn would bring lines that are not there
    name = plane_point_group(order, mirrored)
    if name == shown.symbol:
        return shown
    turn, line = residual[order] if order > 1 else 0.0, best_line(mirror, order)[1] if mirrored else 0.0
    return replace(shown, near=(name, max(turn, line)))


def _lattice(pattern: np.ndarray, detector: Detector, disk_radius: float | None, centre: np.ndarray
             ) -> DiskLattice | None:
    """Lattice of the disks; None where there are too few: rows are not looked for."""
    with suppress(InputError):
        return find_disk_lattice(pattern, detector, disk_radius=disk_radius, centre=centre)
    return None if disk_radius is None else rectangular_lattice(pattern, detector, disk_radius, centre)


def whole_lattice(pattern: np.ndarray, detector: Detector, disk_radius: float | None, centre: np.ndarray,
                  basis: Basis | None) -> DiskLattice | None:
    """The lattice that is known, or has a disk at the centre and at g1; a rectangular one where no other has.

    basis: in |g1|, which are the detector's units in canonical pose; elsewhere it says nothing.
    """
    if basis is not None and disk_radius is not None and detector.unit == "shortest_g":
        return DiskLattice(reduced_basis(basis), disk_radius, centre)
    found = _lattice(pattern, detector, disk_radius, centre)
    if found is not None and np.hypot(*(found.centre - centre)) < CENTRED * found.radius and (
            detector.unit != "shortest_g"
            or nearest_lattice_point(np.array([1.0, 0.0]), reduced_basis(found.basis))[1] < CENTRED * found.radius):
        return found
    return None if disk_radius is None else rectangular_lattice(pattern, detector, disk_radius, centre)


def best_line(mirror: Float[np.ndarray, " 720"], order: int) -> tuple[float, float]:
    """Azimuth in degrees, 0 to 180/order, and residual of the best of a rotation axis' equivalent sets of mirror lines.

    Between two steps the line lies at the vertex of the parabola through the least residual and its neighbours.
    """
    pooled = mirror.reshape(order, -1).mean(axis=0)
    least = int(pooled.argmin())
    before, at, after = (float(pooled[(least + k) % len(pooled)]) for k in (-1, 0, 1))
    bend = before - 2 * at + after
    shift = float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend > 1e-12 else 0.0
    return (least + shift) * 180 / LINES % (180 / order), at
