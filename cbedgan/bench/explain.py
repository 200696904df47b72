"""bench explain: how often what is claimed of patterns agrees with the symmetry elements of their space group."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table

from classifier.crystal.pattern_symmetry import PatternSymmetry, canonical_azimuths, pattern_symmetry
from classifier.crystal.reciprocal import zolz_lattice
from classifier.explanation.agreement import agreement
from classifier.explanation.explain import disk_radii, untilted
from classifier.explanation.shown import ShownSymmetry, shown_symmetries
from classifier.explanation.words import AXES
from classifier.foundation.errors import InputError
from classifier.foundation.run import progress
from classifier.pattern.condition import Condition
from classifier.pattern.measurement import CONDITIONS, measured_copy
from classifier.samples.sampletable import SampleTable
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile
from classifier.samples.viewed import rows_of

KINDS = (*AXES.values(), "mirror", "dark_row", "no_half_turn", "no_mirror")
SAME_LINE_DEGREE, SAME_LENGTH = 1.5, 0.06  # beyond the azimuth's error; relative
IN_FRAME = 0.9  # of the frame's half width: reflections nearer than that can be seen
CLAIMS = ("claimed", "right", "there", "found")


def bench_explain(stacks: Path, split: Path | None, *, part: str, condition: Condition, most: int, seed: int
                  ) -> dict[str, Any]:
    """Claims of labelled simulated stacks in canonical pose beside the truth: counts by kind, and of whole stacks.

    Of a kind: claims, right ones, symmetries that are there, and those of them that were found. Of stacks: how many
    agree with their own group, and how many of the file's other groups a stack excludes.

    Parameters
    ----------
    stacks, split, part : the stack file; split.json and the part of it, or None: every stack
    condition : of the measurement
    most, seed : stacks drawn at random, and the seed of that and of the measurement
    """
    with StackFile(stacks) as file:
        if file.pose != "canonical":
            raise InputError(source=stacks, rule="must hold stacks in canonical pose", value=f"{file.pose} pose",
                             remedy="Give a simulated set in canonical pose.")
        rows = np.arange(len(file)) if split is None else rows_of(
            file, load_split(split, stack_digest=file.identity).parts[part])
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:most])
        table, detector, intensity = file.table.take(rows), file.detector, torch.from_numpy(file.read(rows))
    config = CONDITIONS[condition]
    intensity = measured_copy(intensity, table.sample_id.tolist(), config, seed=seed).numpy()
    tolerance = SAME_LINE_DEGREE + config.azimuth_degree
    half = detector.size_pixels * detector.pixel_size / 2
    counts: dict[str, Counter[str]] = {kind: Counter(dict.fromkeys(CLAIMS, 0)) for kind in KINDS}
    groups = sorted(set(table.space_group.tolist()))
    agreed, excluded = 0, 0
    radius, on_axis = disk_radii(table, detector), untilted(table)
    with progress("bench explain", len(table)) as bar:
        for row in range(len(table)):
            shown = shown_symmetries(intensity[row], detector, radius[row].tolist(), untilted=on_axis[row])
            for pattern, one in enumerate(shown):
                _count(counts, one, _Truth(table, row, pattern, IN_FRAME * half), tolerance)
            refused = [agreement(group, shown).excluded for group in groups]
            own = groups.index(int(table.space_group[row]))
            agreed, excluded = agreed + (not refused[own]), excluded + sum(refused) - refused[own]
            bar.advance()
    return {"condition": condition, "stacks": len(table), "patterns": 3 * len(table), "agree_with_own_group": agreed,
            "other_groups": len(groups) - 1, "excluded_of_others": excluded / max(len(table), 1),
            "kinds": {kind: dict(of_kind) for kind, of_kind in counts.items()}}


def report(figures: Sequence[dict[str, Any]]) -> Table:
    """The figures of one or several conditions as a table."""
    table = Table("condition", "claim", "claims", "agree", "there", "found", box=None, header_style="dim")
    for column in table.columns[2:]:
        column.justify = "right"
    for one in figures:
        together = Counter()
        for kind, counts in one["kinds"].items():
            together.update({name: counts[name] for name in ("claimed", "right")})
            table.add_row(one["condition"], kind.replace("_", " "), str(counts["claimed"]),
                          _share(counts["right"], counts["claimed"]), str(counts["there"]),
                          _share(counts["found"], counts["there"]))
        table.add_row(one["condition"], "all", str(together["claimed"]), _share(together["right"], together["claimed"]),
                      "", f"{together['claimed'] / max(one['patterns'], 1):.2f} a pattern")
        table.add_row(one["condition"], "stacks in accord with their own group", str(one["stacks"]),
                      _share(one["agree_with_own_group"], one["stacks"]), "",
                      f"{one['excluded_of_others']:.1f} of {one['other_groups']} others excluded")
    return table


class _Truth:
    """Symmetry of one pattern of a table, and the azimuths that its g1 may have."""

    def __init__(self, table: SampleTable, row: int, pattern: int, reach: float) -> None:
        cell = table.cell_lengths_angstrom[row], table.cell_angles_degree[row]
        axis, self.g1 = table.zone_axis_uvw[row, pattern], float(table.shortest_g_inv_angstrom[row, pattern])
        self.of: PatternSymmetry = pattern_symmetry(int(table.space_group[row]), axis, *cell, longest=reach * self.g1)
        self.turns = canonical_azimuths(zolz_lattice(*cell, axis), self.g1)

    def has_mirror(self, azimuth: float, tolerance: float) -> bool:
        """Whether a mirror line lies there, whichever of the equally long reflections is g1."""
        return any(_apart(azimuth, line - turn) < tolerance for line in self.of.mirrors for turn in self.turns)

    def has_dark(self, azimuth: float, length: float, tolerance: float) -> bool:
        """Whether a reflection of this length, in g1, is dark along the row there."""
        return any(_apart(azimuth, _azimuth(one.g) - turn) < tolerance
                   and abs(np.hypot(*one.g) / self.g1 / length - 1) < SAME_LENGTH
                   for one in self.of.dark for turn in self.turns)

    def dark_rows(self) -> int:
        """Number of rows with a dark reflection in the frame."""
        return len({round(_azimuth(one.g), 1) % 180 for one in self.of.dark})


def _count(counts: dict[str, Counter[str]], one: ShownSymmetry, truth: _Truth, tolerance: float) -> None:
    def claimed(kind: str, right: bool) -> None:
        counts[kind].update(claimed=1, right=int(right))

    def there(kind: str, number: int, found: int) -> None:
        counts[kind].update(there=number, found=found)

    mirrors = [truth.has_mirror(line, tolerance) for line in one.mirrors]
    dark = [truth.has_dark(row.azimuth_degree, min(np.hypot(*(np.array(g) - one.centre)) for g in row.reflections),
                           tolerance) for row in one.dark]
    if one.order > 1:
        claimed(AXES[one.order], truth.of.order % one.order == 0)
    for kind, each in (("mirror", mirrors), ("dark_row", dark)):
        for right in each:
            claimed(kind, right)
    if truth.of.order > 1:
        there(AXES[truth.of.order], 1, int(one.order == truth.of.order))
    there("mirror", len(truth.of.mirrors), sum(mirrors))
    there("dark_row", truth.dark_rows(), sum(dark))
    for kind, denied, absent in (("no_half_turn", one.no_half_turn, 2 not in truth.of.turns),
                                 ("no_mirror", one.no_mirror, not truth.of.mirrors)):
        if denied:
            claimed(kind, absent)
        there(kind, int(absent), int(denied and absent))


def _azimuth(g: tuple[float, float]) -> float:
    return float(np.degrees(np.arctan2(g[1], g[0])))


def _apart(one: float, other: float) -> float:
    """Angle between two lines in degrees."""
    return abs((one - other + 90) % 180 - 90)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"
