"""The symmetry of a pattern as shares 0..1: of two-, three- and four-fold axes and of one mirror line.

Measured on real patterns, where thin crystals and weak upper Laue zones leave symmetries nearly, not wholly, broken
(Buxton et al. 1976, Phil. Trans. A 281, 171); imposed on generated ones as a weighted mean over the operations.
"""

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

FOLDS = (2, 3, 4)
SHARES = len(FOLDS) + 1  # and the mirror
HALF_TURN, MIRROR = FOLDS.index(2), len(FOLDS)  # their places among the shares
NET_TOLERANCE = 0.03  # in net vectors: how far an operation may move net points from net points
REACH = 3  # net points along each vector among which a mirror image of the first vector is looked for
EXACT, RESAMPLED = 5e-4, (0.15, 0.4)  # relative differences that count as none: pixels fall on pixels, or do not
NEARLY = 0.02  # of a share: how far from 1 it is no whole symmetry any more
FLAT = 1e-3  # contrast below which there is none, but rounding
FAINTEST = 1e-12  # square of a difference that counts as none


@dataclass(frozen=True)
class Operations:
    """The O products of a pattern's symmetry operations: plane matrices [N, O, 2, 2], weights [N, O] of sum 1.

    Half turns, third or quarter turns, and mirrors, which vary fastest. The image of azimuth a is angle + a, or
    angle - a where mirrored: angle [N, O], mirrored bool [N, O].
    """

    matrix: Tensor
    weight: Tensor
    angle: Tensor
    mirrored: Tensor


def operations(azimuth: Tensor, share: Tensor) -> Operations:
    """Operations of patterns with a mirror line at azimuth [N] and shares [N, SHARES] of their symmetries.

    A share s weighs an operation by s against 1 for the identity: 1 imposes the symmetry, 0 leaves it out. A pattern
    has three-fold or four-fold axes, whichever has the larger share.
    """
    two, three, four, mirror = share.unbind(-1)
    none, one = torch.zeros_like(two), torch.ones_like(two)
    hexagonal = three > four
    third = torch.where(hexagonal, three, none)
    halves = ((0.0, one), (math.pi, two))
    turns = ((0.0 * azimuth, one),
             (torch.where(hexagonal, 2 * math.pi / 3, math.pi / 2), torch.where(hexagonal, three, four)),
             (torch.full_like(azimuth, 4 * math.pi / 3), third))
    mirrors = ((0.0, one), (2 * azimuth, mirror))
    found = list(itertools.product(halves, turns, mirrors))
    angle = torch.stack([first + second + third for (first, _), (second, _), (third, _) in found], 1)
    weight = torch.stack([first * second * third for (_, first), (_, second), (_, third) in found], 1)
    mirrored = (torch.arange(angle.shape[1], device=angle.device) % 2 == 1).expand_as(angle)
    return Operations(turned(angle, mirrored), weight / weight.sum(1, keepdim=True), angle, mirrored)


def beam_parities(share: Tensor, parity: Tensor) -> Tensor:
    """Parities [N, O] along the beam of the operations of patterns with these shares, see `operations`.

    parity: [N, SHARES], 1 where an operation of the pattern leaves the beam's direction as it is, -1 where it turns it
    round: a centre of inversion is a two-fold axis of parity -1. Three-fold axes cannot; nor can operations that are
    wholly symmetries of a pattern, which turned layers of a crystal would break.
    """
    broken = ((1 - share) / NEARLY).clamp(max=1)
    two, _, four, mirror = (1 - broken * (1 - parity)).unbind(-1)
    one = torch.ones_like(two)
    turns = (one, torch.where(share[:, FOLDS.index(3)] > share[:, FOLDS.index(4)], one, four), one)
    return torch.stack([first * second * third for first, second, third
                        in itertools.product((one, two), turns, (one, mirror))], 1)


def residue(share: Tensor) -> Tensor:
    """(1 - s) / (1 + s): what a mean with its image, weighted by the share s, leaves of a difference from it.

    Its own inverse: the share that leaves so much.
    """
    return (1 - share) / (1 + share)


def turned(angle: Tensor, mirrored: Tensor) -> Tensor:
    """Matrices [..., 2, 2] that bring a vector (column) at azimuth a to angle + a, or to angle - a where mirrored."""
    c, s = angle.cos(), angle.sin()
    sign = 1 - 2 * mirrored.to(c)
    return torch.stack((torch.stack((c, -sign * s), -1), torch.stack((s, sign * c), -1)), -2)


def measure(x: Tensor, inside: Tensor, net: Tensor) -> tuple[Tensor, Tensor]:
    """Azimuth [N] of the best mirror line, or of one of the net's, and shares [N, SHARES] of patterns.

    x: [N, 2, S, S] on a compressed scale, the mean of the disk around each pixel, and what is left; inside: as x, 1
    where they are to be compared, else 0; net: [N, 2, 2] in any unit. Operations that do not bring the net onto itself
    have a share of 0. How bright whole disks are may keep a symmetry that what they show has lost: a share is the mean
    of the two; but that of the half turn, which needs no net, is told from the whole pattern.
    """
    none = torch.zeros(len(x), dtype=torch.bool)

    def shares(matrix: Tensor, possible: Tensor, resampled: Tensor) -> Tensor:
        rows = torch.nonzero(possible & fits(net, matrix)).flatten()
        found = torch.zeros(len(x), 2)
        if len(rows):
            found[rows] = _share(_difference(x[rows], inside[rows], matrix[rows]), resampled[rows])
        return found

    axes = [shares(turned(torch.full((len(x),), 2 * math.pi / n), none), ~none, ~none if n == 3 else none)
            for n in FOLDS]
    azimuth, mirror = net_symmetry(net)[0], torch.zeros(len(x), 2)
    for candidate, known in _mirror_lines(net):
        found = shares(turned(2 * candidate, ~none), known, torch.sin(4 * candidate).abs() > 1e-3)
        better = found.sum(1) > mirror.sum(1)
        azimuth, mirror = torch.where(better, candidate, azimuth), torch.where(better[:, None], found, mirror)
    share = _balanced(torch.stack((*axes, mirror), -1)).mean(1)
    left = half_turn_difference(x.sum(1))
    share[:, HALF_TURN] = residue(torch.where(left < EXACT, 0.0, left.clamp(max=1)))
    return azimuth, share


def half_turn_difference(x: Tensor) -> Tensor:
    """Root mean square [N] of patterns x [N, S, S] minus their half turns, over that of two unrelated patterns.

    In the circle that the frame holds.
    """
    axis = (torch.arange(x.shape[-1], device=x.device) + 0.5) * (2 / x.shape[-1]) - 1
    inside = (axis.square() + axis[:, None].square() < 1).to(x)
    pixels = inside.sum()
    mean = (x * inside).sum((1, 2), keepdim=True) / pixels
    spread = ((x - mean).square() * inside).sum((1, 2)).clamp(min=FLAT**2 * pixels)
    return (((x - x.flip(1, 2)).square() * inside).sum((1, 2)) / (2 * spread)).clamp(min=FAINTEST).sqrt()


def net_symmetry(net: Tensor) -> tuple[Tensor, Tensor]:
    """Azimuth [N] of a mirror line of bare nets [N, 2, 2], and their shares [N, SHARES] of symmetry, 0 or 1."""
    none = torch.zeros(len(net), dtype=torch.bool)
    axes = [fits(net, turned(torch.full((len(net),), 2 * math.pi / n), none)) for n in FOLDS]
    azimuth, mirror = torch.zeros(len(net)), none
    for candidate, known in _mirror_lines(net):
        found = known & fits(net, turned(2 * candidate, ~none))
        azimuth, mirror = torch.where(found & ~mirror, candidate, azimuth), mirror | found
    return azimuth, torch.stack((*axes, mirror), -1).float()


def _mirror_lines(net: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Azimuths [N] half-way from the first net vector to each net point of its length, with whether there is one."""
    steps = torch.arange(-REACH, REACH + 1, dtype=net.dtype)
    points = torch.cartesian_prod(steps, steps) @ net
    first = torch.atan2(net[:, 0, 1], net[:, 0, 0])
    alike = (points.norm(dim=-1) / net[:, :1].norm(dim=-1) - 1).abs() < NET_TOLERANCE
    azimuth = ((torch.atan2(points[..., 1], points[..., 0]) + first[:, None]) / 2) % math.pi
    return [(azimuth[:, k], alike[:, k]) for k in torch.nonzero(alike.any(0)).flatten().tolist()]


def fits(net: Tensor, matrix: Tensor) -> Tensor:
    """Whether matrices [N, 2, 2] (of columns) bring nets [N, 2, 2] (of rows) onto themselves."""
    index = net @ matrix.transpose(1, 2) @ torch.linalg.inv(net)
    return (index - index.round()).abs().amax((1, 2)) < NET_TOLERANCE


def _difference(x: Tensor, inside: Tensor, matrix: Tensor) -> Tensor:
    """Root mean square of x minus its image, [N, 2], over that of two patterns that have nothing in common."""
    image = _moved(x, matrix)
    both = inside * (_moved(inside, matrix) > 0.97)
    pixels = both.sum((2, 3), keepdim=True).clamp(min=1)
    mean = (x * both).sum((2, 3), keepdim=True) / pixels
    spread = torch.maximum(((x - mean).square() * both).sum((2, 3)), FLAT**2 * pixels[..., 0, 0])
    return (((x - image).square() * both).sum((2, 3)) / (2 * spread)).sqrt()


def _moved(x: Tensor, matrix: Tensor) -> Tensor:
    grid = functional.affine_grid(functional.pad(matrix, (0, 1)), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, mode="bicubic", padding_mode="border", align_corners=False)


def _balanced(share: Tensor) -> Tensor:
    """Shares [N, 2, SHARES] that leave the differences measured when patterns are means over all operations at once.

    A mean over n operations of independent patterns has 1 / sqrt(n) of their spread, against which what is left of a
    difference counts sqrt(n) times as much.
    """
    two, three, four, mirror = share.unbind(-1)
    count = (1 + two) * (1 + torch.maximum(2 * three, four)) * (1 + mirror)
    return torch.where(share > 0, residue(residue(share) / count.sqrt()[..., None]), 0)


def _share(difference: Tensor, resampled: Tensor) -> Tensor:
    """The share that leaves as large a difference as the one measured."""
    quiet = torch.where(resampled[:, None], torch.tensor(RESAMPLED), EXACT)
    return residue(torch.where(difference < quiet, 0.0, difference.clamp(max=1)))
