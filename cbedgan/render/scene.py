"""One pattern to be rendered: a slab with its atoms as tensors, what it is exposed to, and its period's matrix."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cbedgan.crystal.electron import interaction, wavenumber_inv_angstrom
from cbedgan.render.cut import Cut, Plate, cut, plate
from cbedgan.render.gratings import gratings, scattering_rows
from cbedgan.render.passage import Period, period
from cbedgan.simulate.cbed.detector import View
from cbedgan.simulate.cbed.detector_config import DetectorConfig
from cbedgan.simulate.cbed.layers import whole_periods
from cbedgan.simulate.cbed.multislice import Exposure
from cbedgan.simulate.cbed.simulate_config import RenderConfig
from cbedgan.simulate.cbed.slab_symmetry import Operation, beam_operations, mirror_azimuth
from cbedgan.simulate.cbed.zone_axis import Slab
from classifier.foundation.errors import InputError

Points = tuple[Float[np.ndarray, " _"], Float[np.ndarray, "_ 2"], Float[np.ndarray, " _"]]
"""Of a lit area, see `Specimen.points`: thickness less that in the middle (angstrom), tilt (mrad), weight."""


@dataclass(frozen=True, eq=False)
class Atoms:
    """A crystal's primitive cell as tensors: lattice float64, rows in angstrom; sites float64, fractions; rows: the
    scattering of S kinds of atoms (`gratings.scattering_rows`); kind: of each site."""

    lattice: Float[Tensor, "3 3"]
    sites: Float[Tensor, "n 3"]
    rows: Complex[Tensor, "S G"]
    kind: Int[Tensor, " n"]


@dataclass(frozen=True, eq=False)
class Scene:
    """A slab that was cut from the atoms as they are, its exposure, its detector and the views wanted of it.

    widest_tilt_mrad: of any view that might be asked for; like: a scene of which this one, with the same atoms a little
    elsewhere, keeps the choices: beams, layers, rings of directions and terraces.
    """

    slab: Slab
    atoms: Atoms
    exposure: Exposure
    detector: DetectorConfig
    views: tuple[View, ...]
    config: RenderConfig
    widest_tilt_mrad: float = 0.0
    like: "Scene | None" = None

    def __post_init__(self) -> None:
        """InputError for a detector that is not one pattern's."""
        if self.detector.aperture_unit == "spacing_at_100_kev":
            raise InputError(source="aperture_unit", rule='one pattern takes "shortest_g" or "mrad"',
                             value=self.detector.aperture_unit, remedy="Simulate the stack of a crystal instead.")

    @cached_property
    def cut(self) -> Cut:
        """The choices."""
        if self.like is not None:
            return self.like.cut
        lattice, sites = (part.detach().cpu().numpy() for part in (self.atoms.lattice, self.atoms.sites))
        return cut(self.slab, lattice, sites, self.exposure.multislice.entry_plane, self.config)

    @cached_property
    def plate(self) -> Plate:
        """The slab as tensors."""
        return plate(self.cut, self.atoms.lattice, self.atoms.sites)

    @cached_property
    def g(self) -> Float[Tensor, "M 2"]:
        """Of the beams, 1/angstrom, float32."""
        index = torch.from_numpy(self.cut.beam).to(self.plate.cell)
        return (index @ self.plate.reciprocal_lattice).float()

    @cached_property
    def g_now(self) -> Float[np.ndarray, "M 2"]:
        """The same as plain numbers."""
        return self.g.detach().cpu().double().numpy()

    @property
    def wavenumber(self) -> float:
        """Of the electrons, 1/angstrom."""
        return wavenumber_inv_angstrom(self.exposure.beam_energy_kev)

    @cached_property
    def period(self) -> Period:
        """What one period does to a wave."""
        kind = self.atoms.kind.repeat(len(self.slab.numbers) // len(self.atoms.kind))
        layers = gratings(self.cut, self.plate, self.atoms.rows, kind, interaction(self.exposure.beam_energy_kev))
        return period(self.plate, layers, self.g, self.wavenumber)

    @cached_property
    def operations(self) -> list[Operation]:
        """Of the slab about the beam; those along it make terraces, where these are asked for."""
        if self.like is not None:
            return self.like.operations
        operations = beam_operations(self.slab)
        return [one for one in operations if not one.along_beam or self.exposure.multislice.terraces != "one"]

    @cached_property
    def rings_rad(self) -> float:
        """Azimuth of the rings of incident directions: a mirror of the slab maps them on themselves."""
        return mirror_azimuth(self.slab, self.operations) if self.like is None else self.like.rings_rad

    @cached_property
    def wanted(self) -> Float[np.ndarray, " T"]:
        """Thicknesses in angstrom; InputError unless they are positive."""
        whole_periods(self.exposure.thickness_angstrom, self.slab.period_angstrom)
        return np.atleast_1d(np.asarray(self.exposure.thickness_angstrom, dtype=np.float64))

    @cached_property
    def lit_points(self) -> list[Points]:
        """The specimen of each view."""
        return [view.specimen.points() for view in self.views]

    def periods(self, thicker: float | Float[np.ndarray, " P"] = 0.0) -> Int[np.ndarray, "*P T"]:
        """Whole periods, at least one, nearest to the wanted thicknesses and so many angstrom more."""
        reached = np.add.outer(thicker, self.wanted)
        return np.maximum(np.round(reached / self.slab.period_angstrom), 1).astype(np.int64)


def atoms_of(slab: Slab, exposure: Exposure) -> Atoms:
    """The atoms of a slab, as a cell of their own, on the exposure's device."""
    kinds, kind = np.unique(slab.numbers, return_inverse=True)
    rows = scattering_rows(kinds, exposure.beam_energy_kev, exposure.multislice)
    return Atoms(*(part.to(exposure.device) for part in (
        torch.from_numpy(slab.cell @ slab.frame), torch.from_numpy(slab.positions), rows, torch.from_numpy(kind))))
