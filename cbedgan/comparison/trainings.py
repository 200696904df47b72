"""Many trainings, each in a process of its own; errors come home whole, a stop lets the running ones save."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from threading import Thread

from classifier.errors import InputError
from classifier.run import Interrupted, StopRequest, progress
from classifier.train import TrainClassifierConfig, train_classifier

SECONDS_BETWEEN_LOOKS = 1.0
"""How long a stop request may wait to be noticed."""


@dataclass(frozen=True)
class Job:
    """One training: an arm with a seed. config: the resolved TrainClassifierConfig; out: its run folder."""

    arm: str
    seed: int
    config: TrainClassifierConfig
    stacks: Path
    split: Path
    source: Path | None
    out: Path


def train_all(jobs: list[Job], workers: int) -> None:
    """Train all jobs, `workers` at a time in processes of their own (1: in this one); a failure is shown whole."""
    with progress("training arms x seeds", total=len(jobs)) as bar:
        for _ in _in_turn(jobs) if workers == 1 else _in_processes(jobs, workers):
            bar.advance()


def _in_turn(jobs: list[Job]) -> Iterator[None]:
    """Run one job after the other; yield after each."""
    for job in jobs:
        yield _settle(_attempt(job))


def _in_processes(jobs: list[Job], workers: int) -> Iterator[None]:
    """Yield after each job, in the order of completion; after a failure or a stop request the others save and end."""
    others = set(active_children())
    # Spawned, not forked: a forked child of a process that has run torch may hang in its thread pool.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_prepare_worker)
    with pool, StopRequest() as stop:
        waiting: set[Future[BaseException | None]] = {pool.submit(_attempt_in_worker, job) for job in jobs}
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=SECONDS_BETWEEN_LOOKS, return_when=FIRST_COMPLETED)
                yield from (_settle(future.result()) for future in done)
                if stop.requested:
                    raise Interrupted(stop.signal_number)
        except BaseException as error:
            for future in waiting:
                future.cancel()
            for worker in set(active_children()) - others:
                worker.terminate()
            if isinstance(error, BrokenProcessPool):
                raise InputError(source="workers", rule="every training must live to its end", value="one was killed",
                                 remedy="Run the same command again, with fewer workers if memory ran out.") from None
            raise


def _prepare_worker() -> None:
    """Leave the parent's process group, so that it alone gets Ctrl-C and tells its workers; end when it ends."""
    os.setpgrp()
    parent = parent_process()

    def follow() -> None:
        parent.join()
        os._exit(1)

    Thread(target=follow, daemon=True).start()


def _attempt_in_worker(job: Job) -> BaseException | None:
    """Run one job; a worker that was told to stop ends with its job, or its pool would wait for it for ever."""
    failure = _attempt(job)
    if isinstance(failure, Interrupted):
        os._exit(1)
    return failure


def _settle(failure: BaseException | None) -> None:
    if failure is not None:
        raise failure


class ArmFailed(RuntimeError):
    """A training of the comparison failed; the message holds the worker's whole traceback."""


def _attempt(job: Job) -> BaseException | None:
    """Run one job with a log file beside its run folder; return what the parent should raise, if anything."""
    log_path = job.out.with_suffix(".log")
    log_path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Two progress bars cannot share a terminal.
        with log_path.open("a", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
            train_classifier(job.config, stacks=job.stacks, split=job.split, out=job.out, synthetic=job.source)
    except (InputError, Interrupted) as error:
        return error
    except Exception:
        return ArmFailed(f"arm {job.arm}, seed {job.seed}, in {job.out}:\n{traceback.format_exc()}")
    return None
