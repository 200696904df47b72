"""The parts of a set to be synthesized: which there are, and the work of a process that makes one."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cbedgan.gan.crystals.draw import SampledStack
from cbedgan.gan.crystals.drawn_files import write_part
from cbedgan.gan.crystals.trained_crystals import TrainedCrystals, load_crystals
from cbedgan.gan.crystals.trained_source import TrainedSource
from cbedgan.simulate.held_out import HeldOut
from cbedgan.simulate.parts import PartsFolder
from cbedgan.synthesis.crystals.boundary_stacks import BoundaryStacks
from cbedgan.synthesis.crystals.copies import Copies
from cbedgan.synthesis.crystals.exposed import Fit
from cbedgan.synthesis.crystals.found_paths import FoundPaths
from cbedgan.synthesis.crystals.hard_stacks import denied
from cbedgan.synthesis.crystals.interior_stacks import interior_stack
from cbedgan.synthesis.crystals.pairs import spread
from cbedgan.synthesis.crystals.synthesize_config import Kind, SynthesizeCrystalsConfig
from classifier.foundation.atomic import write_json

AT_ONCE = 8  # stacks of a part: a kill costs no more for each process


class Cell(NamedTuple):
    """What has a quota of its own: a kind and group; of boundaries also a side and the partner across."""

    kind: Kind
    space_group: int
    side: str = ""
    partner: int = 0


class Part(NamedTuple):
    """So many stacks of a cell, numbered from `first` on."""

    cell: Cell
    first: int
    count: int

    @property
    def name(self) -> str:
        """Of its files."""
        kind, space_group, side, partner = self.cell
        return "-".join([kind, *([side] if side else []), str(space_group), *([str(partner)] if partner else []),
                         f"{self.first:06d}"])


class Opened(NamedTuple):
    """What the files of an order hold, read once a process."""

    source: TrainedCrystals
    found: FoundPaths | None
    copies: Copies


@dataclass(frozen=True)
class Order:
    """What all parts are made of. name: digest of the set's record; paths: folder of distort; digests: of the
    classifiers."""

    name: str
    folder: PartsFolder
    config: SynthesizeCrystalsConfig
    generator: Path
    paths: Path | None
    classifiers: tuple[Path, ...]
    digests: tuple[str, ...]
    split_names: tuple[str, ...]
    held_out: HeldOut
    mantissa_bits: int

    @property
    def copies(self) -> Path:
        """File of what near-copies are told by."""
        return self.folder.folder / "copies.npz"

    def opened(self) -> Opened:
        """Its files."""
        return _opened(self.name, self.generator, self.paths, self.split_names, self.digests, self.copies)

    def fit(self) -> Fit:
        """What may be trained on."""
        return Fit(self.held_out, self.opened().copies)

    def boundary(self, refused: Counter[str]) -> BoundaryStacks:
        """What draws on both sides of boundaries."""
        opened = self.opened()
        assert opened.found is not None
        source = TrainedSource(kind="trained", generator=self.generator, arm=self.config.arm)
        return BoundaryStacks(opened.found, source, opened.source.instrument, self.fit(),
                              self.config.boundary, self.config.seed, refused)


@lru_cache(maxsize=1)
def _opened(name: str, generator: Path, paths: Path | None, split_names: tuple[str, ...], digests: tuple[str, ...],
            copies: Path) -> Opened:
    """By the name of the set, so that files of another one are read anew.

    Parameters
    ----------
    name, generator, paths, split_names, digests, copies : of the order
    """
    source = load_crystals(generator)
    return Opened(source, None if paths is None else FoundPaths.read(paths, split_names, digests),
                  Copies.load(copies, source))


def parts_of(cell: Cell, numbers: range) -> list[Part]:
    """The parts of these numbers."""
    return [Part(cell, first, min(AT_ONCE, numbers.stop - first))
            for first in range(numbers.start, numbers.stop, AT_ONCE)]


def made_up_for(quota: Mapping[Cell, int], asked: Mapping[Cell, int], made: Mapping[Cell, int]) -> list[Part]:
    """What those of a group's pairs of which nothing is missing make in place of what others lack to the quota.

    Parameters
    ----------
    quota, asked, made : of each cell how many are to be kept, were to be drawn, and were drawn
    """
    more: list[Part] = []
    for group in sorted({cell.space_group for cell in quota if cell.kind == "boundary"}):
        cells = sorted(cell for cell in quota if (cell.kind, cell.space_group) == ("boundary", group))
        whole = [cell for cell in cells if made[cell] == asked[cell]]
        lacking = sum(quota[cell] - made[cell] for cell in cells)
        if whole and lacking > 0:
            extra = spread(lacking, np.ones(len(whole)), np.arange(len(whole)))
            more += [part for cell, number in zip(whole, extra.tolist(), strict=True)
                     for part in parts_of(cell, range(asked[cell], asked[cell] + number))]
    return more


def make_part(order: Order, part: Part) -> None:
    """In a worker: write the stacks of a part that could be made, then what says that it is finished."""
    began, refused = time.process_time(), Counter()
    draw, source = _drawing(order, part, refused), order.opened().source
    made = [one for number in range(part.first, part.first + part.count) if (one := draw(number)) is not None]
    if made:
        write_part(order.folder, part.name, made, source, order.mantissa_bits)
    told = {} if part.cell.kind != "hard" or not made else {
        "probability": denied(order.classifiers, order.folder.shard(part.name), order.config.hard)}
    write_json(order.folder.record(part.name), {"made": len(made), "refused": refused, **told,
                                                "processor_seconds": time.process_time() - began})


def _drawing(order: Order, part: Part, refused: Counter[str]) -> Callable[[int], SampledStack | None]:
    """What makes the stack of each number."""
    kind, space_group, side, partner = part.cell
    if kind == "boundary":
        boundary = order.boundary(refused)
        return lambda number: boundary.draw(side, space_group, partner, number)
    source, fit = order.opened().source, order.fit()
    return lambda number: interior_stack(source, order.config.arm, kind, space_group, number, seed=order.config.seed,
                                         fit=fit, refused=refused)
