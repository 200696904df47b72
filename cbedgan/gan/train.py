"""train-gan [stage]: train the generator on the train part of a split; the same command resumes it bit by bit."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from cbedgan.fidelity.features import Features, classifier_features, random_features
from cbedgan.form.form import measure_forms
from cbedgan.gan.network.generator import TrainedGenerator, load_generator, seeded_sampler
from cbedgan.gan.network.precision import tf32
from cbedgan.gan.reports import ContactSheet, Reports
from cbedgan.gan.state import NETWORKS, State
from cbedgan.gan.step import take_step
from cbedgan.gan.train_config import TrainGanConfig
from cbedgan.gan.training_data import Data
from cbedgan.gan.watch import Watch
from cbedgan.likeness.measure import Effort, measure
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.device import choose_device, reproducible
from classifier.foundation.errors import InputError
from classifier.foundation.memory import keep_freed_memory
from classifier.foundation.ranks import Ranks, open_ranks
from classifier.foundation.run import Interrupted, Run, StopRequest, progress
from classifier.prediction.predict import load_classifier
from classifier.samples.dataset import StackSet, load_training_set
from classifier.samples.split import Split, load_split
from classifier.samples.stackfile import StackFile

__all__ = ["TrainGanConfig", "TrainedGenerator", "load_generator", "train_gan"]

TOLERATED_SKIPS = 3  # skipped steps of a network that never stop a training, however short


def train_gan(config: TrainGanConfig, *, stacks: Path, split: Path, out: Path, classifier: Path | None = None,
              cache: Path | None = None) -> Path:
    """Train and write generator.safetensors, samples.png and result.json with the fidelity; resumes.

    classifier: a classifier of the same split whose features measure the fidelity; without one a network with random
    weights does. It has no influence on the training. cache: folder to keep the normalised stacks in, mapped instead
    of loaded, where they would not fit in memory; the result is the same to the bit. Processes that torchrun has
    started share every batch; the first of them writes.
    """
    out = Path(out)
    with StackFile(stacks) as file:
        held = load_split(split, stack_digest=file.digest)
    inputs = {"stacks": held.stack_digest, "split": held.digest}
    if classifier is not None:
        inputs["classifier"] = load_classifier(classifier, split_digest=held.digest).digest
    with reproducible(config.threads), tf32(), open_ranks(choose_device(config.device)) as ranks:
        if ranks.count > 1:
            inputs["processes"] = str(ranks.count)  # in another number the sums, and so the last bits, differ
        with ranks.first_first():
            run = Run.open(out, stage="train-gan", config=config, inputs=inputs)
        if run.result is None:
            _run(config, run, held, stacks, classifier, cache, ranks)
        ranks.wait()
    return out / "generator.safetensors"


def _run(config: TrainGanConfig, run: Run, held: Split, stacks: Path, classifier: Path | None, cache: Path | None,
         ranks: Ranks) -> None:
    """Load, train, and write everything the stage leaves."""
    if config.batch < ranks.count:
        raise InputError(source=run.folder, rule="every process needs stacks of each batch", remedy="Start fewer.",
                         value=f"{ranks.count} processes, batches of {config.batch}")
    class_map = ClassMap(held.space_groups)
    with ranks.first_first() if cache else nullcontext():  # one of them builds the cache
        samples, transform, frame = load_training_set(stacks, class_map=class_map, view=config.view, cache=cache,
                                                      intensity=config.intensity, sample_ids=held.parts["train"])
        forms = None if config.network.diffraction is None else measure_forms(stacks, held.parts["train"], cache)
    data = Data.build(samples, class_map, config, ranks.device, intensity=transform, forms=forms)
    state = State(config, data)
    if run.checkpoint_path.exists():
        state.load(run.checkpoint_path)
    features = (classifier_features(classifier, held.digest, frame, transform) if classifier is not None else
                random_features(*samples.x.shape[1:3]))
    reports = None
    if ranks.first:
        latent_dim = state.sampler.latent_dim
        sheet = ContactSheet(config, data, run.folder / "samples.png", latent_dim=latent_dim)
        watch = config.watch and Watch(config.watch, data.samples, features, latent_dim=latent_dim, seed=config.seed)
        reports = Reports(run, sheet, watch, images_seen=state.images_seen)
    _loop(config, run, state, data, reports, ranks)
    if reports is None:
        return
    reports.close()

    trained = TrainedGenerator(state.generator_ema.cpu().eval(), state.discriminator.cpu().eval(), config.network,
                               class_map, config.view, frame, transform, held.digest, held.stack_digest,
                               run.provenance(), data.bank)
    digest = trained.save(run.folder / "generator.safetensors")
    fidelity = fidelity_of(trained, samples, features, stacks=config.fidelity_samples, seed=config.seed)
    run.finish({"generator_digest": digest, "split_digest": held.digest, "images_seen": state.images_seen,
                "skipped_steps": dict(zip(NETWORKS, map(int, state.skipped), strict=True)),
                "features": "random" if classifier is None else "classifier",
                "fidelity": fidelity})
    for path in (run.checkpoint_path, run.checkpoint_path.with_suffix(".json")):
        path.unlink(missing_ok=True)  # only a training that goes on needs it


def fidelity_of(trained: TrainedGenerator, samples: StackSet, features: Features, *, stacks: int,
                seed: int) -> dict[str, Any]:
    """The figures that a training ends with, of at most so many stacks of its own train part `samples`."""
    return measure(samples, trained.class_map, trained.intensity, trained.frame, seeded_sampler(trained, seed),
                   features, Effort(stacks, least_of_group=0, network_epochs=0, disk_patterns=0), seed=seed).figures


def _loop(config: TrainGanConfig, run: Run, state: State, data: Data, reports: Reports | None, ranks: Ranks) -> None:
    """Step until config.images are seen, in one order: report - save - done? - stop? - step."""
    keep_freed_memory()  # from here on: what loading has freed was given back
    bar = progress("train-gan", config.images, completed=state.images_seen, shown=ranks.first)
    with StopRequest() as stop, bar as shown:
        while True:
            done, stopped = state.images_seen >= config.images, ranks.any(stop.requested)
            report, save = (_due(state, config, every) for every in (config.report_every_images,
                                                                     config.checkpoint_every_images))
            if report or save or done or stopped:
                _check_skips(state, config, run)
            if reports is not None and (report or done):
                reports.write(state)
            elif report:
                state.report()  # every rank begins to sum anew
            if ranks.first and (save or done or stopped):
                state.save(run.checkpoint_path, {**run.provenance(), "images_seen": state.images_seen})
            if done:
                return
            if stopped:
                raise Interrupted(stop.signal_number)
            take_step(state, config, data, ranks)
            shown.advance(config.batch)


def _due(state: State, config: TrainGanConfig, every: int) -> bool:
    """Whether the last step passed a multiple of `every` images."""
    return state.images_seen // every > (state.images_seen - config.batch) // every and state.images_seen > 0


def _check_skips(state: State, config: TrainGanConfig, run: Run) -> None:
    """Stop, before anything is saved over the last good checkpoint, when a network has skipped too many steps."""
    steps = state.images_seen // config.batch
    for network, skipped in zip(NETWORKS, map(int, state.skipped), strict=True):
        if skipped > max(TOLERATED_SKIPS, config.max_skipped_share * steps):
            raise InputError(source=run.folder, value=f"{skipped} of {steps} steps skipped by the {network}",
                             rule=f"the gradients of all but {config.max_skipped_share:.1%} of the steps must be "
                             "finite", remedy="Lower learning_rate or gamma, or look for damaged stacks; the last "
                             "save is kept.")
