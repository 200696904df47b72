"""assess [stage]: how good a generator is, as fidelity.json and one page with its pictures inside."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from cbedgan.assessment.report import write_report
from cbedgan.fidelity.features import classifier_features, random_features
from cbedgan.gan.network.generator import TrainedGenerator, load_generator, seeded_sampler
from cbedgan.likeness.measure import Effort, measure
from cbedgan.likeness.measured_stacks import Ruler
from cbedgan.likeness.unseen import train_unseen
from classifier.foundation.config import Config, added, digest
from classifier.foundation.device import reproducible
from classifier.foundation.run import Run
from classifier.pattern.intensity import IntensityConfig, IntensityTransform
from classifier.prediction.predict import load_classifier
from classifier.samples.dataset import StackSet, load_stack_set, load_training_set
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile
from classifier.training.train import TrainClassifierConfig


class AssessConfig(Config):
    """stacks: real ones of the train part at most, and as many generated; least_of_group: generated stacks of every
    group at least; network_epochs: of the convolutional network that tells real from generated, 0 for none;
    disk_patterns: whose disk lattice is looked for; held_out: the part that unseen real stacks come from; sheet_stacks:
    in each row of a group's picture; suspicious: generated stacks shown beside their nearest training stack; intensity:
    the scale on which stacks are compared, one for generators of different scales (None: the generator's own)."""

    seed: int = 0
    threads: int = 1
    stacks: Annotated[int, Field(ge=16)] = 2300
    least_of_group: Annotated[int, Field(ge=0)] = 12
    network_epochs: Annotated[int, Field(ge=0)] = 4
    disk_patterns: Annotated[int, Field(ge=0)] = 100
    held_out: Literal["validation", "test"] = "validation"
    sheet_stacks: Annotated[int, Field(ge=1)] = 6
    suspicious: Annotated[int, Field(ge=1)] = 12
    intensity: IntensityConfig | None = added(None)


def assess(config: AssessConfig, *, generator: Path, stacks: Path, split: Path, out: Path,
           classifier: Path | None = None, unseen: TrainClassifierConfig | None = None) -> Path:
    """Measure a generator and write out/fidelity.json, report.html and a picture a group; return the page's path.

    A finished folder is left as it is.

    Parameters
    ----------
    config : how much to measure
    generator, stacks, split : files; the generator is of this split
    out : run folder
    classifier : one of the same split, whose features the stacks are compared by; without it random weights give them
    unseen : how to train classifiers that have not seen the real stacks, see `likeness.unseen`
    """
    with StackFile(stacks) as file:
        parted = load_split(split, stack_digest=file.identity)
    trained = load_generator(generator, split_digest=parted.names)
    inputs = {"stacks": parted.stack_digest, "split": parted.digest, "generator": trained.digest}
    if classifier is not None:
        inputs["classifier"] = load_classifier(classifier, split_digest=parted.names).digest
    if unseen is not None:
        inputs["judge"] = digest(unseen)
    run = Run.open(out, stage="assess", config=config, inputs=inputs)
    if run.result is None:
        with reproducible(config.threads):
            scale = _scale(config, trained, stacks, parted.parts["train"])
            generate = seeded_sampler(trained, config.seed)
            seen = replace(trained, intensity=scale)
            real, held_out = (_load(seen, stacks, parted.parts[part]) for part in ("train", config.held_out))
            features = (random_features(*real.x.shape[1:3]) if classifier is None else
                        classifier_features(classifier, parted.names, seen.frame, scale))
            ruler = Ruler(seen.class_map, seen.frame, scale, features)
            others = () if unseen is None else train_unseen(
                unseen, ruler, stacks=stacks, split=split, identity=parted.identity, out=Path(out) / "judges",
                seed=config.seed)
            assessment = measure(
                real, generate if scale is trained.intensity else
                lambda class_idx: scale.normalise(trained.intensity.denormalise(generate(class_idx))),
                ruler, Effort(config.stacks, config.seed, config.least_of_group, config.network_epochs,
                              config.disk_patterns), held_out=held_out, unseen=others)
            content = {"features": "random" if classifier is None else "classifier", "held_out_part": config.held_out,
                       **assessment.figures}
            write_report(content, assessment, seen, run, sheet_stacks=config.sheet_stacks, suspicious=config.suspicious)
        run.finish({"features": content["features"], "summary": content["summary"]})
    return Path(out) / "report.html"


def _scale(config: AssessConfig, trained: TrainedGenerator, stacks: Path, sample_ids: tuple[str, ...]
           ) -> IntensityTransform:
    """The scale of the comparison, fitted on the train part; the generator's own where none is asked for."""
    if config.intensity is None:
        return trained.intensity
    return load_training_set(stacks, class_map=trained.class_map, view=trained.view, intensity=config.intensity,
                             sample_ids=sample_ids, cache=None)[1]


def _load(trained: TrainedGenerator, stacks: Path, sample_ids: tuple[str, ...]) -> StackSet:
    """Real stacks as the generator normalises them; those in another frame are refused."""
    return load_stack_set(stacks, class_map=trained.class_map, view=trained.view, intensity=trained.intensity,
                          sample_ids=sample_ids, frame=trained.frame)
