"""One run of an ablation: a generator trained and assessed, in a process of its own; both steps go on or are kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cbedgan.assessment.assess import AssessConfig, assess
from cbedgan.gan.train import TrainGanConfig, train_gan
from classifier.foundation.atomic import read_json

FIDELITY = "fidelity"  # folder of the assessment in that of the run


@dataclass(frozen=True)
class GeneratorJob:
    """A variant (the arm) with a seed. config: its training; assessment: the same for all; out: its run folder;
    cache: folder of the stacks that all trainings read."""

    arm: str
    seed: int
    config: TrainGanConfig
    assessment: AssessConfig
    stacks: Path
    split: Path
    classifier: Path | None
    out: Path
    cache: Path

    def run(self) -> None:
        """Train, then assess."""
        data = {"stacks": self.stacks, "split": self.split, "classifier": self.classifier}
        generator = train_gan(self.config, **data, out=self.out, cache=self.cache)
        assess(self.assessment, generator=generator, **data, out=self.out / FIDELITY)


def read_assessment(folder: Path) -> dict[str, Any]:
    """Every figure of a finished run."""
    return read_json(folder / FIDELITY / "fidelity.json")
