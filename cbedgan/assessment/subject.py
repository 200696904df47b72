"""What is assessed: a generator of any kind, as something that draws stacks of the classes it is asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from cbedgan.gan.network.generator import TrainedGenerator, seeded_sampler
from classifier.crystal.spacegroup import ClassMap
from classifier.pattern.geometry import ViewConfig
from classifier.pattern.intensity import IntensityTransform
from classifier.samples.dataset import Frame


class AssessedArm(NamedTuple):
    """generate: class_idx [M] -> x [M, C, *spatial] on the scale of the generator; drawn: the file that it leaves,
    whose rows hold what was drawn, None for generators that draw no crystals."""

    generate: Callable[[Tensor], Tensor]
    drawn: Path | None = None


@dataclass(frozen=True, eq=False)
class Subject:
    """class_map, view, frame, intensity: of the generator's training; digest: of its checkpoint; arm: what is assessed;
    beside: others, by name, that are measured alike."""

    class_map: ClassMap
    view: ViewConfig
    frame: Frame
    intensity: IntensityTransform
    digest: str
    arm: AssessedArm
    beside: dict[str, AssessedArm] = field(default_factory=dict)


def painter(trained: TrainedGenerator, seed: int) -> Subject:
    """A generator that paints stacks from latents, which depend on the seed."""
    return Subject(trained.class_map, trained.view, trained.frame, trained.intensity, trained.digest,
                   AssessedArm(seeded_sampler(trained, seed)))
