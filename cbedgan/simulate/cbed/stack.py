"""One crystal to its stacks of three patterns with their table rows; and a stack again from its provenance."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.electron import wavenumber_inv_angstrom
from cbedgan.simulate.cbed.detector import PatternResult, View, simulate_views
from cbedgan.simulate.cbed.detector_config import DetectorConfig
from cbedgan.simulate.cbed.disks import turn_matrix
from cbedgan.simulate.cbed.distinct import DistinctConfig, least_difference
from cbedgan.simulate.cbed.layers import atomic_layers, whole_periods
from cbedgan.simulate.cbed.measured_view import as_measured
from cbedgan.simulate.cbed.multislice import Exposure, band_limit
from cbedgan.simulate.cbed.simulate_config import SimulateConfig, ThicknessRange, ViewConfig
from cbedgan.simulate.cbed.specimen import Specimen
from cbedgan.simulate.cbed.xray import strongest_reflections
from cbedgan.simulate.cbed.zone_axis import Slab, rotations, slab, zone_axes
from classifier.crystal.electron import wavelength_angstrom
from classifier.crystal.reciprocal import reduced_basis
from classifier.foundation.config import digest
from classifier.foundation.errors import InputError
from classifier.foundation.run import versions
from classifier.samples.sampletable import SampleTable

StacksAndRows = tuple[Float[np.ndarray, "_ 3 _ _"], SampleTable]  # each view has pixels of its own
Axis = tuple[Slab, Exposure, DetectorConfig, list[View]]  # one pattern, and the views of it
Engine = Callable[[list[Axis], float], list[list[PatternResult]]]
"""(patterns, widest tilt of any view in mrad) -> the results of each pattern's views."""
TOO_LONG_ANGSTROM = 10.0  # the OLCF set, whose orientations "strongest_xray" are, has no lattice constant this long


@dataclass(frozen=True)
class Conditions:
    """What may differ between stacks of one material by chance, not by symmetry: nuisances, recorded.

    thickness_angstrom: wanted, of all three patterns; entry_plane: fraction of the repeat period at which each slab
    begins; azimuth_rad: counter-clockwise turn of each raw pattern.
    """

    thickness_angstrom: Float[np.ndarray, " T"]
    entry_plane: Float[np.ndarray, " 3"]
    azimuth_rad: Float[np.ndarray, " 3"]


def conditions(crystal: Crystal, config: SimulateConfig, beam_energy_kev: float) -> Conditions:
    """Draw the conditions of a material at one energy; they depend on these and the seed alone."""
    generator = np.random.default_rng([config.seed, int(digest([crystal.material, beam_energy_kev])[:12], 16)])
    drawn_thickness, drawn_entry, drawn_turn = generator.random(), generator.random(3), generator.random(3)
    wanted = config.thickness_angstrom
    if isinstance(wanted, ThicknessRange):
        wanted = wanted.least + drawn_thickness * (wanted.most - wanted.least)
    entry_plane = np.round(drawn_entry, 6) if "entry_plane" in config.randomised else np.full(
        3, config.multislice.entry_plane)
    azimuth = 2 * np.pi * drawn_turn if "azimuth" in config.randomised else np.zeros(3)
    return Conditions(np.atleast_1d(np.array(wanted, dtype=np.float64)), entry_plane % 1.0, azimuth)


def slabs(crystal: Crystal, config: SimulateConfig) -> list[Slab]:
    """Return the slabs of the crystal's three zone axes.

    By the rule "strongest_xray" the indices of three reflections serve as beam directions [uvw], as they do in the OLCF
    set: outside cubic cells such a beam is not normal to the planes hkl.
    """
    cell = crystal.primitive()
    axes = (strongest_reflections(crystal)[0] if config.zone_axis_rule == "strongest_xray"
            else zone_axes(crystal.lattice, cell[0], config.zone_axis_rule))
    kept = rotations(cell) if config.multislice.entry_surface == "symmetric" else None
    return [slab(crystal.lattice, cell, uvw, kept=kept) for uvw in axes]


def detectors(crystal: Crystal, config: SimulateConfig) -> list[DetectorConfig]:
    """Return the detector of each pattern; a semi-angle in wavelengths (at 100 keV) over spacing is put in mrad."""
    if config.detector.aperture_unit != "spacing_at_100_kev":
        return [config.detector] * 3
    unit = 1e3 * wavelength_angstrom(100.0) / strongest_reflections(crystal)[1]
    return [config.detector.model_copy(update={"aperture_unit": "mrad", "aperture_radius": radius})
            for radius in (config.detector.aperture_radius * unit).tolist()]


def widest_disk(crystal: Crystal, config: SimulateConfig, pieces: list[Slab]) -> float:
    """Return the greatest diameter of a disk over the shortest vector of its ZOLZ, at the highest energy.

    Glide planes and screw axes make reflections systematically absent: the disks that are seen lie no closer than this
    says.
    """
    if config.detector.aperture_unit == "shortest_g":
        return 2 * config.detector.aperture_radius
    wavenumber = 1e-3 / wavelength_angstrom(max(config.beam_energies_kev))
    lattices = [np.linalg.inv(piece.projected_lattice).T for piece in pieces]
    return max(2 * detector.aperture_radius * wavenumber / np.linalg.norm(reduced_basis(lattice), axis=1).min()
               for detector, lattice in zip(detectors(crystal, config), lattices, strict=True))


def steps(piece: Slab, config: SimulateConfig) -> float:
    """Return the cost of a pattern for one incident direction: grid points times layers times repeat periods."""
    limit = band_limit(piece, config.multislice, beam_energy_kev=min(config.beam_energies_kev), aperture=0.0)
    points = np.prod(3 * limit * np.linalg.norm(piece.cell[:2, :2], axis=1))
    layers, _ = atomic_layers(piece, merge_angstrom=config.multislice.merge_angstrom,
                              entry_plane=config.multislice.entry_plane)
    wanted = config.thickness_angstrom
    greatest = wanted.most if isinstance(wanted, ThicknessRange) else np.max(wanted)
    return float(points * len(layers) * whole_periods(greatest, piece.period_angstrom)[0])


def refusal(crystal: Crystal, config: SimulateConfig) -> str | None:
    """Say why the crystal cannot be simulated within the limits of `config`, or None."""
    longest = crystal.cell_parameters()[0].max()
    if config.zone_axis_rule == "strongest_xray" and longest >= TOO_LONG_ANGSTROM:
        return f"a lattice constant of {longest:.4g} angstrom, not less than {TOO_LONG_ANGSTROM:g}"
    try:
        pieces = slabs(crystal, config)
        if config.overlapping_disks == "refused" and (wide := widest_disk(crystal, config, pieces)) >= 1:
            return f"disks {wide:.2f} times as wide as they are apart"
        most = max(steps(piece, config) for piece in pieces)
    except InputError as error:
        return str(error)
    return f"{most:.2g} steps, more than {config.maximum_steps:.2g}" if most > config.maximum_steps else None


def simulate_stacks(crystal: Crystal, config: SimulateConfig, *, beam_energy_kev: float,
                    partition: str = "", device: str = "cpu") -> tuple[Float[np.ndarray, "T 3 H W"], SampleTable]:
    """Simulate a crystal's stacks on their zone axes, float32 in fractions of the incident beam per pixel, and their
    table: the first of `simulate_every_view`, to the bit.

    Parameters
    ----------
    crystal, config, beam_energy_kev, partition, device : as there
    """
    return simulate_every_view(crystal, config, beam_energy_kev=beam_energy_kev, partition=partition, device=device,
                               views=())[0]


def exact(axes: list[Axis], widest_tilt_mrad: float) -> list[list[PatternResult]]:
    """The exact engine, pattern by pattern, see `simulate_views`."""
    return [simulate_views(*axis, widest_tilt_mrad=widest_tilt_mrad) for axis in axes]


def simulate_every_view(crystal: Crystal, config: SimulateConfig, *, beam_energy_kev: float, partition: str = "",
                        device: str = "cpu", views: tuple[ViewConfig, ...] | None = None, engine: Engine = exact
                        ) -> list[StacksAndRows]:
    """Simulate a crystal's stacks and their tables: on the zone axes, and then for each view.

    T is 1, or the length of the thickness series, which one propagation yields. A row's provenance holds the crystal
    itself, so that `resimulate` needs neither its source nor a seed. InputError when a pattern cannot be made (no
    visible disk, aperture beyond the band limit) or when the three cannot tell the crystal's group.

    Parameters
    ----------
    crystal, config : what is simulated, and how
    beam_energy_kev : of the electrons
    partition : of the rows
    device : "cpu" or "cuda"
    views : some of the configuration's views, None for all of them
    engine : that of the configuration, see `simulate.engine`
    """
    if (config.render is None) != (engine is exact):
        raise InputError(source="engine", rule="must be that of the configuration", value=f"render = {config.render}",
                         remedy="Give cbedgan.simulate.engine.engine_of(config).")
    views = config.views if views is None else views
    pieces = slabs(crystal, config)
    drawn = conditions(crystal, config, beam_energy_kev)
    axes = list(zip(pieces, detectors(crystal, config), strict=True))
    if config.distinct is not None:
        _require_distinct(crystal, axes, Exposure(beam_energy_kev, drawn.thickness_angstrom, config.multislice),
                          config.distinct)
    specimens = [specimens_of(crystal, view, config.seed, beam_energy_kev) for view in views]
    canonical = config.detector.pose == "canonical"
    wanted = [[View(), *(View(view.size_pixels, some[k]) for view, some in zip(views, specimens, strict=True))]
              for k in range(3)]
    exposures = [Exposure(
        beam_energy_kev, drawn.thickness_angstrom, config.multislice.model_copy(update={"entry_plane": entry_plane}),
        azimuth_rad=0.0 if canonical else azimuth, device=device)
        for entry_plane, azimuth in zip(drawn.entry_plane.tolist(), drawn.azimuth_rad.tolist(), strict=True)]
    patterns = engine([(piece, exposure, detector, views_of) for (piece, detector), exposure, views_of in zip(
        axes, exposures, wanted, strict=True)], config.widest_tilt_mrad)
    common = {"crystal": crystal.record(), "beam_energy_kev": beam_energy_kev,
              "entry_plane": drawn.entry_plane.tolist(), "slope": [round(some[0].slope, 6) for some in patterns],
              "visible": config.detector.visible,
              "versions": {name: versions()[name] for name in ("torch", "numpy", "gemmi")}}
    if config.multislice.upper_zone != "cut":
        common["g_max_inv_angstrom"] = [some[0].g_max_inv_angstrom for some in patterns]
    # Canonical pose undoes the turn of the raw pattern: it cannot be seen, but it is part of the recorded azimuth.
    hidden_turn = drawn.azimuth_rad if canonical else np.zeros(3)
    names = sample_ids(crystal, beam_energy_kev, drawn.thickness_angstrom)
    made = []
    for number, (view, some) in enumerate(zip([None, *views], [None, *specimens], strict=True)):
        results = [pattern[number] for pattern in patterns]
        provenance = dict(common)
        if config.zone_axis_rule == "strongest_xray":
            provenance |= _orientations(crystal, pieces, results)
        if view is not None:
            provenance["view"] = view.name
        if view is not None and view.specimen is not None and some is not None:
            provenance["specimen"] = [one._asdict() for one in some]
            provenance["zone_axis_pixels"] = [_zone_axis_place(one, result, beam_energy_kev)
                                              for one, result in zip(some, results, strict=True)]
        stacks, told = np.stack([result.image for result in results], axis=1), [provenance] * len(names)
        if view is not None and view.condition is not None:
            stacks, measured = as_measured(stacks, names, view.condition)
            told = [{**provenance, "measured": one} for one in measured]
        made.append((stacks, _rows(crystal, names, pieces, results, hidden_turn, told, beam_energy_kev, partition)))
    return made


def specimens_of(crystal: Crystal, view: ViewConfig, seed: int, beam_energy_kev: float) -> list[Specimen]:
    """The specimen of each of the three patterns; they depend on the seed, the material, the energy and the view."""
    if view.specimen is None:
        return [Specimen()] * 3
    generator = np.random.default_rng([seed, int(digest([crystal.material, beam_energy_kev, view.name])[:12], 16)])
    return [view.specimen.draw(generator) for _ in range(3)]


def _zone_axis_place(specimen: Specimen, result: PatternResult, beam_energy_kev: float) -> list[float]:
    """Where the zone axis lies in the drawn frame, (x, y) in pixels from the direct disk's middle."""
    tilt = 1e-3 * wavenumber_inv_angstrom(beam_energy_kev) * np.array(specimen.tilt_mrad)
    return np.round(-(tilt @ turn_matrix(result.azimuth_rad)) / result.pixel_size_inv_angstrom, 4).tolist()


def _rows(crystal: Crystal, names: list[str], pieces: list[Slab], results: list[PatternResult],
          hidden_turn: Float[np.ndarray, " 3"], provenance: list[dict[str, Any]], beam_energy_kev: float,
          partition: str) -> SampleTable:
    """The table of one view."""
    lengths, angles = crystal.cell_parameters()
    return SampleTable.build(
        len(names), sample_id=names, space_group=crystal.space_group, material=crystal.material,
        structure_type=crystal.structure_type, formula=crystal.formula, partition=partition, origin="simulated",
        beam_energy_kev=beam_energy_kev,
        zone_axis_uvw=np.array([piece.zone_axis_uvw for piece in pieces])[None].repeat(len(names), 0),
        convergence_semi_angle_mrad=[[result.semi_angle_mrad for result in results]] * len(names),
        thickness_angstrom=np.stack([result.thickness_angstrom for result in results], axis=1),
        cell_lengths_angstrom=[lengths] * len(names), cell_angles_degree=[angles] * len(names),
        pixel_size_inv_angstrom=[[result.pixel_size_inv_angstrom for result in results]] * len(names),
        shortest_g_inv_angstrom=[[float(np.hypot(*result.shortest_g)) for result in results]] * len(names),
        azimuth_rad=[[_half_turn(result.azimuth_rad - turn) for result, turn in zip(results, hidden_turn, strict=True)]
                     ] * len(names),
        provenance=[json.dumps({**told, "of_series": k} if len(names) > 1 else told, separators=(",", ":"))
                    for k, told in enumerate(provenance)])


def sample_ids(crystal: Crystal, beam_energy_kev: float, thickness_angstrom: Float[np.ndarray, " T"]) -> list[str]:
    """Name the samples: material and energy, and the wanted thickness in a series."""
    name = f"{crystal.material}-{beam_energy_kev:g}kev"
    return [name] if len(thickness_angstrom) == 1 else [f"{name}-{wanted:g}a" for wanted in thickness_angstrom]


def resimulate(config: SimulateConfig, provenance: str, *, engine: Engine = exact) -> Float[np.ndarray, "3 H W"]:
    """Simulate the stack of a row again, float32, from the row's provenance and the file's configuration, in its view.

    On the machine that made it the same to the bit, but for the file's mantissa. engine: that of the configuration.
    """
    return simulated_again(config, provenance, engine=engine)[0][0]


def simulated_again(config: SimulateConfig, provenance: str, *, engine: Engine = exact) -> StacksAndRows:
    """The one stack of `resimulate`, with its row."""
    try:
        content: dict[str, Any] = json.loads(provenance)
        crystal, energy = Crystal.from_record(content["crystal"]), float(content["beam_energy_kev"])
        of_series, name = int(content.get("of_series", 0)), str(content.get("view", ""))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(source="provenance of the sample", rule="must be what this package's simulation wrote",
                         value=repr(error), remedy="Only simulated samples can be simulated again.") from None
    views = tuple(view for view in config.views if view.name == name)
    if name and not views:
        raise InputError(source="provenance of the sample", rule="its view must be one of the configuration's",
                         value=name, remedy="Give the configuration of the file that the sample is from.")
    stacks, rows = simulate_every_view(crystal, config, beam_energy_kev=energy, views=views, engine=engine)[-1]
    return stacks[of_series:of_series + 1], rows.take([of_series])


def _require_distinct(crystal: Crystal, axes: list[tuple[Slab, DetectorConfig]], exposure: Exposure,
                      limits: DistinctConfig) -> None:
    difference, group = least_difference(crystal, axes, exposure, limits.tolerance_angstrom,
                                         enough=limits.least_difference)
    if difference < limits.least_difference:
        raise InputError(source=crystal.material,
                         rule=f"its patterns must differ by {limits.least_difference:g} from those of a higher group",
                         value=f"{difference:.2g} from space group {group}",
                         remedy="Take other zone axes, or keep it by a configuration without [distinct].")


def _orientations(crystal: Crystal, pieces: list[Slab], results: list[PatternResult]) -> dict[str, Any]:
    """The reflections that name the orientations, and the direction of each drawn pattern's +y, JSON content."""
    hkl, spacing = strongest_reflections(crystal)
    up = [np.sin(result.azimuth_rad) * piece.frame[0] + np.cos(result.azimuth_rad) * piece.frame[1]
          for piece, result in zip(pieces, results, strict=True)]
    steps_up = np.array(up) @ np.linalg.inv(crystal.lattice)
    steps_up /= np.abs(steps_up).max(axis=1, keepdims=True)
    return {"hkl": hkl.tolist(), "d_hkl_angstrom": spacing.tolist(), "y_direction_uvw": steps_up.tolist()}


def _half_turn(angle: float) -> float:
    """The angle in rad brought into [-pi, pi]; one that lies there already stays the same to the last bit."""
    return float(angle if abs(angle) <= np.pi else np.remainder(angle + np.pi, 2 * np.pi) - np.pi)
