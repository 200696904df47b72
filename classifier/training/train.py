"""train-clf [stage]: train the classifier on the train part, and on an added source where one is given."""

import math
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.config import digest
from classifier.foundation.errors import InputError
from classifier.foundation.ranks import Ranks
from classifier.foundation.run import Run
from classifier.network.stack_classifier import StackClassifier
from classifier.pattern.measurement import CONDITIONS
from classifier.prediction.feature_bank import bank_rows
from classifier.prediction.predict import (
    COLUMNS,
    Predictions,
    TrainedClassifier,
    load_classifier,
    predict_logits,
    predictions_path,
)
from classifier.prediction.scores import score, score_conditions
from classifier.prediction.side_data import fit_side_data, scores_of_tasks, with_side_data
from classifier.samples.dataset import StackSet, check_added_source, load_stack_set, load_training_set
from classifier.samples.folds import FoldsConfig, folds
from classifier.samples.measured_samples import JUDGED_SEED, Measurement, require_beam_shares
from classifier.samples.split import Split, load_split
from classifier.samples.stackfile import StackFile
from classifier.statistics.calibration_choice import CalibrationConfig
from classifier.statistics.metrics import materials_per_class
from classifier.stream.copies import Copies
from classifier.stream.stack_source import StackSource
from classifier.training.batches import Source, class_sizes
from classifier.training.endless import open_endless, require_stream, told
from classifier.training.loop import Pace, shared_run, train_loop
from classifier.training.sampling import PowerSampler
from classifier.training.state import State
from classifier.training.step import step
from classifier.training.stopping import validation_score
from classifier.training.train_config import TrainClassifierConfig, learning_rate
from classifier.training.trust_fitting import Answered, require_mixable, with_trust

__all__ = ["TrainClassifierConfig", "train_classifier"]


def train_classifier(config: TrainClassifierConfig, *, stacks: Path, split: Path, out: Path,
                     synthetic: Path | None = None, cache: Path | None = None, stream: StackSource | None = None,
                     workers: int = 1) -> Path:
    """Train and write classifier.safetensors, predictions.npz (validation and test) and result.json; resumes.

    The weights that leave are the last ones, or their average: without early stopping nothing is selected on any
    held-out part. Processes that torchrun has started share every batch; the first of them writes.

    Parameters
    ----------
    config : of the training
    stacks, split : the sample file, and split.json of it
    out : run folder
    synthetic : a sample file to train on in addition: synthetic, or any that shares nothing with the held-out parts
    cache : folder that keeps the normalised samples, mapped instead of loaded; the result is the same to the bit
    stream, workers : a source without end to train on in addition, and processes that draw from it; how many there are
        changes nothing but the time
    """
    out, answered = Path(out), None
    if config.calibration.folds:
        if synthetic is not None or stream is not None:
            raise InputError(source="calibration.folds", rule="must be 0 with an added source, which knows the types "
                             "that the folds leave out", value=config.calibration.folds, remedy="Set it to 0.")
        answered = _answers_of_folds(config, stacks=stacks, split=split, out=out / "folds", cache=cache)
    with StackFile(stacks) as file:
        parted = load_split(split, stack_digest=file.identity)
        inputs = {"stacks": parted.stack_digest, "split": parted.digest}
        if synthetic is not None:
            inputs["synthetic"] = check_added_source(synthetic, parted, stacks=file)
        if stream is not None:
            inputs["crystals"] = digest(stream.record())
        with shared_run(out, stage="train-clf", config=config, inputs=inputs, threads=config.threads,
                        device=config.device, batch=config.batch) as (run, ranks):
            if run.result is None:
                _run(config, run, parted, file, synthetic, cache, ranks, answered, stream, workers)
    return out / "classifier.safetensors"


def _run(config: TrainClassifierConfig, run: Run, parted: Split, stacks: StackFile, synthetic: Path | None,
         cache: Path | None, ranks: Ranks, answered: Answered | None, stream: StackSource | None, workers: int) -> None:
    """Load, train, and write everything the stage leaves."""
    device, class_map = ranks.device, ClassMap(parted.space_groups)
    if config.early_stop is not None and not parted.parts["validation"]:
        raise InputError(source=run.folder, rule="early stopping needs a validation part", value="no stacks",
                         remedy="Leave early_stop out, or cut a validation part from train.")
    with ranks.first_first() if cache else nullcontext():  # one of them builds the cache
        real, transform, frame = load_training_set(stacks, class_map=class_map, view=config.view, cache=cache,
                                                   intensity=config.intensity, sample_ids=parted.parts["train"])
        config.augment.require(frame.grid)
        real = with_side_data(real, stacks, config.model, cache)
        load = partial(_load, config, class_map=class_map, intensity=transform, cache=cache)
        sources = [Source.build(real, sampler=config.sampler, weight=1.0, device=device)]
        if synthetic is not None:
            # Its quota was decided where it was made: every added material is drawn equally often.
            sources.append(Source.build(load(synthetic, frame=frame), sampler=PowerSampler(power=1.0),
                                        weight=config.synthetic_weight, device=device))
        stated = require_stream(stream, config, class_map, frame, added=synthetic is not None)
        held_out = {part: load(stacks, sample_ids=parted.parts[part]) for part in ("validation", "test")}
    for asked in (config.measurement, *(CONDITIONS[name] for name in config.judged_under)):
        if asked is not None:
            require_beam_shares(frame, asked, stacks.path)
    if config.notice_mixed_up:
        require_mixable(frame, real, held_out["validation"])
    drawn, fixed = (None if config.measurement is None else Measurement(
        config.measurement, transform, seed, frame.grid)
                    for seed in (config.seed, JUDGED_SEED))
    state = State(config, class_map, device, frame.grid.shape)
    if run.checkpoint_path.exists():
        state.load(run.checkpoint_path, run.record)
    else:
        fit_side_data(state.model, real, source=stacks.path, measurement=fixed)
        state.average.load_state_dict(state.model.state_dict())
    if ranks.first:
        run.rewind(state.images_seen)
    sources = _with_copies(config, run, state.model, sources, measurement=fixed, cache=cache)
    # As batches are mixed first and last; the loss of a stage is told of its own mixture.
    first, last = (class_sizes(config, sources, stated, images_seen=seen).to(device)
                   for seen in (0, config.images - 1))
    validation = (held_out["validation"] if fixed is None else fixed.samples(held_out["validation"])).to(device)

    def take_step() -> None:
        added = [] if endless is None else [endless.source(state)]
        step(state, config, [*sources, *added], first if config.added_share(state.images_seen) else last, class_map,
             ranks, drawn)
        state.images_seen += config.batch

    with open_endless(stream, config, state, class_map, transform, fixed, ranks=ranks, workers=workers) as endless:
        train_loop(Pace(config.images, config.batch, config.report_every_images, config.checkpoint_every_images,
                        config.max_skipped_share), state, run, ranks, step=take_step,
                   report=lambda: _report(config, run, state, validation, ranks), over=state.is_over,
                   ready=None if endless is None else partial(endless.ready, state))
    if not ranks.first:
        return

    network = state.leaving
    if state.best is not None and state.best.weights:
        network.load_state_dict(state.best.weights)
    network.folded()
    materials = torch.from_numpy(materials_per_class(real.class_idx.numpy(), real.material, len(class_map)))
    trained = TrainedClassifier(network.cpu().eval(), config.model, class_map, config.view, frame, transform,
                                last.prior.cpu(), materials, parted.digest, parted.stack_digest, run.provenance())
    trained = with_trust(trained, training=real, validation=held_out["validation"],
                         shift_pixels=config.augment.shift_pixels, measurement=fixed, calibration=config.calibration,
                         answered=answered, notice_mixed_up=config.notice_mixed_up)
    digest = trained.save(run.folder / "classifier.safetensors")
    provenance = {**run.provenance(), "classifier_digest": digest}
    predictions = Predictions.concatenate([Predictions.of(trained, samples, part=part, provenance=provenance)
                                           for part, samples in held_out.items()])
    predictions.save(predictions_path(run.folder))
    under = score_conditions(trained, held_out, config.judged_under, folder=run.folder, provenance=provenance)
    run.finish({"classifier_digest": digest, "split_digest": parted.digest, "images_seen": state.images_seen,
                "skipped_steps": int(state.skipped), **({} if state.best is None else {"early_stop": {
                    "value": state.best.value, "images_seen": state.best.images_seen}}),
                **({} if stream is None else {"crystals": told(stream, state)}),
                "trust": None if trained.trust is None else trained.trust.summary(),
                **{part: {**score(predictions.take(part), materials.numpy()), **scores_of_tasks(trained.model, samples)}
                   for part, samples in held_out.items()}, **under},
               files=["classifier.safetensors", predictions_path(run.folder).name, *(
                   predictions_path(run.folder, name).name for name in config.judged_under)])
    for path in (run.checkpoint_path, run.checkpoint_path.with_suffix(".json")):
        path.unlink(missing_ok=True)  # only a training that goes on needs it


def _answers_of_folds(config: TrainClassifierConfig, *, stacks: Path, split: Path, out: Path, cache: Path | None
                      ) -> Answered:
    """What classifiers of the same configuration say of train and validation, each of structure types it never saw.

    One training a fold, in a folder of its own: with fewer crystals of the groups that have many, and of few-shot
    groups with some of validation's.
    """
    number = config.calibration.folds
    folds(FoldsConfig(folds=number, group_by="structure_type", seed=config.seed), stacks=stacks, split=split, out=out)
    alone = config.model_copy(update={"calibration": CalibrationConfig(), "judged_under": (),
                                      "notice_mixed_up": False})
    answers, logits = [], []
    for k in range(1, number + 1):
        checkpoint = train_classifier(alone, stacks=stacks, split=out / f"fold-{k}.json", out=out / f"fold-{k}",
                                      cache=cache)
        trust = load_classifier(checkpoint).trust
        of_fold = Predictions.load(predictions_path(out / f"fold-{k}")).take("validation")
        rows = bank_rows(of_fold.material, seed=0)
        if trust is None or len(trust.logits) != len(rows):
            raise InputError(source=checkpoint, rule="every fold needs validation stacks enough for trust",
                             value=f"{len(rows)} in fold {k}", remedy="Lower calibration.folds.")
        answers.append(replace(of_fold, **{name: getattr(of_fold, name)[rows] for name in COLUMNS}))
        logits.append(trust.logits)  # of measured stacks where the training draws such
    together = Predictions.concatenate(answers)
    return Answered(np.concatenate(logits), together.class_map.indices(together.space_group), together.material,
                    together.structure_type)


def _load(config: TrainClassifierConfig, stacks: Path | StackFile, cache: Path | None, **how: Any) -> StackSet:
    """Samples of a stack file with all that the network wants of them."""
    return with_side_data(load_stack_set(stacks, view=config.view, cache=cache, **how), stacks, config.model, cache)


def _with_copies(config: TrainClassifierConfig, run: Run, network: StackClassifier, sources: list[Source], *,
                 measurement: Measurement | None, cache: Path | None) -> list[Source]:
    """The sources with the copies that a network of fixed features learns from, the same for every seed.

    Sources of any other network stay as they are.
    """
    if not network.takes_fixed:
        return sources
    inputs = {name: value for name, value in run.record["inputs"].items() if name != "crystals"}  # they change nothing
    # Nor do added stacks change the copies of real ones: trainings that differ in what is added share these.
    files = [{name: value for name, value in inputs.items() if name != "synthetic"}, inputs]
    key = {"draws": config.copies, "ideal": config.ideal_share > 0,
           "measurement": config.measurement and config.measurement.model_dump(mode="json"),
           "mirror": config.augment.mirror, "view": config.view.model_dump(),
           "intensity": config.intensity.model_dump(), "scales": network.scales_digest()}
    return [replace(source, copies=Copies.of(
        network, source.samples, draws=config.copies, ideal_share=config.ideal_share, mirror=config.augment.mirror,
        measurement=measurement, cache=cache,
        key={**key, "inputs": file, "samples": digest(source.samples.sample_id.tolist())}))
        for file, source in zip(files, sources, strict=False)]


def _report(config: TrainClassifierConfig, run: Run, state: State, validation: StackSet, ranks: Ranks) -> None:
    """Score the validation part and write a line of metrics; the first rank scores, so that all decide alike."""
    steps = int(state.unreported)
    if not steps:
        return
    row: dict[str, Any] = {"loss": float(state.loss_sum) / steps, "skipped": int(state.skipped),
                           "learning_rate": learning_rate(config, state.images_seen)}
    value = math.nan
    if ranks.first and len(validation):
        logits = predict_logits(state.leaving, validation.x, validation.pose)
        row["validation_balanced_accuracy"] = value = validation_score("balanced_accuracy", logits, validation)
        if config.early_stop is not None and config.early_stop.metric == "loss":
            value = validation_score("loss", logits, validation)
            row["validation_loss"] = -value
    if ranks.first:
        run.log(images_seen=state.images_seen, **row)
    if state.best is not None:
        state.best.offer(ranks.from_first(value), state.images_seen, state.leaving)
    state.reported()
