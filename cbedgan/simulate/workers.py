"""A pool of single-threaded processes that ends with its parent, and stops between jobs when it is asked to."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from threadpoolctl import threadpool_limits

from classifier.errors import InputError
from classifier.run import Interrupted, StopRequest, progress


def in_pool(function: Callable[..., Any], jobs: dict[Any, tuple], *, workers: int, description: str,
            sizes: dict[Any, int]) -> dict[Any, Any]:
    """Call function(*arguments) for jobs {key: arguments} in a pool and return {key: result}, in the order of `jobs`.

    sizes: by how much each advances the progress bar. Raises Interrupted after SIGINT or SIGTERM.
    """
    results: dict[Any, Any] = {}
    if not jobs:
        return results
    with (StopRequest() as stop, progress(description, sum(sizes[key] for key in jobs)) as bar,
          _pool(min(workers, len(jobs))) as pool):
        keys = {pool.submit(function, *arguments): key for key, arguments in jobs.items()}
        pending: set[Future] = set(keys)
        try:
            while pending and not stop.requested:
                done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    results[keys[future]] = future.result()
                    bar.advance(sizes[keys[future]])
        finally:
            pool.shutdown(cancel_futures=True)
        if stop.requested and pending:
            raise Interrupted(stop.signal_number)
    return {key: results[key] for key in jobs}


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    try:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_prepare_worker) as pool:
            yield pool
    except BrokenProcessPool:
        raise InputError(source="workers", rule="every worker process must live through its jobs", value="one died",
                         remedy="Run the same command again, with fewer workers if memory ran out.") from None


def _prepare_worker() -> None:
    """Make a worker single-threaded, deaf to Ctrl-C (its parent decides) and mortal: it ends when its parent does."""
    import torch

    torch.set_num_threads(1)
    threadpool_limits(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
