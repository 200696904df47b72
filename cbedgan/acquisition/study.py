"""acquire [stage]: play active learning on labelled stacks whose labels stay hidden until asked for -> report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from cbedgan.acquisition.curves import learning_curves
from cbedgan.acquisition.report import write_report
from cbedgan.acquisition.rounds import Base, ask, start_materials
from cbedgan.boundary.probe import ProbeConfig, probe
from cbedgan.comparison.trainings import Job, train_all
from cbedgan.gan.train import TrainGanConfig, train_gan
from classifier.foundation.config import Config
from classifier.foundation.errors import require
from classifier.foundation.run import Run
from classifier.prediction.predict import Predictions
from classifier.prediction.strategy import Strategy
from classifier.samples.narrow import narrow_split
from classifier.samples.split import load_split
from classifier.training.train import TrainClassifierConfig

START = "start"  # names the first round, which all strategies share


class BoundaryConfig(Config):
    """Generator and probe of the strategy `boundary`: once a seed, on the labels of the first round alone; the
    validation part tells which groups are confused."""

    gan: TrainGanConfig
    probe: ProbeConfig


class AcquireConfig(Config):
    """strategies: with `random`, to which all others are compared; seeds: of start sets and trainings, the same for
    every strategy; start_materials: labelled at first; batch_materials: labelled in each of the rounds; members: of the
    ensemble that `bald` asks; replicates, alpha: of the intervals; classifier: trained from scratch in every round,
    in which a member sets `seed`; boundary: needed by that strategy, and only by it."""

    strategies: tuple[Strategy, ...]
    seeds: tuple[int, ...]
    start_materials: Annotated[int, Field(ge=1)]
    batch_materials: Annotated[int, Field(ge=1)]
    rounds: Annotated[int, Field(ge=1)]
    members: Annotated[int, Field(ge=2)]
    replicates: Annotated[int, Field(ge=1)]
    alpha: Annotated[float, Field(gt=0, lt=1)]
    classifier: TrainClassifierConfig
    boundary: BoundaryConfig | None = None


def acquire(config: AcquireConfig, *, stacks: Path, split: Path, out: Path, workers: int) -> Path:
    """Write out/report.html, report.json and curves.png: scores on the test part against labelled materials.

    The train part of the split is start set and pool; validation and test stay as they are. Every training starts from
    scratch (warm starts generalise worse: Ash and Adams 2020, arXiv 1910.08475) on a narrower split of its own, in
    out/splits, and is scored on the test part once. Rerunning goes on: what is chosen or trained stays.

    Parameters
    ----------
    config : strategies, seeds and sizes
    stacks, split : files
    out : run folder
    workers : processes
    """
    base = Base.of(stacks, split)
    _check(config, base)
    study = Study(config, base, Path(out))
    with Run.open(study.out, stage="acquire", config=config,
                  inputs={"stacks": base.split.stack_digest, "split": base.split.digest}) as run:
        for number in range(config.rounds + 1):
            study.label(number)
            study.train(number, workers)
        path = write_report(learning_curves(study.predictions(), study.labelled(), base, replicates=config.replicates,
                                  alpha=config.alpha), provenance=run.provenance(), out=study.out)
        run.finish({"report": path.name})
    return path


@dataclass(frozen=True)
class Study:
    """The files of a study: one split for each strategy, seed and round, and one run folder for each training."""

    config: AcquireConfig
    base: Base
    out: Path

    def split(self, strategy: str, seed: int, number: int) -> Path:
        """Split file of what is labelled in that round."""
        return self.out / "splits" / f"{strategy if number else START}-seed{seed}-round{number}.json"

    def run(self, strategy: str, seed: int, number: int, member: int = 0) -> Path:
        """Run folder of a training; member 0 is the one that is scored."""
        return self.out / "runs" / f"{self.split(strategy, seed, number).stem}-member{member}"

    def members(self, strategy: str, number: int) -> range:
        """Members to train in a round: after the last one nobody is asked any more."""
        return range(self.config.members if strategy == "bald" and number < self.config.rounds else 1)

    def label(self, number: int) -> None:
        """Write the splits of a round; one that is written stands."""
        for seed in self.config.seeds:
            for strategy in self.config.strategies:
                path = self.split(strategy, seed, number)
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    narrow_split(self.base.split_path, stacks=self.base.stacks, out=path,
                                 materials=self._more(strategy, seed, number) if number else
                                 start_materials(self.base, self.config.start_materials, seed))

    def _more(self, strategy: Strategy, seed: int, number: int) -> list[str]:
        """Materials labelled before this round, and those that the strategy asked for."""
        before = self.split(strategy, seed, number - 1)
        ranking = ask(strategy, self.base, labelled=before, count=self.config.batch_materials,
                      classifiers=[self.run(strategy, seed, number - 1, member) / "classifier.safetensors"
                                   for member in self.members(strategy, number - 1)],
                      rng=np.random.default_rng([seed, number]),
                      probed=self._probed(seed) if strategy == "boundary" else None)
        labelled = load_split(before, stack_digest=self.base.split.identity).materials["train"]
        return [*labelled, *ranking.material.tolist()]

    def _probed(self, seed: int) -> tuple[Path, Path]:
        """probe.h5 and generator of a seed, made once from what was labelled at first."""
        folder, boundary = self.out / "boundary" / f"seed{seed}", self.config.boundary
        assert boundary is not None, "the strategy was refused without its configuration"
        data = {"stacks": self.base.stacks, "split": self.split(START, seed, 0)}
        classifier = self.run(START, seed, 0) / "classifier.safetensors"
        generator = train_gan(boundary.gan.model_copy(update={"seed": seed}), **data, out=folder / "gan",
                              classifier=classifier)
        return probe(boundary.probe, generator=generator, classifier=classifier, **data,
                     out=folder / "probe.h5"), generator

    def train(self, number: int, workers: int) -> None:
        """Train on every split of a round; a finished training is not repeated."""
        jobs = {}
        for seed in self.config.seeds:
            for strategy in self.config.strategies:
                for member in self.members(strategy, number):
                    folder = self.run(strategy, seed, number, member)
                    config = self.config.classifier.model_copy(
                        update={"seed": int(np.random.SeedSequence([seed, member]).generate_state(1)[0] >> 1)})
                    jobs[folder] = Job(arm=strategy, seed=seed, config=config, stacks=self.base.stacks,
                                       split=self.split(strategy, seed, number), source=None, out=folder)
        pending = [job for folder, job in jobs.items() if not (folder / "result.json").exists()]
        if pending:
            train_all(pending, workers)

    def predictions(self) -> dict[str, list[list[Predictions]]]:
        """Test predictions of every strategy, one list a round with one entry a seed."""
        return {strategy: [[Predictions.load(self.run(strategy, seed, number) / "predictions.npz").take("test")
                            for seed in self.config.seeds] for number in range(self.config.rounds + 1)]
                for strategy in self.config.strategies}

    def labelled(self) -> dict[str, list[list[tuple[str, ...]]]]:
        """Labelled materials of every strategy, nested like the predictions."""
        identity = self.base.split.identity
        return {strategy: [[load_split(self.split(strategy, seed, number), stack_digest=identity).materials["train"]
                            for seed in self.config.seeds] for number in range(self.config.rounds + 1)]
                for strategy in self.config.strategies}


def _check(config: AcquireConfig, base: Base) -> None:
    """Refuse, before anything is trained, what could not be told in the end."""
    wanted, available = config.start_materials + config.rounds * config.batch_materials, base.split.materials["train"]
    require([
        ("random" in config.strategies, "strategies", "must hold random, to which the others are compared",
         config.strategies),
        (len(set(config.strategies)) == len(config.strategies), "strategies", "must each be named once",
         config.strategies),
        (len(set(config.seeds)) == len(config.seeds) >= 3, "seeds", "must be at least three different", config.seeds),
        (wanted <= len(available), "rounds", f"start and rounds must fit into the {len(available)} training materials",
         wanted),
        (("boundary" in config.strategies) == (config.boundary is not None), "boundary",
         "must be given with the strategy boundary, and only with it", "given" if config.boundary else "missing"),
        (len(base.split.parts["test"]) > 0, "split", "must hold a test part", "none"),
    ], source="acquire configuration", remedy="Correct the configuration.")
