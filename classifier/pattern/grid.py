"""The grid of a sample [C, *spatial] of any kind of measurement: its calibrated axes, and how a file names them."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from classifier.foundation.errors import InputError
from classifier.pattern.geometry import CBED, Detector, ViewConfig, view

MOST_POINTS = 1 << 20  # of an axis, so that a forged file cannot ask for an endless one


@dataclass(frozen=True)
class GridAxis:
    """Evenly spaced coordinates first, first + step, ... of what `name` says, in `unit`."""

    name: str
    unit: str
    points: int
    first: float
    step: float

    def coordinates(self) -> Float[np.ndarray, " points"]:
        """The coordinates, in `unit`."""
        return self.first + self.step * np.arange(self.points)


@dataclass(frozen=True)
class SampleGrid:
    """Samples of `kind` with `channels` curves or images each, over one or two axes.

    wavelength_angstrom: that angles of the axes are of; None where there are none, or nobody says.
    """

    kind: str
    axes: tuple[GridAxis, ...]
    channels: int = 1
    wavelength_angstrom: float | None = None

    def __post_init__(self) -> None:
        sound = self.kind.isidentifier() and self.kind.islower() and self.kind != CBED and self.channels >= 1
        wave = self.wavelength_angstrom
        sound = sound and (wave is None or 0 < wave < np.inf)
        axes = all(isinstance(axis.points, int) and 1 <= axis.points <= MOST_POINTS and 0 < axis.step < np.inf
                   and np.isfinite(axis.first) and axis.name.isidentifier() for axis in self.axes)
        if not (sound and axes and 1 <= len(self.axes) <= 2):
            raise InputError(source="grid of samples", rule="needs a kind in lower-case letters (not cbed), channels, "
                             f"and one or two named axes of 1 to {MOST_POINTS} points with a step above 0",
                             value=f"{self}", remedy="Correct the grid.")

    @property
    def shape(self) -> tuple[int, ...]:
        """[C, *spatial]."""
        return (self.channels, *(axis.points for axis in self.axes))

    def described_axes(self) -> list[tuple[str, np.ndarray, str, bool]]:
        """Axes of a sample as files name them: (name, coordinates, unit, is navigation)."""
        return [("channel", np.arange(float(self.channels)), "", True),
                *((axis.name, axis.coordinates(), axis.unit, False) for axis in self.axes)]

    def attributes(self) -> dict[str, int | float | str]:
        """What a file keeps of it."""
        return {"grid": json.dumps(asdict(self), sort_keys=True)}


Grid = Detector | SampleGrid


def grid_of(plain: dict[str, Any]) -> SampleGrid:
    """The grid that asdict or the attribute of a file describes; KeyError, TypeError or InputError where it is none."""
    return SampleGrid(str(plain["kind"]), tuple(GridAxis(**axis) for axis in plain["axes"]), int(plain["channels"]),
                      plain["wavelength_angstrom"])


def detector_of(grid: Grid, source: object) -> Detector:
    """The detector of CBED patterns; samples of another kind are refused (InputError) by what needs one."""
    if isinstance(grid, Detector):
        return grid
    raise InputError(source=source, rule="this step is for CBED patterns alone", value=f"samples of kind {grid.kind}",
                     remedy="Leave it out for other kinds of measurement.")


def seen(samples: np.ndarray, grid: Grid, config: ViewConfig) -> tuple[np.ndarray, Grid]:
    """Samples [..., *spatial] as a network sees them, and the grid that they have then; a view cuts CBED alone."""
    if config == ViewConfig():
        return samples, grid
    return view(samples, detector_of(grid, "view"), config)
