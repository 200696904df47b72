"""synthesize [stage], of crystals: interior stacks, hard ones, and both sides of boundaries -> a stack file."""

import math
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cbedgan.gan.crystals.drawn_files import finished, view_names, write_set
from cbedgan.gan.crystals.trained_crystals import load_crystals
from cbedgan.simulate.held_out import HeldOut
from cbedgan.simulate.merge import view_of
from cbedgan.simulate.parts import PartsFolder
from cbedgan.simulate.workers import in_pool
from cbedgan.synthesis.crystals.chosen_stacks import FeatureSpace, kept_rows, parents
from cbedgan.synthesis.crystals.copies import Copies
from cbedgan.synthesis.crystals.found_paths import FoundPaths
from cbedgan.synthesis.crystals.pairs import shared_among_pairs
from cbedgan.synthesis.crystals.parts import Cell, Order, Part, made_up_for, make_part, parts_of
from cbedgan.synthesis.crystals.synthesis_report import KeptPart, Quota, report_of
from cbedgan.synthesis.crystals.synthesize_config import Kind, SynthesizeCrystalsConfig
from cbedgan.synthesis.pair_weights import confused, even
from cbedgan.synthesis.quota import resolve_quota
from classifier.foundation.atomic import read_json, write_json
from classifier.foundation.config import digest
from classifier.foundation.errors import InputError
from classifier.foundation.run import stage_record
from classifier.prediction.predict import load_classifier
from classifier.samples.sampletable import SampleTable
from classifier.samples.split import Split, load_split
from classifier.samples.stackfile import StackFile

__all__ = ["SynthesizeCrystalsConfig", "synthesize_crystals"]


def synthesize_crystals(config: SynthesizeCrystalsConfig, *, generator: Path, stacks: Path, split: Path, out: Path,
                        workers: int, paths: Path | None = None, classifiers: Sequence[Path] = ()) -> Path:
    """Write out, a stack file of origin "synthetic", and OUT.report.json; one there is kept.

    Beside it lie the views of the generator's set, `<out>.<view>.h5` with the same rows: stacks are refused and chosen
    by what they show on their axes. A stack depends on the inputs, seed, kind, group and its number alone. Crystals of
    structure types and formulas that validation or test hold are refused, and so are near-copies of real stacks. A
    group that gets fewer than its quota is listed, and is no error. The same command goes on where a killed one has
    stopped; until it ends, OUT.parts holds what is drawn.

    Parameters
    ----------
    config : how many of each kind, and how
    generator : checkpoint of kind "crystals", of this split
    stacks, split : the real stacks, and split.json
    out : the stack file
    workers : processes
    paths : folder of distort, for stacks on both sides of a boundary
    classifiers : checkpoints; they say what is hard and which pairs are confused, the features of the first one what is
        alike, and t* is theirs where distort has asked any of them
    """
    out = Path(out)
    with StackFile(stacks) as file:
        parted = load_split(split, stack_digest=file.identity)
        source = load_crystals(Path(generator), split_digest=parted.names)
        quota = _quota(config, parted, file.table.take(np.isin(file.table.sample_id, parted.parts["train"])))
        digests = tuple(load_classifier(path, split_digest=parted.names).digest for path in classifiers)
        inputs = {"generator": source.digest, "split": parted.digest, "stacks": parted.stack_digest,
                  **{f"classifier {rank}": one for rank, one in enumerate(digests)}}
        by_features = sorted({one.kind for kind, one in config.selection.items() if quota.get(kind)} - {"random"})
        for needed, wanted, option, given in (
                (quota.get("boundary"), "boundary stacks", "--paths", paths),
                (quota.get("hard"), "hard stacks", "--classifier", classifiers),
                (by_features, f"the selection {', '.join(by_features)}", "--classifier", classifiers),
                (quota.get("boundary") and config.boundary.pairs == "confused", "confused pairs", "--classifier",
                 classifiers)):
            if needed and not given:
                raise InputError(source=f"synthesize {option}", rule=f"must be given for {wanted}", value="none",
                                 remedy="Give it, or ask for none of these.")
        if paths is not None:
            inputs["paths"] = FoundPaths.read(paths, parted.names, digests).digest
        record, folder = stage_record("synthesize", config, inputs), PartsFolder(out)
        if not finished(out, record, source):
            order = Order(digest(record), folder, config, Path(generator), paths, tuple(classifiers), digests,
                          parted.names, HeldOut.of(split, stacks), file.mantissa_bits)
            with folder.at_work(alone=True):
                folder.manifest(record, lambda: record)
                if not order.copies.exists():
                    Copies.measured(file, parted, source, config.copy_quantile).save(order.copies)
                cells = _cells(order, quota, parted, file)
                parts = _made(order, cells, workers)
                space = FeatureSpace(classifiers[0], stacks, parted) if by_features else None
                _write(order, _kept(order, parts, cells, space), quota, cells, record, out)
    shutil.rmtree(folder.folder, ignore_errors=True)
    return out


def _quota(config: SynthesizeCrystalsConfig, split: Split, train: SampleTable) -> Quota:
    """How many stacks of each kind every group gets; a group without real stacks has 0 of them."""
    counts = {group: train.space_group == group for group in split.space_groups}
    stacks = {group: int(rows.sum()) for group, rows in counts.items()}
    materials = {group: len(np.unique(train.material[rows])) for group, rows in counts.items()}
    return {kind: resolve_quota(strategy, stacks=stacks, materials=materials)
            for kind, strategy in config.sampling_strategy.items()}


def _cells(order: Order, quota: Quota, split: Split, stacks: StackFile) -> dict[Cell, int]:
    """The quota of each cell; a group without partners has none at boundaries."""
    boundary = quota.get("boundary", {})
    by_confusion = boundary and order.config.boundary.pairs == "confused"
    weight = confused(order.classifiers, stacks, split) if by_confusion else even
    inside: tuple[Kind, ...] = "interior", "hard"
    cells = {Cell(kind, group): number for kind in inside for group, number in quota.get(kind, {}).items()}
    for group, number in boundary.items():
        shared = shared_among_pairs(group, number, tuple(split.space_groups), weight, order.config.seed)
        cells |= {Cell("boundary", group, side, partner): share for (side, partner), share in shared.items()}
    return cells


def _made(order: Order, quota: dict[Cell, int], workers: int) -> list[Part]:
    """Make all parts; where one pair of groups falls short, others make up for it as far as they can."""
    asked = {cell: math.ceil(order.config.times(cell.kind) * number) for cell, number in quota.items()}
    parts = [part for cell, number in asked.items() for part in parts_of(cell, range(number))]
    _work(order, parts, workers)
    made: Counter[Cell] = Counter()
    for part in parts:
        made[part.cell] += read_json(order.folder.record(part.name))["made"]
    more = made_up_for(quota, asked, made)
    _work(order, more, workers)
    return sorted(parts + more)


def _work(order: Order, parts: list[Part], workers: int) -> None:
    jobs = {part.name: (order, part) for part in parts if not order.folder.record(part.name).exists()}
    in_pool(make_part, jobs, workers=workers, description="synthesize",
            sizes={part.name: part.count for part in parts if part.name in jobs})


def _kept(order: Order, parts: list[Part], quota: dict[Cell, int], space: FeatureSpace | None) -> list[KeptPart]:
    """The parts with the rows that are kept, and what crystals these stem from."""
    records = {part: read_json(order.folder.record(part.name)) for part in parts}
    rows = kept_rows(order.config, records, quota, order.folder, space)
    return [KeptPart(part, records[part], rows[part], tuple(
        parents(order.folder.shard(part.name))[rows[part]].tolist()) if len(rows[part]) else ()) for part in parts]


def _write(order: Order, parts: list[KeptPart], quota: Quota, cells: dict[Cell, int], record: dict[str, Any], out: Path
           ) -> None:
    """The report beside each file, then the stacks of all parts: whoever finds a file finds its report."""
    report = report_of(parts, quota, cells)
    if not any(len(one.rows) for one in parts):
        raise InputError(source="synthesize", rule="some stack must be made", value=report["made"],
                         remedy="Raise the quota, or see what is refused.")
    source = order.opened().source
    for path in (out, *(view_of(out, name) for name in view_names(source))):
        write_json(path.with_name(f"{path.name}.report.json"), report)
    write_set(out, [(one.part.name, one.rows) for one in parts], order.folder, source, record, order.mantissa_bits)
