"""Stacks in memory as networks want them, and the check that an added source shares nothing with the held-out parts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from classifier.errors import InputError
from classifier.geometry import Detector, ViewConfig, view
from classifier.intensity import IntensityTransform
from classifier.spacegroup import ClassMap
from classifier.split import Split
from classifier.stackfile import SampleTable, StackFile

READ_AT_ONCE = 512  # stacks held at full size while they are reduced to the view


@dataclass(frozen=True)
class Frame:
    """What the pixels of a set of stacks mean: the detector (after the view), the pose and the unit of intensity."""

    detector: Detector
    pose: str
    intensity_unit: str

    def require(self, found: Frame, source: object) -> None:
        """Refuse stacks `found` in another frame than this one; pixel sizes may differ by rounding."""
        mine, other = self.detector, found.detector
        alike = (found.pose, found.intensity_unit, other.unit, other.size_pixels) == (
            self.pose, self.intensity_unit, mine.unit, mine.size_pixels)
        if not alike or abs(other.pixel_size / mine.pixel_size - 1) > 1e-6:
            raise InputError(source=source, rule=f"detector, pose and intensity unit must be those of training, {self}",
                             value=found, remedy="Bring the patterns to these, or train on patterns like these.")


@dataclass(frozen=True, eq=False)
class StackSet:
    """Samples for a network: x float32 [N, 3, H, W] normalised, class_idx int64 [N] and label arrays str [N].

    soft_label: float32 [N, K] class probabilities; rows of one-hot where the file states none.
    """

    x: Tensor
    class_idx: Tensor
    soft_label: Tensor
    sample_id: np.ndarray
    material: np.ndarray
    structure_type: np.ndarray
    origin: np.ndarray

    def __len__(self) -> int:
        return len(self.sample_id)

    def to(self, device: torch.device) -> StackSet:
        """The same set with its tensors on `device`."""
        return replace(self, x=self.x.to(device), class_idx=self.class_idx.to(device),
                       soft_label=self.soft_label.to(device))


def load_physical(stacks: Path, config: ViewConfig, sample_ids: Sequence[str] | None = None
                  ) -> tuple[np.ndarray, SampleTable, Frame]:
    """Read intensities float32 [N, 3, H, W] in the given view, their table and frame; all samples, or sample_ids."""
    with StackFile(stacks) as file:
        rows = np.arange(len(file)) if sample_ids is None else _rows(file, sample_ids)
        size = file.detector.size_pixels
        empty, detector = view(np.zeros((0, 3, size, size), np.float32), file.detector, config)
        intensity = np.empty((len(rows), *empty.shape[1:]), dtype=np.float32)
        for start in range(0, len(rows), READ_AT_ONCE):
            part = slice(start, start + READ_AT_ONCE)
            intensity[part] = view(file.read(rows[part]), file.detector, config)[0]
        return intensity, file.table.take(rows), Frame(detector, file.pose, file.intensity_unit)


def stack_set(intensity: np.ndarray, table: SampleTable, *, class_map: ClassMap, transform: IntensityTransform,
              source: object) -> StackSet:
    """Normalise intensities [N, 3, H, W] and bring them together with the labels of their table."""
    missing = np.setdiff1d(table.space_group, class_map.space_groups)
    if len(missing):
        raise InputError(source=source, rule="every space group must be in the class map", value=missing.tolist(),
                         remedy="Leave these samples out, or split and train again with them.")
    class_idx = torch.from_numpy(class_map.indices(table.space_group))
    return StackSet(x=torch.from_numpy(transform.normalise(intensity)), class_idx=class_idx,
                    soft_label=soft_labels(table, class_map, source), sample_id=table.sample_id,
                    material=table.material, structure_type=table.structure_type, origin=table.origin)


def load_stack_set(stacks: Path, *, class_map: ClassMap, view: ViewConfig, intensity: IntensityTransform,
                   sample_ids: Sequence[str] | None = None) -> StackSet:
    """Read samples (all, or those of sample_ids in their order), view, normalise and label them."""
    physical, table, _ = load_physical(stacks, view, sample_ids)
    return stack_set(physical, table, class_map=class_map, transform=intensity, source=stacks)


def soft_labels(table: SampleTable, class_map: ClassMap, source: object) -> Tensor:
    """Class probabilities float32 [N, K]: those of provenance {"soft_label": {space group: share}}, else one-hot."""
    target = torch.zeros(len(table), len(class_map))
    target[torch.arange(len(table)), torch.from_numpy(class_map.indices(table.space_group))] = 1
    for row in np.flatnonzero(np.char.find(table.provenance, '"soft_label"') >= 0):
        shares = json.loads(table.provenance[row])["soft_label"]
        groups, values = [int(group) for group in shares], np.array(list(shares.values()), dtype=np.float64)
        if not set(groups) <= set(class_map.space_groups) or (values < 0).any() or abs(values.sum() - 1) > 1e-3:
            raise InputError(source=f"{source}, sample {table.sample_id[row]}", value=shares, remedy="Write it again.",
                             rule="a soft label must be shares >= 0 of known space groups that sum to 1")
        target[row] = 0
        target[row, [class_map.index(group) for group in groups]] = torch.from_numpy(values / values.sum()).float()
    return target


def check_added_source(source: Path, held: Split, *, stacks: Path) -> str:
    """Refuse a file to train on in addition, unless it is clean of the held-out parts; return its digest.

    A synthetic file must carry the digest of this split in its provenance. Measured or simulated stacks must share no
    material, structure type, or formula within a space group with validation or test.
    """
    with StackFile(source) as file, StackFile(stacks) as base:
        synthetic = file.table.origin == "synthetic"
        if synthetic.any() and file.provenance.get("split_digest") != held.digest:
            raise InputError(source=source, rule="synthetic stacks must come from the split they are used with",
                             value=f"split_digest {str(file.provenance.get('split_digest'))[:12]}, not "
                             f"{held.digest[:12]}", remedy="Synthesize again from a generator trained on this split.")
        held_out = base.table.take(_rows(base, held.parts["validation"] + held.parts["test"]))
        _check_apart(file.table.take(~synthetic), held_out, held, source)
        return file.digest


def _check_apart(added: SampleTable, held_out: SampleTable, held: Split, source: object) -> None:
    # Where the split itself lets training share structure types with validation, an added source may do so too.
    shared = held.listed.get("validation shares structure types with train", [])
    in_test = np.isin(held_out.sample_id, held.parts["test"])
    strict = in_test | ~np.isin(_keys("space group ", held_out.space_group), shared)
    for column, rows in (("material", slice(None)), ("structure_type", strict), ("formula", slice(None))):
        values, others = getattr(added, column), getattr(held_out, column)[rows]
        known = values != ""
        mine = _keys(added.space_group[known], "/", values[known])
        common = np.isin(mine, _keys(held_out.space_group[rows], "/", others))
        if common.any():
            raise InputError(source=source, rule=f"an added source may share no {column} with validation or test",
                             value=f"{int(common.sum())} samples, first {added.sample_id[known][common][0]}",
                             remedy="Leave these samples out: the held-out parts must stay unseen.")


def _keys(*parts: object) -> np.ndarray:
    """Join columns and constants to one str array."""
    columns = [np.asarray(part).astype(str) for part in parts]
    joined = columns[0]
    for column in columns[1:]:
        joined = np.char.add(joined, column)
    return joined


def _rows(file: StackFile, sample_ids: Sequence[str]) -> np.ndarray:
    """Row int64 [n] of each sample id in the file; an unknown one is an InputError."""
    order = np.argsort(file.table.sample_id)
    wanted = np.asarray(sample_ids, dtype=str)
    place = np.searchsorted(file.table.sample_id, wanted, sorter=order).clip(max=len(order) - 1)
    rows = order[place]
    unknown = file.table.sample_id[rows] != wanted
    if unknown.any():
        raise InputError(source=file.path, rule="must hold the samples of the split",
                         value=f"{int(unknown.sum())} unknown, first {wanted[unknown][0]}",
                         remedy="Give the stack file that was split.")
    return rows
