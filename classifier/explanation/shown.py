"""What single patterns show of symmetry: turns, mirror lines and dark rows, claimed only where residuals are clear.

The limits were chosen on the training part of cbed-lt, so that at least 95 of 100 claims of a kind agree with the space
group, ideal and counted (`cbedgan bench explain` measures it).
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from classifier.explanation.dark_rows import DarkRow, dark_rows
from classifier.explanation.residuals import FOLDS, LINES, counted_electrons, residuals, shares
from classifier.explanation.weak_disks import rectangular_lattice
from classifier.foundation.errors import InputError
from classifier.pattern.disk_lattice import DiskLattice, find_disk_lattice
from classifier.pattern.geometry import Detector

TURN = {2: 0.01, 3: 0.03, 4: 0.01, 6: 0.03}  # residuals below which a turn is claimed
MIRROR = 0.006  # and a mirror line
NO_HALF_TURN, NO_MIRROR = 0.07, 0.02  # residuals above which one is denied
SURE = 2.0  # deviations of counting that a residual keeps from a limit
PATTERNS_AT_ONCE = 768


@dataclass(frozen=True)
class ShownSymmetry:
    """Of one pattern. centre: (x, y) in detector units from the middle of the frame.

    order: of the turn about the beam, 1 where none is claimed; turn_residual: its residual, or the half turn's;
    mirrors: azimuths of mirror lines in degrees, 0 to 180, counter-clockwise from +x; mirror_residual: the best
    line's; dark: rows; no_half_turn, no_mirror: clearly absent, where not merely unclear.
    """

    centre: tuple[float, float]
    order: int
    turn_residual: float
    mirrors: tuple[float, ...]
    mirror_residual: float
    dark: tuple[DarkRow, ...]
    no_half_turn: bool
    no_mirror: bool

    @property
    def symbol(self) -> str:
        """Of the plane point group: 1, m, 2, 2mm, 3, 3m, 4, 4mm, 6, 6mm."""
        return {(1, True): "m", (3, True): "3m"}.get((self.order, bool(self.mirrors)),
                                                    f"{self.order}{'mm' if self.mirrors else ''}")


def shown_symmetries(intensity: Float[np.ndarray, "N H H"], detector: Detector,
                     disk_radius: Sequence[float | None], field: Float[np.ndarray, " N"] | None = None
                     ) -> list[ShownSymmetry]:
    """What patterns show.

    Parameters
    ----------
    intensity, detector : in any unit, and what the pixels mean
    disk_radius : of each pattern, in detector units; None: it is measured
    field : how far from the middle of each something was measured all around, in detector units; None: everywhere
    """
    shown = []
    reach = np.full(len(intensity), np.inf) if field is None else np.asarray(field, dtype=np.float64)
    for start in range(0, len(intensity), PATTERNS_AT_ONCE):
        block = shares(torch.from_numpy(np.ascontiguousarray(intensity[start:start + PATTERNS_AT_ONCE])))
        within = torch.from_numpy(reach[start:start + len(block)] / detector.pixel_size)
        measured, electrons = residuals(block, within), counted_electrons(block)
        for k, pattern in enumerate(block.numpy()):
            shown.append(_shown(pattern, detector, disk_radius[start + k], measured.centre[k].numpy(),
                                measured.turn[k].numpy(), measured.mirror[k].numpy(), float(measured.deviation[k]),
                                float(electrons[k]), float(reach[start + k])))
    return shown


def _shown(pattern: np.ndarray, detector: Detector, disk_radius: float | None, centre: np.ndarray, turn: np.ndarray,
           mirror: np.ndarray, deviation: float, electrons: float, field: float) -> ShownSymmetry:
    unsure = SURE * deviation
    residual = dict(zip(FOLDS, turn.tolist(), strict=True))
    passed = {n: residual[n] + unsure < TURN[n] for n in FOLDS}
    order = 6 if passed[6] and passed[2] else 4 if passed[4] else 3 if passed[3] else 2 if passed[2] else 1
    line, best = best_line(mirror, order)
    mirrors = tuple(sorted((line + k * 180 / order) % 180 for k in range(order))) if best + unsure < MIRROR else ()
    lattice = _lattice(pattern, detector, disk_radius, centre * detector.pixel_size) if mirrors else None
    rows = [] if lattice is None else dark_rows(pattern, detector, lattice, mirrors, order, electrons, field)
    x, y = (centre * detector.pixel_size).tolist()
    return ShownSymmetry((x, y), order, residual[max(order, 2)], mirrors, best, tuple(rows),
                         order in (1, 3) and residual[2] - unsure > NO_HALF_TURN,
                         not mirrors and float(mirror.min()) - unsure > NO_MIRROR)


def _lattice(pattern: np.ndarray, detector: Detector, disk_radius: float | None, centre: np.ndarray
             ) -> DiskLattice | None:
    """Lattice of the disks; None where there are too few: rows are not looked for."""
    with suppress(InputError):
        return find_disk_lattice(pattern, detector, disk_radius=disk_radius, centre=centre)
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
