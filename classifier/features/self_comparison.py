"""A pattern beside what turns and mirrors change in it: symmetry as an input, since a network hardly learns it.

A convolution compares neighbours; whether a turn or a mirror leaves a pattern as it is compares places far apart. In
canonical pose, where the shortest visible g points along +x, the possible mirrors have fixed azimuths.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

EXACT = ("half turn", "quarter turn", "mirror 0", "mirror 90", "mirror 45", "mirror 135")
TURNS_DEGREE = (120, 60)
MIRRORS_DEGREE = (30, 150, 60, 120)  # azimuths of the mirror lines, counted from +x
SAMPLED = len(TURNS_DEGREE) + len(MIRRORS_DEGREE)
MULTIPLE = 1 + len(EXACT) + SAMPLED  # channels out for one in


def with_differences(x: Tensor) -> Tensor:
    """Square patterns x [B, C, S, S] and |x - g x| for each turn and mirror g about the middle, [B, C MULTIPLE, S, S].

    Differentiable. Copies between pixels are sampled bilinearly; what comes from outside the square differs by nothing.
    """
    size = x.shape[-1]
    grid, inside = _grid(size, x.device)
    swapped = x.transpose(-2, -1)
    exact = torch.stack([x.flip(-2, -1), swapped.flip(-1), x.flip(-2), x.flip(-1), swapped, swapped.flip(-2, -1)], 1)
    sampled = F.grid_sample(x, grid.to(x.dtype).expand(len(x), -1, -1, -1), mode="bilinear", align_corners=False)
    # Where a copy comes from outside, the pattern itself stands in.
    sampled = torch.where(inside[:, None], sampled.unflatten(2, (SAMPLED, size)).movedim(2, 1), x[:, None])
    return torch.cat([x, torch.cat([exact, sampled], 1).sub_(x[:, None]).abs_().flatten(1, 2)], dim=1)


@lru_cache
def _grid(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Where sampled copies come from, [1, SAMPLED S, S, 2] in -1..1, and which places lie inside, [SAMPLED, S, S]."""
    line = (torch.arange(size, dtype=torch.float64) - (size - 1) / 2) * 2 / size
    places = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
    turned = torch.stack([places @ matrix for matrix in _sampled_operations()])
    inside = (turned.abs() <= 1 - 1 / size).all(-1)
    return turned.float().flatten(0, 1)[None].to(device), inside.to(device)


def _sampled_operations() -> list[Tensor]:
    """Matrices float64 [2, 2] on row vectors (x, y)."""
    turns = [(math.cos(math.radians(degree)), math.sin(math.radians(degree))) for degree in TURNS_DEGREE]
    mirrors = [(math.cos(math.radians(2 * degree)), math.sin(math.radians(2 * degree))) for degree in MIRRORS_DEGREE]
    return [torch.tensor(matrix, dtype=torch.float64)
            for matrix in [[[c, s], [-s, c]] for c, s in turns] + [[[c, s], [s, -c]] for c, s in mirrors]]
