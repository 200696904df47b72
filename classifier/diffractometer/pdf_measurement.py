"""What a total-scattering measurement makes of simulated pair distribution functions: all that needs G(r) alone.

In order: resolution that falls with Q broadens far peaks; resolution damps them; F(Q) ends earlier; the scale is wrong;
noise, which grows with Q; the lowest r are missing. Nothing depends on direction, so that the label stays.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float
from pydantic import model_validator
from torch import Tensor

from classifier.diffractometer.blurring import filtered_curves, frequencies, gaussian_blur
from classifier.foundation.config import Config, with_preset
from classifier.foundation.errors import InputError
from classifier.microscope.ranges import Drawn, Range, ShareRange, draw_values, streams

PEAK_ANGSTROM = 0.126  # standard deviation of a peak, of atoms that vibrate by 0.008 angstrom^2 each
# New names go to the end, so that older draws stay.
PDF_DRAWN = ("resolution.q_most", "resolution.q_damp", "resolution.q_broad", "errors.scale", "errors.noise",
             "errors.first_angstrom")


class Resolution(Config):
    """q_most: where F(Q) ends, 1/angstrom; q_damp, q_broad: beyond what was simulated, 1/angstrom."""

    q_most: Range
    q_damp: Range
    q_broad: Range


class PdfErrors(Config):
    """scale: of G; noise: standard deviation, in the highest |G|; first_angstrom: below it G reads 0."""

    scale: Range
    noise: ShareRange
    first_angstrom: Range


class PdfMeasurementConfig(Config):
    """Ranges of the effects, None: they are not there. A file may say preset = "ordinary" and what shall differ."""

    resolution: Resolution | None = None
    errors: PdfErrors | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, content: Any) -> Any:
        return with_preset(content, PDF_PRESETS)

    def effects(self) -> dict[str, Config]:
        """The ranges of the effects that are there, by name."""
        return {name: ranges for name in type(self).model_fields if (ranges := getattr(self, name)) is not None}


# ordinary: a synchrotron's rapid-acquisition beamline with a flat detector.
PDF_PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    "ideal": {},
    "ordinary": {
        "resolution": Resolution(q_most=(16.0, 25.0), q_damp=(0.0, 0.04), q_broad=(0.0, 0.03)),
        "errors": PdfErrors(scale=(0.7, 1.3), noise=(0.0, 0.03), first_angstrom=(1.0, 2.0))}})


def measured_pdf(curves: Float[Tensor, "N C L"], r_angstrom: Float[Tensor, " L"], config: PdfMeasurementConfig,
                 seeds: Sequence[int]) -> Float[Tensor, "N C L"]:
    """G(r) as measured; one seed a sample decides its copy, whichever samples stand beside it.

    Parameters
    ----------
    curves : G in 1/angstrom^2
    r_angstrom : of the points, even
    config : ranges of the effects
    seeds : one a sample
    """
    if len(seeds) != len(curves):
        raise InputError(source="seeds of measured functions", rule="there must be one for each sample",
                         value=f"{len(seeds)} for {len(curves)}", remedy="Give as many.")
    if not config.effects():
        return curves
    generators = streams(seeds)
    values = {name: value.to(curves)[..., None] for name, value in
              draw_values(config.effects(), generators, curves.shape[1], PDF_DRAWN).items()}
    r = r_angstrom.to(curves)
    step = (r[-1] - r[0]) / (len(r) - 1)
    q = 2 * torch.pi * frequencies(len(r), curves.device) / step
    ends = torch.full_like(curves[..., :1], float(q[-1]))
    if config.resolution:
        ends = values["resolution.q_most"]
        curves = gaussian_blur(curves, (values["resolution.q_broad"] * r * PEAK_ANGSTROM / step).expand_as(curves))
        curves = curves * torch.exp(-0.5 * (values["resolution.q_damp"] * r)**2)
        curves = filtered_curves(curves, _until(q, ends))
    if config.errors:
        curves = curves * values["errors.scale"]
        white = torch.stack([torch.randn(one.shape, generator=generator) for one, generator in
                             zip(curves, generators, strict=True)]).to(curves)
        noise = filtered_curves(white, q / q[-1] * _until(q, ends))
        highest = curves.abs().amax(-1, keepdim=True) / noise.std(-1, keepdim=True)
        curves = curves + values["errors.noise"] * highest * noise
        curves = torch.where(r < values["errors.first_angstrom"], 0.0, curves)
    return curves


def drawn_pdf(config: PdfMeasurementConfig, seeds: Sequence[int], patterns: int = 1) -> Drawn:
    """{"effect.value": [N, C]}: every value that `measured_pdf` draws for samples with these seeds, to be recorded."""
    return draw_values(config.effects(), streams(seeds), patterns, PDF_DRAWN)


def _until(q: Float[Tensor, " F"], ends: Float[Tensor, "N C 1"]) -> Float[Tensor, "N C F"]:
    """1 up to where F(Q) ends, 0 beyond; between, the wave at the end counts in part."""
    return ((ends - q) / (q[1] - q[0]) + 0.5).clamp(0, 1)
