"""What a GAN trains on: the train part, how a batch of it is drawn, and what the classes' sizes imply."""

from dataclasses import dataclass

import torch
from torch import Tensor

from cbedgan.form.form_bank import FormBank
from cbedgan.gan.network.conditioning import ClassNoiseConfig, effective_number_noise
from classifier.crystal.spacegroup import ClassMap
from classifier.pattern.intensity import IntensityTransform
from classifier.samples.dataset import StackSet
from classifier.statistics.metrics import SHOT_CLASSES, materials_per_class, shot_class
from classifier.training.sampling import Strata


@dataclass(frozen=True, eq=False)
class Data:
    """The train part on the device, how it is drawn, and per class [K]: shot group 0..2 and noise of the embedding.

    intensity: the scale of the samples; bank: forms of all samples in their order, on the CPU, for a generator
    of crystals.
    """

    samples: StackSet
    strata: Strata
    class_map: ClassMap
    shots: Tensor
    class_noise: Tensor
    intensity: IntensityTransform
    bank: FormBank | None

    @classmethod
    def build(cls, samples: StackSet, class_map: ClassMap, class_noise: ClassNoiseConfig, device: torch.device, *,
              intensity: IntensityTransform, forms: Tensor | None = None) -> "Data":
        """Order the samples for drawing and move them to the device.

        Parameters
        ----------
        samples : the train part
        class_map : of its labels
        class_noise : how much noise an embedding gets
        device : of the training
        intensity : scale of the samples
        forms : [N, C, COLUMNS] of the samples, where crystals are drawn
        """
        strata = Strata.build(samples.class_idx.numpy(), samples.material)
        materials = materials_per_class(samples.class_idx.numpy(), samples.material, len(class_map))
        shots = torch.tensor([SHOT_CLASSES.index(name) for name in shot_class(materials)])
        counts = torch.bincount(samples.class_idx, minlength=len(class_map))
        noise = effective_number_noise(counts, class_noise.std, class_noise.beta)
        bank = None if forms is None else FormBank(forms, samples.class_idx.cpu())
        return cls(samples.to(device), strata, class_map, shots.to(device), noise.to(device), intensity, bank)
