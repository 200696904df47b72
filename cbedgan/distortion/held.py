"""Patterns of a crystal along a path, all as the undistorted one is exposed: what changes then comes from its atoms.

Held are zone axes, entry planes, thickness, beams, layers, rings of directions, and the reflection that points to +x
and sets the scale, as long as the detector measures one of its length; where a shorter one becomes visible, or the held
one fades, the detector's own is taken. The terraces of a surface are those of the undistorted crystal: its screws and
glides along the beam say at which heights the slab begins, and the mean over these slabs, each distorted alike, is one
pattern. They would vanish at once else, with the first thousandth of an angstrom.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.electron import wavenumber_inv_angstrom
from cbedgan.distortion.symmetry.shown import Posed
from cbedgan.render.gratings import scattering_rows
from cbedgan.render.render import render
from cbedgan.render.scene import Atoms, Scene
from cbedgan.simulate.cbed.detector import View, simulate_views
from cbedgan.simulate.cbed.multislice import Exposure
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.cbed.slab_symmetry import SAME_HEIGHT, beam_operations
from cbedgan.simulate.cbed.stack import conditions, detectors, slabs, specimens_of
from cbedgan.simulate.cbed.zone_axis import Cell, Slab, cut_alike
from classifier.foundation.errors import InputError


class Drawn(NamedTuple):
    """Of one scene: its images in all views, in shares of the incident beam per pixel, and g1 as its detector measures
    it."""

    images: Float[np.ndarray, "V S S"]
    g1: Float[np.ndarray, " 2"]


SAME_AZIMUTH = 1e-9  # its sine: two poses that are one


Engine = Callable[[Sequence[Scene]], list[Drawn]]


def by_renderer(scenes: Sequence[Scene]) -> list[Drawn]:
    """What the renderer draws, without gradients."""
    with torch.no_grad():
        return [Drawn(np.stack([image[0].numpy() for image in one.images]), scene.g_now[one.g1])
                for scene, one in zip(scenes, render(list(scenes)), strict=True)]


def by_simulator(scenes: Sequence[Scene]) -> list[Drawn]:
    """What the exact engine draws."""
    results = [simulate_views(scene.slab, scene.exposure, scene.detector, list(scene.views),
                              widest_tilt_mrad=scene.widest_tilt_mrad) for scene in scenes]
    return [Drawn(np.stack([view.image[0] for view in some]), some[0].shortest_g) for some in results]


@dataclass(frozen=True, eq=False)
class HeldAxis:
    """One zone axis of a crystal. terraces: its scenes at 0, one for each height at which the slab begins; lattice: the
    primitive cell at 0; g1: number of the beam that points to +x; measured: of those that the terraces' detectors find
    through its aperture at 0, where a beam that is just visible through another may not be seen."""

    terraces: tuple[Scene, ...]
    lattice: Float[np.ndarray, "3 3"]
    g1: int
    measured: frozenset[int] = frozenset()

    def frame(self) -> tuple[int, float, float]:
        """Pixels of a side, half the frame's width and the radius of the direct disk at 0, both in 1/angstrom."""
        scene = _posed(self.terraces[0], self.g1)
        wavenumber = wavenumber_inv_angstrom(scene.exposure.beam_energy_kev)
        return (scene.detector.size_pixels, scene.detector.half_width,
                1e-3 * wavenumber * scene.detector.aperture_radius)

    def posed(self) -> Posed:
        """Zone axis and turn of the drawn pattern at 0."""
        scene = _posed(self.terraces[0], self.g1)
        return Posed(scene.slab.zone_axis_uvw, float(np.degrees(scene.exposure.azimuth_rad)))

    def held_azimuth(self, piece: Slab) -> float:
        """The azimuth, rad, at which a distorted slab is drawn as the undistorted one is: the frame of the latter is
        taken along on the shortest way from beam to beam, on which every axis across both of them stays.
        """
        x, _, z = self.terraces[0].slab.frame
        turned = x - (piece.frame[2] @ x) / (1 + piece.frame[2] @ z) * (piece.frame[2] + z)
        slab = np.arctan2(turned @ piece.frame[1], turned @ piece.frame[0])
        return _posed(self.terraces[0], self.g1).exposure.azimuth_rad - float(slab)

    def scenes(self, cell: Cell, g1: int) -> list[Scene]:
        """The scenes of another cell of the same atoms, with a beam of `Scene.g` to +x."""
        lattice, sites, _ = cell
        moved = _moved(self.terraces[0].slab, self.lattice, cell)
        return [_posed(replace(scene, slab=moved, like=scene, atoms=replace(
            scene.atoms, lattice=torch.from_numpy(lattice), sites=torch.from_numpy(sites))), g1)
            for scene in self.terraces]

    def with_held_view(self, scenes: list[Scene]) -> list[Scene]:
        """The same, with one view more where the held pose is another: it turns as the crystal does."""
        turned = self.held_azimuth(scenes[0].slab) - scenes[0].exposure.azimuth_rad
        if abs(np.sin(turned)) <= SAME_AZIMUTH:
            return scenes
        return [replace(scene, views=(*scene.views, View(turned_rad=turned))) for scene in scenes]


@dataclass(frozen=True, eq=False)
class HeldCrystal:
    """How a crystal is exposed all along its paths. tie: relative, of two lengths of g1 that count as one."""

    crystal: Crystal
    axes: tuple[HeldAxis, ...]
    tie: float

    @classmethod
    def of(cls, crystal: Crystal, config: SimulateConfig) -> "HeldCrystal":
        """Expose the crystal as the configuration does, at its first energy; InputError where that cannot be.

        Where the configuration has a view, classifiers see the crystal in the first one's specimen.
        """
        if config.render is None:
            raise InputError(source="render", rule="paths are drawn by the renderer", value=None,
                             remedy="Give the configuration a table [render].")
        energy = config.beam_energies_kev[0]
        drawn = conditions(crystal, config, energy)
        lattice, sites, numbers = crystal.primitive()
        kinds, kind = np.unique(numbers, return_inverse=True)
        atoms = Atoms(torch.from_numpy(lattice), torch.from_numpy(sites),
                      scattering_rows(kinds, energy, config.multislice), torch.from_numpy(kind))
        scenes, tilted = [], config.views[:1]
        specimens = specimens_of(crystal, tilted[0], config.seed, energy) if tilted else [None] * 3
        for piece, detector, entry, azimuth, specimen in zip(
                slabs(crystal, config), detectors(crystal, config), drawn.entry_plane.tolist(),
                drawn.azimuth_rad.tolist(), specimens, strict=True):
            exposure = Exposure(energy, drawn.thickness_angstrom[:1],
                                config.multislice.model_copy(update={"entry_plane": entry}),
                                0.0 if detector.pose == "canonical" else azimuth)
            views = (View(),) if specimen is None else (View(), View(specimen=specimen))
            widest = tilted[0].specimen.widest_tilt_mrad if tilted and tilted[0].specimen else 0.0
            scenes.append(Scene(piece, atoms, exposure, detector, views, config.render, widest))
        with torch.no_grad():
            rendered = render(scenes)
        axes = [HeldAxis(tuple(_terraces(scene)), lattice, one.g1)
                for scene, one in zip(scenes, rendered, strict=True)]
        cell = crystal.primitive()
        seen = _drawn([axis.scenes(cell, axis.g1) for axis in axes], by_renderer)
        return cls(crystal, tuple(replace(axis, measured=frozenset(_nearest(_beams(axis, cell), one.g1)
                                                                  for one in terraces))
                                  for axis, terraces in zip(axes, seen, strict=True)), config.detector.tie)


class Stacks(NamedTuple):
    """Of N distorted crystals, float32, in shares of the incident beam per pixel.

    seen: on their axes as their detectors pose them; shown: the same in the specimen in which classifiers see them;
    held: on their axes, turned as the crystal is, so that what it keeps of its symmetry has one azimuth all along.
    """

    seen: Float[np.ndarray, "N 3 S S"]
    shown: Float[np.ndarray, "N 3 S S"]
    held: Float[np.ndarray, "N 3 S S"]


def patterns(some: Sequence[tuple[HeldCrystal, Cell]], engine: Engine = by_renderer) -> Float[np.ndarray, "N 3 S S"]:
    """The stacks of distorted crystals as classifiers are shown them, drawn in one batch."""
    unique, place = _unique(some)
    asked = _asked(unique)
    drawn = _drawn([axis.scenes(cell, axis.g1) for axis, cell, _ in asked], engine)
    return _means(_detected(asked, drawn, engine), 1)[place]


def patterns_and_held(some: Sequence[tuple[HeldCrystal, Cell]], engine: Engine = by_renderer) -> Stacks:
    """The same, and beside them the patterns on the axes, posed in both ways."""
    unique, place = _unique(some)
    asked = _asked(unique)
    drawn = _drawn([axis.with_held_view(axis.scenes(cell, axis.g1)) for axis, cell, _ in asked], engine)
    plain = [len(axis.terraces[0].views) for axis, _, _ in asked]
    held = [[one._replace(images=one.images[views:]) if len(one.images) > views else one for one in terraces]
            for views, terraces in zip(plain, drawn, strict=True)]
    detected = _detected(asked, [[one._replace(images=one.images[:views]) for one in terraces]
                                 for views, terraces in zip(plain, drawn, strict=True)], engine)
    return Stacks(*(part[place] for part in (_means(detected, 0), _means(detected, 1), _means(held, 0))))


def _unique(some: Sequence[tuple[HeldCrystal, Cell]]) -> tuple[list[tuple[HeldCrystal, Cell]], list[int]]:
    """What is drawn once, and which of it each is: paths of one crystal begin alike."""
    places: dict[tuple[int, bytes, bytes], int] = {}
    place = [places.setdefault((id(held), lattice.tobytes(), sites.tobytes()), len(places))
             for held, (lattice, sites, _) in some]
    return [some[place.index(k)] for k in range(len(places))], place


def _asked(some: Sequence[tuple[HeldCrystal, Cell]]) -> list[tuple[HeldAxis, Cell, float]]:
    """What is drawn first: each axis, with the held reflection; and lengths of g1 that count as one, relative."""
    return [(axis, cell, held.tie) for held, cell in some for axis in held.axes]


def _detected(asked: list[tuple[HeldAxis, Cell, float]], drawn: list[list[Drawn]], engine: Engine
              ) -> list[list[Drawn]]:
    """What was drawn, drawn again where the detector takes another reflection than the held one."""
    again = {}
    for k, (axis, cell, tie) in enumerate(asked):
        found = _another(axis, cell, drawn[k], tie)
        if found is not None:
            again[k] = axis.scenes(cell, found)
    detected = list(drawn)
    for k, fresh in zip(again, _drawn(list(again.values()), engine), strict=True):
        detected[k] = fresh
    return detected


def _means(drawn: list[list[Drawn]], view: int) -> Float[np.ndarray, "N 3 S S"]:
    """Over the terraces of each pattern, in a view or, where there are fewer, in the last."""
    images = np.stack([np.mean([one.images[min(view, len(one.images) - 1)] for one in terraces], axis=0)
                       for terraces in drawn])
    return images.reshape(len(drawn) // 3, 3, *images.shape[1:]).astype(np.float32)


def _another(axis: HeldAxis, cell: Cell, terraces: list[Drawn], tie: float) -> int | None:
    """The beam that the detector takes instead of the held one, if all terraces measure another length than at 0."""
    beams = _beams(axis, cell)
    length = np.hypot(*beams.T)
    found = {_nearest(beams, one.g1) for one in terraces}
    before = length[list(axis.measured)]
    if any((np.abs(length[beam] / before - 1) <= tie).any() for beam in found):
        return None
    return min(found, key=lambda beam: (round(float(length[beam]), 6), beam))


def _drawn(scenes: Sequence[list[Scene]], engine: Engine) -> list[list[Drawn]]:
    """All terraces of each pattern."""
    flat = iter(engine([scene for terraces in scenes for scene in terraces]))
    return [[next(flat) for _ in terraces] for terraces in scenes]


def _beams(axis: HeldAxis, cell: Cell) -> Float[np.ndarray, "M 2"]:
    """The beams of `Scene.g` of a distorted cell, 1/angstrom."""
    piece = _moved(axis.terraces[0].slab, axis.lattice, cell)
    zone = axis.terraces[0].cut.zone @ piece.cell[:2, :2]
    return axis.terraces[0].cut.beam @ np.linalg.inv(zone).T


def _nearest(beams: Float[np.ndarray, "M 2"], g: Float[np.ndarray, " 2"]) -> int:
    return int(np.abs(beams - g).sum(axis=1).argmin())


def _terraces(scene: Scene) -> list[Scene]:
    """The scene begun at each height that the slab's screws and glides along the beam make of its own."""
    multislice = scene.exposure.multislice
    heights = [0.0]
    if multislice.terraces != "one":
        for operation in beam_operations(scene.slab):
            height = float(operation.shift[2] % 1.0)
            apart = np.array(heights) - height
            if (np.abs(apart - np.round(apart)) > SAME_HEIGHT).all():
                heights.append(height)
    return [replace(scene, exposure=replace(scene.exposure, multislice=multislice.model_copy(
        update={"terraces": "one", "entry_plane": (multislice.entry_plane + height) % 1.0}))) for height in heights]


def _moved(piece: Slab, lattice: Float[np.ndarray, "3 3"], cell: Cell) -> Slab:
    """The slab cut from a primitive lattice, with its atoms and its cell moved; the beam follows the same direction."""
    after, positions, numbers = (np.asarray(part) for part in cell)
    rows = np.round(piece.cell @ piece.frame @ np.linalg.inv(lattice)) @ after
    z = rows[2] / np.linalg.norm(rows[2])
    x = piece.frame[0] @ np.linalg.inv(lattice) @ after
    x -= x @ z * z
    x /= np.linalg.norm(x)
    frame = np.array([x, np.cross(z, x), z])
    beam_cell = rows @ frame.T
    beam_cell[2, :2] = 0  # rounding only
    in_plane = piece.projected_lattice @ np.linalg.inv(piece.cell[:2, :2])
    return replace(cut_alike(piece, (lattice, positions, numbers)), cell=beam_cell, frame=frame,
                   projected_lattice=in_plane @ beam_cell[:2, :2])


def _posed(scene: Scene, g1: int) -> Scene:
    """The scene with this beam to +x and its length as the unit, where the detector's pose is canonical."""
    detector = scene.detector
    length, azimuth = float(np.hypot(*scene.g_now[g1])), float(-np.arctan2(*scene.g_now[g1][::-1]))
    changes: dict[str, float | str] = {}
    if detector.aperture_unit == "shortest_g":
        wavenumber = wavenumber_inv_angstrom(scene.exposure.beam_energy_kev)
        changes = {"aperture_unit": "mrad", "aperture_radius": 1e3 * detector.aperture_radius * length / wavenumber}
    if detector.pose == "raw":
        return replace(scene, detector=detector.model_copy(update=changes))
    changes |= {"pose": "raw", "half_width": detector.half_width * length}
    return replace(scene, detector=detector.model_copy(update=changes),
                   exposure=replace(scene.exposure, azimuth_rad=azimuth))
