"""Drawn stacks as files: those of a part, and those of a set, each with the set's views beside it, row for row."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from cbedgan.gan.crystals.draw import SampledStack
from cbedgan.gan.crystals.trained_crystals import TrainedCrystals
from cbedgan.gan.crystals.views import named_as
from cbedgan.simulate.merge import view_of
from cbedgan.simulate.parts import PartsFolder
from classifier.foundation.run import require_same_run
from classifier.pattern.geometry import Detector
from classifier.samples.plan import CONDITION
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import StackFile, StackWriter, write_stack_file

Rows = tuple[str, Int[np.ndarray, " n"]]
"""A part's name, and which of its rows a set takes."""


def view_names(source: TrainedCrystals) -> list[str]:
    """Names of the views of the generator's set."""
    return [view.name for view in source.instrument.views]


def finished(out: Path, record: dict[str, Any], source: TrainedCrystals) -> bool:
    """Whether `out`, which is written last, is there; InputError when it or a view is of another run."""
    for path in (out, *(view_of(out, name) for name in view_names(source))):
        if path.exists():
            with StackFile(path) as made:
                require_same_run(path, made.provenance, record)
    return out.exists()


def write_part(folder: PartsFolder, name: str, made: Sequence[SampledStack], source: TrainedCrystals,
               mantissa_bits: int) -> None:
    """Write a part's stacks, and each view of them where they have views.

    Parameters
    ----------
    folder, name : of the part
    made : its stacks, at least one
    source : what has drawn them
    mantissa_bits : of the intensities
    """
    seen = {"": [(one.stack[None], one.row) for one in made]}
    if made[0].views:
        seen |= {view: [(one.views[k][0], named_as(one.row, one.views[k][1])) for one in made]
                 for k, view in enumerate(view_names(source))}
    for view, stacks in seen.items():
        write_stack_file(folder.shard(name, view), np.concatenate([stack for stack, _ in stacks]),
                         SampleTable.concatenate([row for _, row in stacks]), detector=_detector(source, view),
                         pose=source.frame.pose, intensity_unit=source.frame.intensity_unit,
                         provenance={"part_of": source.digest}, mantissa_bits=mantissa_bits)


def write_set(out: Path, parts: Sequence[Rows], folder: PartsFolder, source: TrainedCrystals, record: dict[str, Any],
              mantissa_bits: int, *, views: bool = True) -> None:
    """Put parts together in their order: the views, and at last `out`, which says that all the others are there.

    Parameters
    ----------
    out : the stack file
    parts, folder : what it is made of
    source : what has drawn it
    record : provenance
    mantissa_bits : of the intensities
    views : whether the parts have any
    """
    for view in [*(view_names(source) if views else []), ""]:
        writer = StackWriter(view_of(out, view), detector=_detector(source, view), pose=source.frame.pose,
                             provenance=record | {CONDITION: view} if view else record,
                             intensity_unit=source.frame.intensity_unit, mantissa_bits=mantissa_bits)
        with writer:
            for name, rows in parts:
                if len(rows):
                    with StackFile(folder.shard(name, view)) as shard:
                        writer.append(shard.read(rows), shard.table.take(rows))


def _detector(source: TrainedCrystals, view: str) -> Detector:
    """The generator's frame, with the pixels of a view that has its own."""
    detector = source.frame.detector
    size = next((one.size_pixels for one in source.instrument.views if one.name == view), None)
    return detector if size is None else replace(
        detector, size_pixels=size, pixel_size=detector.pixel_size * detector.size_pixels / size)
