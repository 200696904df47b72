"""Measured copies of normalised samples: back to intensities, measured, and normalised again."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from classifier.pattern.grid import Grid
from classifier.pattern.intensity import IntensityTransform, stacks_at_once
from classifier.pattern.measurement import MeasuredCopies, SampleIds
from classifier.samples.dataset import StackSet
from classifier.samples.viewed import Frame

JUDGED_SEED = 0  # of the copies that are judged: the same for every network, so that networks are compared alike


@dataclass(frozen=True)
class Measurement:
    """How samples of one scale are measured; seed: of all copies; grid: of a sample, which those of curves need."""

    config: MeasuredCopies
    intensity: IntensityTransform
    seed: int = JUDGED_SEED
    grid: Grid | None = None

    def of(self, x: Float[Tensor, "N C *spatial"], sample_ids: SampleIds, draw: int = 0
           ) -> Float[Tensor, "N C *spatial"]:
        """The copies number `draw` of normalised stacks of these names, on the device of x."""
        return torch.cat([self.intensity.normalise(self.config.copies(
            self.intensity.denormalise(x[rows]), sample_ids[rows], self.grid, seed=self.seed, draw=draw))
            for rows in _blocks(x)])

    def samples(self, samples: StackSet, rows: np.ndarray | None = None) -> StackSet:
        """The same samples, or some rows of them, as measured; in memory, whether they were or not."""
        if rows is not None:
            columns = {name: values[rows] for name, values in vars(samples).items()
                       if name not in ("x", "reader") and values is not None}
            samples = replace(samples, x=samples.x[torch.from_numpy(rows)], reader=None, **columns)
        return replace(samples, x=self.of(samples.x, samples.sample_id), reader=None)


def require_beam_shares(frame: Frame, config: MeasuredCopies, source: object) -> None:
    """Refuse to measure samples of another kind, or to count electrons in a unit that says nothing of the beam."""
    config.require(frame.grid, frame.intensity_unit, source)


def _blocks(x: Tensor) -> list[slice]:
    step = stacks_at_once(x.shape[1:])
    return [slice(start, start + step) for start in range(0, max(1, len(x)), step)]
