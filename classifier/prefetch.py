"""Shuffled batches of a cache, copied by threads ahead of their use, in an order that no thread can change."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch
from torch import Tensor

from classifier.cache import Cache

READERS = 2  # threads of a training: one copies while the other waits for the disk


@dataclass(eq=False)
class _Job:
    rows: np.ndarray
    out: Tensor
    done: threading.Lock = field(default_factory=threading.Lock)
    error: BaseException | None = None


class Prefetch:
    """Reads batches of `cache` with `readers` threads, up to two batches for each thread ahead of the caller.

    device: where batches are wanted; for a GPU they are read into page-locked memory and sent without waiting.
    """

    def __init__(self, cache: Cache, *, readers: int = READERS, device: torch.device | str = "cpu") -> None:
        self.cache, self.readers, self.device = cache, readers, torch.device(device)
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._pending: deque[_Job] = deque()
        self._spare: list[tuple[Tensor, Any]] = []  # buffers, and the event that ends their transfer to the GPU
        self._lent: tuple[Tensor, Any] | None = None
        self._threads: list[threading.Thread] = []

    def gather(self, rows: Callable[[int], np.ndarray]) -> Tensor:
        """Samples at rows(0) int64 [B] as float32 [B, C, H, W] on the device; on a CPU they last until the next call.

        rows(k): the k-th batch from now on; later ones are read ahead. Where the caller goes on elsewhere than it
        announced, what was read in vain is dropped.
        """
        now = rows(0)
        if self._lent is not None:
            self._spare.append(self._lent)
            self._lent = None
        if self._pending and not np.array_equal(self._pending[0].rows, now):
            self._drop()
        if not self._pending:
            self._submit(now)
        while len(self._pending) <= 2 * self.readers:
            self._submit(rows(len(self._pending)))
        job = self._pending.popleft()
        job.done.acquire()
        if job.error is not None:
            raise job.error
        batch = job.out[: len(now)]
        if self.device.type != "cuda":
            self._lent = job.out, None
            return batch
        batch = batch.to(self.device, non_blocking=True)
        sent = torch.cuda.Event()
        sent.record()
        self._lent = job.out, sent
        return batch

    def _submit(self, rows: np.ndarray) -> None:
        if not self._threads:
            self._threads = [threading.Thread(target=_read, args=(self.cache, self._jobs), daemon=True)
                             for _ in range(self.readers)]
            for thread in self._threads:
                thread.start()
            weakref.finalize(self, _end, self._jobs, self.readers)
        job = _Job(rows, self._buffer(len(rows)))
        job.done.acquire()
        self._pending.append(job)
        self._jobs.put(job)

    def _buffer(self, count: int) -> Tensor:
        """Memory for `count` samples; used again and again, because new memory costs as much as the copy."""
        for place, (buffer, sent) in enumerate(self._spare):
            if len(buffer) >= count:
                del self._spare[place]
                if sent is not None:
                    sent.synchronize()
                return buffer
        self._spare = []  # too small for what is asked now
        return torch.empty((count, *self.cache.map.shape[1:]), pin_memory=self.device.type == "cuda")

    def _drop(self) -> None:
        for job in self._pending:
            job.done.acquire()
            self._spare.append((job.out, None))
        self._pending.clear()


def _read(cache: Cache, jobs: SimpleQueue[_Job | None]) -> None:
    """Work of a thread. It knows nothing of the Prefetch, so that this one's end ends it."""
    while (job := jobs.get()) is not None:
        try:
            cache.advise(job.rows)
            cache.read_into(job.out.numpy()[: len(job.rows)], job.rows)
        except Exception as error:  # raised again in the caller's thread
            job.error = error
        job.done.release()


def _end(jobs: SimpleQueue[_Job | None], readers: int) -> None:
    for _ in range(readers):
        jobs.put(None)
