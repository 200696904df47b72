"""bench data: samples/s of shuffled batches from a training cache, beside a plain memory map and the stack file."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from threading import Thread

import numpy as np
import torch
from rich.table import Table

from cbedgan.bench.scratch import scratch
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.run import progress, versions
from classifier.pattern.geometry import Detector, ViewConfig
from classifier.pattern.intensity import IntensityConfig, IntensityTransform
from classifier.samples.dataset import load_stack_set
from classifier.samples.prefetch import Prefetch
from classifier.samples.stackfile import SampleTable, StackFile, StackWriter

WRITE_AT_ONCE = 8  # stacks of 512 px of a made-up set that are written together
TURN_BATCHES, TURN_BYTES = 8, 1 << 28  # of a turn, at least
STACK_FILE_SHARE = 16  # the stack file, slower, reads one batch in so many


@dataclass(frozen=True)
class Reading:
    """Samples/s (medians over repeats) of shuffled batches [batch, 3, size, size] float32 read by `workers` threads.

    plain: numpy's map of the cache's file, indexed; cache: the training's reader; stack_file: unpacked and verified, by
    one thread; ratio: cache over plain, the median over repeats.
    """

    size: int
    workers: int
    batch: int
    samples: int
    plain: float
    cache: float
    stack_file: float
    ratio: float


def bench_data(folder: Path, *, sizes: Sequence[int], workers: Sequence[int], batch: int, megabytes: int,
               repeats: int) -> list[Reading]:
    """Measure every size and number of threads on made-up sets.

    Parameters
    ----------
    folder : where the sets lie while they are read
    sizes, workers : pixels, and threads
    batch : stacks
    megabytes : of a set
    repeats : turns of each way to read
    """
    readings = []
    with progress("bench data", len(sizes) * len(workers)) as bar:
        for size in sizes:
            with scratch(folder, "bench-data-") as place:
                stacks = _made_up_set(place / "stacks.h5", size, max(batch, megabytes * 10**6 // (12 * size**2)))
                for number in workers:
                    bar.update(f"bench data, {size} px, workers {number}")
                    readings.append(_measure(stacks, size, number, batch, repeats))
                    bar.advance()
    return readings


def report(readings: Sequence[Reading]) -> Table:
    """The readings as a table for the terminal."""
    table = Table(title="Shuffled reads, samples/s", caption="ratio: training cache over plain map")
    for name in ("px", "workers", "plain map", "training cache", "stack file", "ratio"):
        table.add_column(name, justify="right")
    for one in readings:
        rates = (one.plain, one.cache, one.stack_file)
        table.add_row(str(one.size), str(one.workers), *(f"{rate:,.0f}" for rate in rates), f"{one.ratio:.2f}")
    return table


def to_json(readings: Sequence[Reading]) -> dict[str, object]:
    """The same as plain content."""
    return {"readings": [asdict(one) for one in readings], "cores": os.cpu_count(), "versions": versions()}


def _made_up_set(path: Path, size: int, samples: int) -> Path:
    """Write a stack file of noise that packs as little as measured patterns do, its mantissas rounded to 10 bits."""
    random, step = np.random.default_rng(0), max(1, WRITE_AT_ONCE * 512**2 // size**2)
    with StackWriter(path, detector=Detector(size, 1.0, "pixel"), pose="raw", intensity_unit="counts", mantissa_bits=10,
                     provenance={"stage": "bench data"}) as writer:
        for start in range(0, samples, step):
            rows = range(start, min(start + step, samples))
            stacks = random.random((len(rows), 3, size, size), dtype=np.float32)
            writer.append(stacks, SampleTable.build(len(rows), sample_id=[str(row) for row in rows], space_group=1,
                                                    material=[str(row) for row in rows], origin="simulated"))
    return path


def _measure(stacks: Path, size: int, workers: int, batch: int, repeats: int) -> Reading:
    """Take turns, so that whatever else the machine does meets every way of reading alike."""
    config = IntensityConfig(transform="log", floor=1e-3, per_radius=False)
    samples = load_stack_set(stacks, class_map=ClassMap((1,)), view=ViewConfig(half_width=size / 2, size_pixels=size),
                             intensity=IntensityTransform(config, 1.0), cache=stacks.parent)
    assert samples.reader is not None  # as there is a cache
    reader = Prefetch(samples.reader.cache, workers=workers)
    mapped = np.load(samples.reader.cache.path, mmap_mode="r")
    with StackFile(stacks) as file:
        ways: dict[str, Callable[[list[np.ndarray]], object]] = {
            "plain": lambda rows: _in_threads(mapped, rows, workers), "cache": lambda rows: _ahead(reader, rows),
            "stack_file": lambda rows: [file.read(each) for each in rows]}
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for repeat in range(-1, repeats):  # the first turn only warms up
            rows = list(_shuffled(len(samples), batch, size, repeat + 1))
            order = list(ways) if repeat % 2 else list(ways)[::-1]
            for name in order:
                read = ways[name]
                part = rows[: max(1, len(rows) // STACK_FILE_SHARE)] if name == "stack_file" else rows
                start = time.perf_counter()
                read(part)
                if repeat >= 0:
                    rates[name].append(len(part) * batch / (time.perf_counter() - start))
    ratios = [cache / plain for cache, plain in zip(rates["cache"], rates["plain"], strict=True)]
    return Reading(size, workers, batch, len(samples), **{name: median(values) for name, values in rates.items()},
                   ratio=median(ratios))


def _shuffled(samples: int, batch: int, size: int, seed: int) -> Iterator[np.ndarray]:
    """Rows int64 [batch] of a turn: at least so many batches, of at least so many bytes, in shuffled passes."""
    random, needed = np.random.default_rng(seed), max(TURN_BATCHES, TURN_BYTES // (12 * size**2 * batch)) * batch
    order = np.concatenate([random.permutation(samples) for _ in range(-(-needed // samples))])
    for start in range(0, needed, batch):
        yield order[start:start + batch]


def _in_threads(mapped: np.ndarray, rows: list[np.ndarray], workers: int) -> None:
    """Index the plain map by each batch's rows, the batches dealt to threads that never wait for each other."""
    def read(first: int) -> None:
        for each in rows[first::workers]:
            torch.from_numpy(mapped[each])

    if workers == 1:
        read(0)
        return
    threads = [Thread(target=read, args=(first,)) for first in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _ahead(reader: Prefetch, rows: list[np.ndarray]) -> None:
    """Take every batch; nothing is read ahead before the first or after the last."""
    for step in range(len(rows)):
        reader.gather(lambda later, step=step: rows[step + later] if step + later < len(rows) else None)
