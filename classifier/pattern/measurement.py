"""What a measurement adds to a simulated pattern: a pose that is a little wrong, and counted electrons.

Two conditions stand side by side in every table: `ideal`, which no microscope gives, and `counted`.
"""

import hashlib
from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.pattern.condition import Condition
from classifier.pattern.intensity import stacks_at_once

Intensities = Float[Tensor, "N C H W"]
BEAM_SHARE = "fraction of the incident beam per pixel"  # the unit of intensities that electrons can be counted in
SampleIds = Sequence[object] | np.ndarray


class MeasurementConfig(Config):
    """How wrong a measurement is; each pattern errs by itself, evenly between the two bounds.

    electrons: of the incident beam, a pattern; None or 0: none are counted.
    centre_pixels: largest error of the centre, along rows and along columns.
    scale: largest relative error of lengths; azimuth_degree: largest error of the azimuth.
    """

    electrons: Annotated[float, Field(ge=0)] | None = None
    centre_pixels: Annotated[float, Field(ge=0)] = 0.0
    scale: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    azimuth_degree: Annotated[float, Field(ge=0, le=180)] = 0.0

    @property
    def moves(self) -> bool:
        """Whether patterns are moved, turned or scaled."""
        return bool(self.centre_pixels or self.scale or self.azimuth_degree)


def _counted(electrons: float) -> MeasurementConfig:
    return MeasurementConfig(electrons=electrons, centre_pixels=0.5, scale=0.02, azimuth_degree=2.0)


CONDITIONS: dict[Condition, MeasurementConfig] = {
    "ideal": MeasurementConfig(), "counted": _counted(1e6), "counted_1e5": _counted(1e5),
    "counted_1e4": _counted(1e4)}


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


def measured(intensity: Intensities, config: MeasurementConfig, seeds: Sequence[int]) -> Intensities:
    """Patterns as measured: each scaled, turned and moved by itself, then counted and divided by the electrons again.

    One seed a sample decides its copy, whichever samples stand beside it and whatever the device. Conditions that
    differ in their electrons alone err alike in pose. Intensities are shares of the incident beam, a pixel.
    """
    if len(seeds) != len(intensity):
        raise InputError(source="seeds of measured copies", rule="there must be one for each sample",
                         value=f"{len(seeds)} for {len(intensity)}", remedy="Give as many.")
    if not (config.moves or config.electrons):
        return intensity
    if not bool((intensity >= 0).all() & intensity.isfinite().all()):
        raise InputError(source="patterns to measure", rule="intensities must be finite and not negative",
                         value=f"{int((~(intensity >= 0) | intensity.isinf()).sum())} pixels that are not",
                         remedy="Measure physical intensities, before they are normalised.")
    blocks, step = [], stacks_at_once(intensity.shape[1:])
    for start in range(0, len(intensity), step):
        draws = [torch.Generator().manual_seed(seed) for seed in seeds[start : start + step]]
        block = intensity[start : start + step]
        errors = torch.stack([2 * torch.rand(block.shape[1], 4, generator=draw) - 1 for draw in draws])
        if config.moves:
            block = _moved(block, errors.to(block.device), config)
        if config.electrons:
            rate = (block * config.electrons).cpu()
            counts = torch.stack([torch.poisson(one, generator=draw) for one, draw in zip(rate, draws, strict=True)])
            block = (counts / config.electrons).to(block.device)
        blocks.append(block)
    return torch.cat(blocks) if blocks else intensity


def _moved(intensity: Tensor, errors: Tensor, config: MeasurementConfig) -> Tensor:
    """Scale, turn and move patterns [N, C, H, W] about their middle by errors [N, C, 4] in -1..1.

    The intensity per area is interpolated and the ratio of the areas multiplies it, so that scaling keeps the counts.
    The edge is repeated outwards: a camera goes on beyond the frame, and a dark rim would tell the error.
    """
    height, width = intensity.shape[-2:]
    magnified, angle, *shift = (errors.flatten(0, 1) * torch.tensor(
        [config.scale, config.azimuth_degree * torch.pi / 180, config.centre_pixels, config.centre_pixels],
        device=errors.device)).unbind(1)
    magnified = 1 + magnified
    cosine, sine = angle.cos() / magnified, angle.sin() / magnified
    # New places to old ones, (x, y) in half frames: back by the shift, then by the turn, then by the scale.
    back = torch.stack([cosine, sine * height / width, -(cosine * shift[0] + sine * shift[1]) * 2 / width,
                        -sine * width / height, cosine, (sine * shift[0] - cosine * shift[1]) * 2 / height], -1)
    patterns = intensity.reshape(-1, 1, height, width)
    grid = F.affine_grid(back.view(-1, 2, 3).to(patterns.dtype), list(patterns.shape), align_corners=False)
    new = _interpolated(patterns, grid) / magnified.to(patterns.dtype).square()[:, None, None, None]
    return new.view(intensity.shape)


def _interpolated(patterns: Tensor, grid: Tensor) -> Tensor:
    """Bicubic, within the least and the greatest of the four pixels around each place.

    Bilinear interpolation blurs the edges of disks, by how much depends on the shift. Bicubic alone swings below zero
    and above a bright disk's edge.
    """
    new = F.grid_sample(patterns, grid, mode="bicubic", padding_mode="border", align_corners=False)
    around = F.pad(patterns, (1, 1, 1, 1), mode="replicate")
    # Of the H + 1 by W + 1 meshes between pixel centres: with align_corners the same grid finds the mesh of a place.
    least, greatest = (sign * F.grid_sample(F.max_pool2d(sign * around, 2, 1), grid, mode="nearest",
                                            padding_mode="border", align_corners=True) for sign in (-1, 1))
    return torch.minimum(torch.maximum(new, least), greatest)
