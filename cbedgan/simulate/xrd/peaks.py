"""The peaks of powder patterns: kinematic intensities of every reflection, batched and differentiable.

A peak's multiplicity comes of itself: all reflections of the sphere are there, one of each Friedel pair for both.
"""

from dataclasses import dataclass
from math import pi, radians, sin

import torch
from jaxtyping import Float
from torch import Tensor

from cbedgan.simulate.powder.form_factors import FormFactors, xray_form_factors
from cbedgan.simulate.powder.lattice_points import half_sphere
from cbedgan.simulate.powder.scatterers import Scatterers
from cbedgan.simulate.xrd.orientation import PreferredOrientation


@dataclass(frozen=True, eq=False)
class Peaks:
    """two_theta_degree: of each peak; intensity: electrons^2 / angstrom^6 times Lorentz-polarisation, 0 at the end
    where a crystal has fewer peaks."""

    two_theta_degree: Float[Tensor, "B P"]
    intensity: Float[Tensor, "B P"]


def reflection_peaks(atoms: Scatterers, wavelength_angstrom: float, most_degree: float, *,
                     orientation: PreferredOrientation | None = None,
                     form_factors: FormFactors = xray_form_factors) -> Peaks:
    """A peak for every reflection (one of each Friedel pair) up to an angle, in no order.

    Intensity is 2 |F / V|^2 (1 + cos^2 2 theta) / (sin^2 theta cos theta), of neutral atoms that vibrate: the same for
    any cell of a crystal.

    Parameters
    ----------
    atoms : B crystals
    wavelength_angstrom : of the radiation
    most_degree : of two theta
    orientation : of the crystallites, None: at random
    form_factors : of the atoms
    """
    reciprocal = torch.linalg.inv(atoms.lattice).mT
    radius = 2 * sin(radians(most_degree) / 2) / wavelength_angstrom
    points = half_sphere(reciprocal.detach(), reciprocal.new_full((len(reciprocal),), radius))
    g = points.index @ reciprocal
    # Where a crystal has no further reflection: some length, without a gradient through the root of 0.
    length = torch.where(points.there, g.square().sum(-1), torch.full_like(g[..., 0], radius**2)).sqrt()
    s2 = length.square() / 4
    amplitude = _amplitudes(atoms, points.index, s2, form_factors)
    sine = wavelength_angstrom * length / 2
    cosine2 = 1 - sine.square()
    lorentz = (1 + (cosine2 - sine.square()).square()) / (sine.square() * cosine2.sqrt())
    intensity = 2 * amplitude.square().sum(0) * lorentz / atoms.volume.square()[:, None]
    if orientation is not None:
        intensity = intensity * orientation.weight(g, length)
    return Peaks(torch.rad2deg(2 * torch.asin(sine)), torch.where(points.there, intensity, 0.0))


def merged(peaks: Peaks, within_degree: float = 1e-4) -> Peaks:
    """Peaks in ascending order, those at one place as one.

    Parameters
    ----------
    peaks : of reflections
    within_degree : neighbours so near are one peak, at the mean of their places, weighted by intensity
    """
    absent = peaks.intensity <= 0
    places, order = torch.where(absent, torch.inf, peaks.two_theta_degree).sort(dim=1)
    amounts = peaks.intensity.gather(1, order)
    apart = places[:, 1:] - places[:, :-1] > within_degree
    group = torch.nn.functional.pad(apart.long().cumsum(1), (1, 0))
    group = torch.where(amounts > 0, group, 0)  # nothing is added there
    sums = torch.zeros_like(amounts).scatter_add(1, group, amounts)
    means = torch.zeros_like(amounts).scatter_add(1, group, amounts * torch.where(amounts > 0, places, 0.0))
    kept = int((sums > 0).sum(1).max())
    return Peaks((means / sums.clamp(min=torch.finfo(sums.dtype).tiny))[:, :kept], sums[:, :kept])


def _amplitudes(atoms: Scatterers, hkl: Float[Tensor, "B P 3"], s2: Float[Tensor, "B P"],
                form_factors: FormFactors) -> Float[Tensor, "2 B P"]:
    """Structure factors in electrons, real and imaginary part."""
    kinds = atoms.elements.shape[1]
    of_kind = torch.nn.functional.one_hot(atoms.kind, kinds).to(hkl) * atoms.occupancy[..., None]  # [B, n, K]
    phase = 2 * pi * (hkl @ atoms.positions.mT)
    sums = torch.stack((phase.cos(), phase.sin())) @ of_kind  # [2, B, P, K]
    factor = (form_factors(atoms.elements, s2) * atoms.shares[:, None]).sum(-1)
    vibrating = torch.exp(-8 * pi**2 * atoms.u_iso_angstrom2[:, None] * s2[..., None])
    return (sums * (factor * vibrating)).sum(-1)
