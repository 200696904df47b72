"""What a set's crystals were exposed to, for drawn ones: axes by its rule, conditions drawn anew, rendered.

Beside its picture a stack tells the numbers that canonical pose hides: |g1| of each pattern, thickness, energy.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cbedgan.crystal.crystals import Crystal
from cbedgan.gan.crystals.network.moves import Moved
from cbedgan.render.gratings import scattering_rows
from cbedgan.render.render import Rendered, render
from cbedgan.render.scene import Atoms, Scene
from cbedgan.simulate.cbed.detector import View
from cbedgan.simulate.cbed.multislice import Exposure
from cbedgan.simulate.cbed.simulate_config import RenderConfig, SimulateConfig
from cbedgan.simulate.cbed.simulate_config import ViewConfig as SeenAs
from cbedgan.simulate.cbed.stack import conditions, detectors, slabs
from classifier.foundation.config import digest, parse_config
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import ViewConfig
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import StackFile

TOLD = 5  # logarithms: |g1| of each pattern, 1/angstrom; thickness, angstrom; energy, keV


class Exposed(NamedTuple):
    """One stack: shares of the incident beam per pixel, and what it tells beside them; with gradients."""

    stack: Float[Tensor, "3 S S"]
    told: Float[Tensor, " TOLD"]


@dataclass(frozen=True, eq=False)
class Instrument:
    """How a set was made, its frame that of a network's view, drawn by the renderer on a device.

    config: on the axes, without views; views: of the set, in which drawn stacks are written beside.
    """

    config: SimulateConfig
    device: str = "cpu"
    views: tuple[SeenAs, ...] = ()

    @property
    def with_views(self) -> SimulateConfig:
        """The configuration with the views: what a checkpoint keeps."""
        return self.config.model_copy(update={"views": self.views})

    @classmethod
    def stated(cls, config: SimulateConfig) -> "Instrument":
        """That of `with_views`, on the CPU."""
        return cls(config.model_copy(update={"views": ()}), views=config.views)

    @classmethod
    def of(cls, file: StackFile, view: ViewConfig, render: RenderConfig, device: str = "cpu") -> "Instrument":
        """The instrument that the provenance of a simulated set states.

        Parameters
        ----------
        file : the set
        view : what a network sees of it
        render : for a set that the exact engine has made; one that the renderer has made states its own
        device : of the renderer
        """
        if file.provenance.get("stage") != "simulate" or "config" not in file.provenance:
            raise InputError(source=file.path, rule="crystals are rendered as the set states its patterns were made",
                             value=f"stage {file.provenance.get('stage')!r}",
                             remedy='Take a set of `cbedgan simulate`, or a generator of kind "pixels".')
        config = parse_config(file.provenance["config"], SimulateConfig, source=file.path)
        own = next((one for one in config.views if one.name == file.identity.condition), None)
        if own is not None and (own.specimen is not None or own.condition is not None):
            raise InputError(source=file.path, rule="crystals are rendered on their zone axes and free of noise",
                             value=f'its view "{own.name}"', remedy="Give the set's file on the axes.")
        detector = config.detector.model_copy(update={"half_width": view.half_width, "size_pixels": view.size_pixels})
        return cls(config.model_copy(update={"detector": detector, "views": (), "distinct": None,
                                             "render": config.render or render}), device, config.views)

    def expose(self, crystals: Sequence[Moved], names: Sequence[str]) -> list[Exposed | None]:
        """Render a stack of each; None for a crystal that shows no disk, or has no slab.

        names: decide the conditions, as a material's does.
        """
        scenes: dict[int, list[Scene]] = {}
        for number, (one, name) in enumerate(zip(crystals, names, strict=True)):
            try:
                scenes[number] = list(self._scenes(one, one.crystal(name)))
            except InputError:
                continue
        try:
            rendered = render([scene for some in scenes.values() for scene in some])
            by_crystal = {number: rendered[3 * k:3 * k + 3] for k, number in enumerate(scenes)}
        except InputError:
            by_crystal = {number: found for number, some in scenes.items() if (found := _rendered(some)) is not None}
        return [_exposed(scenes[number], by_crystal[number]) if number in by_crystal else None
                for number in range(len(crystals))]

    def _scenes(self, one: Moved, crystal: Crystal) -> Iterator[Scene]:
        """The three patterns of a crystal at one energy and thickness."""
        config = self.config
        chosen = np.random.default_rng([config.seed, int(digest([crystal.material])[:12], 16)]).random(2)
        energy = config.beam_energies_kev[int(chosen[0] * len(config.beam_energies_kev))]
        drawn = conditions(crystal, config, energy)
        thickness = drawn.thickness_angstrom[int(chosen[1] * len(drawn.thickness_angstrom)):][:1]
        rows = self._rows(one, energy)
        for piece, detector, entry, azimuth in zip(slabs(crystal, config), detectors(crystal, config),
                                                   drawn.entry_plane.tolist(), drawn.azimuth_rad.tolist(), strict=True):
            exposure = Exposure(energy, thickness, config.multislice.model_copy(update={"entry_plane": entry}),
                                0.0 if detector.pose == "canonical" else azimuth, self.device)
            atoms = Atoms(*(part.to(self.device) for part in (one.lattice, one.sites, rows, one.origin.kind)))
            assert config.render is not None
            yield Scene(piece, atoms, exposure, detector, (View(),), config.render)

    def _rows(self, one: Moved, energy: float) -> Tensor:
        """Scattering of the elements; the gradient is that of a mixture of the two between which each one's mean lies.

        As elements are drawn with these shares, it is the gradient of the mean over draws, to first order.
        """
        own, low, high = (scattering_rows(numbers, energy, self.config.multislice)
                          for numbers in (one.number, one.low, one.high))
        part = one.part.float()[:, None]
        return own + (part - part.detach()) * (high - low)


def told_of(table: SampleTable) -> Float[np.ndarray, "N TOLD"]:
    """What the rows of a set tell, NaN where nobody recorded it."""
    energy = np.where(table.beam_energy_kev > 0, table.beam_energy_kev, np.nan)
    return np.log(np.column_stack([table.shortest_g_inv_angstrom, table.thickness_angstrom.mean(axis=1), energy]))


def _rendered(scenes: list[Scene]) -> list[Rendered] | None:
    try:
        return render(scenes)
    except InputError:
        return None


def _exposed(scenes: list[Scene], rendered: list[Rendered]) -> Exposed:
    g1 = torch.stack([scene.g[one.g1].norm() for scene, one in zip(scenes, rendered, strict=True)])
    thickness = np.mean([one.thickness_angstrom[0] for one in rendered])
    known = g1.new_tensor([thickness, scenes[0].exposure.beam_energy_kev])
    return Exposed(torch.stack([one.images[0][0] for one in rendered]), torch.cat([g1, known]).log())
