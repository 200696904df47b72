"""Stacks with everything that figures of fidelity are computed from, measured once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cbedgan.fidelity.brightness import Brightness
from cbedgan.fidelity.features import AT_ONCE, Features, symmetry_features
from cbedgan.fidelity.symmetry import symmetry_residuals
from classifier.pattern.intensity import IntensityTransform


@dataclass(frozen=True, eq=False)
class MeasuredStacks:
    """N stacks x [N, C, *spatial] with class_idx int64 [N] and unit int64 [N], the material or, if generated, itself.

    f: features [N, F]; azimuthal: features of turns and mirrors [N, D]; residuals: of symmetry [N, C, 5]; brightness in
    physical units. The last three are None for samples that are no patterns, or too small ones.
    """

    x: Tensor
    class_idx: Tensor
    unit: np.ndarray
    f: Tensor
    azimuthal: Tensor | None
    residuals: Tensor | None
    brightness: Brightness | None

    @classmethod
    def of(cls, x: Tensor, class_idx: Tensor, unit: np.ndarray, features: Features,
           transform: IntensityTransform) -> MeasuredStacks:
        """Measure normalised stacks; transform brings them back to intensity."""
        brightness = None
        if x.ndim == 4:
            parts = [Brightness.of(transform.denormalise(part)) for part in x.split(AT_ONCE)]
            brightness = Brightness(*(torch.cat([getattr(part, name) for part in parts])
                                      for name in ("profile", "total")))
        return cls(x, class_idx, np.unique(unit, return_inverse=True)[1], features(x), symmetry_features(x),
                   symmetry_residuals(x), brightness)

    def __len__(self) -> int:
        return len(self.class_idx)

    def take(self, rows: Tensor) -> MeasuredStacks:
        """Some of the stacks: rows int64 [n] or bool [N]."""
        chosen = {name: None if (values := getattr(self, name)) is None else values[rows]
                  for name in ("x", "class_idx", "f", "azimuthal", "residuals")}
        return replace(self, **chosen, unit=self.unit[rows.numpy()],
                       brightness=None if self.brightness is None else self.brightness.take(rows))
