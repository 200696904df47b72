"""Jobs in a pool of processes, with a progress bar; between jobs it stops when it is asked to."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from classifier.foundation.run import Interrupted, StopRequest, progress
from classifier.foundation.workers import worker_pool


def in_pool(function: Callable[..., Any], jobs: dict[Any, tuple], *, workers: int, description: str,
            sizes: dict[Any, int]) -> dict[Any, Any]:
    """Call a function in a pool and return {key: result}, in the order of jobs; Interrupted after SIGINT or SIGTERM.

    Parameters
    ----------
    function : called as function(*arguments)
    jobs : {key: arguments}
    workers : processes
    description : of the progress bar
    sizes : {key: by how much it advances the bar}
    """
    results: dict[Any, Any] = {}
    if not jobs:
        return results
    with (StopRequest() as stop, progress(description, sum(sizes[key] for key in jobs)) as bar,
          worker_pool(min(workers, len(jobs))) as pool):
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
