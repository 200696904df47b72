"""What a measurement adds to a simulated pattern, and the named conditions that stand side by side in every table.

The order of the effects (each in a file of `classifier/microscope`): overlayer and diffuse light of the specimen; the
lenses' ellipse and a pose that is a little wrong; plasmon losses with the blur of the detector; counted electrons; the
camera's gain, dark current, readout, full well and dead pixels. Plasmons come after the pose because one transform then
does both: a round blur commutes with turns and shifts, and 2 % of scale is less than the range that its width is drawn
from. Every effect is drawn for each pattern by itself, and none changes the label: its own file says why.
"""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor

from classifier.foundation.config import Config, added, with_preset
from classifier.foundation.errors import InputError
from classifier.microscope.blurring import convolved, sharp_modes, wide_modes
from classifier.microscope.camera import Camera, Counter, counts, read_out
from classifier.microscope.detector_blur import DetectorBlur, modulation
from classifier.microscope.diffuse import Diffuse, spread
from classifier.microscope.overlayer import Overlayer, halo
from classifier.microscope.plasmons import Plasmons, passed
from classifier.microscope.pose_error import Distortion, moved
from classifier.microscope.presets import PRESETS
from classifier.microscope.ranges import Drawn, draw_values, streams
from classifier.pattern.condition import Condition
from classifier.pattern.grid import Grid, detector_of
from classifier.pattern.intensity import stacks_at_once

Intensities = Float[Tensor, "N C H W"]
BEAM_SHARE = "fraction of the incident beam per pixel"  # the unit of intensities that electrons can be counted in
SampleIds = Sequence[object] | np.ndarray


class MeasuredCopies(Protocol):
    """How samples of a kind of measurement are measured."""

    @property
    def kind(self) -> str: ...

    def model_dump(self, *, mode: str = "python") -> dict[str, Any]:
        """What caches and records keep of it; every Config has this."""
        ...

    def require(self, grid: Grid, intensity_unit: str, source: object) -> None:
        """Refuse (InputError) samples that it is not for."""
        ...

    def copies(self, intensity: Float[Tensor, "N C *spatial"], sample_ids: SampleIds, grid: Grid | None, *, seed: int,
               draw: int) -> Float[Tensor, "N C *spatial"]:
        """The copies number `draw` of physical intensities of these names, on their grid."""
        ...


class MeasurementConfig(Config):
    """How wrong a measurement is; each pattern errs by itself, evenly between two bounds.

    electrons: of the incident beam, a pattern; None or 0: none are counted.
    centre_pixels: largest error of the centre, along rows and along columns.
    scale: largest relative error of lengths; azimuth_degree: largest error of the azimuth.
    overlayer, diffuse, plasmons, distortion, blur, camera: ranges of further effects, or None.
    A file may say preset = "ordinary" and whatever shall differ from it.
    """

    kind: Literal["cbed"] = added("cbed")
    electrons: Annotated[float, Field(ge=0)] | None = None
    centre_pixels: Annotated[float, Field(ge=0)] = 0.0
    scale: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    azimuth_degree: Annotated[float, Field(ge=0, le=180)] = 0.0
    overlayer: Overlayer | None = added(None)
    diffuse: Diffuse | None = added(None)
    plasmons: Plasmons | None = added(None)
    distortion: Distortion | None = added(None)
    blur: DetectorBlur | None = added(None)
    camera: Camera | None = added(None)

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, content: Any) -> Any:
        return with_preset(content, PRESETS)

    def require(self, grid: Grid, intensity_unit: str, source: object) -> None:
        """Refuse (InputError) what is no CBED, and to count electrons in a unit that says nothing of the beam."""
        if self != MeasurementConfig():
            detector_of(grid, f"{source}, measurement or condition")
        if self.electrons and intensity_unit != BEAM_SHARE:
            raise InputError(source=source, rule=f"electrons can be counted where intensities are a {BEAM_SHARE}",
                             value=intensity_unit, remedy="Leave electrons out of the measurement.")

    def copies(self, intensity: Intensities, sample_ids: SampleIds, grid: Grid | None, *, seed: int, draw: int
               ) -> Intensities:
        """The copies number `draw`; see measured_copy."""
        return measured_copy(intensity, sample_ids, self, seed=seed, draw=draw)

    @model_validator(mode="after")
    def _camera_counts(self) -> "MeasurementConfig":
        if self.camera is not None and not self.electrons:
            raise ValueError("a camera needs electrons to count: its errors are in electrons")
        return self

    @property
    def moves(self) -> bool:
        """Whether patterns are moved, turned, scaled or stretched."""
        return bool(self.centre_pixels or self.scale or self.azimuth_degree or self.distortion)

    def effects(self) -> dict[str, Config]:
        """The ranges of the effects beside pose and electrons that are there, by name."""
        named = {"overlayer": self.overlayer, "diffuse": self.diffuse, "plasmons": self.plasmons,
                 "distortion": self.distortion, "blur": self.blur, "camera": self.camera}
        return {name: ranges for name, ranges in named.items() if ranges is not None}


def _counted(electrons: float) -> MeasurementConfig:
    return MeasurementConfig(electrons=electrons, centre_pixels=0.5, scale=0.02, azimuth_degree=2.0)


CONDITIONS: dict[Condition, MeasurementConfig] = {
    "ideal": MeasurementConfig(), "counted": _counted(1e6), "counted_1e5": _counted(1e5),
    "counted_1e4": _counted(1e4), "filtered": MeasurementConfig(**PRESETS["filtered"]),
    "ordinary": MeasurementConfig(**PRESETS["ordinary"]), "poor": MeasurementConfig(**PRESETS["poor"])}


def copy_seeds(sample_ids: SampleIds, *, seed: int = 0, draw: int = 0) -> list[int]:
    """The seed of each sample's measured copy: it depends on (seed, draw, sample id) and on no other sample."""
    return [int.from_bytes(hashlib.blake2b(f"{seed} {draw} {sample_id}".encode(), digest_size=8).digest(), "big") >> 1
            for sample_id in sample_ids]


def measured_copy(intensity: Intensities, sample_ids: SampleIds, config: MeasurementConfig, *, seed: int = 0,
                  draw: int = 0) -> Intensities:
    """The measured copy number `draw` of samples; one sample's copies differ in all that is drawn.

    Parameters
    ----------
    intensity, sample_ids : shares of the incident beam a pixel, and the samples' names
    config : how wrong the measurement is
    seed, draw : of all copies; which of them
    """
    return measured(intensity, config, copy_seeds(sample_ids, seed=seed, draw=draw))


def measured(intensity: Intensities, config: MeasurementConfig, seeds: Sequence[int], count: Counter = counts
             ) -> Intensities:
    """Patterns as measured, see above; counts are divided by the electrons again.

    One seed a sample decides its copy, whichever samples stand beside it and whatever the device. Conditions that
    differ in their ranges alone err alike. Intensities are shares of the incident beam, a pixel. With
    `steady_counts` in place of `count` the copies of patterns that hardly differ hardly differ.
    """
    if len(seeds) != len(intensity):
        raise InputError(source="seeds of measured copies", rule="there must be one for each sample",
                         value=f"{len(seeds)} for {len(intensity)}", remedy="Give as many.")
    if not (config.moves or config.electrons or config.effects()):
        return intensity
    if not bool((intensity >= 0).all() & intensity.isfinite().all()):
        raise InputError(source="patterns to measure", rule="intensities must be finite and not negative",
                         value=f"{int((~(intensity >= 0) | intensity.isinf()).sum())} pixels that are not",
                         remedy="Measure physical intensities, before they are normalised.")
    blocks, step = [], stacks_at_once(intensity.shape[1:])
    for start in range(0, len(intensity), step):
        blocks.append(_measured(intensity[start : start + step], config, seeds[start : start + step], count))
    return torch.cat(blocks) if blocks else intensity


def drawn(config: MeasurementConfig, seeds: Sequence[int], patterns: int = 3) -> Drawn:
    """{name: [N, C]}: every value that `measured` draws for the patterns of samples with these seeds.

    centre_columns_pixels, centre_rows_pixels, scale and azimuth_degree are errors; "effect.value" is an effect's.
    """
    errors = _pose_errors([torch.Generator().manual_seed(seed) for seed in seeds], patterns)
    pose = {"scale": errors[..., 0] * config.scale, "azimuth_degree": errors[..., 1] * config.azimuth_degree,
            "centre_columns_pixels": errors[..., 2] * config.centre_pixels,
            "centre_rows_pixels": errors[..., 3] * config.centre_pixels}
    return (pose if config.moves else {}) | draw_values(config.effects(), streams(seeds), patterns)


def _measured(block: Tensor, config: MeasurementConfig, seeds: Sequence[int], count: Counter) -> Tensor:
    """A block of patterns [N, C, H, W] as measured."""
    device = block.device
    generators, other, values = [torch.Generator().manual_seed(seed) for seed in seeds], [], {}
    errors = _pose_errors(generators, block.shape[1])
    if config.effects():
        other = streams(seeds)
        values = draw_values(config.effects(), other, block.shape[1])
    here = {name: value.to(device) for name, value in values.items()}
    if config.overlayer or config.diffuse:
        block = _scattered(block, here)
    if config.moves:
        block = _misplaced(block, errors.to(device), config, here)
    if config.plasmons or config.blur:
        block = _blurred(block, here)
    if config.electrons:
        rate = (block * config.electrons).cpu()
        read = read_out(rate, values, generators, other, count) if config.camera else count(rate, generators)
        block = (read / config.electrons).to(device)
    return block


def _pose_errors(generators: Sequence[torch.Generator], patterns: int) -> Tensor:
    """Errors of scale, azimuth and centre in -1..1, of their bounds [N, C, 4]: the first that a sample draws."""
    return torch.stack([2 * torch.rand(patterns, 4, generator=generator) - 1 for generator in generators])


def _scattered(block: Tensor, values: Drawn) -> Tensor:
    """A share of every beam goes into the overlayer's halo and into diffuse light; the rest stays sharp."""
    height, width = block.shape[-2:]
    modes = wide_modes(height, width, block.device)
    frequency = modes.frequency * (min(height, width) / 2)  # in cycles per half width
    sharp, whole = torch.ones((), device=block.device), torch.ones((), device=block.device)
    if "overlayer.share" in values:
        share = values["overlayer.share"][..., None]
        sharp = sharp * (1 - share)
        whole = whole * (1 - share + share * halo(values["overlayer.ring_half_frames"], frequency))
    if "diffuse.share" in values:
        share = values["diffuse.share"][..., None]
        sharp = sharp * (1 - share)
        whole = whole * (1 - share + share * spread(values["diffuse.width_half_frames"], frequency))
    return sharp[..., None] * block + convolved(block, modes, whole - sharp).clamp(min=0)


def _misplaced(block: Tensor, errors: Tensor, config: MeasurementConfig, values: Drawn) -> Tensor:
    """Patterns in a wrong pose and stretched; errors [N, C, 4] in -1..1."""
    magnified, angle, *shift = (errors.flatten(0, 1) * torch.tensor(
        [config.scale, config.azimuth_degree * torch.pi / 180, config.centre_pixels, config.centre_pixels],
        device=errors.device)).unbind(1)
    ellipse = torch.stack([values["distortion.ellipticity"].flatten(),
                           values["distortion.axis_degree"].flatten().deg2rad()]) if config.distortion else None
    return moved(block, 1 + magnified, angle, torch.stack(shift), ellipse)


def _blurred(block: Tensor, values: Drawn) -> Tensor:
    """Plasmon losses, and what the detector blurs."""
    height, width = block.shape[-2:]
    modes = sharp_modes(height, width, block.device)
    transfer = torch.ones((), device=block.device)
    if "blur.pixels" in values:
        transfer = modulation(values["blur.pixels"], values["blur.tail_share"], values["blur.tail_pixels"],
                              modes.frequency)
    if "plasmons.losses" in values:
        transfer = transfer * passed(values["plasmons.losses"], values["plasmons.angle_half_frames"],
                                     values["plasmons.cutoff_half_frames"], modes.frequency * (min(height, width) / 2))
    # Rounding alone can fall below zero.
    return convolved(block, modes, transfer).clamp(min=0)
