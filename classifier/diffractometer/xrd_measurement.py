"""What a diffractometer makes of simulated powder patterns: all that needs the pattern alone, in one function.

In order: crystallites broaden peaks; the alignment moves them; background, an amorphous hump and impurities come on
top; photons are counted; the highest point is 1 again. Preferred orientation needs the reflections and so is an option
of rendering. No effect changes the label: its own file says why.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float
from pydantic import model_validator
from torch import Tensor

from classifier.diffractometer.alignment import Alignment, misaligned
from classifier.diffractometer.background import (
    AmorphousHump,
    Impurities,
    PowderBackground,
    background,
    hump,
    impurities,
)
from classifier.diffractometer.broadening import Broadening, broadened
from classifier.diffractometer.powder_axis import PowderAxis
from classifier.foundation.config import Config, with_preset
from classifier.foundation.errors import InputError
from classifier.microscope.ranges import Drawn, Range, draw_values, streams

# New names go to the end, so that older draws stay.
XRD_DRAWN = (
    "broadening.inverse_size_per_nm", "broadening.strain", "alignment.zero_degree", "alignment.displacement",
    "background.level", "background.falling", "background.decay_degree", "hump.height", "hump.centre_degree",
    "hump.width_degree", "impurities.height", "impurities.width_degree", "counting.log10_highest")


class PhotonCounting(Config):
    """log10_highest: logarithm of the counts expected at the pattern's highest point, drawn evenly."""

    log10_highest: Range


class XrdMeasurementConfig(Config):
    """Ranges of every effect, None: it is not there. A file may say preset = "ordinary" and what shall differ."""

    broadening: Broadening | None = None
    alignment: Alignment | None = None
    background: PowderBackground | None = None
    hump: AmorphousHump | None = None
    impurities: Impurities | None = None
    counting: PhotonCounting | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, content: Any) -> Any:
        return with_preset(content, XRD_PRESETS)

    def effects(self) -> dict[str, Config]:
        """The ranges of the effects that are there, by name."""
        return {name: ranges for name in type(self).model_fields if (ranges := getattr(self, name)) is not None}


# ordinary: a laboratory diffractometer, crystallites of 15 nm or more, up to a degree's tenth out of alignment.
XRD_PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    "ideal": {},
    "ordinary": {
        "broadening": Broadening(inverse_size_per_nm=(0.0, 1 / 15), strain=(0.0, 0.002)),
        "alignment": Alignment(zero_degree=(-0.1, 0.1), displacement=(-5e-4, 5e-4)),
        "background": PowderBackground(level=(0.0, 0.2), falling=(0.0, 1.0), decay_degree=(5.0, 40.0)),
        "hump": AmorphousHump(height=(0.0, 0.1), centre_degree=(15.0, 35.0), width_degree=(4.0, 12.0)),
        "impurities": Impurities(peaks=4, height=(0.0, 0.1), width_degree=(0.1, 0.4)),
        "counting": PhotonCounting(log10_highest=(2.5, 4.5))}})


def measured_xrd(patterns: Float[Tensor, "N C L"], axis: PowderAxis, config: XrdMeasurementConfig,
                 seeds: Sequence[int]) -> Float[Tensor, "N C L"]:
    """Patterns as measured; one seed a sample decides its copy, whichever samples stand beside it.

    Parameters
    ----------
    patterns, axis : and where their points lie
    config : ranges of the effects
    seeds : one a sample
    """
    if len(seeds) != len(patterns):
        raise InputError(source="seeds of measured patterns", rule="there must be one for each sample",
                         value=f"{len(seeds)} for {len(patterns)}", remedy="Give as many.")
    if not config.effects():
        return patterns
    generators = streams(seeds)
    values = {name: value.to(patterns) for name, value in
              draw_values(config.effects(), generators, patterns.shape[1], XRD_DRAWN).items()}

    def of(effect: str) -> dict[str, Tensor]:
        return {name.partition(".")[2]: value for name, value in values.items() if name.startswith(f"{effect}.")}

    if config.broadening:
        patterns = broadened(patterns, axis, **of("broadening"))
    if config.alignment:
        patterns = misaligned(patterns, axis, **of("alignment"))
    patterns = _highest_is_one(patterns)
    added = torch.zeros_like(patterns)
    if config.background:
        added = added + background(axis, **of("background"))
    if config.hump:
        added = added + hump(axis, **of("hump"))
    if config.impurities:
        added = added + impurities(axis, config.impurities.peaks, generators=generators, **of("impurities"))
    patterns = patterns + added
    if config.counting:
        expected = patterns * 10**values["counting.log10_highest"][..., None]
        patterns = torch.stack([torch.poisson(one, generator=generator) for one, generator in
                                zip(expected.cpu(), generators, strict=True)]).to(patterns)
    return _highest_is_one(patterns)


def drawn_xrd(config: XrdMeasurementConfig, seeds: Sequence[int], patterns: int = 1) -> Drawn:
    """{"effect.value": [N, C]}: every value that `measured_xrd` draws for samples with these seeds, to be recorded."""
    return draw_values(config.effects(), streams(seeds), patterns, XRD_DRAWN)


def _highest_is_one(patterns: Tensor) -> Tensor:
    return patterns / patterns.amax(-1, keepdim=True).clamp(min=1e-12)
