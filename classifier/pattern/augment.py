"""Label-preserving transforms of a whole stack, batched and differentiable; each names the invariance it uses."""

from typing import Annotated, Literal, Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from pydantic import Field
from torch import Tensor

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.config import Config, added
from classifier.foundation.errors import InputError
from classifier.foundation.registry import Kinds
from classifier.pattern.curve_augment import CurveAugmentConfig
from classifier.pattern.geometry import Detector
from classifier.pattern.grid import Grid

Stacks = Float[Tensor, "B C H W"]


class Augmentation(Protocol):
    """What changes samples of a kind of measurement and leaves their labels right.

    mirror: whether it reflects samples; shift_pixels: the largest shift that a classifier bears by it.
    """

    @property
    def kind(self) -> str: ...

    @property
    def mirror(self) -> bool: ...

    @property
    def shift_pixels(self) -> int: ...

    def require(self, grid: Grid) -> None:
        """Refuse (InputError) samples that it is not for."""
        ...

    def applied(self, x: Float[Tensor, "B C *spatial"], label: Shaped[Tensor, " N *K"], generator: torch.Generator,
                class_map: ClassMap, rows: range | None = None) -> tuple[Tensor, Tensor]:
        """New samples and their labels; arguments as of `augment`."""
        ...


class AugmentConfig(Config):
    """Of CBED stacks. mirror: reflect a stack half of the time, and move its label to the enantiomorphic group.

    half_turn, quarter_turns: turn by 180, or by any multiple of 90 degrees; quarter turns need the raw pose, since the
    canonical pose keeps the shortest reflection on the x axis.
    gain: standard deviation of a shift added to x; shift_pixels: largest shift along rows and columns, in pixels;
    erase: share of stacks in which a rectangle loses its intensity (needs intensity.per_radius = false).
    """

    kind: Literal["pattern"] = added("pattern")
    mirror: bool = True
    half_turn: bool = True
    quarter_turns: bool = False
    gain: float = 0.05
    shift_pixels: int = 0
    erase: Annotated[float, Field(ge=0, le=1)] = added(0.0)

    def require(self, grid: Grid) -> None:
        """Refuse (InputError) samples that are no CBED stacks."""
        if not isinstance(grid, Detector):
            raise InputError(source="augment", rule="without a kind it is for CBED patterns",
                             value=f"samples of kind {grid.kind}", remedy='Write [augment] with kind = "curve".')

    def applied(self, x: Stacks, label: Shaped[Tensor, " N *K"], generator: torch.Generator, class_map: ClassMap,
                rows: range | None = None) -> tuple[Tensor, Tensor]:
        """Stacks transformed by `augment`."""
        return augment(x, label, generator, self, class_map, rows)


AnyAugmentation = Annotated[Augmentation, Kinds(AugmentConfig, CurveAugmentConfig)]


def augment(x: Stacks, label: Shaped[Tensor, " N *K"], generator: torch.Generator, config: AugmentConfig,
            class_map: ClassMap, rows: range | None = None) -> tuple[Stacks, Shaped[Tensor, " N *K"]]:
    """Transform stacks, each at random, all three patterns of a stack alike; also the labels of the new stacks.

    Parameters
    ----------
    x, label : stacks, and class_idx int64 or soft labels float
    generator : may lie on another device than x, so that one seed gives the same transforms on every device
    config, class_map : which transforms, and how large; of the labels
    rows : those of the batch that x holds, where it holds some only; they change as in the whole batch
    """
    if config.quarter_turns and x.shape[-1] != x.shape[-2]:
        raise InputError(source="augment.quarter_turns", rule="needs square patterns", value=tuple(x.shape[-2:]),
                         remedy="Set quarter_turns = false.")
    batch = label.shape[0]
    here = slice(None) if rows is None else slice(rows.start, rows.stop)
    if config.mirror:
        wanted, label = mirrored(label, _uniform(batch, generator, x.device) < 0.5, class_map)
        x = torch.where(wanted[here, None, None, None], x.flip(-2), x)
    if config.half_turn or config.quarter_turns:
        step = 1 if config.quarter_turns else 2
        x = turn(x, step * (_uniform(batch, generator, x.device) * (4 // step)).long()[here])
    if config.shift_pixels:
        span = 2 * config.shift_pixels + 1
        offsets = (_uniform(2 * batch, generator, x.device) * span).long() - config.shift_pixels
        x = shift(x, offsets[:batch][here], offsets[batch:][here])
    if config.gain:
        normal = torch.randn(batch, generator=generator, device=generator.device).to(x.device, non_blocking=True)
        x = gain(x, config.gain * normal[here])
    if config.erase:
        chance, area, ratio, row, column = _uniform(5 * batch, generator, x.device).view(5, batch)[:, here]
        x = erase(x, (0.02 + 0.31 * area) * (chance < config.erase), 0.3 * 11**ratio, row, column)
    return x, label


def mirror(x: Stacks, label: Shaped[Tensor, " B *K"], wanted: Bool[Tensor, " B"], class_map: ClassMap
           ) -> tuple[Stacks, Shaped[Tensor, " B *K"]]:
    """Reflect the wanted stacks in the x axis, label and all.

    Invariance: the mirror image of a crystal is a crystal of the same group. In the 11 enantiomorphic pairs it is one
    of the partner. A stack whose partner the class map lacks stays as it is, wanted or not.

    Parameters
    ----------
    x, label, class_map : stacks, their class_idx int64 or soft labels float, and the map of these
    wanted : which stacks to reflect
    """
    wanted, label = mirrored(label, wanted, class_map)
    return torch.where(wanted[:, None, None, None], x.flip(-2), x), label


def turn(x: Stacks, quarters: Int[Tensor, " B"]) -> Stacks:
    """Turn stacks by quarters (0..3). Invariance: turning the crystal about the beam changes no symmetry."""
    x = torch.where((quarters >= 2)[:, None, None, None], x.flip(-2, -1), x)
    odd = (quarters % 2 == 1)[:, None, None, None]
    return torch.where(odd, x.transpose(-2, -1).flip(-1), x) if x.shape[-1] == x.shape[-2] else x


def shift(x: Stacks, rows: Int[Tensor, " B"], columns: Int[Tensor, " B"]) -> Stacks:
    """Move stacks by whole pixels; the edge is repeated outwards.

    Invariance: where the optic axis meets the detector says nothing about the crystal.
    """
    batch, channels, height, width = x.shape
    from_row = (torch.arange(height, device=x.device) - rows[:, None]).clamp(0, height - 1)
    from_column = (torch.arange(width, device=x.device) - columns[:, None]).clamp(0, width - 1)
    sample = torch.arange(batch, device=x.device)[:, None, None, None]
    channel = torch.arange(channels, device=x.device)[:, None, None]
    return x[sample, channel, from_row[:, None, :, None], from_column[:, None, None, :]]


def gain(x: Stacks, amount: Float[Tensor, " B"]) -> Stacks:
    """Add an amount to each stack.

    Invariance: beam current and exposure. With log intensities this is one factor on all intensities above the floor.
    Below the floor, and with the fourth root, it is nearly one.
    """
    return x + amount[:, None, None, None]


def erase(x: Stacks, area: Float[Tensor, " B"], ratio: Float[Tensor, " B"], row: Float[Tensor, " B"],
          column: Float[Tensor, " B"]) -> Stacks:
    """Set a rectangle of each stack to -1, no intensity (random erasing: Zhong et al. 2017, arXiv 1708.04896).

    Invariance: what is hidden does not change what is seen.

    Parameters
    ----------
    x, area : stacks, and the share of each pattern that its rectangle covers, 0: none
    ratio : height over width of the rectangle
    row, column : 0..1, where it lies between one edge and the other
    """
    inside = torch.ones((), dtype=torch.bool, device=x.device)
    for size, length, place, shape in ((x.shape[-2], (area * ratio).sqrt(), row, (-1, 1, x.shape[-2], 1)),
                                       (x.shape[-1], (area / ratio).sqrt(), column, (-1, 1, 1, x.shape[-1]))):
        pixels = (length * size).round().clamp(max=size)
        start = (place * (size - pixels)).round()[:, None]
        at = torch.arange(size, device=x.device)
        inside = inside & ((at >= start) & (at < start + pixels[:, None])).view(shape)
    return x.masked_fill(inside, -1.0)


def mix(x: Float[Tensor, "B *shape"], target: Float[Tensor, "B K"], rng: np.random.Generator, alpha: float
        ) -> tuple[Float[Tensor, "B *shape"], Float[Tensor, "B K"]]:
    """Mix every stack, and its target, with another: shares l ~ Beta(alpha, alpha) and 1 - l.

    No invariance: mixup (Zhang et al. 2018, arXiv 1710.09412, eq. 1) asks for straight lines between samples.

    Parameters
    ----------
    x, target : stacks, or what a network takes of them, and their class probabilities
    rng : draws the shares and the partners
    alpha : 1: every share alike; towards 0: hardly any mixing
    """
    share = torch.from_numpy(rng.beta(alpha, alpha, len(x))).to(x, non_blocking=True)
    other = torch.from_numpy(rng.permutation(len(x))).to(x.device, non_blocking=True)
    of_x = share.view(-1, *[1] * (x.dim() - 1))
    return (x * of_x + x[other] * (1 - of_x),
            target * share[:, None] + target[other] * (1 - share)[:, None])


def mirrored(label: Shaped[Tensor, " B *K"], wanted: Bool[Tensor, " B"], class_map: ClassMap
             ) -> tuple[Bool[Tensor, " B"], Shaped[Tensor, " B *K"]]:
    """Which of the wanted stacks can be reflected, and the labels after it; see `mirror`."""
    partner = torch.from_numpy(class_map.mirror_partner()).to(label.device, non_blocking=True)
    if label.dim() == 1:
        wanted = wanted & (partner[label] >= 0)
        return wanted, torch.where(wanted, partner[label], label)
    wanted = wanted & ((label == 0) | (partner >= 0)).all(1)
    # Classes without a partner keep their place: they hold no weight in any stack that is reflected.
    place = torch.where(partner >= 0, partner, torch.arange(len(partner), device=label.device))
    return wanted, torch.where(wanted[:, None], label[:, place], label)


def _uniform(count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    # A copy that waits would wait for all that a GPU still has to do.
    return torch.rand(count, generator=generator, device=generator.device).to(device, non_blocking=True)
