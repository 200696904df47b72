"""One crystal to one stack of three patterns with its table row; and the same stack again from its provenance."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cbedgan.simulate.crystals import Crystal
from cbedgan.simulate.detector import DetectorConfig, simulate_pattern
from cbedgan.simulate.multislice import MultisliceConfig, atomic_layers, whole_periods
from cbedgan.simulate.prototypes import CrystalConfig
from cbedgan.simulate.zone_axis import Slab, slab, zone_axes
from classifier.config import Config
from classifier.errors import InputError
from classifier.run import versions
from classifier.sampletable import SampleTable


class SimulateConfig(Config):
    """Everything that decides a simulated set: the same configuration gives the same file."""

    seed: Annotated[int, Field(ge=0)]
    beam_energies_kev: tuple[float, ...]  # one stack for each material and energy
    thickness_angstrom: float
    zone_axis_rule: Literal["metric", "conventional"]
    maximum_steps: float  # of one pattern, see `steps`; larger crystals are passed over
    mantissa_bits: Annotated[int, Field(ge=1, le=23)]  # of the intensities in the file
    crystals: CrystalConfig
    multislice: MultisliceConfig
    detector: DetectorConfig


def slabs(crystal: Crystal, config: SimulateConfig) -> list[Slab]:
    """Return the slabs of the crystal's three zone axes."""
    cell = crystal.primitive()
    return [slab(crystal.lattice, cell, uvw) for uvw in zone_axes(crystal.lattice, cell[0], config.zone_axis_rule)]


def steps(piece: Slab, config: SimulateConfig) -> float:
    """Return the cost of a pattern for one incident direction: grid points times layers times repeat periods."""
    points = np.prod(3 * config.multislice.g_max_inv_angstrom * np.linalg.norm(piece.cell[:2, :2], axis=1))
    layers, _ = atomic_layers(piece, merge_angstrom=config.multislice.merge_angstrom,
                              entry_plane=config.multislice.entry_plane)
    return float(points * len(layers) * whole_periods(config.thickness_angstrom, piece.period_angstrom)[0])


def refusal(crystal: Crystal, config: SimulateConfig) -> str | None:
    """Say why the crystal cannot be simulated within the limits of `config`, or None."""
    most = max(steps(piece, config) for piece in slabs(crystal, config))
    return f"{most:.2g} steps, more than {config.maximum_steps:.2g}" if most > config.maximum_steps else None


def simulate_stack(crystal: Crystal, config: SimulateConfig, *, beam_energy_kev: float,
                   partition: str = "") -> tuple[NDArray[np.float32], SampleTable]:
    """Simulate one stack, float32 [3, H, W] in fractions of the incident beam per pixel, and its table of one row.

    The row's provenance holds the crystal itself, so that `resimulate` needs neither its source nor a seed.
    Raises InputError when a pattern cannot be made (no visible disk, aperture beyond the band limit).
    """
    pieces = slabs(crystal, config)
    results = [simulate_pattern(piece, beam_energy_kev=beam_energy_kev, thickness_angstrom=[config.thickness_angstrom],
                                multislice=config.multislice, detector=config.detector) for piece in pieces]
    lengths, angles = crystal.cell_parameters()
    provenance = {
        "crystal": crystal.record(),
        "beam_energy_kev": beam_energy_kev,
        "entry_plane": config.multislice.entry_plane,
        "slope": [round(result.slope, 6) for result in results],
        "visible": config.detector.visible,
        "versions": {name: versions()[name] for name in ("torch", "numpy", "gemmi")},
    }
    row = SampleTable.build(
        1,
        sample_id=[sample_id(crystal, beam_energy_kev)],
        space_group=[crystal.space_group],
        material=[crystal.material],
        structure_type=[crystal.structure_type],
        formula=[crystal.formula],
        partition=[partition],
        origin=["simulated"],
        beam_energy_kev=[beam_energy_kev],
        zone_axis_uvw=[[piece.zone_axis_uvw for piece in pieces]],
        convergence_semi_angle_mrad=[[result.semi_angle_mrad for result in results]],
        thickness_angstrom=[[result.thickness_angstrom[0] for result in results]],
        cell_lengths_angstrom=[lengths],
        cell_angles_degree=[angles],
        pixel_size_inv_angstrom=[[result.pixel_size_inv_angstrom for result in results]],
        shortest_g_inv_angstrom=[[float(np.hypot(*result.shortest_g)) for result in results]],
        azimuth_rad=[[result.azimuth_rad for result in results]],
        provenance=[json.dumps(provenance, separators=(",", ":"))],
    )
    return np.stack([result.image[0] for result in results]), row


def sample_id(crystal: Crystal, beam_energy_kev: float) -> str:
    """Name the sample: material and energy."""
    return f"{crystal.material}-{beam_energy_kev:g}kev"


def resimulate(config: SimulateConfig, provenance: str) -> NDArray[np.float32]:
    """Simulate the stack of a row again, float32 [3, H, W], from the row's provenance and the file's configuration.

    On the machine that made it the result is the same to the bit, before the mantissa is rounded for the file.
    """
    try:
        content: dict[str, Any] = json.loads(provenance)
        crystal, energy = Crystal.from_record(content["crystal"]), float(content["beam_energy_kev"])
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(source="provenance of the sample", rule="must be what this package's simulation wrote",
                         value=repr(error), remedy="Only simulated samples can be simulated again.") from None
    return simulate_stack(crystal, config, beam_energy_kev=energy)[0]
