"""Stacks with everything that figures of fidelity are computed from, measured once."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from cbedgan.fidelity.brightness import Brightness
from cbedgan.fidelity.features import AT_ONCE, Features, symmetry_features
from cbedgan.fidelity.symmetry import symmetry_residuals
from classifier.crystal.spacegroup import ClassMap
from classifier.pattern.intensity import IntensityTransform
from classifier.samples.dataset import Frame


@dataclass(frozen=True, eq=False)
class MeasuredStacks:
    """N normalised stacks; unit: the material or, if generated, the stack itself; f: features; azimuthal: features of
    turns and mirrors; residuals: of symmetry; brightness in physical units. The last three are None for samples that
    are no patterns, or too small ones."""

    x: Float[Tensor, "N C *spatial"]
    class_idx: Int[Tensor, " N"]
    unit: Int[np.ndarray, " N"]
    f: Float[Tensor, "N F"]
    azimuthal: Float[Tensor, "N D"] | None
    residuals: Float[Tensor, "N C 5"] | None
    brightness: Brightness | None

    def __len__(self) -> int:
        return len(self.class_idx)

    def take(self, rows: Tensor) -> "MeasuredStacks":
        """Some of the stacks: rows int64 [n] or bool [N]."""
        chosen = {name: None if (values := getattr(self, name)) is None else values[rows]
                  for name in ("x", "class_idx", "f", "azimuthal", "residuals")}
        return replace(self, **chosen, unit=self.unit[rows.numpy()],
                       brightness=None if self.brightness is None else self.brightness.take(rows))


class Ruler(NamedTuple):
    """What stacks of one frame are measured by; transform: from their x to intensity; features: x -> [N, F]."""

    class_map: ClassMap
    frame: Frame
    transform: IntensityTransform
    features: Features

    def measured(self, x: Float[Tensor, "N C *spatial"], class_idx: Int[Tensor, " N"], unit: Shaped[np.ndarray, " N"]
                 ) -> MeasuredStacks:
        """Stacks with all that is measured of them; unit: label of what is independent."""
        brightness = None
        if x.ndim == 4:
            parts = [Brightness.of(self.transform.denormalise(part)) for part in x.split(AT_ONCE)]
            brightness = Brightness(*(torch.cat([getattr(part, name) for part in parts])
                                      for name in ("profile", "total")))
        return MeasuredStacks(x, class_idx, np.unique(unit, return_inverse=True)[1], self.features(x),
                              symmetry_features(x), symmetry_residuals(x), brightness)
