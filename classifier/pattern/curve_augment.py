"""What leaves the label of a curve as it is, and needs the curve alone: shift, stretch, scale, background, noise."""

from typing import Annotated, Literal

import torch
from jaxtyping import Float, Shaped
from pydantic import Field
from torch import Tensor

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.pattern.grid import Grid, SampleGrid

WAVES = 3  # cosines of a background, of at most so many half periods along the axis


class CurveAugmentConfig(Config):
    """Of curves x [B, C, points], normalised: -1 is nothing, 1 the highest of training.

    shift_points: largest shift along the axis, in points (zero shift, displacement); stretch: largest relative stretch
    of the axis about its zero (a larger cell of the same symmetry); gain: standard deviation of the logarithm of a
    factor on the height above -1; background: largest height of a smooth background; noise: largest standard deviation
    of a point. Every curve draws its own.
    """

    kind: Literal["curve"]
    shift_points: Annotated[float, Field(ge=0)] = 1.0
    stretch: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    gain: Annotated[float, Field(ge=0)] = 0.05
    background: Annotated[float, Field(ge=0)] = 0.05
    noise: Annotated[float, Field(ge=0)] = 0.02

    @property
    def mirror(self) -> bool:
        """A curve has no mirror image."""
        return False

    @property
    def shift_pixels(self) -> int:
        """The largest shift that a classifier bears, in whole points: none is made good before it looks."""
        return 0

    def require(self, grid: Grid) -> None:
        """Refuse (InputError) samples that are no curves."""
        if not (isinstance(grid, SampleGrid) and len(grid.axes) == 1):
            raise InputError(source='augment, kind = "curve"', rule="is for samples of one axis",
                             value=f"samples of kind {grid.kind}", remedy='Leave kind out for CBED patterns.')

    def applied(self, x: Float[Tensor, "B C P"], label: Shaped[Tensor, " N *K"], generator: torch.Generator,
                class_map: ClassMap, rows: range | None = None) -> tuple[Tensor, Tensor]:
        """New curves, each changed at random, and their labels, the same; arguments as of `augment`."""
        batch, here = label.shape[0], slice(None) if rows is None else slice(rows.start, rows.stop)
        points = x.shape[-1]

        def drawn(*shape: int) -> Tensor:
            """Uniform in -1..1, of the whole batch, cut to the rows at hand."""
            values = 2 * torch.rand(batch, *shape, generator=generator, device=generator.device) - 1
            return values[here].to(x.device, non_blocking=True)

        at = torch.arange(points, device=x.device)
        if self.shift_points or self.stretch:
            moved = at * (1 + self.stretch * drawn(1)) + self.shift_points * drawn(1)
            x = _read_at(x, moved.clamp(0, points - 1))
        if self.gain:
            x = (x + 1) * (self.gain * drawn(1, 1) * 3**0.5).exp() - 1
        if self.background:
            waves = torch.cos(torch.pi * at / points * torch.arange(WAVES + 1, device=x.device)[:, None])
            smooth = (drawn(WAVES + 1, 1) * waves).sum(1)  # no matrix product, whose rounding would know the batch
            smooth = smooth - smooth.amin(-1, keepdim=True)
            height = self.background * (drawn(1) + 1) / 2
            x = x + (smooth * (height / smooth.amax(-1, keepdim=True).clamp(min=1e-6)))[:, None]
        if self.noise:
            normal = torch.randn(batch, *x.shape[1:], generator=generator, device=generator.device)[here]
            x = x + normal.to(x.device, non_blocking=True) * (self.noise * (drawn(1, 1) + 1) / 2)
        return x, label


def _read_at(x: Tensor, places: Tensor) -> Tensor:
    """x [B, C, P] at places [B, P] between its points, linearly."""
    low = places.floor().long().clamp(max=x.shape[-1] - 2)
    share = (places - low)[:, None]
    left, right = (torch.gather(x, 2, (low + step)[:, None].expand_as(x)) for step in (0, 1))
    return left * (1 - share) + right * share
