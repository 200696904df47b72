"""What the held-out parts of a set can tell: by part and kind of crystal, the difference that a test would find."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped
from rich.box import SIMPLE_HEAD
from rich.table import Table

from classifier.inspection.catalog import Catalog
from classifier.inspection.survey import distinct
from classifier.samples.sampletable import DERIVATIONS, SampleTable
from classifier.statistics.power import DISCORDANT, WITHIN_TYPE, detectable_difference, discordant_mean

KIND_NAMES = {"": "all", "real": "real-derived", "random": "random"}


@dataclass(frozen=True)
class PartPower:
    """What one part tells, all groups or the few-shot ones: counts, and the difference of balanced accuracy that is
    found in four of five tests, by the correlation within structure types."""

    part: str
    kind: str
    shots: str
    groups: int
    groups_of_one_type: int
    structure_types: int
    materials: int
    detectable: dict[str, float]


def part_powers(catalog: Catalog) -> list[PartPower]:
    """Every held-out part that the files have, its real-derived crystals first where the table says which they are."""
    few = [group.space_group for group in catalog.groups() if group.shot == "few"]
    return [row for part in ("test", "validation") for row in powers_of(catalog.samples, catalog.part, part, few)]


def powers_of(table: SampleTable, parts: Shaped[np.ndarray, " N"], part: str, few: Sequence[int], seeds: int = 1
              ) -> list[PartPower]:
    """One part by kind of crystal, all groups and the few-shot ones.

    Parameters
    ----------
    table, parts : rows, and the part of each
    part : which one
    few : the few-shot groups
    seeds : trainings whose mean is compared
    """
    rows = []
    known = [kind for kind in DERIVATIONS[1:] if (table.derivation == kind).any()]
    for kind in known or [""]:
        for shots, among in (("all", table.space_group > 0), ("few", np.isin(table.space_group, few))):
            chosen = np.flatnonzero((parts == part) & (table.derivation == kind) & among)
            chosen = chosen[np.unique(table.material[chosen], return_index=True)[1]]
            if len(chosen):
                rows.append(_power(part, kind, shots, table.space_group[chosen], table.structure_type[chosen], seeds))
    return rows


def _power(part: str, kind: str, shots: str, space_group: np.ndarray, structure_type: np.ndarray, seeds: int
           ) -> PartPower:
    types = np.char.add(np.char.add(space_group.astype(str), " "), structure_type)
    first = np.unique(types, return_index=True)[1]
    _, of_group = np.unique(space_group[first], return_counts=True)
    return PartPower(part, kind, shots, len(of_group), int((of_group == 1).sum()), distinct(types), len(space_group), {
        f"{within:g}": round(detectable_difference(space_group, structure_type, within_type=within,
                                                   discordant=discordant_mean(seeds)), 4) for within in WITHIN_TYPE})


def power_table(rows: list[PartPower]) -> Table:
    """The rows, to print on a rich console; differences in points."""
    table = Table("part", "crystals", "groups", box=SIMPLE_HEAD, title_justify="left", title_style="bold",
                  title="Difference of balanced accuracy, in points, that a part finds in four of five tests (5 %, two "
                        f"classifiers that differ on {100 * DISCORDANT:g} % of the materials)")
    for name in ("of one type", "structure types", "materials", *(
            f"correlation within a type {within:g}" for within in WITHIN_TYPE)):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(row.part, KIND_NAMES[row.kind], f"{row.groups} {'' if row.shots == 'all' else row.shots}".strip(),
                      str(row.groups_of_one_type), str(row.structure_types), str(row.materials),
                      *(f"{100 * value:.1f}" for value in row.detectable.values()))
    return table
