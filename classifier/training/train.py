"""train-clf [stage]: train the classifier on the train part, and on an added source where one is given."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError
from classifier.foundation.memory import keep_freed_memory
from classifier.foundation.ranks import Ranks, open_ranks
from classifier.foundation.run import Interrupted, Run, StopRequest, progress
from classifier.prediction.predict import Predictions, TrainedClassifier, load_classifier, predict_logits
from classifier.prediction.scores import score
from classifier.prediction.side_data import fit_side_data, judge_tasks, with_side_data
from classifier.samples.dataset import StackSet, check_added_source, load_stack_set, load_training_set
from classifier.samples.split import Split, load_split
from classifier.samples.stackfile import StackFile
from classifier.statistics.metrics import materials_per_class
from classifier.training.batches import Source, class_sizes
from classifier.training.losses import ClassSizes
from classifier.training.state import State
from classifier.training.step import step
from classifier.training.stopping import judge
from classifier.training.train_config import TrainClassifierConfig, learning_rate
from classifier.training.trust_fitting import with_trust

__all__ = ["TrainClassifierConfig", "TrainedClassifier", "load_classifier", "reproducible", "train_classifier"]

TOLERATED_SKIPS = 3  # skipped steps that never stop a training, however short


def train_classifier(config: TrainClassifierConfig, *, stacks: Path, split: Path, out: Path,
                     synthetic: Path | None = None, cache: Path | None = None) -> Path:
    """Train and write classifier.safetensors, predictions.npz (validation and test) and result.json; resumes.

    synthetic: a stack file to train on in addition (synthetic, or any other that shares nothing with the held-out
    parts). cache: folder to keep the normalised stacks in, mapped instead of loaded, where they would not fit in
    memory; the result is the same to the bit. The weights that leave are the last ones, or their average: without
    early stopping nothing is selected on any held-out part. Processes that torchrun has started share every batch; the
    first of them writes.
    """
    out = Path(out)
    with StackFile(stacks) as file:
        held = load_split(split, stack_digest=file.digest)
    inputs = {"stacks": held.stack_digest, "split": held.digest}
    if synthetic is not None:
        inputs["synthetic"] = check_added_source(synthetic, held, stacks=stacks)
    with reproducible(config.threads), open_ranks(choose_device(config.device)) as ranks:
        if ranks.count > 1:
            inputs["processes"] = str(ranks.count)  # in another number the sums, and so the last bits, differ
        with ranks.first_first():
            run = Run.open(out, stage="train-clf", config=config, inputs=inputs)
        if run.result is None:
            _run(config, run, held, stacks, synthetic, cache, ranks)
        ranks.wait()
    return out / "classifier.safetensors"


@contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """Use a fixed number of threads and deterministic algorithms while the context lasts."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    fills = torch.utils.deterministic
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), fills.fill_uninitialized_memory
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    fills.fill_uninitialized_memory = False  # which only finds faults: each tensor would be written twice
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        fills.fill_uninitialized_memory = before[2]


def choose_device(name: str) -> torch.device:
    """Return the device of that name; "auto" is the GPU where there is one, else the CPU."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def _run(config: TrainClassifierConfig, run: Run, held: Split, stacks: Path, synthetic: Path | None,
         cache: Path | None, ranks: Ranks) -> None:
    """Load, train, and write everything the stage leaves."""
    device, class_map = ranks.device, ClassMap(held.space_groups)
    _check_sizes(config, held, run, ranks)
    with ranks.first_first() if cache else nullcontext():  # one of them builds the cache
        real, transform, frame = load_training_set(stacks, class_map=class_map, view=config.view, cache=cache,
                                                   intensity=config.intensity, sample_ids=held.parts["train"])
        real = with_side_data(real, stacks, config.model, cache)
        load = partial(_load, config, class_map=class_map, intensity=transform, cache=cache)
        sources = [Source.build(real, power=config.sampling_power, weight=1.0, device=device)]
        if synthetic is not None:
            # Its quota was decided where it was made: power 1 draws every added material equally often.
            sources.append(Source.build(load(synthetic, frame=frame), power=1.0, weight=config.synthetic_weight,
                                        device=device))
        judged = {part: load(stacks, sample_ids=held.parts[part]) for part in ("validation", "test")}
    state = State(config, class_map, device)
    if run.checkpoint_path.exists():
        state.load(run.checkpoint_path)
    else:
        fit_side_data(state.model, real, source=stacks)
        state.average.load_state_dict(state.model.state_dict())
    if ranks.first:
        run.rewind(state.images_seen)
    sizes = class_sizes(config, sources).to(device)
    _loop(config, run, state, sources, sizes, class_map, judged["validation"].to(device), ranks)
    if not ranks.first:
        return

    network = state.leaving
    if state.best is not None and state.best.weights:
        network.load_state_dict(state.best.weights)
    materials = torch.from_numpy(materials_per_class(real.class_idx.numpy(), real.material, len(class_map)))
    trained = TrainedClassifier(network.cpu().eval(), config.model, class_map, config.view, frame, transform,
                                sizes.prior.cpu(), materials, held.digest, held.stack_digest, run.provenance())
    trained = with_trust(trained, training=real, validation=judged["validation"],
                         shift_pixels=config.augment.shift_pixels)
    digest = trained.save(run.folder / "classifier.safetensors")
    predictions = Predictions.concatenate([Predictions.of(
        trained, samples, part=part, provenance={**run.provenance(), "classifier_digest": digest})
        for part, samples in judged.items()])
    predictions.save(run.folder / "predictions.npz")
    run.finish({"classifier_digest": digest, "split_digest": held.digest, "images_seen": state.images_seen,
                "skipped_steps": int(state.skipped),
                **({"early_stop": {"value": state.best.value, "images_seen": state.best.images_seen}}
                   if state.best is not None else {}),
                "trust": None if trained.trust is None else trained.trust.summary(),
                **{part: {**score(predictions.take(part), materials.numpy()), **judge_tasks(trained.model, samples)}
                   for part, samples in judged.items()}})
    for path in (run.checkpoint_path, run.checkpoint_path.with_suffix(".json")):
        path.unlink(missing_ok=True)  # only a training that goes on needs it


def _load(config: TrainClassifierConfig, stacks: Path, cache: Path | None, **how: Any) -> StackSet:
    """Samples of a stack file with all that the network wants of them."""
    return with_side_data(load_stack_set(stacks, view=config.view, cache=cache, **how), stacks, config.model, cache)


def _loop(config: TrainClassifierConfig, run: Run, state: State, sources: list[Source], sizes: ClassSizes,
          class_map: ClassMap, validation: StackSet, ranks: Ranks) -> None:
    """Step until config.images are seen, or no patience is left, in one order: report - done? - save - stop - step."""
    keep_freed_memory()  # from here on: what loading has freed was given back
    bar = progress("train-clf", config.images, completed=state.images_seen, shown=ranks.first)
    with StopRequest() as stop, bar as shown:
        while True:
            done = state.images_seen >= config.images
            if done or _due(state, config, config.report_every_images):
                _report(config, run, state, validation, ranks)
            if state.best is not None and state.best.patience_is_over(config.early_stop, state.images_seen):
                done = True
            stopped = ranks.any(stop.requested)
            if ranks.first and (done or stopped or _due(state, config, config.checkpoint_every_images)):
                state.save(run.checkpoint_path, run.provenance())
            if done:
                return
            if stopped:
                raise Interrupted(stop.signal_number)
            step(state, config, sources, sizes, class_map, ranks)
            state.images_seen += config.batch
            shown.advance(config.batch)


def _due(state: State, config: TrainClassifierConfig, every: int) -> bool:
    """Whether the last step passed a multiple of `every` images."""
    return state.images_seen // every > (state.images_seen - config.batch) // every and state.images_seen > 0


def _report(config: TrainClassifierConfig, run: Run, state: State, validation: StackSet, ranks: Ranks) -> None:
    """Judge the validation part, write a line of metrics, and stop a sick training; the one place that waits for a GPU.

    The first rank judges, so that all decide alike.
    """
    steps, skipped = int(state.unreported), int(state.skipped)
    _check_skips(skipped, state.images_seen // config.batch, config, run)
    if not steps:
        return
    row: dict[str, Any] = {"loss": float(state.loss_sum) / steps, "skipped": skipped,
                           "learning_rate": learning_rate(config, state.images_seen)}
    value = math.nan
    if ranks.first and len(validation):
        logits = predict_logits(state.leaving, validation.x, validation.pose)
        row["validation_balanced_accuracy"] = value = judge("balanced_accuracy", logits, validation)
        if config.early_stop is not None and config.early_stop.metric == "loss":
            value = judge("loss", logits, validation)
            row["validation_loss"] = -value
    if ranks.first:
        run.log(images_seen=state.images_seen, **row)
    if state.best is not None:
        state.best.offer(ranks.from_first(value), state.images_seen, state.leaving)
    state.reported()


def _check_sizes(config: TrainClassifierConfig, held: Split, run: Run, ranks: Ranks) -> None:
    if config.batch < ranks.count:
        raise InputError(source=run.folder, rule="every process needs stacks of each batch", remedy="Start fewer.",
                         value=f"{ranks.count} processes, batches of {config.batch}")
    if config.early_stop is not None and not held.parts["validation"]:
        raise InputError(source=run.folder, rule="early stopping needs a validation part", value="no stacks",
                         remedy="Leave early_stop out, or cut a validation part from train.")


def _check_skips(skipped: int, steps: int, config: TrainClassifierConfig, run: Run) -> None:
    if skipped > max(TOLERATED_SKIPS, config.max_skipped_share * steps):
        raise InputError(source=run.folder, value=f"{skipped} of {steps}", remedy="Lower learning_rate, or look "
                         "for damaged stacks; the last checkpoint is kept.",
                         rule=f"at most {config.max_skipped_share:.1%} of the steps may have a loss that is not finite")
