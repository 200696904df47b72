"""synthesize [stage], of crystals: stacks of exact label, interior and on both sides of boundaries -> a stack file."""

import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cbedgan.boundary.record import stage_record
from cbedgan.simulate.held_out import HeldOut
from cbedgan.simulate.parts import PartsFolder
from cbedgan.simulate.workers import in_pool
from cbedgan.synthesis.crystals.found_paths import FoundPaths
from cbedgan.synthesis.crystals.parts import Order, Part, load_once, make_part, parts_of
from cbedgan.synthesis.crystals.synthesize_config import SynthesizeCrystalsConfig
from cbedgan.synthesis.quota import resolve_quota
from classifier.foundation.atomic import read_json, write_json
from classifier.foundation.errors import InputError
from classifier.foundation.run import require_same_run
from classifier.prediction.predict import load_classifier
from classifier.samples.sampletable import SampleTable
from classifier.samples.split import Split, load_split
from classifier.samples.stackfile import StackFile, StackWriter

__all__ = ["SynthesizeCrystalsConfig", "synthesize_crystals"]

NO_CLASS = "no class is a maximal sub- or supergroup in the same cell"
Quota = dict[str, dict[int, int]]


def synthesize_crystals(config: SynthesizeCrystalsConfig, *, generator: Path, stacks: Path, split: Path, out: Path,
                        workers: int, paths: Path | None = None, classifiers: Sequence[Path] = ()) -> Path:
    """Write out, a stack file of origin "synthetic", and OUT.report.json; one there is kept.

    A stack depends on the inputs, seed, kind, group and its number alone. Crystals of structure types and formulas that
    validation or test hold are refused. A group that gets fewer than its quota is listed, and is no error. The same
    command goes on where a killed one has stopped; until it ends, OUT.parts holds what is drawn.

    Parameters
    ----------
    config : how many of each kind, and how
    generator : checkpoint of kind "crystals", of this split
    stacks, split : the real stacks, and split.json
    out : the stack file
    workers : processes
    paths : folder of distort, for stacks on both sides of a boundary
    classifiers : checkpoints; t* is theirs where distort has asked any of them
    """
    out = Path(out)
    with StackFile(stacks) as file:
        parted, bits = load_split(split, stack_digest=file.identity), file.mantissa_bits
        table = file.table.take(np.isin(file.table.sample_id, parted.parts["train"]))
    source = load_once(Path(generator))
    if source.split_digest not in parted.names:
        raise InputError(source=generator, rule="the generator must be of this split", value=source.split_digest[:12],
                         remedy="Give the generator that was trained on it.")
    members = tuple(load_classifier(path, split_digest=parted.names).digest for path in classifiers)
    quota = _quota(config, parted, table)
    if quota.get("boundary") and paths is None:
        raise InputError(source="synthesize --paths", rule="stacks at boundaries begin with paths of distort",
                         value="none", remedy="Give its folder, or ask for no boundary stacks.")
    inputs = {"generator": source.digest, "split": parted.digest, "stacks": parted.stack_digest,
              **{f"classifier {rank}": digest for rank, digest in enumerate(members)}}
    if paths is not None:
        inputs["paths"] = FoundPaths.read(paths, parted.names, members).digest
    record = stage_record("synthesize", config, inputs)
    folder = PartsFolder(out)
    if out.exists():
        with StackFile(out) as made:
            require_same_run(out, made.provenance, record)
    else:
        order = Order(folder, config, Path(generator), paths, members, parted.names, tuple(parted.space_groups),
                      HeldOut.of(split, stacks), bits)
        with folder.at_work(alone=True):
            folder.manifest(record, lambda: record)
            _write(order, _made(order, quota, workers), quota, record, out)
    shutil.rmtree(folder.folder, ignore_errors=True)
    return out


def _quota(config: SynthesizeCrystalsConfig, split: Split, train: SampleTable) -> Quota:
    """How many stacks of each kind every group gets; a group without real stacks has 0 of them."""
    counts = {group: train.space_group == group for group in split.space_groups}
    stacks = {group: int(rows.sum()) for group, rows in counts.items()}
    materials = {group: len(np.unique(train.material[rows])) for group, rows in counts.items()}
    return {kind: resolve_quota(strategy, stacks=stacks, materials=materials)
            for kind, strategy in config.sampling_strategy.items()}


def _made(order: Order, quota: Quota, workers: int) -> list[Part]:
    """Make all parts; where one side of a boundary falls short, the other one makes up for it as far as it can."""
    parts = [part for group, number in quota.get("interior", {}).items()
             for part in parts_of("interior", "", group, range(number))]
    asked: dict[tuple[int, str], int] = {}
    for group, number in quota.get("boundary", {}).items():
        sides = order.boundary(Counter()).sides(group)
        for rank, side in enumerate(sides):
            asked[group, side] = (number + len(sides) - 1 - rank) // len(sides)
    parts += [part for (group, side), number in asked.items()
              for part in parts_of("boundary", side, group, range(number))]
    _work(order, parts, workers)
    made: Counter[tuple[int, str]] = Counter()
    for part in parts:
        made[part.space_group, part.side] += read_json(order.folder.record(part.name))["made"]
    more = [part for (group, side), number in asked.items() if made[group, side] == number
            for other, wanted in asked.items() if other[0] == group and other[1] != side
            for part in parts_of("boundary", side, group, range(number, number + wanted - made[other]))]
    _work(order, more, workers)
    return sorted(parts + more)


def _work(order: Order, parts: list[Part], workers: int) -> None:
    jobs = {part.name: (order, part) for part in parts if not order.folder.record(part.name).exists()}
    in_pool(make_part, jobs, workers=workers, description="synthesize",
            sizes={part.name: part.count for part in parts if part.name in jobs})


def _write(order: Order, parts: list[Part], quota: Quota, record: dict[str, Any], out: Path) -> None:
    """The report, then the stacks of all parts in their order: whoever finds the file finds its report."""
    records = [read_json(order.folder.record(part.name)) for part in parts]
    if not any(one["made"] for one in records):
        raise InputError(source="synthesize", rule="some stack must be made", value=_refused(records),
                         remedy="Raise the quota, or see what is refused.")
    write_json(out.with_name(f"{out.name}.report.json"), _report(parts, records, quota))
    frame = load_once(order.generator).frame
    with StackWriter(out, detector=frame.detector, pose=frame.pose, provenance=record,
                     intensity_unit=frame.intensity_unit, mantissa_bits=order.mantissa_bits) as writer:
        for part, one in zip(parts, records, strict=True):
            if one["made"]:
                with StackFile(order.folder.shard(part.name)) as shard:
                    writer.append(shard.read(range(len(shard))), shard.table)


def _report(parts: Sequence[Part], records: Sequence[dict[str, Any]], quota: Quota) -> dict[str, Any]:
    """By kind and group: how many were asked for and made, and how often and why a crystal was refused."""
    of_group: defaultdict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for part, one in zip(parts, records, strict=True):
        of_group[part.kind, part.space_group].append(one)
    made = {kind: {str(group): {"asked": number, "made": sum(one["made"] for one in of_group[kind, group]),
                                "refused": _refused(of_group[kind, group]) if of_group[kind, group] else {NO_CLASS: 1}}
                   for group, number in groups.items()} for kind, groups in quota.items()}
    return {"quota": {kind: {str(group): number for group, number in groups.items()} for kind, groups in quota.items()},
            "made": made, "short": {kind: [int(group) for group, row in groups.items() if row["made"] < row["asked"]]
                                    for kind, groups in made.items()},
            "processor_seconds": round(sum(one["processor_seconds"] for one in records), 1)}


def _refused(records: Iterable[dict[str, Any]]) -> dict[str, int]:
    return dict(sorted(sum((Counter(one["refused"]) for one in records), Counter()).items()))
