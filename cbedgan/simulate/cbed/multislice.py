"""Plane-wave tilt-series multislice on a slab's own, in general oblique, cell: no supercell, no orthogonalisation.

One plane wave per incident direction goes through atomic layers with exact (not paraxial) free propagation between
them; |wave|^2 after every whole period gives the beam intensities, so a thickness series costs nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from numpy.typing import ArrayLike
from pydantic import Field

from cbedgan.crystal.electron import interaction, scattering_factor, wavenumber_inv_angstrom
from cbedgan.crystal.thermal_diffuse import absorptive_factor
from cbedgan.crystal.vibration import debye_waller
from cbedgan.simulate.cbed.layers import atomic_layers, fast_size, whole_periods
from cbedgan.simulate.cbed.zone_axis import Slab
from classifier.foundation.config import Config, added

DISPERSION_ROUNDS = 4
LARGEST_G_MAX = 4.0  # 1/angstrom: there the table of scattering factors ends
DIRECTIONS_AT_ONCE = 8  # on a processor: their waves and propagators stay in its cache
DEVICE_MEMORY_SHARE = 0.5  # of an accelerator's free memory, for the waves and propagators of directions at once


class MultisliceConfig(Config):
    """Numerical and physical settings of the propagation."""

    g_max_inv_angstrom: Annotated[float, Field(gt=0, le=LARGEST_G_MAX)] = 3.25  # band limit
    merge_angstrom: Annotated[float, Field(ge=0)] = 0.2  # atoms within this height along the beam form one layer
    # B of every atom, or each element's at temperature_kelvin, which otherwise plays no part.
    debye_waller_angstrom2: Annotated[float, Field(ge=0)] | Literal["by_element"] = 0.5
    temperature_kelvin: Annotated[float, Field(gt=0, le=2000)] = added(300.0)
    # Imaginary over real part of the potential, or what thermal diffuse scattering takes away by element and B.
    absorption: Annotated[float, Field(ge=0)] | Literal["thermal_diffuse"] = 0.03
    entry_plane: Annotated[float, Field(ge=0, lt=1)] = 0.0  # where the slab begins, fraction of the repeat period
    # "first": the first upper Laue zone is within the band limit of every pattern, up to LARGEST_G_MAX; "cut": it may
    # be cut by g_max_inv_angstrom.
    upper_zone: Literal["cut", "first"] = added("cut")
    # "symmetric": the surface keeps the rotations and mirrors of the zone axis; "cheapest": slope against size alone.
    entry_surface: Literal["cheapest", "symmetric"] = added("cheapest")
    # "equivalent": the incoherent mean over the terraces that the crystal's own screws and glides make of one.
    terraces: Literal["one", "equivalent"] = added("one")

    def debye_waller_of(self, number: int) -> float:
        """Return B in angstrom^2 of element `number`."""
        if self.debye_waller_angstrom2 == "by_element":
            return debye_waller(number, self.temperature_kelvin)
        return self.debye_waller_angstrom2


@dataclass(frozen=True, eq=False)
class Exposure:
    """What a slab is exposed to, and how this is calculated; thickness_angstrom [T] is rounded to whole periods.

    azimuth_rad: counter-clockwise turn of raw patterns from the slab's frame; device: "cpu" or "cuda".
    """

    beam_energy_kev: float
    thickness_angstrom: ArrayLike
    multislice: MultisliceConfig
    azimuth_rad: float = 0.0
    device: str = "cpu"


@dataclass(frozen=True, eq=False)
class BeamIntensities:
    """What leaves the slab, by thickness T, incident direction D and beam B.

    intensity: fraction of the incident beam; beam: indices in the slab's reciprocal lattice; thickness_angstrom: real,
    a whole number of periods.
    """

    intensity: Float[np.ndarray, "T D B"]
    beam: Int[np.ndarray, "B 2"]
    thickness_angstrom: Float[np.ndarray, " T"]


@dataclass(frozen=True, eq=False)
class BeamAmplitudes:
    """As BeamIntensities, with complex amplitudes; each beam's flight phase, the mean of incident and leaving wave's
    way through the slab, is taken out, so that amplitudes change slowly with the direction.

    |amplitude|^2 is the fraction of the incident beam.
    """

    amplitude: Complex[np.ndarray, "T D B"]
    beam: Int[np.ndarray, "B 2"]
    thickness_angstrom: Float[np.ndarray, " T"]


class Multislice:
    """A slab made ready for electrons of one energy; `intensities` sends waves through it."""

    def __init__(self, slab: Slab, *, beam_energy_kev: float, config: MultisliceConfig,
                 scattering_scale: float = 1.0, double: bool = False, device: str = "cpu") -> None:
        """Compute the layers' transmission; the waves will live on `device`, "cpu" or "cuda".

        For tests: scattering_scale multiplies every scattering factor (kinematic limit); double calculates waves in
        complex128, which takes twice the time and the rounding, 1e-5 of the intensity after some 700 layers, away.
        """
        self.slab, self.config = slab, config
        self.dtype = torch.complex128 if double else torch.complex64
        self.device = torch.device(device)
        self.wavenumber = wavenumber_inv_angstrom(beam_energy_kev)
        lengths = np.linalg.norm(slab.cell[:2, :2], axis=1)
        self.shape = tuple(fast_size(3 * config.g_max_inv_angstrom * length) for length in lengths)
        self.index = np.stack(np.meshgrid(*[np.fft.fftfreq(n, 1 / n) for n in self.shape], indexing="ij"), -1)
        self.g = self.index @ slab.reciprocal_lattice
        self.inside = np.hypot(self.g[..., 0], self.g[..., 1]) <= config.g_max_inv_angstrom
        layers, self.gaps = atomic_layers(slab, merge_angstrom=config.merge_angstrom, entry_plane=config.entry_plane)
        strength = interaction(beam_energy_kev) * scattering_scale
        self.transmission = [self._transmission(atoms, strength) for atoms in layers]

    def _transmission(self, atoms: Int[np.ndarray, " n"], strength: float) -> torch.Tensor:
        """Band-limited transmission of one layer in real space over the number of grid points, complex [n1, n2].

        With the number in here the transforms need no scale factor, whose rounding would add up over the layers.
        """
        g = np.hypot(self.g[..., 0], self.g[..., 1])
        rows, columns = (np.fft.fftfreq(n, 1 / n) for n in self.shape)
        potential, absorbing = np.zeros((2, *self.shape), dtype=np.complex128)
        everywhere = self.config.debye_waller_angstrom2
        for number in np.unique(self.slab.numbers[atoms]):
            place = self.slab.positions[atoms[self.slab.numbers[atoms] == number]]
            phase_1 = np.exp(-2j * np.pi * np.outer(rows, place[:, 0]))
            phase_2 = np.exp(-2j * np.pi * np.outer(place[:, 1], columns))
            lattice_sum, b = phase_1 @ phase_2, self.config.debye_waller_of(number)
            damping = np.exp(-b * g**2 / 4) if everywhere == "by_element" else 1.0
            potential += scattering_factor(number, g) * damping * lattice_sum
            if self.config.absorption == "thermal_diffuse":
                absorbing += lattice_sum * absorptive_factor(number, g, debye_waller_angstrom2=b,
                                                             interaction_angstrom=strength)
        potential *= strength / self.slab.area_angstrom2 * self.inside
        if everywhere != "by_element":  # in this order, so that older results stay to the bit
            potential *= np.exp(-everywhere * g**2 / 4)
        phase = np.fft.ifft2(potential, norm="forward").real
        if self.config.absorption == "thermal_diffuse":  # of the second order in strength, and already damped
            absorbing *= strength / self.slab.area_angstrom2 * self.inside
            exponent = 1j * phase - np.fft.ifft2(absorbing, norm="forward").real
        else:
            exponent = (1j - self.config.absorption) * phase
        spectrum = np.fft.fft2(np.exp(exponent)) * self.inside
        return torch.from_numpy(np.fft.ifft2(spectrum) / spectrum.size).to(self.device, self.dtype)

    def dispersion(self, directions: Float[np.ndarray, "D 2"], g: Float[np.ndarray, "*beams 2"]
                   ) -> tuple[Float[np.ndarray, "D *beams 2"], Float[np.ndarray, "D ..."]]:
        """Return transverse wave vectors and kappa, both 1/angstrom.

        directions: transverse wave vectors of the incident waves; g: vectors of the reciprocal lattice.
        kappa = sqrt(K^2 - |k_t|^2) - K is the wave vector along the beam less K. On an inclined surface the beam g
        has k_t = h0 + g - kappa * slope with h0 = k0 + kappa0 * slope, solved by fixed-point rounds.
        """
        slope, squared = self.slab.slope, self.wavenumber**2
        start = np.sqrt(squared - (directions**2).sum(-1, keepdims=True)) - self.wavenumber
        tangential = (directions + start * slope).reshape(-1, *[1] * (g.ndim - 1), 2) + g
        transverse = tangential
        for _ in range(DISPERSION_ROUNDS if slope.any() else 1):
            kappa = np.sqrt(np.maximum(squared - (transverse**2).sum(-1), 0)) - self.wavenumber
            if slope.any():
                transverse = tangential - kappa[..., None] * slope
        return transverse, kappa

    def intensities(self, directions: ArrayLike, thickness_angstrom: ArrayLike,
                    beam: ArrayLike | None = None) -> BeamIntensities:
        """Send one plane wave per incident direction [D, 2] (1/angstrom, transverse, beam frame) through the slab.

        thickness_angstrom: wanted thicknesses [T] > 0 in angstrom, each rounded to whole periods, at least one.
        beam: indices [B, 2] of the beams to keep, by default all inside the band limit.
        """
        beam, chosen = self._beams(beam)
        directions = np.asarray(directions, dtype=np.float64)
        periods = whole_periods(thickness_angstrom, self.slab.period_angstrom)
        intensity = np.empty((len(periods), len(directions), len(beam)), dtype=np.float32)
        for some, waves in self._waves(directions, periods, chosen):
            intensity[:, some] = torch.view_as_real(waves).square().sum(-1).cpu().numpy()
        return BeamIntensities(intensity, beam, periods * self.slab.period_angstrom)

    def amplitudes(self, directions: ArrayLike, thickness_angstrom: ArrayLike,
                   beam: ArrayLike | None = None) -> BeamAmplitudes:
        """As `intensities`, with amplitudes: interpolated before they are squared, they need fewer directions."""
        beam, chosen = self._beams(beam)
        directions = np.asarray(directions, dtype=np.float64)
        periods = whole_periods(thickness_angstrom, self.slab.period_angstrom)
        thickness = periods * self.slab.period_angstrom
        amplitude = np.empty((len(periods), len(directions), len(beam)), dtype=np.complex64)
        for some, waves in self._waves(directions, periods, chosen):
            amplitude[:, some] = waves.cpu().numpy()
        flight = np.add(*(self.dispersion(directions, g)[1] for g in (beam @ self.slab.reciprocal_lattice,
                                                                     np.zeros((1, 2)))))
        amplitude *= np.exp(-1j * np.pi * (thickness[:, None, None] * flight % 2))
        return BeamAmplitudes(amplitude, beam, thickness)

    def _beams(self, beam: ArrayLike | None) -> tuple[Int[np.ndarray, "B 2"], torch.Tensor]:
        """The beams to keep and their places in the flattened grid."""
        beam = self.index[self.inside].astype(np.int64) if beam is None else np.asarray(beam)
        chosen = np.ravel_multi_index(tuple((beam % self.shape).T), self.shape)
        return beam, torch.from_numpy(chosen).to(self.device)

    def _waves(self, directions: Float[np.ndarray, "D 2"], periods: Int[np.ndarray, " T"],
               chosen: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
        """Some directions after the other, and the amplitudes [T, D, B] of the chosen beams, on the device."""
        at_once = self._directions_at_once()
        for first in range(0, len(directions), at_once):
            some = slice(first, first + at_once)
            yield some, self._propagate(directions[some], periods, chosen)

    def _directions_at_once(self) -> int:
        """How many directions go through together: what the cache holds, or what an accelerator's memory does."""
        if self.device.type == "cpu":
            return DIRECTIONS_AT_ONCE
        free, _ = torch.cuda.mem_get_info(self.device)
        arrays = 4 + len(set(self.gaps))  # the wave, the transforms' own, and one propagator for each gap
        return max(1, int(DEVICE_MEMORY_SHARE * free / (arrays * np.prod(self.shape) * self.dtype.itemsize)))

    def _propagate(self, directions: Float[np.ndarray, "D 2"], periods: Int[np.ndarray, " T"],
                   chosen: torch.Tensor) -> torch.Tensor:
        """Amplitudes [T, D, B] of the chosen beams, on the device; one pass to the greatest thickness, no waiting."""
        propagators = self._propagators(directions)
        amplitude = torch.empty((len(periods), len(directions), len(chosen)), dtype=self.dtype, device=self.device)
        wave = torch.zeros((len(directions), *self.shape), dtype=self.dtype, device=self.device)
        wave[:, 0, 0] = 1
        for period in range(1, int(periods.max()) + 1):
            for transmission, propagator in zip(self.transmission, propagators, strict=True):
                torch.fft.ifft2(wave, norm="forward", out=wave)
                wave *= transmission
                torch.fft.fft2(wave, out=wave)
                wave *= propagator
            for reached in np.flatnonzero(periods == period).tolist():
                amplitude[reached] = wave.flatten(1)[:, chosen]
        return amplitude

    def _propagators(self, directions: Float[np.ndarray, "D 2"]) -> list[torch.Tensor]:
        """Free propagation over the gap behind each layer, complex [D, n1, n2] each; equal gaps share memory."""
        _, kappa = self.dispersion(directions, self.g[self.inside])
        kappa = torch.from_numpy(kappa).to(self.device)
        inside = torch.from_numpy(np.flatnonzero(self.inside)).to(self.device)
        made: dict[float, torch.Tensor] = {}
        for gap in self.gaps:
            if gap not in made:
                turn = 2 * torch.pi * torch.remainder(gap * kappa, 1)
                made[gap] = torch.zeros((len(directions), *self.shape), dtype=self.dtype, device=self.device)
                made[gap].flatten(1)[:, inside] = torch.polar(torch.ones_like(turn), turn).to(self.dtype)
        return [made[gap] for gap in self.gaps]


def band_limit(slab: Slab, config: MultisliceConfig, *, beam_energy_kev: float, aperture: float) -> float:
    """g_max of a pattern in 1/angstrom: wide enough for the first upper Laue zone where that is asked for.

    The zone's reflections lie where the Ewald sphere has fallen by one spacing 1/|c'| of its layers (radius
    sqrt(2 K / |c'| - 1/|c'|^2)); an aperture of so many 1/angstrom lights them from around that ring.
    """
    if config.upper_zone == "cut":
        return config.g_max_inv_angstrom
    spacing = 1 / slab.period_angstrom
    ring = np.sqrt(2 * wavenumber_inv_angstrom(beam_energy_kev) * spacing - spacing**2)
    wanted = (ring + 2 * aperture) * (1 + float(np.linalg.norm(slab.slope)) * ring / wavenumber_inv_angstrom(
        beam_energy_kev))
    return max(config.g_max_inv_angstrom, float(min(np.ceil(wanted * 20) / 20, LARGEST_G_MAX)))
