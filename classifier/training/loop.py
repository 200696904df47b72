"""What trainings share: a reproducible run of several processes, and the loop that reports, saves and gives up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from classifier.foundation.config import Config
from classifier.foundation.device import choose_device, reproducible
from classifier.foundation.errors import InputError
from classifier.foundation.memory import keep_freed_memory
from classifier.foundation.ranks import Ranks, open_ranks
from classifier.foundation.run import Interrupted, Run, StopRequest, progress

TOLERATED_SKIPS = 3  # skipped steps of a network that never stop a training, however short


class Pace(NamedTuple):
    """How long a training is, in samples seen, and how often it stops to look."""

    images: int
    batch: int
    report_every_images: int
    checkpoint_every_images: int
    max_skipped_share: float  # of a network's steps

    def due(self, images_seen: int, every: int) -> bool:
        """Whether the last step passed a multiple of `every` images, or was the last of all."""
        passed = images_seen // every > (images_seen - self.batch) // every and images_seen > 0
        return passed or images_seen >= self.images


class Resumable(Protocol):
    """The state of a training; skipped: steps of each network."""

    images_seen: int

    def skips(self) -> dict[str, int]: ...

    def save(self, path: Path, header: dict[str, Any]) -> None: ...


@contextmanager
def shared_run(out: Path, *, stage: str, config: Config, inputs: dict[str, str], threads: int, device: str,
               batch: int) -> Iterator[tuple[Run, Ranks]]:
    """Open a run folder that all processes of a training share; they leave the context together.

    Parameters
    ----------
    out, stage, config, inputs : see Run.open
    threads, device : of each process; "auto", "cpu" or "cuda"
    batch : samples of a step; every process takes some
    """
    with reproducible(threads), open_ranks(choose_device(device)) as ranks:
        if ranks.count > 1:
            # In another number the sums, and so the last bits, differ.
            inputs = {**inputs, "processes": str(ranks.count)}
        if batch < ranks.count:
            raise InputError(source=out, rule="every process needs samples of each batch", remedy="Start fewer.",
                             value=f"{ranks.count} processes, batches of {batch}")
        with ranks.first_first():
            run = Run.open(out, stage=stage, config=config, inputs=inputs, owner=ranks.first)
        with run:
            yield run, ranks
            ranks.wait()


def train_loop(pace: Pace, state: Resumable, run: Run, ranks: Ranks, *, step: Callable[[], object],
               report: Callable[[], object], over: Callable[[], bool] = lambda: False,
               ready: Callable[[], bool] | None = None) -> None:
    """Step until all images are seen, in one order: skips - report - done? - save - stop? - step.

    Parameters
    ----------
    pace, state : of the training; a step adds a batch to state.images_seen
    run, ranks : where it is written, and who shares it
    step, report, over : called on every rank; the last tells whether the training ends before its time
    ready : called on every rank before a step, waits a moment and tells whether what the step needs is there
    """
    keep_freed_memory()  # from here on: what loading has freed was given back
    bar = progress(run.record["stage"], pace.images, completed=state.images_seen, shown=ranks.first)
    with StopRequest() as stop, bar as shown:
        while True:
            stopped = ranks.any(stop.requested)
            reports, saves = (pace.due(state.images_seen, every) for every in (
                pace.report_every_images, pace.checkpoint_every_images))
            if reports or saves or stopped:
                _check_skips(pace, state, run)
            if reports:
                report()
            done = over() or state.images_seen >= pace.images
            if ranks.first and (saves or done or stopped):
                state.save(run.checkpoint_path, {**run.provenance(), "images_seen": state.images_seen})
            if done:
                return
            if stopped:
                raise Interrupted(stop.signal_number)
            while ready is not None and ranks.any(not ready()) and not (stopped := ranks.any(stop.requested)):
                pass
            if stopped:
                continue  # nothing has changed: it is saved, and left
            step()
            shown.advance(pace.batch)


def _check_skips(pace: Pace, state: Resumable, run: Run) -> None:
    """Stop, before anything is saved over the last good checkpoint, when a network has skipped too many steps."""
    steps = state.images_seen // pace.batch
    for network, skipped in state.skips().items():
        if skipped > max(TOLERATED_SKIPS, pace.max_skipped_share * steps):
            raise InputError(source=run.folder, value=f"{skipped} of {steps} steps skipped by the {network}",
                             rule=f"loss and gradients of all but {pace.max_skipped_share:.1%} of the steps must be "
                             "finite", remedy="Lower learning_rate (or a GAN's gamma), or look for damaged stacks; "
                             "the last checkpoint is kept.")
