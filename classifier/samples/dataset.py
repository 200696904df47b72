"""Stacks in memory or mapped, as networks want them; an added source is checked against the held-out parts."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Real, Shaped
from torch import Tensor

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError, reported
from classifier.pattern.geometry import ViewConfig
from classifier.pattern.intensity import IntensityConfig, IntensityTransform
from classifier.samples.cache import open_or_build, open_or_fit
from classifier.samples.prefetch import Prefetch
from classifier.samples.split import Split
from classifier.samples.stackfile import SampleTable, StackFile, opened
from classifier.samples.viewed import Frame, Viewed, load_physical, rows_of

__all__ = ["Frame", "StackSet", "check_added_source", "load_physical", "load_stack_set", "load_training_set",
           "soft_labels", "stack_set"]


@dataclass(frozen=True, eq=False)
class StackSet:
    """Samples for a network, with their labels.

    x: float32 [N, C, *spatial], normalised; in memory, or a map of a cache, on the disk, whose batches `reader`
    reads; soft_label: class probabilities, one-hot where the file states none; pose, task_target: where the network
    wants them, see side_data; shortest_g: |g1| of each pattern in 1/angstrom, NaN where nobody recorded it.
    """

    x: Tensor
    class_idx: Int[Tensor, " N"]
    soft_label: Float[Tensor, "N K"]
    sample_id: Shaped[np.ndarray, " N"]
    material: Shaped[np.ndarray, " N"]
    structure_type: Shaped[np.ndarray, " N"]
    origin: Shaped[np.ndarray, " N"]
    reader: Prefetch | None = None
    pose: Float[Tensor, "N 9"] | None = None
    task_target: Float[Tensor, "N T"] | None = None
    shortest_g: Float[np.ndarray, "N 3"] | None = None
    derivation: Shaped[np.ndarray, " N"] | None = None  # see sampletable; None where nobody says

    def __len__(self) -> int:
        return len(self.sample_id)

    @property
    def device(self) -> torch.device:
        """Where labels are and batches come."""
        return self.class_idx.device

    def to(self, device: torch.device) -> "StackSet":
        """The same set with its labels, and x where it is in memory, on `device`."""
        beside = {name: None if values is None else values.to(device)
                  for name, values in (("pose", self.pose), ("task_target", self.task_target))}
        moved = replace(self, class_idx=self.class_idx.to(device), soft_label=self.soft_label.to(device), **beside)
        if self.reader is None:
            return replace(moved, x=self.x.to(device))
        return replace(moved, reader=Prefetch(self.reader.cache, device=device))

    def gather(self, rows: Callable[[int], np.ndarray]) -> Float[Tensor, "B C *spatial"]:
        """The batch x at rows(0) on the device; from a cache it lasts until the next call.

        rows(k): samples int64 [B] of the k-th batch from now on, so that a cache is read ahead.
        """
        return self.x[sent(rows(0), self.x.device)] if self.reader is None else self.reader.gather(rows)


def sent(rows: Int[np.ndarray, " n"], device: torch.device) -> Int[Tensor, " n"]:
    """Row numbers on the device, without waiting for what it still does."""
    return torch.from_numpy(rows).to(device, non_blocking=True)


def stack_set(intensity: Real[np.ndarray, "N C *spatial"], table: SampleTable, *, class_map: ClassMap,
              transform: IntensityTransform, source: object) -> StackSet:
    """Normalise intensities and bring them together with the labels of their table.

    Parameters
    ----------
    intensity, table, transform : physical intensities, their rows, and what brings them to x
    class_map : must have every space group of the table
    source : named in errors
    """
    return _labelled(torch.from_numpy(transform.normalise(intensity)), table, class_map, source)


def load_stack_set(stacks: Path | StackFile, *, class_map: ClassMap, view: ViewConfig, intensity: IntensityTransform,
                   sample_ids: Sequence[str] | None = None, cache: Path | None = None,
                   frame: Frame | None = None) -> StackSet:
    """Read, view, normalise and label samples.

    Parameters
    ----------
    stacks, class_map : the file; the map must have every space group of the samples
    view, intensity : what a network sees, and its scale
    sample_ids : which samples, in which order; all, where it is not given
    cache : folder that keeps them on the disk, where they would not fit in memory; the values are the same
    frame : stacks in another one are refused
    """
    with opened(stacks) as file:
        viewed = Viewed.of(file, view, sample_ids)
        if frame is not None:
            frame.require(viewed.frame, file.path)
        return _normalised(viewed, class_map, intensity, cache)


def load_training_set(stacks: Path | StackFile, *, class_map: ClassMap, view: ViewConfig, intensity: IntensityConfig,
                      sample_ids: Sequence[str], cache: Path | None) -> tuple[StackSet, IntensityTransform, Frame]:
    """Read the train part and fit the intensity scale on it.

    Parameters
    ----------
    intensity : which scale to fit
    stacks, class_map, view, sample_ids, cache : as in load_stack_set
    """
    with opened(stacks) as file:
        viewed = Viewed.of(file, view, sample_ids)
        if cache is None:
            physical = viewed.read()
            viewed.require_varied(physical)
            transform = IntensityTransform.fit(physical, intensity)
            return (stack_set(physical, viewed.table(), class_map=class_map, transform=transform, source=file.path),
                    transform, viewed.frame)
        transform = open_or_fit(cache, name=file.path.stem, key=viewed.key(), blocks=viewed.trainable, config=intensity)
        return _normalised(viewed, class_map, transform, cache), transform, viewed.frame


def _normalised(viewed: Viewed, class_map: ClassMap, transform: IntensityTransform, cache: Path | None) -> StackSet:
    table, source = viewed.table(), viewed.file.path
    if cache is None:
        return stack_set(viewed.read(), table, class_map=class_map, transform=transform, source=source)
    labels = _labelled(torch.empty(0), table, class_map, source)
    stored = open_or_build(cache, name=source.stem, key={**viewed.key(), "transform": transform.plain()},
                         shape=viewed.shape, blocks=(transform.normalise(block) for block in viewed.blocks()))
    return replace(labels, x=stored.x, reader=Prefetch(stored))


def _labelled(x: Tensor, table: SampleTable, class_map: ClassMap, source: object) -> StackSet:
    missing = np.setdiff1d(table.space_group, class_map.space_groups)
    if len(missing):
        raise InputError(source=source, rule="every space group must be in the class map", value=missing.tolist(),
                         remedy="Leave these samples out, or split and train again with them.")
    class_idx = torch.from_numpy(class_map.indices(table.space_group))
    return StackSet(x=x, class_idx=class_idx, soft_label=soft_labels(table, class_map, source),
                    sample_id=table.sample_id, material=table.material, structure_type=table.structure_type,
                    origin=table.origin, shortest_g=table.shortest_g_inv_angstrom, derivation=table.derivation)


def soft_labels(table: SampleTable, class_map: ClassMap, source: object) -> Float32[Tensor, "N K"]:
    """Class probabilities: those of provenance {"soft_label": {space group: share}}, else one-hot."""
    target = torch.zeros(len(table), len(class_map))
    target[torch.arange(len(table)), torch.from_numpy(class_map.indices(table.space_group))] = 1
    for row in np.flatnonzero(np.char.find(table.provenance, '"soft_label"') >= 0):
        with reported(f"{source}, sample {table.sample_id[row]}", remedy="Write it again.",
                      rule="a soft label must be shares >= 0 of known space groups that sum to 1"):
            shares = json.loads(table.provenance[row])["soft_label"]
            groups, values = [int(group) for group in shares], np.array(list(shares.values()), dtype=np.float64)
            if not (set(groups) <= set(class_map.space_groups) and (values >= 0).all()
                    and abs(values.sum() - 1) <= 1e-3):  # so written that NaN fails too
                raise ValueError(shares)
        target[row] = 0
        target[row, [class_map.index(group) for group in groups]] = torch.from_numpy(values / values.sum()).float()
    return target


def check_added_source(source: Path, split: Split, *, stacks: Path | StackFile) -> str:
    """Refuse a file to train on in addition, unless it is clean of the held-out parts; return its digest.

    A synthetic file must carry the digest of this split in its provenance. Measured or simulated stacks must share no
    material, structure type, or formula within a space group with validation or test.
    """
    with StackFile(source) as file, opened(stacks) as base:
        synthetic = file.table.origin == "synthetic"
        if synthetic.any() and file.provenance.get("split_digest") not in split.names:
            raise InputError(source=source, rule="synthetic stacks must come from the split they are used with",
                             value=f"split_digest {str(file.provenance.get('split_digest'))[:12]}, not "
                             f"{split.digest[:12]}", remedy="Synthesize again from a generator trained on this split.")
        held_out = base.table.take(rows_of(base, split.parts["validation"] + split.parts["test"]))
        _check_apart(file.table.take(~synthetic), held_out, split, source)
        return file.digest


def _check_apart(added: SampleTable, held_out: SampleTable, split: Split, source: object) -> None:
    # Where the split itself lets training share structure types with validation, an added source may do so too.
    shared = split.listed.get("validation shares structure types with train", [])
    in_test = np.isin(held_out.sample_id, split.parts["test"])
    strict = in_test | ~np.isin(_keys("space group ", held_out.space_group), shared)
    for column, rows in (("material", slice(None)), ("structure_type", strict), ("formula", slice(None))):
        values, others = getattr(added, column), getattr(held_out, column)[rows]
        named = values != ""
        mine = _keys(added.space_group[named], "/", values[named])
        common = np.isin(mine, _keys(held_out.space_group[rows], "/", others))
        if common.any():
            raise InputError(source=source, rule=f"an added source may share no {column} with validation or test",
                             value=f"{int(common.sum())} samples, first {added.sample_id[named][common][0]}",
                             remedy="Leave these samples out: the held-out parts must stay unseen.")


def _keys(*parts: object) -> np.ndarray:
    """Join columns and constants to one str array."""
    return reduce(np.char.add, [np.asarray(part).astype(str) for part in parts])
