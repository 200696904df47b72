"""One run of an ablation: a generator trained and assessed, in a process of its own; both steps go on or are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cbedgan.assessment.assess import AssessConfig, assess
from cbedgan.gan.crystals.crystal_config import TrainCrystalsConfig
from cbedgan.gan.crystals.train_crystals import train_crystals
from cbedgan.gan.train import TrainGanConfig, train_gan
from classifier.foundation.atomic import read_json

FIDELITY = "fidelity"  # folder of the assessment in that of the run


@dataclass(frozen=True)
class GeneratorJob:
    """A training (arm: the first variant that asks for it) with a seed. config: of it; assessments: by their folders;
    out: its run folder; cache: folder of the stacks that all trainings of pixels read."""

    arm: str
    seed: int
    config: TrainCrystalsConfig | TrainGanConfig
    assessments: Mapping[Path, AssessConfig]
    stacks: Path
    split: Path
    classifier: Path | None
    out: Path
    cache: Path

    def run(self) -> None:
        """Train, then assess."""
        if isinstance(self.config, TrainCrystalsConfig):
            generator = train_crystals(self.config, stacks=self.stacks, split=self.split, out=self.out)
        else:
            generator = train_gan(self.config, stacks=self.stacks, split=self.split, out=self.out,
                                  classifier=self.classifier, cache=self.cache)
        for folder, assessment in self.assessments.items():
            assess(assessment, generator=generator, stacks=self.stacks, split=self.split, out=folder,
                   classifier=self.classifier)


def read_assessment(folder: Path) -> dict[str, Any]:
    """Every figure of a finished assessment."""
    return read_json(folder / "fidelity.json")
