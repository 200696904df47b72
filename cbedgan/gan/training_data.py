"""What a GAN trains on: the train part, how a batch of it is drawn, and what the classes' sizes imply."""

from dataclasses import dataclass

import torch
from torch import Tensor

from classifier.crystal.spacegroup import ClassMap
from classifier.pattern.intensity import IntensityTransform
from classifier.samples.dataset import StackSet
from classifier.statistics.metrics import SHOT_CLASSES, materials_per_class, shot_class
from classifier.training.sampling import Strata


@dataclass(frozen=True, eq=False)
class Data:
    """The train part on the device, how it is drawn, the shot group 0..2 of each class [K], and the samples' scale."""

    samples: StackSet
    strata: Strata
    class_map: ClassMap
    shots: Tensor
    intensity: IntensityTransform

    @classmethod
    def build(cls, samples: StackSet, class_map: ClassMap, device: torch.device, *,
              intensity: IntensityTransform) -> "Data":
        """Order the samples for drawing and move them to the device.

        Parameters
        ----------
        samples : the train part
        class_map : of its labels
        device : of the training
        intensity : scale of the samples
        """
        strata = Strata.build(samples.class_idx.numpy(), samples.material)
        materials = materials_per_class(samples.class_idx.numpy(), samples.material, len(class_map))
        shots = torch.tensor([SHOT_CLASSES.index(name) for name in shot_class(materials)])
        return cls(samples.to(device), strata, class_map, shots.to(device), intensity)
