"""train-gan [stage]: train the generator on the train part of a split; the same command resumes it bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cbedgan.gan.contact_sheet import write_contact_sheet
from cbedgan.gan.fidelity import assess, random_features
from cbedgan.gan.generator import TrainedGenerator, load_generator
from cbedgan.gan.state import State
from cbedgan.gan.step import take_step
from cbedgan.gan.train_config import TrainGanConfig
from cbedgan.gan.training_data import Data
from classifier.dataset import Frame, load_training_set
from classifier.errors import InputError
from classifier.intensity import IntensityTransform
from classifier.predict import load_classifier
from classifier.run import Interrupted, Run, StopRequest, progress
from classifier.spacegroup import ClassMap, symbol
from classifier.split import Split, load_split
from classifier.stackfile import StackFile
from classifier.train import choose_device, reproducible

__all__ = ["TrainGanConfig", "TrainedGenerator", "load_generator", "train_gan"]

TOLERATED_SKIPS = 3  # skipped steps that never stop a training, however short


def train_gan(config: TrainGanConfig, *, stacks: Path, split: Path, out: Path, classifier: Path | None = None,
              cache: Path | None = None) -> Path:
    """Train and write generator.safetensors, samples.png and result.json with the fidelity; resumes.

    classifier: a classifier of the same split whose features measure the fidelity; without one a network with random
    weights does. It has no influence on the training. cache: folder to keep the normalised stacks in, mapped instead
    of loaded, where they would not fit in memory; the result is the same to the bit.
    """
    out = Path(out)
    with StackFile(stacks) as file:
        held = load_split(split, stack_digest=file.digest)
    inputs = {"stacks": held.stack_digest, "split": held.digest}
    if classifier is not None:
        inputs["classifier"] = load_classifier(classifier, split_digest=held.digest).digest
    run = Run.open(out, stage="train-gan", config=config, inputs=inputs)
    if run.result is None:
        with reproducible(config.threads):
            _run(config, run, held, stacks, classifier, cache)
    return out / "generator.safetensors"


def _run(config: TrainGanConfig, run: Run, held: Split, stacks: Path, classifier: Path | None,
         cache: Path | None) -> None:
    """Load, train, and write everything the stage leaves."""
    device = choose_device(config.device)
    class_map = ClassMap(held.space_groups)
    samples, transform, frame = load_training_set(stacks, class_map=class_map, view=config.view, cache=cache,
                                                  intensity=config.intensity, sample_ids=held.parts["train"])
    data = Data.build(samples, class_map, config, device)
    state = State(config, data)
    if run.checkpoint_path.exists():
        state.load(run.checkpoint_path)
    run.rewind(state.images_seen)
    sheet = _ContactSheet(config, data, transform, run.folder / "samples.png")
    _loop(config, run, state, data, sheet)

    trained = TrainedGenerator(state.generator_ema.cpu().eval(), state.discriminator.cpu().eval(), config.network,
                               class_map, config.view, frame, transform, held.digest, held.stack_digest,
                               run.provenance())
    digest = trained.save(run.folder / "generator.safetensors")
    features = _features(classifier, held, frame, transform) or random_features(*samples.x.shape[1:3])
    fidelity = assess(samples.x, samples.class_idx, samples.material, _sampler(trained, config.seed), features,
                      seed=config.seed, limit=config.fidelity_samples)
    for name in ("ratio", "alarm"):
        fidelity["spread"][name] = _by_space_group(fidelity["spread"][name], class_map)
    run.finish({"generator_digest": digest, "split_digest": held.digest, "images_seen": state.images_seen,
                "skipped_steps": int(state.skipped), "features": "random" if classifier is None else "classifier",
                "fidelity": fidelity})
    for path in (run.checkpoint_path, run.checkpoint_path.with_suffix(".json")):
        path.unlink(missing_ok=True)  # only a training that goes on needs it


def _loop(config: TrainGanConfig, run: Run, state: State, data: Data, sheet: _ContactSheet) -> None:
    """Step until config.images are seen, in one order: done? - report - save - stop - step."""
    bar = progress("train-gan", config.images, completed=state.images_seen)
    with StopRequest() as stop, bar as shown:
        while True:
            done = state.images_seen >= config.images
            report, save = (_due(state, config, every) for every in (config.report_every_images,
                                                                     config.checkpoint_every_images))
            if report or save or done or stop.requested:
                _check_skips(state, config, run)
            if (report or done) and state.counts.any():
                run.log(images_seen=state.images_seen, **state.report())
                sheet.write(state)
            if save or done or stop.requested:
                state.save(run.checkpoint_path, run.provenance())
            if done:
                return
            if stop.requested:
                raise Interrupted(stop.signal_number)
            take_step(state, config, data)
            shown.advance(config.batch)


def _due(state: State, config: TrainGanConfig, every: int) -> bool:
    """Whether the last step passed a multiple of `every` images."""
    return state.images_seen // every > (state.images_seen - config.batch) // every and state.images_seen > 0


def _check_skips(state: State, config: TrainGanConfig, run: Run) -> None:
    """Stop, before anything is saved over the last good checkpoint, when too many steps were skipped."""
    steps, skipped = state.images_seen // config.batch, int(state.skipped)
    if skipped > max(TOLERATED_SKIPS, config.max_skipped_share * steps):
        raise InputError(source=run.folder, value=f"{skipped} of {steps} steps skipped",
                         rule=f"the gradients of all but {config.max_skipped_share:.1%} of the steps must be finite",
                         remedy="Lower learning_rate or gamma, or look for damaged stacks; the last save is kept.")


class _ContactSheet:
    """Fixed real samples and latents of every group, drawn again at each report: what changes is the generator."""

    def __init__(self, config: TrainGanConfig, data: Data, transform: IntensityTransform, path: Path) -> None:
        self.transform, self.path, count = transform, path, config.sheet_samples
        x, classes = data.samples.x, data.samples.class_idx.cpu().numpy()
        self.real = torch.full((len(data.class_map), count, *x.shape[1:]), torch.nan)
        random = np.random.default_rng(config.seed)
        for k in range(len(data.class_map)):
            rows = random.permutation(np.flatnonzero(classes == k))[:count]
            self.real[k, : len(rows)] = transform.denormalise(x[torch.from_numpy(rows).to(x.device)].cpu())
        self.class_idx = torch.arange(len(data.class_map)).repeat_interleave(count)
        self.z = torch.randn(len(self.class_idx), config.network.latent_dim,
                             generator=torch.Generator().manual_seed(config.seed))
        self.labels = [f"{number} {symbol(number)}" for number in data.class_map.space_groups]

    @torch.no_grad()
    def write(self, state: State) -> None:
        """Draw samples of the averaged generator beside the real ones."""
        device = state.generator_ema.mean_sample.device
        x = state.generator_ema(self.z.to(device), self.class_idx.to(device)).cpu()
        generated = self.transform.denormalise(x).reshape(self.real.shape)
        write_contact_sheet(self.path, self.real.numpy(), generated.numpy(), self.labels,
                            title=f"{state.images_seen} images seen")


def _sampler(trained: TrainedGenerator, seed: int) -> Callable[[Tensor], Tensor]:
    def generate(class_idx: Tensor) -> Tensor:
        z = torch.randn(len(class_idx), trained.latent_dim, generator=torch.Generator().manual_seed(seed))
        return trained.sample(z, class_idx)

    return generate


def _features(classifier: Path | None, held: Split, frame: Frame,
              transform: IntensityTransform) -> Callable[[Tensor], Tensor] | None:
    """The classifier's features of x as the generator normalises it, or None without a classifier."""
    if classifier is None:
        return None
    judge = load_classifier(classifier, split_digest=held.digest)
    judge.frame.require(frame, classifier)
    return lambda x: judge.model.features(judge.intensity.normalise(transform.denormalise(x)))


def _by_space_group(found: Any, class_map: ClassMap) -> Any:
    """Replace class_idx by space-group numbers, in a list or as the keys of a dictionary."""
    if isinstance(found, dict):
        return {str(class_map.space_group(k)): value for k, value in found.items()}
    return [class_map.space_group(k) for k in found]
