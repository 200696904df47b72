"""One round of the study: the materials labelled at first, and those that a strategy asks for next."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cbedgan.boundary.points import boundary_points
from classifier.prediction.acquire import Pool, Ranking, rank, see
from classifier.prediction.predict import load_classifier
from classifier.prediction.strategy import Strategy
from classifier.samples.split import Split, load_split
from classifier.samples.stackfile import SampleTable, StackFile


@dataclass(frozen=True, eq=False)
class Base:
    """The stacks of a study and the split whose train part is start set and pool."""

    stacks: Path
    split_path: Path
    split: Split
    table: SampleTable

    @classmethod
    def of(cls, stacks: Path, split: Path) -> "Base":
        """Read the table of the stacks, and their split."""
        with StackFile(stacks) as file:
            return cls(Path(stacks), Path(split), load_split(split, stack_digest=file.identity), file.table)

    def training_materials(self) -> tuple[np.ndarray, np.ndarray]:
        """Training materials str [m] in the order of their names, and the space group of each int [m]."""
        train = np.isin(self.table.sample_id, self.split.parts["train"])
        names, first = np.unique(self.table.material[train], return_index=True)
        return names, self.table.space_group[train][first]


def start_materials(base: Base, count: int, seed: int) -> list[str]:
    """Draw the materials labelled at first: one of each group before any second one, the rest at random."""
    names, group = base.training_materials()
    drawn = np.random.default_rng([seed, 0]).permutation(len(names))
    first = np.sort(np.unique(group[drawn], return_index=True)[1])
    order = np.concatenate([drawn[first], np.delete(drawn, first)])
    return names[order[:count]].tolist()


def ask(strategy: Strategy, base: Base, *, labelled: Path, classifiers: Sequence[Path], count: int,
        rng: np.random.Generator, probed: tuple[Path, Path] | None) -> Ranking:
    """Rank the `count` materials that a strategy asks for next; the labels of the pool stay hidden from it.

    Parameters
    ----------
    strategy : how to choose
    base : stacks and split of the study
    labelled : split file of what is labelled so far
    classifiers : trained on it
    count : of materials
    rng : of the strategy random
    probed : probe.h5 and its generator
    """
    members = [load_classifier(path) for path in classifiers]
    parted = load_split(labelled, stack_digest=base.split.identity)
    table = base.table
    free = np.isin(table.sample_id, base.split.parts["train"]) & ~np.isin(table.material, parted.materials["train"])
    centres = see(members[0], base.stacks, parted.parts["train"]).features if strategy == "core_set" else None
    pool = Pool.of(members, base.stacks, sample_ids=table.sample_id[free].tolist(), material=table.material[free],
                   labelled=centres)
    points = None if probed is None else boundary_points(*probed, members[0])
    return rank(strategy, pool, count=count, rng=rng, boundary=points)
