"""The parts of a set to be synthesized: which there are, and the work of a process that makes one."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

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
from cbedgan.synthesis.crystals.synthesize_config import Kind, SynthesizeCrystalsConfig
from classifier.foundation.atomic import write_json

AT_ONCE = 8  # stacks of a part: a kill costs no more for each process


class Part(NamedTuple):
    """So many stacks of a kind and group, numbered from `first` on. side: of a boundary, "" of other kinds."""

    kind: Kind
    side: str
    space_group: int
    first: int
    count: int

    @property
    def name(self) -> str:
        """Of its files."""
        return "-".join([self.kind, *([self.side] if self.side else []), str(self.space_group), f"{self.first:06d}"])


class Opened(NamedTuple):
    """What the files of an order hold, read once a process."""

    source: TrainedCrystals
    found: FoundPaths | None
    copies: Copies


@dataclass(frozen=True)
class Order:
    """What all parts are made of. name: digest of the set's record; paths: folder of distort; digests: of the
    classifiers; classes: of the split."""

    name: str
    folder: PartsFolder
    config: SynthesizeCrystalsConfig
    generator: Path
    paths: Path | None
    classifiers: tuple[Path, ...]
    digests: tuple[str, ...]
    split_names: tuple[str, ...]
    classes: tuple[int, ...]
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
        return BoundaryStacks(opened.found, source, opened.source.instrument, self.fit(), self.classes,
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


def parts_of(kind: Kind, side: str, space_group: int, numbers: range) -> list[Part]:
    """The parts of these numbers."""
    return [Part(kind, side, space_group, first, min(AT_ONCE, numbers.stop - first))
            for first in range(numbers.start, numbers.stop, AT_ONCE)]


def made_up_for(asked: dict[tuple[int, str], int], made: Mapping[tuple[int, str], int]) -> list[Part]:
    """What a side of a group's boundaries that is whole makes in place of what the other lacks; numbers of each."""
    return [part for (group, side), number in asked.items() if made[group, side] == number
            for (other_group, other), there in asked.items() if other_group == group and other != side
            for part in parts_of("boundary", side, group, range(number, number + there - made[group, other]))]


def make_part(order: Order, part: Part) -> None:
    """In a worker: write the stacks of a part that could be made, then what says that it is finished."""
    began, refused = time.process_time(), Counter()
    draw, source = _drawing(order, part, refused), order.opened().source
    made = [one for number in range(part.first, part.first + part.count) if (one := draw(number)) is not None]
    if made:
        write_part(order.folder, part.name, made, source, order.mantissa_bits)
    told = {} if part.kind != "hard" or not made else {
        "probability": denied(order.classifiers, order.folder.shard(part.name), order.config.hard)}
    write_json(order.folder.record(part.name), {"made": len(made), "refused": refused, **told,
                                                "processor_seconds": time.process_time() - began})


def _drawing(order: Order, part: Part, refused: Counter[str]) -> Callable[[int], SampledStack | None]:
    """What makes the stack of each number."""
    if part.kind == "boundary":
        boundary = order.boundary(refused)
        return lambda number: boundary.draw(part.side, part.space_group, number)
    source, fit = order.opened().source, order.fit()
    return lambda number: interior_stack(source, order.config.arm, part.kind, part.space_group, number,
                                         seed=order.config.seed, fit=fit, refused=refused)
