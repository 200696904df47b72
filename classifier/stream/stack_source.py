"""What a source without end offers, and which space groups each of its blocks holds."""

from typing import Any, NamedTuple, Protocol

import numpy as np
from jaxtyping import Float, Int

from classifier.samples.sampletable import SampleTable
from classifier.samples.viewed import Frame
from classifier.stream.stream_config import StreamConfig


class DrawnStack(NamedTuple):
    """One new stack.

    intensity: physical; row: its one line of a table; passed_over: draws that were given up for it because the split
    holds out what they showed.
    """

    intensity: Float[np.ndarray, "3 S S"]
    row: SampleTable
    passed_over: int = 0


class StackSource(Protocol):
    """Draws new stacks of a space group; it is sent to other processes, so that it holds plain values only.

    name: in errors; seed: its own, beside the training's; stream: how it is drawn from; group_shares: of the stacks, by
    space group, up to a factor; frame: of its intensities; record: plain content that decides all stacks, told in the
    result, whose digest names the source; draw: depends on group and generator alone, the same in every process.
    """

    @property
    def name(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def stream(self) -> StreamConfig: ...

    @property
    def group_shares(self) -> dict[int, float]: ...

    @property
    def frame(self) -> Frame: ...

    def record(self) -> dict[str, Any]: ...

    def draw(self, space_group: int, generator: np.random.Generator) -> DrawnStack: ...


def groups_of_block(source: StackSource, number: int, seed: int) -> Int[np.ndarray, " block"]:
    """Space group of each stack of a block, in random order.

    Evenly spaced points on the line of shares, begun at random: each group has its share to within one stack, and over
    blocks exactly.
    """
    groups, shares = (np.array(column) for column in zip(*sorted(source.group_shares.items()), strict=True))
    generator = np.random.default_rng([source.seed, seed, number, 0])
    points = (np.arange(source.stream.block) + generator.random()) / source.stream.block
    chosen = np.searchsorted(np.cumsum(shares) / shares.sum(), points, side="right")
    # Rounding may leave the last sum a hair below 1.
    return generator.permutation(groups[chosen.clip(max=int(np.flatnonzero(shares)[-1]))])
