"""Curves on the axis of a kind of measurement: units, wavelengths, backgrounds, and what the grid lacks."""

from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.imported.curve_files import StoredCurve
from classifier.pattern.grid import GridAxis, SampleGrid

Axis1 = Literal["two_theta_degree", "theta_degree", "q_inv_angstrom", "q_inv_nm", "d_angstrom", "r_angstrom", "r_nm"]
LENGTHS = {"r_angstrom": 1.0, "r_nm": 10.0}


class ClippedPeaks(Config):
    """SNIP (Ryan et al. 1988, Nucl. Instrum. Methods B 34, 396): on log log sqrt counts every point is lowered to the
    mean of its neighbours half a width away, then nearer and nearer ones; what is left is the background, taken off.

    width: of the widest peak that is kept, from foot to foot, in the unit of the file's places.
    """

    kind: Literal["snip"]
    width: Annotated[float, Field(gt=0)]


class NoBackground(Config):
    """The curve as it is."""

    kind: Literal["none"]


Background = Annotated[ClippedPeaks | NoBackground, Field(discriminator="kind")]


def on_axis(places: Float[np.ndarray, " n"], unit: Axis1, axis: GridAxis, *, measured: float | None,
            wanted: float | None, source: object) -> Float[np.ndarray, " n"]:
    """Places in the quantity of the grid's axis; NaN where there is none, as beyond sin theta = 1.

    Parameters
    ----------
    places, unit : of the file
    axis : of the grid
    measured, wanted : wavelengths in angstrom of the file and of the grid, where angles need them
    source : named in errors
    """
    if unit in LENGTHS:
        if axis.unit != "angstrom":
            raise _strange(unit, axis, source)
        return places * LENGTHS[unit]
    if axis.name not in ("two_theta", "sin_theta"):
        raise _strange(unit, axis, source)
    if wanted is None or (measured is None and unit in ("two_theta_degree", "theta_degree")):
        raise InputError(source=source, rule="angles need the wavelength that they were measured with",
                         value="wavelength_angstrom unknown", remedy="Declare wavelength_angstrom.")
    with np.errstate(divide="ignore", invalid="ignore"):
        if unit == "d_angstrom":
            sine = wanted / (2 * places)
        elif unit in ("q_inv_angstrom", "q_inv_nm"):
            sine = places * (1.0 if unit == "q_inv_angstrom" else 0.1) * wanted / (4 * np.pi)
        else:
            angle = np.radians(places) / (2 if unit == "two_theta_degree" else 1)
            sine = np.sin(angle) * (wanted / (measured or wanted))
        sine = np.where((sine >= 0) & (sine <= 1), sine, np.nan)
        return sine if axis.name == "sin_theta" else 2 * np.degrees(np.arcsin(sine))


def _strange(unit: str, axis: GridAxis, source: object) -> InputError:
    return InputError(source=source, rule=f"its axis must be one that can become {axis.name}", value=unit,
                      remedy="Correct `axis`, or the kind of measurement.")


def without_background(values: Float[np.ndarray, " n"], step: float, background: Background
                       ) -> Float[np.ndarray, " n"]:
    """Evenly spaced values less their background, at least 0 where one is taken off; step: in the width's unit."""
    if isinstance(background, NoBackground):
        return values
    bent = np.log(np.log(np.sqrt(np.maximum(values, 0) + 1) + 1) + 1)
    for reach in range(min(max(1, round(background.width / step / 2)), (len(values) - 1) // 2), 0, -1):
        bent[reach:-reach] = np.minimum(bent[reach:-reach], (bent[:-2 * reach] + bent[2 * reach:]) / 2)
    base = (np.exp(np.exp(bent) - 1) - 1) ** 2 - 1
    return np.maximum(values - base, 0)


def regridded(curve: StoredCurve, places: Float[np.ndarray, " n"], grid: SampleGrid, *,
              between: Literal["mean", "value"], background: Background, first: float | None, last: float | None,
              source: object) -> tuple[Float[np.ndarray, " P"], list[str]]:
    """The curve on the grid's axis, 0 where nothing was measured, and remarks on what was done.

    Parameters
    ----------
    curve, places : as stored, and where its points lie on the grid's axis, see on_axis
    between : what a point of the grid gets: the mean over its step, or the value there, by straight lines
    background : what is taken off first, on even steps of the file's own
    first, last : in the unit of the file's places; what lies outside of them is cut off
    source : named in errors
    """
    axis = grid.axes[0]
    low, high = first if first is not None else -np.inf, last if last is not None else np.inf
    kept = np.isfinite(places) & (curve.places >= low) & (curve.places <= high)
    order = np.argsort(places[kept])
    x, y = places[kept][order], curve.values[kept][order]
    at = axis.coordinates()
    within = (at >= x[0] - axis.step / 2) & (at <= x[-1] + axis.step / 2) if len(x) else np.zeros(len(at), bool)
    if within.mean() < 0.25:
        raise InputError(source=source, rule=f"must cover a quarter of {axis.name} {at[0]:g} to {at[-1]:g} {axis.unit}",
                         value=f"{x[0]:g} to {x[-1]:g}" if len(x) else "nothing",
                         remedy="Check axis, wavelength_angstrom, first and last.")
    step = float(np.median(np.diff(x)))
    even = np.linspace(x[0], x[-1], max(2, min(1 << 20, round((x[-1] - x[0]) / step) + 1)))
    own_step = float(np.median(np.abs(np.diff(curve.places[kept][order]))))
    values = without_background(np.interp(even, x, y), own_step, background)
    if between == "mean" and step < axis.step:
        total = np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2 * np.diff(even))])
        ends = np.clip(np.stack([at - axis.step / 2, at + axis.step / 2]), x[0], x[-1])
        width = np.maximum(ends[1] - ends[0], 1e-12)
        result = (np.interp(ends[1], even, total) - np.interp(ends[0], even, total)) / width
    else:
        result = np.interp(at, even, values)
    told = f"{axis.name} {x[0]:.5g} to {x[-1]:.5g} {axis.unit}, {len(x)} points".replace("  ", " ")
    remarks = [f"{told}, as {'means over' if between == 'mean' and step < axis.step else 'values at'} steps of "
               f"{axis.step:.4g}", f"background: {background.kind}"]
    if not within.all():
        remarks.append(f"{int((~within).sum())} of {len(at)} points were not measured and are 0")
    return np.where(within, result, 0.0), remarks
