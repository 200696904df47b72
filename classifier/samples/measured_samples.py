"""Measured copies of normalised samples: back to intensities, measured, and normalised again."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from classifier.foundation.errors import InputError
from classifier.pattern.grid import detector_of
from classifier.pattern.intensity import IntensityTransform, stacks_at_once
from classifier.pattern.measurement import BEAM_SHARE, MeasurementConfig, SampleIds, measured_copy
from classifier.samples.dataset import StackSet
from classifier.samples.viewed import Frame

JUDGED_SEED = 0  # of the copies that are judged: the same for every network, so that networks are compared alike


@dataclass(frozen=True)
class Measurement:
    """How samples of one scale are measured; seed: of all copies."""

    config: MeasurementConfig
    intensity: IntensityTransform
    seed: int = JUDGED_SEED

    def of(self, x: Float[Tensor, "N C H W"], sample_ids: SampleIds, draw: int = 0) -> Float[Tensor, "N C H W"]:
        """The copies number `draw` of normalised stacks of these names, on the device of x."""
        return torch.cat([self.intensity.normalise(measured_copy(
            self.intensity.denormalise(x[rows]), sample_ids[rows], self.config, seed=self.seed, draw=draw))
            for rows in _blocks(x)])

    def samples(self, samples: StackSet, rows: np.ndarray | None = None) -> StackSet:
        """The same samples, or some rows of them, as measured; in memory, whether they were or not."""
        if rows is not None:
            columns = {name: values[rows] for name, values in vars(samples).items()
                       if name not in ("x", "reader") and values is not None}
            samples = replace(samples, x=samples.x[torch.from_numpy(rows)], reader=None, **columns)
        return replace(samples, x=self.of(samples.x, samples.sample_id), reader=None)


def require_beam_shares(frame: Frame, config: MeasurementConfig, source: object) -> None:
    """Refuse to measure what is no CBED, and to count electrons in a unit that says nothing of the beam."""
    if config != MeasurementConfig():
        detector_of(frame.grid, f"{source}, measurement or condition")
    if config.electrons and frame.intensity_unit != BEAM_SHARE:
        raise InputError(source=source, rule=f"electrons can be counted where intensities are a {BEAM_SHARE}",
                         value=frame.intensity_unit, remedy="Leave electrons out of the measurement.")


def _blocks(x: Tensor) -> list[slice]:
    step = stacks_at_once(x.shape[1:])
    return [slice(start, start + step) for start in range(0, max(1, len(x)), step)]
