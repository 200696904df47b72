"""assess [stage]: how good a generator is, as fidelity.json and one page with its pictures inside."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from cbedgan.assessment.crystal_drawer import CrystalDrawsConfig, crystal_drawer
from cbedgan.assessment.report import write_report
from cbedgan.assessment.subject import AssessedArm, Subject, painter
from cbedgan.crystal.census.beside import beside as beside_real
from cbedgan.crystal.census.known import drawn_crystals, real_crystals
from cbedgan.fidelity.features import classifier_features, random_features
from cbedgan.gan.crystals.rendered_again import rendered_again
from cbedgan.gan.crystals.sample_crystals import draws_crystals
from cbedgan.gan.crystals.trained_crystals import TrainedCrystals, load_crystals
from cbedgan.gan.network.generator import load_generator
from cbedgan.likeness.measure import Assessment, Effort, measure
from cbedgan.likeness.measured_stacks import Ruler
from cbedgan.likeness.unseen import train_unseen
from classifier.foundation.config import Config, added, digest
from classifier.foundation.device import reproducible
from classifier.foundation.errors import InputError
from classifier.foundation.run import Run
from classifier.pattern.intensity import IntensityConfig, IntensityTransform
from classifier.prediction.predict import load_classifier
from classifier.samples.dataset import StackSet, load_stack_set, load_training_set
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile
from classifier.samples.viewed import rows_of
from classifier.training.train import TrainClassifierConfig


class AssessConfig(Config):
    """stacks: real ones of the train part at most, and as many generated; least_of_group: generated stacks of every
    group at least; network_epochs: of the convolutional network that tells real from generated, 0 for none;
    disk_patterns: whose disk lattice is looked for; held_out: the part that unseen real stacks come from; sheet_stacks:
    in each row of a group's picture; suspicious: generated stacks shown beside their nearest training stack; intensity:
    the scale on which stacks are compared, one for generators of different scales (None: the generator's own);
    crystals: of a generator of crystals, what is drawn (None: what it draws as trained)."""

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
    crystals: CrystalDrawsConfig | None = added(None)


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
    out = Path(out)
    with StackFile(stacks) as file:
        parted, mantissa_bits = load_split(split, stack_digest=file.identity), file.mantissa_bits
    trained = (load_crystals if draws_crystals(generator) else load_generator)(generator, split_digest=parted.names)
    draws = config.crystals or CrystalDrawsConfig()
    if isinstance(trained, TrainedCrystals):
        subject = crystal_drawer(draws, trained, config.seed, generator=generator, out=out, mantissa_bits=mantissa_bits)
    elif config.crystals is None:
        subject = painter(trained, config.seed)
    else:
        raise InputError(source=generator, rule="[crystals] goes with generators of crystals", value="another kind",
                         remedy="Leave the table out of the configuration.")
    inputs = {"stacks": parted.stack_digest, "split": parted.digest, "generator": trained.digest}
    if classifier is not None:
        inputs["classifier"] = load_classifier(classifier, split_digest=parted.names).digest
    if unseen is not None:
        inputs["judge"] = digest(unseen)
    with Run.open(out, stage="assess", config=config, inputs=inputs) as run, reproducible(config.threads):
        if run.result is not None:
            return out / "report.html"
        parts = {part: parted.parts[part] for part in ("train", config.held_out)}
        shown = stacks
        if isinstance(trained, TrainedCrystals) and draws.real == "rendered":
            shown, parts = _rendered(trained, stacks, parts, out / "rendered.h5", draws.workers)
        scale = _scale(config, subject, shown, parts["train"])
        seen = replace(subject, intensity=scale)
        real, held_out = (_load(seen, shown, names) for names in parts.values())
        features = (random_features(*real.x.shape[1:3]) if classifier is None else
                    classifier_features(classifier, parted.names, seen.frame, scale))
        ruler = Ruler(seen.class_map, seen.frame, scale, features)
        others = () if unseen is None else train_unseen(
            unseen, ruler, stacks=stacks, split=split, identity=parted.identity, out=out / "judges",
            seed=config.seed)

        def measured(arm: AssessedArm) -> Assessment:
            return measure(
                real, arm.generate if scale is subject.intensity else
                lambda class_idx: scale.normalise(subject.intensity.denormalise(arm.generate(class_idx))),
                ruler, Effort(config.stacks, config.seed, config.least_of_group, config.network_epochs,
                              config.disk_patterns), held_out=held_out, unseen=others)

        assessment = measured(subject.arm)
        content = {"features": "random" if classifier is None else "classifier", "held_out_part": config.held_out,
                   **assessment.figures}
        if isinstance(trained, TrainedCrystals):
            figures = {name: measured(arm).figures for name, arm in subject.beside.items()}
            content |= _of_crystals(subject, draws, figures, stacks, parts["train"], config.seed)
        write_report(content, assessment, seen, run, sheet_stacks=config.sheet_stacks, suspicious=config.suspicious)
        run.finish({"features": content["features"], "summary": content["summary"]},
                   files=["fidelity.json", "report.html"])
    return out / "report.html"


def _rendered(trained: TrainedCrystals, stacks: Path, parts: dict[str, tuple[str, ...]], out: Path, workers: int
              ) -> tuple[Path, dict[str, tuple[str, ...]]]:
    """The real stacks as generated ones are drawn, and the samples of each part that show a disk so."""
    with StackFile(stacks) as file:
        names = [name for part in parts.values() for name in part]
        rendered_again(file, names, trained.instrument, out, workers=workers)
    with StackFile(out) as file:
        there = set(file.table.sample_id.tolist())
    return out, {part: tuple(name for name in names if name in there) for part, names in parts.items()}


def _of_crystals(subject: Subject, draws: CrystalDrawsConfig, beside: dict[str, dict[str, Any]], stacks: Path,
                 sample_ids: tuple[str, ...], seed: int) -> dict[str, Any]:
    """What is said of crystals and of other arms: see census.beside; left_out: why something is not said."""
    with StackFile(stacks) as file:
        real, why_not = real_crystals(file.table.take(rows_of(file, sample_ids)))
    def crystals(arm: AssessedArm) -> dict[str, Any]:
        if arm.drawn is None or not real:
            return {}
        return {"crystals": beside_real(drawn_crystals(arm.drawn), real, seed=seed)}
    return {"arm": draws.arm.model_dump(), "real_stacks": draws.real, **crystals(subject.arm),
            "beside": {name: {"arm": draws.beside[name].model_dump(), **figures, **crystals(subject.beside[name])}
                       for name, figures in beside.items()},
            "left_out": [] if real else [f"Crystals are not compared: {why_not}."]}


def _scale(config: AssessConfig, subject: Subject, stacks: Path, sample_ids: tuple[str, ...]
           ) -> IntensityTransform:
    """The scale of the comparison, fitted on the train part; the generator's own where none is asked for."""
    if config.intensity is None:
        return subject.intensity
    return load_training_set(stacks, class_map=subject.class_map, view=subject.view, intensity=config.intensity,
                             sample_ids=sample_ids, cache=None)[1]


def _load(subject: Subject, stacks: Path, sample_ids: tuple[str, ...]) -> StackSet:
    """Real stacks as the generator normalises them; those in another frame are refused."""
    return load_stack_set(stacks, class_map=subject.class_map, view=subject.view, intensity=subject.intensity,
                          sample_ids=sample_ids, frame=subject.frame)
