"""train-gan [stage]: train the generator on the train part of a split; the same command resumes it bit by bit."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from cbedgan.fidelity.features import Features, classifier_features, random_features
from cbedgan.gan.network.generator import TrainedGenerator, load_generator, seeded_sampler
from cbedgan.gan.network.precision import tf32
from cbedgan.gan.reporting.reports import ContactSheet, ReportConfig, Reports
from cbedgan.gan.reporting.watch import Watch
from cbedgan.gan.state import State
from cbedgan.gan.step import take_step
from cbedgan.gan.train_config import TrainGanConfig
from cbedgan.gan.training_data import Data
from cbedgan.likeness.measure import Effort, measure
from cbedgan.likeness.measured_stacks import Ruler
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.ranks import Ranks
from classifier.foundation.run import Run
from classifier.prediction.predict import load_classifier
from classifier.samples.dataset import StackSet, load_training_set
from classifier.samples.split import Split, load_split
from classifier.samples.stackfile import StackFile
from classifier.training.loop import Pace, shared_run, train_loop

__all__ = ["TrainGanConfig", "TrainedGenerator", "load_generator", "train_gan"]


def train_gan(config: TrainGanConfig, *, stacks: Path, split: Path, out: Path, classifier: Path | None = None,
              cache: Path | None = None) -> Path:
    """Train and write generator.safetensors, samples.png and result.json with the fidelity; resumes.

    Processes that torchrun has started share every batch; the first of them writes.

    Parameters
    ----------
    config : of the training
    stacks, split : the stack file, and split.json of it
    out : run folder
    classifier : of the same split, whose features measure the fidelity; without one a network with random weights
        does. It has no influence on the training.
    cache : folder that keeps the normalised samples, mapped instead of loaded; the result is the same to the bit
    """
    out = Path(out)
    with StackFile(stacks) as file:
        parted = load_split(split, stack_digest=file.identity)
        inputs = {"stacks": parted.stack_digest, "split": parted.digest}
        if classifier is not None:
            inputs["classifier"] = load_classifier(classifier, split_digest=parted.names).digest
        with tf32(), shared_run(out, stage="train-gan", config=config, inputs=inputs, threads=config.threads,
                                device=config.device, batch=config.batch) as (run, ranks):
            if run.result is None:
                _run(config, run, parted, file, classifier, cache, ranks)
    return out / "generator.safetensors"


def _run(config: TrainGanConfig, run: Run, parted: Split, file: StackFile, classifier: Path | None,
         cache: Path | None, ranks: Ranks) -> None:
    """Load, train, and write everything the stage leaves."""
    class_map, train = ClassMap(parted.space_groups), parted.parts["train"]
    with ranks.first_first() if cache else nullcontext():  # one of them builds the cache
        samples, transform, frame = load_training_set(file, class_map=class_map, view=config.view, cache=cache,
                                                      intensity=config.intensity, sample_ids=train)
    data = Data.build(samples, class_map, ranks.device, intensity=transform)
    state = State(config, data)
    if run.checkpoint_path.exists():
        state.load(run.checkpoint_path, run.record)
    features = (classifier_features(classifier, parted.names, frame, transform) if classifier is not None else
                random_features(*samples.x.shape[1:3]))
    reports = _reports(config.report, run, data, features, state, config.seed) if ranks.first else None

    def report() -> None:
        means = state.report()  # on every rank: they all begin to sum anew
        if reports is not None:
            reports.write(state.images_seen, means, state.generator_ema)

    train_loop(Pace(config.images, config.batch, config.report.every_images, config.checkpoint_every_images,
                    config.optimiser.max_skipped_share), state, run, ranks, report=report,
               step=lambda: take_step(state, config, data, ranks))
    if reports is None:
        return
    reports.events.close()

    trained = TrainedGenerator(state.generator_ema.cpu().eval(), state.discriminator.cpu().eval(), config.network,
                               class_map, config.view, frame, transform, parted.digest, parted.stack_digest,
                               run.provenance())
    digest = trained.save(run.folder / "generator.safetensors")
    fidelity = fidelity_of(trained, samples, features, stacks=config.report.fidelity_samples, seed=config.seed)
    run.finish({"generator_digest": digest, "split_digest": parted.digest, "images_seen": state.images_seen,
                "skipped_steps": state.skips(), "features": "random" if classifier is None else "classifier",
                "fidelity": fidelity}, files=["generator.safetensors"])
    for path in (run.checkpoint_path, run.checkpoint_path.with_suffix(".json")):
        path.unlink(missing_ok=True)  # only a training that goes on needs it


def _reports(config: ReportConfig, run: Run, data: Data, features: Features, state: State, seed: int) -> Reports:
    """What the first process writes; it draws no random number of the training."""
    latent_dim = state.generator_ema.latent_dim
    sheet = ContactSheet(run.folder / "samples.png", data.samples, data.class_map, data.intensity,
                         count=config.sheet_samples, latent_dim=latent_dim, seed=seed)
    watch = None if config.watch_stacks is None else Watch(data.samples, features, stacks=config.watch_stacks,
                                                           latent_dim=latent_dim, seed=seed)
    return Reports(run, sheet, watch, images_seen=state.images_seen)


def fidelity_of(trained: TrainedGenerator, samples: StackSet, features: Features, *, stacks: int,
                seed: int) -> dict[str, Any]:
    """The figures that a training ends with.

    Parameters
    ----------
    trained : generator
    samples : its own train part
    features : in which it is measured
    stacks : most of them that are
    seed : of their choice and of z
    """
    ruler = Ruler(trained.class_map, trained.frame, trained.intensity, features)
    return measure(samples, seeded_sampler(trained, seed), ruler, Effort(stacks, seed)).figures
