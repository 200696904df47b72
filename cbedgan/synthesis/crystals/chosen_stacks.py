"""Which of the drawn stacks are kept, where more are drawn than the quota: see `synthesis.select`."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from cbedgan.simulate.parts import PartsFolder
from cbedgan.synthesis.crystals.hard_stacks import preferred
from cbedgan.synthesis.crystals.parts import Cell, Part
from cbedgan.synthesis.crystals.synthesize_config import Kind, SelectionConfig, SynthesizeCrystalsConfig
from cbedgan.synthesis.select.covariance import covariance
from cbedgan.synthesis.select.drawn_pool import DrawnPool, Rows
from cbedgan.synthesis.select.prototype import prototype
from cbedgan.synthesis.select.real_features import RealFeatures
from cbedgan.synthesis.select.variety import variety
from classifier.prediction.feature_bank import FeatureBank
from classifier.prediction.predict import OwnStacks, TrainedClassifier, load_classifier, predict_features
from classifier.prediction.side_data import with_side_data
from classifier.samples.dataset import load_stack_set
from classifier.samples.split import Split
from classifier.samples.stackfile import StackFile


@dataclass(frozen=True)
class FeatureSpace:
    """The features of a classifier, in units in which the real training stacks have no covariance.

    Stacks are seen as they are, whatever conditions the classifier was trained for.
    """

    classifier: Path
    stacks: Path
    split: Split

    def of(self, stacks: Path) -> Float[np.ndarray, "n F"]:
        """Of the stacks of a file."""
        trained, bank, _ = self._fitted
        own = OwnStacks.read(stacks, trained)
        return bank.whitened(predict_features(trained.model, own.x, own.pose))

    @property
    def real(self) -> RealFeatures:
        """Of the train part."""
        return self._fitted[2]

    @cached_property
    def _fitted(self) -> tuple[TrainedClassifier, FeatureBank, RealFeatures]:
        trained = load_classifier(self.classifier)
        samples = with_side_data(load_stack_set(
            self.stacks, class_map=trained.class_map, view=trained.view, intensity=trained.intensity,
            sample_ids=self.split.parts["train"], frame=trained.frame), self.stacks, trained.model_config)
        features = predict_features(trained.model, samples.x, samples.pose)
        groups = np.asarray(trained.class_map.space_groups)[samples.class_idx.numpy()]
        bank = FeatureBank.build(features, samples.material, groups)
        return trained, bank, RealFeatures(bank.whitened(features), groups)


def kept_rows(config: SynthesizeCrystalsConfig, records: Mapping[Part, dict[str, Any]], quota: Mapping[Cell, int],
              folder: PartsFolder, space: FeatureSpace | None) -> dict[Part, Rows]:
    """Rows of each part that are kept, ascending: all where no more are drawn than the quota.

    Parameters
    ----------
    config : how they are chosen
    records : what the parts say of themselves
    quota : of each cell
    folder : of the parts
    space : in which stacks are compared; needed where a selection is more than a draw
    """
    kept = {part: np.arange(record["made"]) for part, record in records.items()}
    wanted: list[tuple[Kind, int]] = sorted({(cell.kind, cell.space_group) for cell in quota})
    for kind, group in wanted:
        cells = sorted(cell for cell in quota if (cell.kind, cell.space_group) == (kind, group))
        parts = sorted(part for part in records if part.cell in cells)
        selection = config.selection.get(kind)
        if kind == "hard" and parts:
            count = math.ceil((selection.times if selection else 1.0) * quota[cells[0]])
            kept |= dict(zip(parts, preferred([records[part] for part in parts], count, config.hard,
                                              [config.seed, group]), strict=True))
        parts = [part for part in parts if len(kept[part])]
        if selection is not None and parts:
            taken = selected(selection, parts, [kept[part] for part in parts], {cell: quota[cell] for cell in cells},
                             folder, space, config.seed)
            kept |= dict(zip(parts, taken, strict=True))
    return kept


def selected(selection: SelectionConfig, parts: Sequence[Part], rows: Sequence[Rows], quota: Mapping[Cell, int],
             folder: PartsFolder, space: FeatureSpace | None, seed: int) -> list[Rows]:
    """Of these rows of each part of a kind and group those that are kept.

    Parameters
    ----------
    selection, seed : how they are chosen; of what is drawn
    parts, rows : at least one
    quota : of each cell
    folder, space : see kept_rows
    """
    group, cells = parts[0].cell.space_group, sorted(quota)
    sizes = [len(some) for some in rows]
    cell = np.repeat([cells.index(part.cell) for part in parts], sizes)
    crystal = np.unique(np.concatenate([parents(folder.shard(part.name))[some]
                                        for part, some in zip(parts, rows, strict=True)]), return_inverse=True)[1]
    limits = filled(np.array([quota[one] for one in cells]), np.bincount(cell, minlength=len(cells)))
    generator = np.random.default_rng([seed, group, len(cells)])
    features = np.zeros((len(cell), 1)) if selection.kind == "random" or space is None else np.concatenate(
        [space.of(folder.shard(part.name))[some] for part, some in zip(parts, rows, strict=True)])
    pool = DrawnPool(features, crystal, cell, limits)
    if selection.kind == "random" or space is None:
        drawn = generator.random(len(cell))
        places = pool.chosen(lambda chosen: drawn)
    else:
        places = pool.chosen({"variety": lambda: variety(pool, space.real.of(group)),
                              "covariance": lambda: covariance(pool, space.real, group),
                              "prototype": lambda: prototype(pool, space.real, group, generator)}[selection.kind]())
    taken = np.isin(np.arange(len(cell)), places)
    return [some[mine] for some, mine in zip(rows, np.split(taken, np.cumsum(sizes)[:-1]), strict=True)]


def filled(quota: Int[np.ndarray, " C"], there: Int[np.ndarray, " C"]) -> Int[np.ndarray, " C"]:
    """How many each cell gives: its quota as far as stacks are there; what some lack the others give, one by one."""
    given = np.minimum(quota, there)
    while given.sum() < quota.sum() and (more := np.flatnonzero(given < there)).size:
        given[more[np.argmin(given[more])]] += 1
    return given


def parents(stacks: Path) -> np.ndarray:
    """Of each stack the crystal it stems from, str [N]: that from which it was distorted, or its own."""
    with StackFile(stacks) as file:
        told = [json.loads(text) for text in file.table.provenance]
        return np.array([(one.get("parent") or {"material": material})["material"]
                         for one, material in zip(told, file.table.material.tolist(), strict=True)])
