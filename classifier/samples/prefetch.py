"""Shuffled batches of a cache, copied by threads ahead of their use, in an order that no thread can change."""

import resource
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from classifier.samples.cache import Cache

WORKERS = 2  # threads of a training that read: its own, when it must, and one ahead of it
ADVISED_BATCHES = 64  # for which the kernel is asked, once a page had to be fetched from the disk


def pages_fetched() -> int:
    """How often this process has waited for a page from the disk: an exact sign that a map is not in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_majflt


class _Buffers:
    """Memory for batches, used again and again, the last used first; new memory would cost as much as the copy.

    Each buffer lies with the event that ends its transfer to a GPU, or None.
    """

    def __init__(self, shape: tuple[int, ...], pinned: bool) -> None:
        self.shape, self.pinned = shape, pinned
        self.spare: deque[tuple[Tensor, Any]] = deque()

    def take(self, count: int) -> Tensor:
        """A buffer for at least `count` samples; any thread may ask."""
        try:
            buffer, sent = self.spare.pop()
        except IndexError:
            return torch.empty((count, *self.shape), pin_memory=self.pinned)
        if sent is not None:
            sent.synchronize()
        return buffer if len(buffer) >= count else torch.empty((count, *self.shape), pin_memory=self.pinned)


@dataclass(eq=False)
class _Job:
    rows: np.ndarray
    out: Tensor = field(default_factory=lambda: torch.empty(0))
    taken: threading.Lock = field(default_factory=threading.Lock)  # locked by whoever reads, for ever
    unread: threading.Lock = field(default_factory=threading.Lock)  # locked until the batch is there
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.unread.acquire()

    def read(self, cache: Cache, buffers: _Buffers) -> None:
        """Read the batch, unless another thread has taken it."""
        if not self.taken.acquire(blocking=False):
            return
        try:
            self.out = buffers.take(len(self.rows))
            cache.read_into(self.out.numpy()[: len(self.rows)], self.rows)
        except Exception as error:  # raised again in the caller's thread
            self.error = error
        self.unread.release()

    def wait(self) -> None:
        """Return when the batch is there, or the error."""
        with self.unread:
            return


class Prefetch:
    """Reads batches of `cache` with `workers` threads: the caller's own, and others that read ahead of it.

    A caller that would wait reads too, so that reading ahead never costs what it should save. While batches come from
    the disk and not from memory, the kernel is asked at once for all samples of those to come. device: where batches
    are wanted; for a GPU they are read into page-locked memory and sent without waiting.
    """

    def __init__(self, cache: Cache, *, workers: int = WORKERS, device: torch.device | str = "cpu") -> None:
        self.cache, self.device = cache, torch.device(device)
        self._buffers = _Buffers(cache.map.shape[1:], pinned=self.device.type == "cuda")
        self._others = ThreadPoolExecutor(workers - 1) if workers > 1 else None
        self._ahead = workers
        self._advised, self._fetched = 0, pages_fetched()
        self._pending: deque[_Job] = deque()
        self._lent: Tensor | None = None

    def gather(self, rows: Callable[[int], np.ndarray | None]) -> Tensor:
        """Samples at rows(0) int64 [B] as float32 [B, C, H, W] on the device; on a CPU they last until the next call.

        rows(k): the k-th batch from now on, or None after the last; later ones are read ahead. What was read in
        vain, because the caller goes on elsewhere than announced, is dropped.
        """
        if (now := rows(0)) is None:
            raise IndexError("no batch is left")
        if self._lent is not None:
            self._buffers.spare.append((self._lent, None))
            self._lent = None
        if self._pending and self._pending[0].rows.tobytes() != now.tobytes():
            self._drop()
        job = self._pending.popleft() if self._pending else _Job(now)
        while len(self._pending) < self._ahead and (later := rows(len(self._pending) + 1)) is not None:
            self._announce(_Job(later))
        job.read(self.cache, self._buffers)
        for other in self._pending:
            if not job.unread.locked():
                break
            other.read(self.cache, self._buffers)
        job.wait()
        if job.error is not None:
            raise job.error
        before, self._fetched = self._fetched, pages_fetched()
        self._advised = ADVISED_BATCHES if self._fetched > before else self._advised - 1
        batch = job.out if len(job.out) == len(now) else job.out[: len(now)]
        if self.device.type != "cuda":
            self._lent = job.out
            return batch
        batch = batch.to(self.device, non_blocking=True)
        sent = torch.cuda.Event()
        sent.record()
        self._buffers.spare.appendleft((job.out, sent))
        return batch

    def _announce(self, job: _Job) -> None:
        if self._advised > 0:
            self.cache.advise(job.rows)
        if self._others is not None:
            self._others.submit(job.read, self.cache, self._buffers)
        self._pending.append(job)

    def _drop(self) -> None:
        for job in self._pending:
            if not job.taken.acquire(blocking=False):
                job.wait()
            if len(job.out):
                self._buffers.spare.append((job.out, None))
        self._pending.clear()
