"""Measured copies of curves for a training, `[measurement] kind = "xrd"` or `"pdf"`: samples of a file as measured."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from classifier.diffractometer.pdf_measurement import PdfMeasurementConfig, measured_pdf
from classifier.diffractometer.powder_axis import PowderAxis
from classifier.diffractometer.xrd_measurement import XrdMeasurementConfig, measured_xrd
from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.pattern.grid import Grid, SampleGrid
from classifier.pattern.measurement import SampleIds, copy_seeds


class XrdCopies(Config):
    """Of powder patterns, in shares of the highest point; effects: preset = "ordinary", or ranges of one's own."""

    kind: Literal["xrd"]
    effects: XrdMeasurementConfig

    def require(self, grid: Grid, intensity_unit: str, source: object) -> None:
        """Refuse (InputError) samples that are no powder patterns over an angle of a known wavelength."""
        known = isinstance(grid, SampleGrid) and grid.wavelength_angstrom is not None
        if not known or _axis_name(grid) not in ("two_theta", "sin_theta"):
            raise _strange(self.kind, grid, source)

    def copies(self, intensity: Float[Tensor, "N C P"], sample_ids: SampleIds, grid: Grid | None, *, seed: int,
               draw: int) -> Float[Tensor, "N C P"]:
        """The copies number `draw`; see measured_copy."""
        if not isinstance(grid, SampleGrid) or grid.wavelength_angstrom is None:
            raise _strange(self.kind, grid, "measurement")
        places = torch.from_numpy(grid.axes[0].coordinates()).to(intensity)
        two_theta = places if grid.axes[0].name == "two_theta" else 2 * places.asin().rad2deg()
        return measured_xrd(intensity, PowderAxis(two_theta, grid.wavelength_angstrom), self.effects,
                            copy_seeds(sample_ids, seed=seed, draw=draw))


class PdfCopies(Config):
    """Of pair distribution functions in shares of their range, whose zero is unknown then: their mean stands in for it.

    effects: preset = "ordinary", or ranges of one's own.
    """

    kind: Literal["pdf"]
    effects: PdfMeasurementConfig

    def require(self, grid: Grid, intensity_unit: str, source: object) -> None:
        """Refuse (InputError) samples that are no functions of r."""
        if _axis_name(grid) != "r":
            raise _strange(self.kind, grid, source)

    def copies(self, intensity: Float[Tensor, "N C P"], sample_ids: SampleIds, grid: Grid | None, *, seed: int,
               draw: int) -> Float[Tensor, "N C P"]:
        """The copies number `draw`, in shares of their own range again; see measured_copy."""
        if not isinstance(grid, SampleGrid):
            raise _strange(self.kind, grid, "measurement")
        r = torch.from_numpy(grid.axes[0].coordinates()).to(intensity)
        g = measured_pdf(intensity - intensity.mean(-1, keepdim=True), r, self.effects,
                         copy_seeds(sample_ids, seed=seed, draw=draw))
        low, high = g.aminmax(dim=-1, keepdim=True)
        return (g - low) / (high - low).clamp(min=1e-12)


def _axis_name(grid: Grid) -> str:
    """The only axis of a grid; "" where there are two."""
    return grid.axes[0].name if isinstance(grid, SampleGrid) and len(grid.axes) == 1 else ""


def _strange(kind: str, grid: Grid | None, source: object) -> InputError:
    return InputError(source=source, rule=f'a measurement of kind "{kind}" is for samples of that kind',
                      value=grid, remedy="Name the kind of the samples in [measurement].")
