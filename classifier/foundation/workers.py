"""A pool of processes that each use one thread, leave Ctrl-C to their parent and end when it does."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

from classifier.foundation.errors import InputError


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of spawned, single-threaded processes; one that dies in its work is an InputError."""
    try:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_prepare_worker) as pool:
            yield pool
    except BrokenProcessPool:
        raise InputError(source="workers", rule="every worker process must live through its work", value="one died",
                         remedy="Run the same command again, with fewer workers if memory ran out.") from None


def _prepare_worker() -> None:
    """Make a worker single-threaded, deaf to Ctrl-C (its parent decides) and mortal: it ends when its parent does."""
    os.environ["OMP_NUM_THREADS"] = "1"  # for what is not loaded yet: not every worker needs torch
    threadpool_limits(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
