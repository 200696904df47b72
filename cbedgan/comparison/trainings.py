"""Many trainings, each in a process of its own; errors come home whole, a stop lets the running ones save."""

import os
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Protocol

from classifier.adjustment.post_hoc import PostHocConfig, post_hoc
from classifier.foundation.errors import InputError
from classifier.foundation.run import Interrupted, StopRequest, progress
from classifier.training.train import TrainClassifierConfig, train_classifier

SECONDS_BETWEEN_LOOKS = 1.0
"""How long a stop request may wait to be noticed."""


@dataclass(frozen=True)
class Job:
    """One training: an arm with a seed. config: the resolved TrainClassifierConfig; out: its run folder.

    cache: folder of what trainings on the same samples share, see train_classifier.
    """

    arm: str
    seed: int
    config: TrainClassifierConfig
    stacks: Path
    split: Path
    source: Path | None
    out: Path
    cache: Path | None = None

    def run(self) -> None:
        """Train."""
        train_classifier(self.config, stacks=self.stacks, split=self.split, out=self.out, synthetic=self.source,
                         cache=self.cache)


@dataclass(frozen=True)
class HeadJob:
    """One mended head: a method with a seed. classifier: the trained network; out: the run folder."""

    arm: str
    seed: int
    config: PostHocConfig
    stacks: Path
    split: Path
    classifier: Path
    out: Path

    def run(self) -> None:
        """Mend the head."""
        post_hoc(self.config, classifier=self.classifier, stacks=self.stacks, split=self.split, out=self.out)


class AnyJob(Protocol):
    """What can be run: its arm and seed name it in messages, its log lies beside its run folder `out`."""

    @property
    def arm(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def out(self) -> Path: ...

    def run(self) -> None:
        """Do it; what is finished is kept, what is begun goes on."""


def train_all(jobs: Sequence[AnyJob], workers: int, description: str = "training arms x seeds") -> None:
    """Run all jobs, `workers` at a time in processes of their own (1: in this one); a failure is shown whole."""
    with progress(description, total=len(jobs)) as bar:
        for _ in _in_turn(jobs) if workers == 1 else _in_processes(jobs, workers):
            bar.advance()


def _in_turn(jobs: Sequence[AnyJob]) -> Iterator[None]:
    """Run one job after the other; yield after each."""
    for job in jobs:
        yield _settle(_attempt(job))


def _in_processes(jobs: Sequence[AnyJob], workers: int) -> Iterator[None]:
    """Yield after each job, in the order of completion; after a failure or a stop request the others save and end."""
    # A pipe for each worker and nothing shared: a pool's queue stays locked for all when one waiting worker is ended.
    crew = dict(_hire() for _ in range(min(workers, len(jobs))))
    waiting, idle, busy = deque(jobs), list(crew), []
    with StopRequest() as stop:
        try:
            while waiting or busy:
                while waiting and idle:
                    busy.append(idle.pop())
                    busy[-1].send(waiting.popleft())
                ready = wait(busy, timeout=SECONDS_BETWEEN_LOOKS)
                for pipe in [pipe for pipe in busy if pipe in ready]:
                    yield _settle(pipe.recv())
                    busy.remove(pipe)
                    idle.append(pipe)
                if stop.requested:
                    raise Interrupted(stop.signal_number)
        except (EOFError, ConnectionError):
            raise InputError(source="workers", rule="every training must live to its end", value="one was killed",
                             remedy="Run the same command again, with fewer workers if memory ran out.") from None
        finally:
            for pipe in busy:
                crew[pipe].terminate()
            for pipe, worker in crew.items():
                pipe.close()
                worker.join()


def _hire() -> tuple[Connection, BaseProcess]:
    """Start a worker; return the pipe on which it takes jobs and answers, and its process."""
    # Spawned, not forked: a forked child of a process that has run torch may hang in its thread pool.
    context = get_context("spawn")
    pipe, far_end = context.Pipe()
    worker = context.Process(target=_work, args=(far_end,), daemon=True)
    worker.start()
    far_end.close()
    return pipe, worker


def _work(pipe: Connection) -> None:
    """Run the jobs that come through the pipe until it is closed; end at once when the parent dies."""
    os.setpgrp()  # so that Ctrl-C reaches the parent alone, which tells its workers
    parent = parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    Thread(target=follow, daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            pipe.send(_attempt(pipe.recv()))


def _settle(failure: BaseException | None) -> None:
    if failure is not None:
        raise failure


class ArmFailed(RuntimeError):
    """A training of the comparison failed; the message holds the worker's whole traceback."""


def _attempt(job: AnyJob) -> BaseException | None:
    """Run one job with a log file beside its run folder; return what the parent should raise, if anything."""
    log_path = job.out.with_suffix(".log")
    log_path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Two progress bars cannot share a terminal.
        with log_path.open("a", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
            job.run()
    except (InputError, Interrupted) as error:
        return error
    except Exception:
        return ArmFailed(f"arm {job.arm}, seed {job.seed}, in {job.out}:\n{traceback.format_exc()}")
    return None
