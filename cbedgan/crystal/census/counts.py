"""What each source of crystals holds: crystals, space groups, structure types, groups missing, look-alikes."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.plan import CrystalConfig
from cbedgan.crystal.prototypes import prototypes
from cbedgan.crystal.structure_files import Structures, say_unreadable, structures_from_files
from cbedgan.crystal.supergroup import hidden_supergroup
from classifier.foundation.errors import InputError
from classifier.foundation.run import progress

ALL_GROUPS = range(1, 231)


@dataclass(frozen=True)
class SourceCount:
    """name: of the source; look_alikes: crystals hardly to be told from a higher group; missing: groups it has not."""

    name: str
    crystals: int
    groups: int
    structure_types: int
    look_alikes: int
    missing: tuple[int, ...]


def count_source(name: str, crystals: Iterable[Crystal], look_alikes: set[str]) -> SourceCount:
    """Count one source; look_alikes: materials of all sources that are."""
    crystals = list(crystals)
    present = {crystal.space_group for crystal in crystals}
    return SourceCount(name, len(crystals), len(present), len({crystal.structure_type for crystal in crystals}),
                       sum(crystal.material in look_alikes for crystal in crystals),
                       tuple(group for group in ALL_GROUPS if group not in present))


def count_sources(config: CrystalConfig, *, seed: int, tries: int, files: Path | None) -> list[SourceCount]:
    """Count the prototypes, what is drawn from `config.random`, and structure files.

    Parameters
    ----------
    config : with the largest prototype too
    seed, tries : of the draws, as in a plan; and how many for each group
    files : a structure file or folder, if any
    """
    source = config.random
    if source is None:
        raise InputError(source="crystals.random", rule="the configuration must say what crystals are drawn from",
                         value="no such table", remedy="Take one of configs/bench, or add the table.")
    read = Structures([], []) if files is None else structures_from_files(files)
    say_unreadable(read)
    given = read.crystals
    small = [crystal for crystal in prototypes() if crystal.n_primitive <= config.maximum_primitive_atoms]
    drawn = []
    with progress(f"drawing crystals, {source.kind}", len(ALL_GROUPS)) as bar:
        for group in ALL_GROUPS:
            some = (source.draw(group, np.random.default_rng([seed, group, draw])) for draw in range(tries))
            drawn += [crystal for crystal in some if crystal is not None]
            bar.advance()
    everything = [*prototypes(), *drawn, *given]
    look_alikes = set()
    with progress("comparing with higher groups", len(everything)) as bar:
        for crystal in everything:
            if hidden_supergroup(crystal, source.supergroup_tolerance_angstrom) is not None:
                look_alikes.add(crystal.material)
            bar.advance()
    sources = {"prototypes": prototypes(), f"  of at most {config.maximum_primitive_atoms} atoms": small,
               f"{source.kind}, {tries} tries a group": drawn, **({} if files is None else {str(files): given}),
               "together": everything}
    return [count_source(name, crystals, look_alikes) for name, crystals in sources.items()]


def source_table(counts: list[SourceCount]) -> Table:
    """The counts, to print on a rich console; groups are listed as ranges."""
    table = Table("source", box=SIMPLE_HEAD)
    for name in ("crystals", "groups", "structure types", "look-alikes"):
        table.add_column(name, justify="right")
    table.add_column("groups missing", overflow="fold")
    for count in counts:
        table.add_row(count.name, str(count.crystals), str(count.groups), str(count.structure_types),
                      str(count.look_alikes), ranges(count.missing))
    return table


def ranges(numbers: Iterable[int]) -> str:
    """Return ascending numbers as text, neighbours joined: "1-3 7"; "none" when there are none."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs) or "none"
