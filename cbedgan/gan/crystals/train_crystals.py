"""train-gan [stage], of crystals: teach a network how drawn crystals must move; the same command resumes it."""

import tomllib
from contextlib import ExitStack
from pathlib import Path

import torch

from cbedgan.gan.crystals.crystal_config import TrainCrystalsConfig
from cbedgan.gan.crystals.crystal_state import CrystalState
from cbedgan.gan.crystals.crystal_step import CrystalData, take_step
from cbedgan.gan.crystals.draw import ArmConfig
from cbedgan.gan.crystals.instrument import Instrument, told_of
from cbedgan.gan.crystals.prior import draw_prior
from cbedgan.gan.crystals.rendered_again import rendered_again
from cbedgan.gan.crystals.sample_crystals import SampleCrystalsConfig, sample_crystals
from cbedgan.gan.crystals.sight import Seen
from cbedgan.gan.crystals.trained_crystals import TrainedCrystals
from cbedgan.gan.network.precision import tf32
from cbedgan.gan.reporting.drawn_sheet import told_apart, write_drawn_sheet
from cbedgan.gan.training_data import Data
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError
from classifier.foundation.ranks import Ranks
from classifier.foundation.run import Run
from classifier.samples.dataset import load_training_set
from classifier.samples.split import Split, load_split
from classifier.samples.stackfile import StackFile
from classifier.samples.viewed import rows_of
from classifier.training.loop import Pace, shared_run, train_loop

__all__ = ["TrainCrystalsConfig", "asks_for_crystals", "train_crystals"]


def asks_for_crystals(path: Path) -> bool:
    """Whether a configuration of train-gan names this kind of generator; a file that cannot be read does not."""
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        return content["network"]["generator"]["kind"] == "crystals"
    except (OSError, ValueError, KeyError, TypeError):
        return False


def train_crystals(config: TrainCrystalsConfig, *, stacks: Path, split: Path, out: Path,
                   classifier: Path | None = None, cache: Path | None = None) -> Path:
    """Draw the prior, train and write generator.safetensors, samples.png and result.json; resumes.

    Parameters
    ----------
    config : of the training
    stacks, split : a simulated set, and split.json of it
    out : run folder
    classifier, cache : of other kinds of generator; this one neither measures fidelity nor maps stacks
    """
    out = Path(out)
    for option, given in (("--classifier", classifier), ("--cache", cache)):
        if given is not None:
            raise InputError(source=f"train-gan {option}", rule="goes with kinds of generator other than crystals",
                             value=given, remedy="Leave it out.")
    with StackFile(stacks) as file:
        parted = load_split(split, stack_digest=file.identity)
        inputs = {"stacks": parted.stack_digest, "split": parted.digest}
        with tf32(), shared_run(out, stage="train-gan", config=config, inputs=inputs, threads=config.threads,
                                device=config.device, batch=config.batch) as (run, ranks):
            if ranks.count > 1 and ranks.device.type != "cpu":
                raise InputError(source=out, rule="crystals are trained on one GPU", remedy="Start one process.",
                                 value=f"{ranks.count} processes")
            if run.result is None:
                _run(config, run, parted, file, ranks)
    return out / "generator.safetensors"


def _run(config: TrainCrystalsConfig, run: Run, parted: Split, file: StackFile, ranks: Ranks) -> None:
    class_map, train = ClassMap(parted.space_groups), parted.parts["train"]
    instrument = Instrument.of(file, config.view, config.render, ranks.device.type)
    with ranks.first_first(), ExitStack() as opened:
        prior = draw_prior(config.prior, instrument.config, run.folder / "prior", seed=config.seed,
                           space_groups=class_map.space_groups, workers=config.workers)
        if config.real == "rendered":
            file = opened.enter_context(StackFile(rendered_again(file, train, instrument, run.folder / "rendered.h5",
                                                                 workers=config.workers)))
            train = file.table.sample_id.tolist()
        samples, transform, frame = load_training_set(file, class_map=class_map, view=config.view, cache=None,
                                                      intensity=config.intensity, sample_ids=train)
        table = file.table.take(rows_of(file, train))
        told = told_of(table)
    seen = Seen.fit(transform, told)
    real = Data.build(samples, class_map, ranks.device, intensity=transform)
    data = CrystalData(real, seen.told(torch.from_numpy(told)), seen, prior, instrument)
    state = CrystalState(config, real)
    if run.checkpoint_path.exists():
        state.load(run.checkpoint_path, run.record)
    if ranks.first:
        run.rewind(state.images_seen)

    def report() -> None:
        means = state.report()
        if means and ranks.first:
            run.log(images_seen=state.images_seen, **means)

    train_loop(Pace(config.images, config.batch, config.report_every_images, config.checkpoint_every_images,
                    config.optimiser.max_skipped_share), state, run, ranks, report=report,
               step=lambda: take_step(state, config, data, ranks))
    if not ranks.first:
        return
    trained = TrainedCrystals(state.generator_ema.eval(), state.discriminator.cpu().eval(), config.network,
                              config.prior, Instrument.stated(instrument.with_views), seen, class_map, config.view,
                              frame, parted.digest, parted.stack_digest, run.provenance())
    path = run.folder / "generator.safetensors"
    result = {"generator_digest": trained.save(path), "split_digest": parted.digest, "images_seen": state.images_seen,
              "skipped_steps": state.skips(), "left_out": state.left_out}
    if config.sheet_samples:
        # Choosing among candidates would cost as many times.
        sampled = SampleCrystalsConfig(seed=config.seed, counts=config.sheet_samples,
                                       mantissa_bits=file.mantissa_bits, arm=ArmConfig(candidates=1))
        drawn = sample_crystals(sampled, generator=path, out=run.folder / "samples.h5", workers=config.workers,
                                views=False)
        write_drawn_sheet(run.folder / "samples.png", drawn, samples, class_map, transform, seed=config.seed,
                          title=f"{state.images_seen} images seen; drawn crystals are moved, not chosen")
        result["drawn"] = told_apart(drawn, table, config.seed)
    run.finish(result, files=["generator.safetensors"])
    for path in (run.checkpoint_path, run.checkpoint_path.with_suffix(".json")):
        path.unlink(missing_ok=True)  # only a training that goes on needs it
