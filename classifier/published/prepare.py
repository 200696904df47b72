"""The prepare stage: a published data set, reduced, to one stack file; batch by batch, in several processes.

Killed at any moment, the same command goes on: each batch becomes one shard, a shard is whole or absent.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Any, Literal

from classifier.foundation.atomic import read_json, write_json
from classifier.foundation.config import digest
from classifier.foundation.errors import InputError
from classifier.foundation.run import Interrupted, StopRequest, progress, require_same_run, versions
from classifier.foundation.workers import worker_pool
from classifier.published import olcf_files, stfc
from classifier.published.preparation_report import preparation_report
from classifier.published.reduction import PrepareConfig
from classifier.samples.shard import read_shard
from classifier.samples.stackfile import StackFile, StackWriter

LAYOUTS = {"olcf": olcf_files, "stfc": stfc}
FOLDERS = {"olcf": "train, dev and test with *.h5 files",
           "stfc": "training, validation, testing and inference with *.npz files"}
Layout = Literal["olcf", "stfc"]
Batches = dict[str, list[Path]]


def prepare(config: PrepareConfig, *, source: Path, out: Path, workers: int = 1, layout: Layout | None = None) -> Path:
    """Reduce all samples under `source` into the stack file `out`; the published partition is kept.

    `<out>.report.json` says what was left out, doubted or found twice. One sample a worker is in memory at a time, and
    shards lie in `<out>.parts` until the file is complete.

    Parameters
    ----------
    config : how samples become smaller, and what is done with faults
    source, out : folder of the data set; the file, which may hold no other set
    workers : processes, each with one thread; the result does not depend on them
    layout : see FOLDERS; None to recognise it
    """
    source, out = Path(source), Path(out)
    kind, batches = _find(source, layout)
    identity = {"stage": "prepare", "config": config.model_dump(mode="json"), "config_digest": digest(config),
                "inputs": {"source": digest([[name, LAYOUTS[kind].mark(paths)] for name, paths in batches.items()])}}
    if kind == "stfc":
        stfc.check_config(config)
    parts = out.with_name(out.name + ".parts")
    if out.exists():
        with StackFile(out) as written:
            require_same_run(out, written.provenance, identity)
    else:
        if (parts / "manifest.json").exists():
            require_same_run(parts, read_json(parts / "manifest.json"), identity)
        else:
            write_json(parts / "manifest.json", identity)
        _reduce_all(kind, batches, parts, config, workers)
        _merge(list(batches), parts, out, config, {**identity, "layout": kind}, LAYOUTS[kind].INTENSITY_UNIT)
    if parts.exists():  # also when the last run was killed between the two
        with StackFile(out) as written:
            write_json(report_path(out), {**identity, **preparation_report(
                {name: _without_table(read_json(_record(parts, name))) for name in batches}, written.table)})
        shutil.rmtree(parts)
    return out


def report_path(out: Path) -> Path:
    """Where prepare reports on the stack file `out`."""
    return out.with_name(out.name + ".report.json")


def _find(source: Path, layout: Layout | None) -> tuple[str, Batches]:
    """The batches of files under `source` and the layout that has them."""
    tried = {name: module.find_batches(source) for name, module in LAYOUTS.items() if layout in (None, name)}
    kinds = [name for name, batches in tried.items() if batches]
    if len(kinds) == 1:
        return kinds[0], tried[kinds[0]]
    raise InputError(source=source, rule="must have the folders " + ", or ".join(FOLDERS[name] for name in tried),
                     value="both" if kinds else "no such file",
                     remedy="Choose the layout." if kinds else "Give the folder into which the data set was unpacked.")


def _reduce_all(layout: str, batches: Batches, parts: Path, config: PrepareConfig, workers: int) -> None:
    """Write the shard and the record of every batch that has no record yet."""
    missing = [name for name in batches if not _record(parts, name).exists()]
    jobs = ((layout, name, batches[name], parts, config) for name in _announced(missing, batches))
    with StopRequest() as stop, progress("Reduce files", len(batches), len(batches) - len(missing)) as bar:
        for _ in (_done_here if workers == 1 else _done_by_workers)(jobs, min(workers, max(len(missing), 1)), stop):
            bar.advance()
        if stop.requested:
            raise Interrupted(stop.signal_number)


def _announced(names: list[str], batches: Batches) -> Iterator[str]:
    """The names in turn; the system is asked to read the next batch ahead, so that reading and reducing overlap."""
    for number, name in enumerate(names):
        for path in batches[names[number + 1]] if number + 1 < len(names) and hasattr(os, "posix_fadvise") else ():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(descriptor)
        yield name


def _done_here(jobs: Iterator[tuple], _workers: int, stop: StopRequest) -> Iterator[None]:
    """Reduce the jobs in this process until a stop is requested; one yield for each."""
    while not stop.requested and (job := next(jobs, None)) is not None:
        yield _reduce(*job)


def _done_by_workers(jobs: Iterator[tuple], workers: int, stop: StopRequest) -> Iterator[None]:
    """Reduce the jobs in so many processes until a stop is requested; one yield for each."""
    with worker_pool(workers) as pool:
        pending: set[Future] = set()
        while not stop.requested:
            # No more than a few wait: what is announced to the system must still be in its cache when it is read.
            while len(pending) < 2 * workers and (job := next(jobs, None)) is not None:
                pending.add(pool.submit(_reduce, *job))
            if not pending:
                return
            done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
        pool.shutdown(cancel_futures=True)


def _reduce(layout: str, name: str, paths: list[Path], parts: Path, config: PrepareConfig) -> None:
    """Write one batch's shard, and then the record that makes it count."""
    write_json(_record(parts, name), LAYOUTS[layout].reduce_batch(name, paths, _shard(parts, name), config))


def _shard(parts: Path, name: str) -> Path:
    return parts / f"{name}.stacks"


def _record(parts: Path, name: str) -> Path:
    return parts / f"{name}.json"


def _merge(names: list[str], parts: Path, out: Path, config: PrepareConfig, provenance: dict[str, Any],
           intensity_unit: str) -> None:
    """Put the shards together in the order of the batches; a damaged shard is removed and named."""
    reasons: Counter[str] = Counter()
    merged = parts / "merged.h5"  # among the shards: a killed merge leaves nothing beside them
    detector = config.reduction.detector()
    with StackWriter(merged, detector=detector, pose=config.reduction.pose, intensity_unit=intensity_unit,
                     provenance={**provenance, "versions": versions()},
                     mantissa_bits=config.mantissa_bits) as writer, progress("Merge files", len(names)) as bar:
        samples = 0
        for name in names:
            record = read_json(_record(parts, name))
            samples += record["samples"]
            reasons.update([record["unreadable"]] if record["unreadable"] else record["skipped"].values())
            if record["samples"]:
                _append(writer, parts, name, record, detector.size_pixels)
            bar.advance()
        if not samples:
            raise InputError(source=out, rule="at least one sample must be usable",
                             value="; ".join(f"{text} ({n} times)" for text, n in reasons.most_common(3)) or "none",
                             remedy=f"Remove {parts} and choose other policies.")
    os.replace(merged, out)


def _append(writer: StackWriter, parts: Path, name: str, record: dict[str, Any], size_pixels: int) -> None:
    shard = _shard(parts, name)
    try:
        for stacks, table in read_shard(shard, record, size_pixels):
            writer.append(stacks, table)
    except (InputError, FileNotFoundError) as error:
        if isinstance(error, InputError) and error.source != str(shard):
            raise
        shard.unlink(missing_ok=True)
        _record(parts, name).unlink()
        raise InputError(source=shard, rule="a shard must be intact", value=getattr(error, "value", "no file"),
                         remedy="It was removed; run the same command again.") from None


def _without_table(record: dict[str, Any]) -> dict[str, Any]:
    """What the report reads of a record: the rest of a whole set would not be small."""
    return {key: value for key, value in record.items() if key not in ("table", "crc32")}
