"""What a network of fixed features sees of its training stacks, taken once: label-preserving and measured copies.

A step then draws one copy of each stack, where a network of pixels would transform the stack anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.run import progress
from classifier.network.stack_classifier import StackClassifier
from classifier.pattern.augment import mirrored
from classifier.samples.cache import open_or_build
from classifier.samples.dataset import StackSet
from classifier.samples.measured_samples import Measurement

AT_ONCE = 128  # stacks whose copies are made together


@dataclass(frozen=True, eq=False)
class Copies:
    """values: float16 [N, draws, hands, ...], what `fixed` gives of the copies of N stacks, in two hands where mirror
    images are wanted; ideal_share: how often draw 0 is taken, the stack as it is, where the others are measured."""

    values: Tensor
    ideal_share: float

    @classmethod
    def of(cls, network: StackClassifier, samples: StackSet, *, draws: int, ideal_share: float, mirror: bool,
           measurement: Measurement | None, cache: Path | None, key: dict[str, Any], shown: bool = True) -> "Copies":
        """Take them, or find them in the cache.

        Parameters
        ----------
        network, samples : with its scales fitted; of training
        draws, measurement : measured copies of each stack; None: the stack as it is, once
        ideal_share : above 0, the stack as it is comes beside them
        mirror : whether mirror images are wanted
        cache, key : folder that keeps them, and all that decides the values
        shown : whether a bar tells how far it is
        """
        network.eval()
        measurements: list[Measurement | None] = [measurement] * draws
        if measurement is None or ideal_share:
            measurements = [None, *measurements] if measurement is not None else [None]
        ideal_share = 1.0 if measurement is None else ideal_share
        blocks = _blocks(network, samples, mirror, measurements)
        if cache is None:
            with progress("copies of training stacks", len(samples), shown=shown) as bar:
                values = torch.cat([_counted(block, bar).half() for block in blocks])
            return cls(values.to(samples.device), ideal_share)
        first = next(_blocks(network, samples, mirror, [None], at_once=1))
        shape = (len(samples), len(measurements), *first.shape[2:])
        kept = open_or_build(cache, name="copies", key=key, shape=shape, blocks=(block.numpy() for block in blocks))
        return cls(torch.cat([part.half() for part in kept.x.split(AT_ONCE)]).to(samples.device), ideal_share)

    def draw(self, rows: Tensor, target: Tensor, generator: torch.Generator, class_map: ClassMap, own: slice
             ) -> tuple[Float[Tensor, "B C F"], Tensor]:
        """A copy at random of each of a batch's own rows, and the labels of the whole batch after it.

        Parameters
        ----------
        rows, target : samples of the whole batch int64 [B], and their soft labels [B, K]
        generator : on any device; the same draws everywhere
        class_map : of the labels, which mirror images may change
        own : the rows of the batch whose copies are wanted
        """
        uniform = torch.rand(2, len(rows), generator=generator, device=generator.device).to(rows.device)
        # Draw 0 below ideal_share, the others evenly above it.
        ideal, above = int(self.ideal_share > 0), (uniform[0] - self.ideal_share).clamp(min=0)
        measured = (above * ((self.values.shape[1] - ideal) / max(1 - self.ideal_share, 1e-9))).long() + ideal
        number = torch.where(uniform[0] < self.ideal_share, 0, measured.clamp(max=self.values.shape[1] - 1))
        hand = torch.zeros_like(number)
        if self.values.shape[2] > 1:
            wanted, target = mirrored(target, uniform[1] < 0.5, class_map)
            hand = wanted.long()
        return self.values[rows[own], number[own], hand[own]].float(), target


def _blocks(network: StackClassifier, samples: StackSet, mirror: bool, measurements: list[Measurement | None],
            at_once: int = AT_ONCE) -> Iterator[Tensor]:
    """Values float32 [n, draws, hands, ...] of the samples in turn, on the CPU."""
    device = next(network.parameters()).device
    for start in range(0, len(samples), at_once):
        x, names = samples.x[start : start + at_once].cpu(), samples.sample_id[start : start + at_once]
        copies = []
        with torch.inference_mode():
            for draw, measurement in enumerate(measurements):
                seen = (x if measurement is None else measurement.of(x, names, draw=draw)).to(device)
                hands = [seen, seen.flip(-2)] if mirror else [seen]
                copies.append(torch.stack([network.fixed(one) for one in hands], 1).cpu())
        yield torch.stack(copies, 1)


def _counted(block: Tensor, bar: Any) -> Tensor:
    bar.advance(len(block))
    return block
