"""Two builds of one set: are they of one plan, and do their pixels agree as the last bits of a processor let them?"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from classifier.foundation.errors import InputError
from classifier.foundation.run import progress
from classifier.inspection.differences import (
    NO_PLAN,
    SHOWN,
    compare_frames,
    compare_plans,
    compare_tables,
    shared_rows,
)
from classifier.samples.stackfile import StackFile

# With another Fourier transform in single precision 420 patterns of cbed-lt (200 to 400 angstrom) differ by 4e-6 in the
# median, 2e-5 in the 99th percentile and 3e-5 at most. Rounding to the mantissa of a file keeps it on average: a value
# moves by a whole step, 2^-10 of it, as seldom as the error is small. Three times the largest leaves room for thicker
# crystals, and for patterns of few bright pixels, in which chance does not even out.
TOLERANCE = 1e-4
AT_A_TIME = 64  # stacks


@dataclass(frozen=True)
class Distances:
    """Relative L1 of single patterns, sum |P - Q| / sum Q.

    patterns: how many; equal: stacks that are the same to the bit; beyond: samples with a pattern beyond the tolerance;
    worst: the samples that differ most, each with the number of its pattern (1..3) and the distance.
    """

    patterns: int
    equal: int
    median: float
    percentile_99: float
    largest: float
    beyond: int
    worst: tuple[tuple[str, int, float], ...]

    def __str__(self) -> str:
        return "\n".join([
            f"Relative L1 of {self.patterns} patterns: median {self.median:.2g}, 99th percentile "
            f"{self.percentile_99:.2g}, largest {self.largest:.2g}; {self.equal} stacks are equal to the bit.",
            *(f"  {name}, pattern {number}: {distance:.2g}" for name, number, distance in self.worst)])


@dataclass(frozen=True)
class Against:
    """paths, plans: of the two files; relation: of their plans, see `compare_plans`; samples: in both files, only in
    the first, only in the second; differences: sentences, each of which parts the sets; remarks: on what may differ;
    distances: None where the frames differ."""

    paths: tuple[str, str]
    plans: tuple[str, str]
    relation: str
    samples: tuple[int, int, int]
    tolerance: float
    differences: tuple[str, ...]
    remarks: tuple[str, ...]
    distances: Distances | None

    @property
    def agree(self) -> bool:
        """Whether the two are builds of one set, as far as both have it."""
        return not self.differences and self.distances is not None and not self.distances.beyond

    def verdict(self) -> str:
        """The answer in one sentence."""
        if self.differences or self.distances is None:
            return "These are not two builds of one set."
        whole = "of one set" if self.relation != NO_PLAN else "without a plan, compared by sample ids"
        if self.distances.beyond:
            return (f"Builds {whole}, of which {self.distances.beyond} samples differ by more than {self.tolerance:g}: "
                    "the last bits of a processor do not explain that.")
        near = f"agree within {self.tolerance:g}, as the last bits of a processor explain"
        return f"Builds {whole}; all patterns {near if self.distances.largest else 'are equal to the bit'}."

    def __str__(self) -> str:
        both, mine, theirs = self.samples
        first, second = (f"{path} (plan {plan[:12]})" for path, plan in zip(self.paths, self.plans, strict=True))
        return "\n".join([
            f"{first} against {second}: {self.relation}.",
            f"{both} samples are in both files, {mine} only in the first, {theirs} only in the second.",
            *(f"! {difference}" for difference in self.differences), *(f"  {remark}" for remark in self.remarks),
            *([str(self.distances)] if self.distances else []), self.verdict()])

    def to_json(self) -> dict[str, Any]:
        """The same as JSON content."""
        return {**asdict(self), "agree": self.agree, "verdict": self.verdict()}


def compare_builds(one: Path, other: Path, *, tolerance: float = TOLERANCE) -> Against:
    """Compare two stack files, sample by sample of those that both have. InputError: none, or a damaged stack.

    Parameters
    ----------
    one, other : stack files; distances are shares of the light in `other`
    tolerance : relative L1 of a pattern that last bits may explain
    """
    with StackFile(one) as first, StackFile(other) as second:
        mine, theirs = shared_rows(first.table, second.table)
        if not len(mine):
            raise InputError(source=one, rule=f"must share samples with {other}", value="no sample id in both",
                             remedy="Give two builds of one set, or a share of it and the whole.")
        relation, differences = compare_plans(first, second, mine, theirs)
        frames = list(compare_frames(first, second))
        with progress("Compare stacks", len(mine)) as bar:
            distances = None if frames and first.grid.shape != second.grid.shape else _measure(
                first, second, mine, theirs, tolerance=tolerance, advance=bar.advance)
        return Against((str(one), str(other)), (first.plan_digest, second.plan_digest), relation,
                       (len(mine), len(first) - len(mine), len(second) - len(mine)), tolerance,
                       (*differences, *frames),
                       tuple(compare_tables(first.table.take(mine), second.table.take(theirs))), distances)


def _measure(first: StackFile, second: StackFile, mine: Int[np.ndarray, " n"], theirs: Int[np.ndarray, " n"], *,
             tolerance: float, advance: Callable[[int], None]) -> Distances:
    distance, equal = np.empty((len(mine), first.grid.shape[0])), 0
    for start in range(0, len(mine), AT_A_TIME):
        part = slice(start, start + AT_A_TIME)
        p, q = first.read(mine[part]), second.read(theirs[part])
        distance[part] = relative_l1(p, q)
        equal += int((p == q).all(axis=tuple(range(1, p.ndim))).sum())
        advance(len(p))
    pattern = distance.argmax(axis=1)
    largest = distance.max(axis=1)
    worst = [row for row in np.argsort(-largest, kind="stable")[:SHOWN] if largest[row] > 0]
    return Distances(
        distance.size, equal, float(np.median(distance)), float(np.quantile(distance, 0.99)), float(largest.max()),
        int((largest > tolerance).sum()),
        tuple((str(first.table.sample_id[mine[row]]), int(pattern[row]) + 1, float(largest[row])) for row in worst))


def relative_l1(p: Float[np.ndarray, "N C *S"], q: Float[np.ndarray, "N C *S"]) -> Float[np.ndarray, "N C"]:
    """sum |P - Q| / sum Q of each pattern; of a dark Q infinite, unless P is as dark."""
    spatial = tuple(range(2, p.ndim))
    apart = np.abs(p.astype(np.float64) - q).sum(axis=spatial)
    light = q.sum(axis=spatial, dtype=np.float64)
    return np.divide(apart, light, out=np.where(apart > 0, np.inf, 0.0), where=light > 0)
